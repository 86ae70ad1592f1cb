"""Certified intervals, and what every effective tensor satisfies: (20), (30), monotonicity, covariance."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpi4py import MPI
from scipy.special import iv
from sympy import cos, pi, sin

from scaling_limits.cells import FiniteElements, effective_tensor
from scaling_limits.particles import MultiscalePotential, egg_carton, fully_coupled, laminate

AMPLITUDES = st.floats(-1.0, 1.0, allow_nan=False).map(lambda a: round(a, 3))
FEW = settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def nothing(x):
    return 0 * x[0]


def wave(z):
    return cos(2 * pi * z)


def plane(a, b, c, d, sigma=0.6, turned=False, raised=0.0):
    """One scale in the plane; `turned` by a quarter: y -> (-y_1, y_0)."""

    def fluctuation(x, y):
        u, v = (y[1], -y[0]) if turned else (y[0], y[1])
        shape = a * wave(u) + b * sin(2 * pi * v) + c * wave(u + v) + d * sin(2 * pi * (u - 2 * v))
        return shape + raised * (1 + wave(u)) / 2

    return MultiscalePotential(2, 1, sigma, nothing, fluctuation)


def solve(potential, **options):
    return effective_tensor(potential, np.zeros((1, potential.dim)), comm=MPI.COMM_SELF, **options)


def at_most(smaller, larger, slack=1e-9):
    return np.linalg.eigvalsh(larger - smaller).min() >= -slack * np.abs(larger).max()


@FEW
@given(AMPLITUDES, AMPLITUDES, AMPLITUDES, AMPLITUDES)
def test_tensors_are_symmetric_positive_and_within_proposition_2(a, b, c, d):
    """1/(Z Zhat) <= M <= 1, M symmetric, for any potential."""
    found = solve(plane(a, b, c, d)).value[0]
    ticks = np.stack(np.meshgrid(*[np.arange(64) / 64] * 2), axis=-1).reshape(-1, 2)
    exponents = plane(a, b, c, d).fluctuation_at(np.zeros_like(ticks), ticks) / 0.6
    low = 1 / (np.exp(-exponents).mean() * np.exp(exponents).mean())
    assert (found == found.T).all()
    values = np.linalg.eigvalsh(found)
    assert low * (1 - 1e-8) <= values[0] <= values[1] <= 1 + 1e-8


@FEW
@given(AMPLITUDES, AMPLITUDES, AMPLITUDES, AMPLITUDES)
def test_rotations_of_the_lattice_rotate_the_tensor(a, b, c, d):
    """V1(R y) has the tensor R^T M R for a quarter turn R."""
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    straight, turned = solve(plane(a, b, c, d)).value[0], solve(plane(a, b, c, d, turned=True)).value[0]
    np.testing.assert_allclose(turned, quarter.T @ straight @ quarter, atol=2e-8)


@FEW
@given(AMPLITUDES, AMPLITUDES, AMPLITUDES, st.floats(0.05, 0.5))
def test_a_larger_potential_has_a_smaller_tensor(a, b, c, raised):
    """K_eff = Z M falls when V1 rises anywhere."""
    before, after = solve(plane(a, b, c, 0.0)), solve(plane(a, b, c, 0.0, raised=raised))
    assert at_most(after.value[0] * after.partition[0], before.value[0] * before.partition[0], 1e-8)


@pytest.mark.serial
@pytest.mark.parametrize(
    "potential",
    [
        plane(1.0, 0.4, -0.7, 0.3), laminate(0.5, ((1, 0), (1, 1))), fully_coupled(0.6), egg_carton(0.4, dim=3),
        fully_coupled(0.7, dim=1, scales=3),
    ],
    ids=["plane", "laminate", "coupled", "space", "line"],
)  # fmt: skip
def test_bounds_hold_a_much_better_value(potential):
    """The interval holds the tensor that another, much tighter run gives, and is as narrow as was asked for."""
    rtol = 1e-5
    better = solve(potential, rtol=1e-9).value[0]
    found = solve(potential, rtol=rtol, bounds=True)
    assert at_most(found.lower[0], better, 0.0)
    assert at_most(better, found.upper[0], 0.0)
    assert np.linalg.norm(found.upper[0] - found.lower[0], 2) <= 5 * rtol * np.abs(better).max()
    assert at_most(found.lower[0], found.value[0], 0.0)
    assert at_most(found.value[0], found.upper[0], 0.0)


@pytest.mark.parametrize("dim", [2, 3])
def test_bounds_are_one_sided_on_coarse_elements(dim):
    """Even elements that are far too coarse give a true interval, some 10 % wide: no luck, but energies and fluxes."""
    sigma = 0.35
    exact = np.eye(dim) / iv(0, 1 / sigma) ** 2
    found = solve(egg_carton(sigma, dim=dim), rtol=0.1, bounds=True, route=FiniteElements(2, (3, 4, 5, 6)))
    assert at_most(found.lower[0], exact, 0.0)
    assert at_most(exact, found.upper[0], 0.0)
    assert 1e-3 * exact[0, 0] < np.linalg.norm(found.upper[0] - found.lower[0], 2) < 0.5 * exact[0, 0]


def test_bounds_of_many_points():
    points = np.random.default_rng(6).uniform(-1, 1, (5, 2))
    potential = fully_coupled(0.6)
    found = effective_tensor(potential, points, rtol=1e-4, bounds=True)
    better = effective_tensor(potential, points, rtol=1e-8)
    for lower, value, upper in zip(found.lower, better.value, found.upper):
        assert at_most(lower, value, 0.0)
        assert at_most(value, upper, 0.0)


def test_no_bounds_unless_asked_for():
    found = solve(egg_carton(0.5))
    assert found.lower is None
    assert found.upper is None
