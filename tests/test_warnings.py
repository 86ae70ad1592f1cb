"""Warnings point at the line of the user, however deep inside of the package they are given."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from scaling_limits.cells import FourierGalerkin, effective_tensor
from scaling_limits.particles import DiagonalDissipation, MultiscalePotential, RotatorLattice
from scaling_limits.pdes import BilliardEquations, TransportFokkerPlanck, ordering_time

pytestmark = pytest.mark.serial


def balls(speed=300.0):
    return BilliardEquations(speed, lambda x: -np.sin(4 * x), lambda x: 1 + x)


def rotators(size, spins="alternated"):
    return RotatorLattice(
        (size,), frequency=lambda x: 1 + x, coupling=lambda x: 1 / (1 + x), dissipation=DiagonalDissipation(2),
        temperature=1.0, epsilon=0.1, spins=spins,
    )  # fmt: skip


def stiff():
    from sympy import cos, pi

    return MultiscalePotential(2, 1, 0.2, lambda x: 0 * x[0], lambda x, y: cos(2 * pi * y[0]) * cos(2 * pi * y[1]))


CALLS = {
    "solve": lambda: balls().solve([1e-3], 1e-6, 8),
    "freeze_time": lambda: BilliardEquations(300.0, lambda x: x, lambda x: 1e-3 + 0 * x).freeze_time(1e-6, 8),
    "ordering_time": lambda: ordering_time(balls(20.0), 0.5, cells=4),
    "effective_tensor": lambda: effective_tensor(stiff(), [[0.0, 0.0]], 1e-12, route=FourierGalerkin((7,))),
    "stationary": lambda: TransportFokkerPlanck(rotators(1), upper=2.0).stationary(),
    "replace": lambda: replace(rotators(2), frequency=lambda x: 1 + 0 * x),
    "a lattice with defects": lambda: TransportFokkerPlanck(rotators(3, [1, 1, 1])),
}


@pytest.mark.parametrize("what", CALLS)
def test_warnings_point_here(what):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        CALLS[what]()
    ours = [one for one in said if one.category.__module__.startswith("scaling_limits")]
    assert ours
    for one in ours:
        assert one.filename == __file__, one
