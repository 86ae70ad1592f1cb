"""Form (C) at the nodes and its elimination, beside the kernels of FFCx, dense matrices, and pivots."""

import numpy as np
import pytest
from numba import njit

from scaling_limits.pdes import BilliardEquations, EnergyForm
from scaling_limits.pdes.pinned_balls.compiled import condensed, fluxes, kernels, operations, pivoted, system
from scaling_limits.pdes.pinned_balls.elements import kept_forms

pytestmark = pytest.mark.serial
MESHES = [(2, 1), (70, 1), (129, 2), (3, 3), (65, 4), (2, 8)]


@njit
def rates(problem, y, f):
    operations.rate(problem, y, f)


@njit
def solution(problem, shift, y, f, x):
    operations.factor(problem, shift, y, f)
    operations.solve(problem, shift, x)


@njit
def certain(problem, shift, right, x):
    return operations.certain(problem, shift, right, x)


def state(x, least):
    """Noise from `least` to 1 beside velocities of order one."""
    mu, sigma = np.tanh(4 * (x - 0.4)), least + (1 - least) * x**2
    return np.stack([mu, 0.5 * (mu**2 + sigma**2)], axis=1).ravel()


class Both:
    """The same problem in both numberings."""

    def __init__(self, cells, degree, speed=30.0, diffusion=1.3):
        elements = system.compiled_elements(cells, degree, EnergyForm(), False)
        self.x, place, n = elements.points, fluxes.places(cells, degree), degree * (cells + 1)
        self.order = np.stack([place, n + place], axis=1).ravel()
        weights = np.zeros(n)
        weights[place] = elements.weights
        form = fluxes.fluxes(cells, degree, speed, diffusion, 1e-13)
        self.condensed = condensed.condensed(form, weights, 1e-13)
        forms = kept_forms(False, degree, EnergyForm(), False)
        self.pivoted = pivoted.pivoted(kernels.kernels(forms, cells, speed, diffusion, 1e-13), elements.mass)

    def other(self, y):
        """A vector in the order of x as the condensed problem has it."""
        out = np.zeros(self.condensed.mass.size)
        out[self.order] = y
        return out


@pytest.mark.parametrize("least", [1.0, 1e-4])
@pytest.mark.parametrize(("cells", "degree"), MESHES)
def test_rates_are_those_of_the_form_in_ufl(cells, degree, least):
    both = Both(cells, degree)
    y = state(both.x, least)
    f, g = np.empty(y.size), np.empty(both.condensed.mass.size)
    rates(both.pivoted, y, f)
    rates(both.condensed, both.other(y), g)
    assert np.abs(g[both.order] - f).max() < 1e-12 * np.abs(f).max()
    assert g.sum() == pytest.approx(f.sum(), abs=1e-12 * np.abs(f).sum())
    # no node, no rate
    g[both.order] = 0.0
    assert not g.any()


@pytest.mark.parametrize("shift", [1e2, 1e5])
@pytest.mark.parametrize("least", [1.0, 1e-2])
@pytest.mark.parametrize(("cells", "degree"), MESHES)
def test_solutions_are_those_with_pivots(cells, degree, least, shift):
    both = Both(cells, degree)
    y = state(both.x, least)
    right = np.random.default_rng(3).normal(size=y.size) * both.pivoted.mass
    x, z = right.copy(), both.other(right)
    solution(both.pivoted, shift, y, np.zeros(y.size), x)
    solution(both.condensed, shift, both.other(y), np.zeros(z.size), z)
    assert np.abs(z[both.order] - x).max() < 1e-9 * np.abs(x).max()
    assert certain(both.condensed, shift, both.other(right), z)
    assert certain(both.condensed, shift, both.other(right), both.other(x))


def test_a_wrong_solution_is_seen():
    """Each entry by itself: a change by 1e-9, or no number at all, at any node."""
    both = Both(20, 2)
    y = state(both.x, 0.1)
    right = np.random.default_rng(3).normal(size=y.size) * both.pivoted.mass
    good = both.other(right)
    solution(both.condensed, 1e3, both.other(y), np.zeros(good.size), good)
    for at in both.order:
        for wrong in (good[at] * (1 + 1e-9), np.nan, np.inf):
            x = good.copy()
            x[at] = wrong
            assert not certain(both.condensed, 1e3, both.other(right), x)


def test_constants_have_no_rate():
    both = Both(40, 4, speed=1e-300)
    y = np.zeros(2 * both.x.size)
    y[::2], y[1::2] = 0.1, 0.5 * 0.1**2
    f = np.empty(both.condensed.mass.size)
    rates(both.condensed, both.other(y), f)
    assert np.abs(f).max() < 1e-300


def test_what_is_not_certain_goes_on_with_pivots(monkeypatch):
    """From the first step on, or from a later one: the answer is the same to rounding, and so is the cost."""
    equations = BilliardEquations(7.0, np.sin, lambda x: 0.7 + 0.5 * np.cos(2 * np.pi * x))
    expected = equations.solve([0.01, 0.1], 1e-3, 30, degree=2)
    calls = []
    monkeypatch.setattr(system, "SURE", 0.0)
    before = system.CompiledSystem._pivoted
    monkeypatch.setattr(system.CompiledSystem, "_pivoted", lambda *args: calls.append(args[-1]) or before(*args))
    found = equations.solve([0.01, 0.1], 1e-3, 30, degree=2)
    assert len(calls) == 1
    assert calls[0] is not None
    assert found.nodal_mean == pytest.approx(expected.nodal_mean, abs=1e-11)
    assert found.nodal_w == pytest.approx(expected.nodal_w, abs=1e-11)
    assert found.statistics.numbers[:4] == pytest.approx(expected.statistics.numbers[:4], abs=0)
