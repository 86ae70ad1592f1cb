"""A route with one space: it is taken, its error is measured by another space, and said where it is above rtol."""

import warnings

import numpy as np
import pytest
from mpi4py import MPI
from sympy import cos, pi, sin

from scaling_limits import cells, pdes
from scaling_limits.cells import (
    FiniteElements,
    FourierGalerkin,
    HarmonicMean,
    NotConverged,
    Unresolved,
    effective_tensor,
)
from scaling_limits.particles import InvalidArgument, MultiscalePotential, fully_coupled


def shape(x, y):
    return sin(2 * pi * y[0]) + cos(2 * pi * (y[0] - y[-1])) / 2 + cos(2 * pi * y[-1])


def make(dim, sigma=0.6):
    return MultiscalePotential(dim, 1, sigma, lambda x: 0 * x[0], shape)


COARSE = [
    (2, FiniteElements(1, (4,))), (2, FiniteElements(3, (1,))), (2, FiniteElements(2, (3,))), (2, FourierGalerkin((5,))),
    (2, FourierGalerkin((9,))), (1, HarmonicMean((4,))), (1, HarmonicMean((6,))), (3, FiniteElements(2, (2,))),
    (1, FiniteElements(1, (2,))), (3, FourierGalerkin((5,))),
]  # fmt: skip


@pytest.mark.parametrize(("dim", "route"), COARSE, ids=str)
def test_the_error_of_a_coarse_space_is_measured(dim, route):
    """At least the true error; at most twenty times as large with elements, sixty with trigonometric polynomials.

    Collocation errs by much less than what it aliases, which is what is measured.
    """
    better = effective_tensor(make(dim), np.zeros((1, dim)), 1e-10, comm=MPI.COMM_SELF).value[0]
    with pytest.warns(Unresolved, match="only space of the route"):
        found = effective_tensor(make(dim), np.zeros((1, dim)), 1e-9, route=route, comm=MPI.COMM_SELF)
    relative = np.linalg.eigvals(np.linalg.solve(better, found.value[0])).real
    error = np.abs(np.log(np.abs(relative))).max()
    assert error > 1e-11
    assert error <= found.error[0] <= (200 if isinstance(route, FourierGalerkin) else 20) * error


@pytest.mark.parametrize(
    ("dim", "route"),
    [
        (2, FiniteElements(8, (10,))),
        (2, FourierGalerkin((45,))),
        (1, HarmonicMean((64,))),
        (2, FiniteElements(8, (33,))),
    ],
    ids=str,
)
def test_a_fine_space_is_taken_in_silence(dim, route):
    """The last one is too fine for a finer one: it is compared with a coarser one."""
    better = effective_tensor(make(dim), np.zeros((1, dim)), 1e-11, comm=MPI.COMM_SELF).value[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = effective_tensor(make(dim), np.zeros((1, dim)), 1e-8, route=route, comm=MPI.COMM_SELF)
    np.testing.assert_allclose(found.value[0], better, rtol=0, atol=1e-8 * better.max())


def test_one_space_for_two_scales_and_many_points():
    points = np.random.default_rng(1).uniform(-1, 1, (6, 2))
    exact = effective_tensor(fully_coupled(0.6), points, 1e-7).value
    with pytest.warns(Unresolved):
        found = effective_tensor(fully_coupled(0.6), points, 1e-7, route=FourierGalerkin((7,)))
    relative = np.linalg.eigvals(np.linalg.solve(exact, found.value)).real
    assert (found.error >= np.abs(np.log(relative)).max(axis=1)).all()


class Foreign:
    """A route of the user's, of which nothing is known but its space."""

    name = "mine"

    def size(self, dim):
        return 1

    def space(self, rung, dim):
        return FourierGalerkin((21,)).space(0, dim)

    def checking_space(self, rung, dim):
        raise NotImplementedError


def test_what_cannot_be_compared_is_said_to_be_unknown():
    with pytest.warns(Unresolved, match="not known"):
        found = effective_tensor(make(2), [[0.0, 0.0]], 1e-3, route=Foreign())
    assert found.error.tolist() == [np.inf]


def test_bounds_are_not_given_on_a_space_that_is_too_coarse():
    with pytest.raises(NotConverged, match="leaves an error of"):
        effective_tensor(make(2), [[0.0, 0.0]], 1e-6, bounds=True, route=FiniteElements(1, (4,)))
    found = effective_tensor(make(2), [[0.0, 0.0]], 1e-6, bounds=True, route=FiniteElements(8, (8,)))
    assert found.error <= 1e-6


def test_a_route_without_a_space_is_refused():
    with pytest.raises(InvalidArgument, match=r"^route: has no space that fits into memory"):
        effective_tensor(make(3), [[0.0, 0.0, 0.0]], route=FiniteElements(8, (20,)))


def test_the_warning_is_one_class():
    assert cells.Unresolved is pdes.Unresolved
