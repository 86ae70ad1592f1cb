"""Checkpoints of any dissipation in another process; whole complex pairs; boxes that cut; errors on all ranks."""

import subprocess
import sys
import time

import numpy as np
import pytest
from mpi4py import MPI
from rotators import lattice_of
from sympy import Abs

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import (
    AssumptionWarning,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    PolynomialDissipation,
)
from scaling_limits.pdes import EffectivePlane, NotConverged, TransportFokkerPlanck, Unresolved

WORLD = MPI.COMM_WORLD


PROBLEM = """
import sys
import numpy as np
from sympy import Abs
from scaling_limits.particles import CustomDissipation, InvalidArgument, PolynomialDissipation, RotatorLattice
from scaling_limits.pdes import TransportFokkerPlanck

kind, file, result = sys.argv[1:]
strength = 0.2

def custom(j, u):
    other = abs(u[1 - j]) ** 2
    return (-abs(u[j]) ** 2 + strength * other) * u[j]

def polynomial(u):
    return -Abs(u()) ** 2 * u() + strength * (Abs(u(1)) ** 2 + Abs(u(-1)) ** 2) * u()

def evolved(checkpoint):
    g = CustomDissipation(custom, 4, degree=2) if kind == "custom" else PolynomialDissipation(polynomial)
    lattice = RotatorLattice((2,), lambda x: 1 + x * x, lambda x: 1 / (1 + x), g, [1.0, 0.6], 0.1)
    equation = TransportFokkerPlanck(lattice, cells=6, degree=4, rtol=1e-5)
    start = lambda x: np.exp(-2 * (x**2).sum(axis=1))
    return equation.evolve(start, [0.2, 0.6], checkpoint=checkpoint, checkpoint_every=0.0)

if not result:
    evolved(file)
    sys.exit("not killed")
strength = 0.21
try:
    evolved(file)
    refused = False
except InvalidArgument as error:
    refused = "checkpoint: " in str(error) and "belongs to another problem" in str(error)
strength = 0.2
again, whole = evolved(file), evolved(None)
if again.equation.comm.rank == 0:
    np.savez(result, again=again.mean, whole=whole.mean, refused=refused)
"""


@pytest.mark.serial
@pytest.mark.parametrize("kind", ["polynomial", "custom"])
def test_another_process_goes_on(tmp_path, kind):
    """kill -9 on the way, and a new process ends with what one process alone finds; with another number in
    a global that g reads the file belongs to another problem.
    """
    script, file, result = tmp_path / "run.py", tmp_path / "c.npz", tmp_path / "result.npz"
    script.write_text(PROBLEM)
    command = [sys.executable, str(script), kind, str(file)]
    process = subprocess.Popen([*command, ""])
    deadline = time.monotonic() + 100
    while not file.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -9
    with np.load(file) as content:
        assert content["clock"][0] < 2  # there is a way left to go
    subprocess.run([*command, str(result)], check=True, timeout=110)
    with np.load(result) as found:
        assert found["refused"]
        assert np.abs(found["again"] - found["whole"]).max() < 1e-12


def test_pairs_stay_whole():
    """Without detailed balance rates 2 and 3 are a pair: asked for two rates, both of them are there, with 0."""
    equation = TransportFokkerPlanck(lattice_of(DirectedDissipation(), [2.0, 0.5]), cells=8, degree=5)
    for k in range(1, 7):
        rates = equation.spectrum(k)
        assert len(rates) in (k, k + 1)
        assert abs(rates.imag.sum()) < 1e-9 * np.abs(rates).max(initial=1.0)
        assert (np.diff(rates.real) > -1e-8).all()
    assert len(equation.spectrum(2)) == 3


def said(rank, category, match):
    """Warnings are given on rank 0 only."""
    return pytest.warns(category, match=match) if rank == 0 else pytest.MonkeyPatch.context()


@pytest.mark.serial
def test_boxes_that_cut_are_said():
    """Where sites do not act on one another, and where they do; a large enough box says nothing."""
    alone = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [1.0]), upper=0.5, cells=8)
    with said(WORLD.rank, Unresolved, r"stationary law has about 3.7e-01 of its mass beyond the given U"):
        rho = alone.stationary()  # exp(-2 U/T) = 0.37
    assert rho.mean()[0] < 0.25
    coupled = TransportFokkerPlanck(lattice_of(DirectedDissipation(), [2.0, 0.5]), upper=2.5, cells=10, degree=5)
    with said(WORLD.rank, Unresolved, "stationary law has about"):
        coupled.stationary()
    with said(WORLD.rank, Unresolved, "the density has about"):
        coupled.evolve(lambda x: np.exp(-7 * x.sum(axis=1)), [2.0])
    coupled.evolve(lambda x: np.exp(-9 * x.sum(axis=1)), [1e-3])  # not yet there
    TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [1.0]), upper=12.0).stationary()


def test_what_is_not_used_is_said(shared_folder):
    equation = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [1.0]))
    plain = equation.evolve(lambda x: np.exp(-3 * x[:, 0]), [0.1])
    with said(WORLD.rank, UserWarning, "checkpoint and step not used"):
        run = equation.evolve(lambda x: np.exp(-3 * x[:, 0]), [0.1], step=0.01, checkpoint=shared_folder / "c.npz")
    assert np.array_equal(run.fields, plain.fields)
    assert not (shared_folder / "c.npz").exists()


def test_the_limit_of_a_lattice_with_defects():
    spins = [1.0, 1.0, -1.0]
    for rank_only in (WORLD.rank,):
        with pytest.warns(AssumptionWarning, match="HF does not hold"):
            lattice = lattice_of(DiagonalDissipation(2), [1.0, 2.0, 1.0], spins=spins)
        with said(rank_only, AssumptionWarning, "not the limit of this lattice at the sites 0, 1, 2"):
            TransportFokkerPlanck(lattice, upper=8.0, cells=4)
    EffectivePlane(lattice_of(DiagonalDissipation(2), [1.0], spins=[-1.0]), cells=8)


def test_what_one_rank_raises_all_raise(shared_folder):
    """A density, and a file, that only the last rank cannot have."""
    last = WORLD.rank == WORLD.size - 1
    for g in (DiagonalDissipation(4), DirectedDissipation()):
        equation = TransportFokkerPlanck(lattice_of(g, [1.0, 0.5]), upper=[6.0, 5.0], cells=5, degree=3)

        def initial(x):
            if last:
                raise RuntimeError("on one rank")
            return np.exp(-x.sum(axis=1))

        with pytest.raises(InvalidArgument, match="initial: .*on one rank"):
            equation.evolve(initial, [0.1])
        if not equation.separable:
            path = shared_folder / ("missing/c.npz" if last else "c.npz")
            with pytest.raises(InvalidArgument, match="checkpoint: must be in a folder that is there"):
                equation.evolve(lambda x: np.exp(-x.sum(axis=1)), [0.1], checkpoint=path)
            if WORLD.size > 1:
                for path in (shared_folder / f"{WORLD.rank}.npz", None if last else shared_folder / "c.npz"):
                    with pytest.raises(InvalidArgument, match="checkpoint: must be the same on all ranks"):
                        equation.evolve(lambda x: np.exp(-x.sum(axis=1)), [0.1], checkpoint=path)
                assert not list(shared_folder.glob("*.npz"))
        if WORLD.size > 1:
            with pytest.raises(InvalidArgument, match="times: must be the same on all ranks"):
                equation.evolve(lambda x: np.exp(-x.sum(axis=1)), [0.1 + WORLD.rank])


@pytest.mark.serial
@pytest.mark.parametrize("c", [0.9, 0.97])
def test_laws_that_are_much_wider_than_those_of_sites_alone(c):
    """Sites that heat one another, c of what explodes: with the weight of sites alone the law is refused, and what helps
    is named; with exponentials in a box it is there, E R_j + T_j = 0 to 1e-6, and does not depend on the cells: 1e-5.
    """
    g = PolynomialDissipation(lambda u: -(Abs(u()) ** 2) * u() + c * (Abs(u(1)) ** 2 + Abs(u(-1)) ** 2) * u())
    lattice = lattice_of(g, [1.0, 1.0])
    for arguments in ({}, {"upper": 8.0}, {"upper": 8.0, "cells": 6, "degree": 4}):
        with pytest.raises(NotConverged, match="wide=True"):
            TransportFokkerPlanck(lattice, **arguments).stationary()
    fine, coarse = (TransportFokkerPlanck(lattice, 20.0, n, wide=True, degree=6) for n in (20, 16))
    assert np.abs(fine.stationary().mean() - coarse.stationary().mean()).max() < 1e-5
    drift = fine.stationary().expectation(averaged_dissipation(lattice))
    assert np.abs(drift + 1).max() < 1e-6
