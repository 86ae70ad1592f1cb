"""Rare events: passage times, committors, Poisson's equation and evolutions across barriers up to 60 sigma."""

import numpy as np
import pytest
from diffusions import Given
from rates import assert_rate
from scipy.interpolate import CubicSpline

from scaling_limits.pdes import FokkerPlanck

LEFT, RIGHT = (lambda x: x[:, 0] <= -0.9), (lambda x: x[:, 0] >= 0.9)
FINE = np.linspace(-1.6, 0.9, 40_001)


def unit(dim):
    return lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0)


def wells(barrier, dim, cells):
    """Two wells along the first axis, a parabola along the others: marginal laws are those of a line."""
    psi = lambda x: barrier * (x[:, 0] ** 2 - 1) ** 2 + 4 * (x[:, 1:] ** 2).sum(axis=1)  # noqa: E731
    return FokkerPlanck(Given(unit(dim), psi), [(-1.6, 1.6), (-1, 1), (-1, 1)][:dim], cells, rtol=1e-3)


def exact_time(barrier):
    """T(-1) = int_-1^0.9 exp(u(y)) int_-1.6^y exp(-u), by splines of both integrands, each of them positive."""
    u = barrier * (FINE**2 - 1) ** 2
    inner = CubicSpline(FINE, np.exp(-u)).antiderivative()(FINE)
    outer = CubicSpline(FINE, np.exp(u - barrier) * inner).antiderivative()
    return float(outer(0.9) - outer(-1.0)) * np.exp(barrier)


@pytest.mark.parametrize("barrier", [10, 30, 45, 60])
def test_times_on_a_line_keep_their_digits(barrier):
    """Times up to 1e24, to 1e-8, with an error that says so; from beyond the barrier as well."""
    found = wells(barrier, 1, (64,)).mean_first_passage_time(RIGHT)
    assert found.at([[-1.0]])[0] == pytest.approx(exact_time(barrier), rel=1e-7)
    assert found.error_at([[-1.0]])[0] < 1e-8 * found.at([[-1.0]])[0]
    # from 0.89 the way is short, and a few return: T is the integral over the last part alone
    x = np.linspace(0.89, 0.9, 2001)
    u = barrier * (FINE**2 - 1) ** 2
    inner = CubicSpline(FINE, np.exp(-u)).antiderivative()
    last = CubicSpline(x, np.exp(barrier * (x**2 - 1) ** 2) * inner(x)).integrate(0.89, 0.9)
    assert found.at([[0.89]])[0] == pytest.approx(float(last), rel=1e-6)


@pytest.mark.filterwarnings("ignore:the solution is known")  # on the coarsest
@pytest.mark.parametrize(("barrier", "cap"), [(20, 3e-4), (50, 6e-4)])
def test_times_in_the_plane_keep_their_digits(barrier, cap):
    """T = 3e7 and 1e20, to 1e-3 on 72 x 48 cells, and to a third power of the cells at least; the error covers it."""
    sizes, errors = (72, 108, 162), []
    for n in sizes:
        found = wells(barrier, 2, (n, 2 * n // 3)).mean_first_passage_time(RIGHT)
        value = found.at([[-1.0, 0.0]])[0]
        errors.append(abs(value / exact_time(barrier) - 1.0))
        if n > 72:
            # cells four times as large must resolve the wells, for the estimate to be sharp
            most = 60 if n < 162 else 12
            assert errors[-1] <= found.error_at([[-1.0, 0.0]])[0] / value <= most * errors[-1]
    assert_rate(sizes, errors, -3.2, slack=0.9, cap=cap)


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore:the solution is known")  # twice as large cells do not resolve the wells
def test_times_in_space_keep_their_digits():
    found = wells(40, 3, (40, 16, 16)).mean_first_passage_time(RIGHT)
    assert found.at([[-1.0, 0.0, 0.0]])[0] == pytest.approx(exact_time(40), rel=3e-3)


def through_a_well(depth, dim, cells):
    psi = lambda x: -depth * np.exp(-((x[:, 0] / 0.35) ** 2)) + x[:, 0] / 2 + 4 * (x[:, 1:] ** 2).sum(axis=1)  # noqa: E731
    return FokkerPlanck(Given(unit(dim), psi), [(-1.5, 1.5), (-1, 1)][:dim], cells, rtol=1e-3)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("depth", [5, 30, 40, 60])
def test_committors_with_a_deep_well_between(dim, depth):
    """q(0) = int_-1^0 exp(u) / int_-1^1 exp(u): the way out of the well is exp(60) times as slow as the motion in it."""
    x = np.linspace(-1, 1, 20_001)
    integral = CubicSpline(x, np.exp(-depth * np.exp(-((x / 0.35) ** 2)) + x / 2)).antiderivative()
    fp = through_a_well(depth, dim, (90, 30)[:dim])
    q = fp.committor(lambda x: x[:, 0] <= -1, lambda x: x[:, 0] >= 1)
    exact = float(integral(0.0) / integral(1.0))
    assert q.at(np.zeros((1, dim)))[0] == pytest.approx(exact, rel=1e-8 if dim == 1 else 4e-4)
    assert np.nanmin(q.values) >= 0
    assert np.nanmax(q.values) <= 1


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("barrier", [20, 40])
def test_poisson_across_a_barrier(dim, barrier):
    """f(-1) - f(1) for g = x: the flow through the barrier is that of half of the mass."""
    f = wells(barrier, dim, (96, 32)[:dim]).poisson(lambda x: x[:, 0])
    x = np.linspace(-1.6, 1.6, 40_001)
    u = barrier * (x**2 - 1) ** 2
    flow = -CubicSpline(x, x * np.exp(-u)).antiderivative()(x)
    expected = CubicSpline(x, np.exp(u - barrier) * flow).antiderivative()
    expected = float(expected(1.0) - expected(-1.0)) * np.exp(barrier)
    found = f.at(np.array([[-1.0, 0.0], [1.0, 0.0]])[:, :dim])
    assert found[1] - found[0] == pytest.approx(expected, rel=1e-8 if dim == 1 else 6e-4)


@pytest.mark.parametrize("barrier", [2, 20, 40])
def test_evolutions_of_any_length(barrier):
    """To t = 1e20 in a few hundred steps; the part that has crossed is that of the slowest rate."""
    fp = FokkerPlanck(Given(unit(1), lambda x: barrier * (x[:, 0] ** 2 - 1) ** 2), [(-2, 2)], [200])
    gap = fp.spectrum(2)[1]
    times = np.array([0.1, 1.0, 3.0, 1e3]) / gap
    run = fp.evolve(lambda x: np.exp(-50 * (x[:, 0] + 1) ** 2), np.append(times, max(1e20, 1e4 / gap)))
    assert run.statistics.tried < 1500
    right = run.probabilities[:, 101:].sum(axis=1) + 0.5 * run.probabilities[:, 100]
    mode = fp.modes(2).functions[1]
    assert mode is not None
    # at times beyond the relaxation in a well the right half has (1 - exp(-gap t))/2, up to that relaxation
    slack = 3e-4 if barrier > 2 else 0.08
    assert right == pytest.approx(np.append(0.5 * (1 - np.exp(-gap * times)), 0.5), abs=slack)
    assert np.abs(run.mass - 1).max() < 1e-12
    assert (np.diff(run.free_energy) <= 0).all()
    assert run.minimum.min() >= 0


@pytest.mark.parametrize(("barrier", "dim"), [(38, 1), (40, 1), (42, 1), (50, 1), (40, 2)])
def test_densities_near_equilibrium_go_on_after_a_snapshot(barrier, dim):
    """The relative entropy of one slow mode falls like exp(-2 k t), to 1e-21, whatever snapshots are on the way."""
    psi = lambda x: barrier * (x[:, 0] ** 2 - 1) ** 2 + 0.2 * x[:, 0] + 4 * (x[:, 1:] ** 2).sum(axis=1)  # noqa: E731
    cells = (200,) if dim == 1 else (60, 12)
    fp = FokkerPlanck(Given(unit(dim), psi), [(-1.6, 1.6), (-1, 1)][:dim], cells, rtol=1e-4)
    # Kramers' rate, from integrals on a line: of exp(-u) in both wells, and of exp(u) between them
    x = np.linspace(-1.6, 1.6, 20_001)
    u = barrier * (x**2 - 1) ** 2 + 0.2 * x
    left, right = (np.trapezoid(np.where(side, np.exp(-u), 0.0), x) for side in (x < 0, x >= 0))
    k = (1 / left + 1 / right) / np.trapezoid(np.where(np.abs(x) < 1, np.exp(u), 0.0), x)

    def start(x):
        wells = np.exp(-0.5 * ((x[:, 0] + 1) / 0.08) ** 2) + 0.7 * np.exp(-0.5 * ((x[:, 0] - 1) / 0.08) ** 2)
        return wells * np.exp(-4 * (x[:, 1:] ** 2).sum(axis=1))

    for times in ([10.0, 11.0], [0.5, 5.0, 6.0, 20.0]):
        entropy = fp.evolve(start, np.array(times) / k).relative_entropy
        falls = -np.diff(np.log(entropy)) / np.diff(times) / 2
        # the steps' errors, beside a mode that falls by e a step, are relative to 1
        assert falls[0] == pytest.approx(1.0, rel=0.02)
        assert (np.diff(entropy) < 0).all()
