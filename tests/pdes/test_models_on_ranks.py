"""Models and arguments that differ between ranks, or are wrong on one of them, are refused on all."""

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from sympy import cos, pi

from scaling_limits.cells import CorrectorProblem, FiniteElements, effective_tensor
from scaling_limits.meshes import torus
from scaling_limits.particles import (
    DiagonalDissipation,
    EffectiveLangevin,
    InvalidArgument,
    Langevin,
    MultiscalePotential,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.pdes import RESOLVENT2, RESOLVENT4, EffectiveFokkerPlanck, FokkerPlanck

COMM = MPI.COMM_WORLD
RANK = COMM.rank
BOX = [(-2, 2)] * 2
PLAIN = Given(lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)), lambda x: (x**2).sum(axis=1))

pytestmark = pytest.mark.skipif(COMM.size == 1, reason="one rank cannot differ from itself")


def potential(temperature=1.0, depth=1.0, dim=1):
    return MultiscalePotential(dim, 1, temperature, lambda x: x[0] ** 2, lambda x, y: depth * cos(2 * pi * y[0]))


def lattice(**changed):
    model = {"temperature": 1.0, "epsilon": 0.1, "frequency": lambda x: 1 + x, "dissipation": DiagonalDissipation(2)}
    return RotatorLattice((2,), coupling=lambda x: 1 / (1 + x), **model | changed)


def density(x):
    return np.exp(-(x**2).sum(axis=1))


CALLS = {
    "rtol of one rank": ("rtol", lambda: FokkerPlanck(PLAIN, BOX, (8, 8), -1.0 if RANK else 1e-6)),
    "no coefficients on one rank": ("coefficients", lambda: FokkerPlanck(None if RANK else PLAIN, BOX, (8, 8))),
    "rtol": ("rtol", lambda: FokkerPlanck(PLAIN, BOX, (8, 8), 1e-3 if RANK else 1e-6)),
    "box": ("box", lambda: FokkerPlanck(PLAIN, [(-2, 2 + RANK)] * 2, (8, 8))),
    "cells": ("cells", lambda: FokkerPlanck(PLAIN, BOX, (8, 8 + RANK))),
    "periodic": ("periodic", lambda: FokkerPlanck(PLAIN, BOX, (8, 8), periodic=bool(RANK))),
    "temperature": ("temperature", lambda: FokkerPlanck(Given(PLAIN.mobility, PLAIN.free_energy, 1.0 + RANK), BOX, (8, 8))),
    "petsc_options": ("petsc_options", lambda: FokkerPlanck(PLAIN, BOX, (8, 8), petsc_options={"ksp_type": "cg"} if RANK else {})),
    "options of one rank": ("petsc_options", lambda: EffectiveFokkerPlanck(potential(), [(-2, 2)], (8,), petsc_options=7 if RANK else None)),
    "cells of one rank": ("cells[0]", lambda: EffectiveFokkerPlanck(potential(), [(-2, 2)], (-1 if RANK else 8,))),
    "scheme": ("scheme", lambda: FokkerPlanck(PLAIN, BOX, (8, 8)).evolve(density, [1.0], scheme=RESOLVENT2 if RANK else RESOLVENT4)),
    "checkpoint_every": ("checkpoint_every", lambda: FokkerPlanck(PLAIN, BOX, (8, 8)).evolve(density, [1.0], checkpoint_every=float(RANK))),
    "k": ("k", lambda: FokkerPlanck(PLAIN, BOX, (8, 8)).spectrum(2 + RANK)),
    "k of one rank": ("k", lambda: FokkerPlanck(PLAIN, BOX, (8, 8)).spectrum("a" if RANK else 2)),
    "rtol of correctors": ("rtol", lambda: CorrectorProblem(torus((4,)), 1).solve(np.eye(1), rtol=np.nan if RANK else 1e-6)),
    "route": ("route", lambda: effective_tensor(potential(dim=2), [[0.0, 0.0]], 1e-3, route=FiniteElements(1 + RANK, (4, 8)))),
    "potential": ("potential", lambda: Langevin(potential(1 + 0.1 * RANK), 0.5).sample([0.0], [0.1], 64, 1, 1e-3, comm=COMM)),
    "depth": ("potential", lambda: Langevin(potential(depth=1 + 0.1 * RANK), 0.5).sample([0.0], [0.1], 64, 1, 1e-3, comm=COMM)),
    "epsilon": ("epsilon", lambda: Langevin(potential(), 0.5 - 0.1 * RANK).sample([0.0], [0.1], 64, 1, 1e-3, comm=COMM)),
    "limit": ("limit", lambda: Langevin(potential(), 0.5).first_passage_times([0.0], lambda x: x[:, 0] > 1, 64, 1, 1e-3, limit=1.0 + RANK, comm=COMM)),
    "targets": ("targets", lambda: Langevin(potential(), 0.5).first_passages([0.0], lambda x: 1.0 + RANK - x[:, 0], 64, 1, 1e-3, limit=1.0, comm=COMM)),
    "limit of passages": ("limit", lambda: Langevin(potential(), 0.5).first_passages([0.0], lambda x: 1 - x[:, 0], 64, 1, 1e-3, limit=1.0 + RANK, comm=COMM)),
    "target of one rank": ("targets", lambda: Langevin(potential(), 0.5).first_passages([0.0], 3 if RANK else (lambda x: 1 - x[:, 0]), 64, 1, 1e-3, limit=1.0, comm=COMM)),
    "drift": ("drift", lambda: EffectiveLangevin(lambda x: (1 - 2 * RANK) * x, lambda x: np.ones((len(x), 1, 1)), [(-3, 3)], [False]).sample([0.5], [0.1], 64, 1, 1e-2, comm=COMM)),
    "drift of passages": ("drift", lambda: EffectiveLangevin(lambda x: (1 - 2 * RANK) * x, lambda x: np.ones((len(x), 1, 1)), [(-3, 3)], [False]).first_passages([0.5], lambda x: 1 - x[:, 0], 64, 1, 1e-2, limit=0.1, comm=COMM)),
    "targets of passages": ("targets", lambda: EffectiveLangevin(lambda x: -x, lambda x: np.ones((len(x), 1, 1)), [(-3, 3)], [False]).first_passages([0.5], lambda x: 1.0 + RANK - x[:, 0], 64, 1, 1e-2, limit=0.1, comm=COMM)),
    "temperature of rotators": ("lattice", lambda: lattice(temperature=1.0 + RANK).sample([1, 1], [0.1], 64, 1, 1e-2, comm=COMM)),
    "frequency": ("lattice", lambda: lattice(frequency=lambda x: 1 + (1 + RANK) * x).sample([1, 1], [0.1], 64, 1, 1e-2, comm=COMM)),
    "dissipation": ("lattice", lambda: TransportProcess(lattice(frequency=lambda x: 1 + x**4, dissipation=DiagonalDissipation(4 + RANK))).sample([1, 1], [0.1], 64, 1, 1e-3, comm=COMM)),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_ranks_that_differ(call):
    argument, work = CALLS[call]
    with pytest.raises(InvalidArgument) as caught:
        work()
    assert caught.value.argument == argument
