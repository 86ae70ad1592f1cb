"""Transitions, first passages, absorbing sets, quasi-stationary laws: against closed forms and against one another."""

import warnings

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate

from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck, NotConverged, Unresolved

LEFT, RIGHT = (lambda x: x[:, 0] <= -0.83), (lambda x: x[:, 0] >= 0.9)


def unit(dim):
    return lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0)


def uneven(x):
    """Two wells of unequal depth, times 1."""
    return (x**2 - 1) ** 2 + 0.15 * x


def wells(barrier, dim, cells):
    psi = lambda x: barrier * uneven(x[:, 0]) + 4 * (x[:, 1:] ** 2).sum(axis=1)  # noqa: E731
    return FokkerPlanck(Given(unit(dim), psi), [(-1.6, 1.6), (-1, 1), (-1, 1)][:dim], cells, rtol=1e-3)


def exact(barrier):
    """nu, k_AB, k_BA and the mean duration from integrals on a line; the integral of exp(u) runs over the gap only."""
    mu = lambda x: np.exp(-barrier * uneven(x))  # noqa: E731

    def ways(a, b):
        inside = [x for x in (-0.3, 0.0, 0.3) if a < x < b]
        return integrate.quad(lambda x: 1 / mu(x), a, b, points=inside, epsabs=0, epsrel=1e-11)[0]

    x, weight = np.polynomial.legendre.leggauss(400)
    gap = 0.035 + 0.865 * x
    from_a, to_b = (np.array([ways(*sorted((end, y))) for y in gap]) for end in (-0.83, 0.9))
    q, p = from_a / ways(-0.83, 0.9), to_b / ways(-0.83, 0.9)
    part = lambda a, b: integrate.quad(mu, a, b, epsabs=0, epsrel=1e-12, points=[-1.0, 1.0][(a > -1) : 1 + (b > 1)])[0]  # noqa: E731
    inner = lambda f: float((0.865 * weight * mu(gap) * f).sum())  # noqa: E731
    total = part(-1.6, 1.6)
    nu = 1 / total / ways(-0.83, 0.9)
    a, b = part(-1.6, -0.83) + inner(p), part(0.9, 1.6) + inner(q)
    return {
        "frequency": nu, "rate": nu * total / a, "backward_rate": nu * total / b,
        "mean_duration": inner(q * p) / total / nu,
    }  # fmt: skip


@pytest.mark.parametrize("barrier", [3, 15, 40])
def test_transitions_on_a_line(barrier):
    """Closed forms to 1e-9; the current is nu everywhere between the sets, and 0 in them."""
    tr = wells(barrier, 1, (60,)).transition(LEFT, RIGHT, bounds=True)
    for name, value in exact(barrier).items():
        assert getattr(tr, name) == pytest.approx(value, rel=1e-8), name
        assert abs(getattr(tr, name) - value) <= tr.errors[name] + 1e-9 * value
    assert tr.lower <= tr.frequency <= tr.upper
    assert tr.upper - tr.lower < 1e-7 * tr.frequency
    x = np.array([[-1.2], [-0.5], [0.1], [0.89], [0.95]])
    np.testing.assert_allclose(tr.current.at(x)[:, 0], np.array([0, 1, 1, 1, 0]) * tr.frequency, rtol=1e-12)
    np.testing.assert_allclose(tr.forward.at(x) + tr.backward.at(x), 1.0, rtol=1e-12)
    assert tr.flux(lambda x: x[:, 0] < 0.2) == pytest.approx(tr.frequency, rel=1e-12)
    back = wells(barrier, 1, (60,)).transition(RIGHT, LEFT)
    assert back.frequency == pytest.approx(tr.frequency, rel=1e-12)
    assert back.rate == pytest.approx(tr.backward_rate, rel=1e-10)
    assert back.current.at([[0.0]])[0, 0] == pytest.approx(-tr.frequency, rel=1e-12)


def test_transitions_around_a_ring():
    """Two ways from A to B, in parallel: nu is the sum of both, and the current changes its sign."""
    ring = FokkerPlanck(
        Given(unit(1), lambda x: 2 * np.cos(2 * np.pi * x[:, 0]) + np.sin(6 * np.pi * x[:, 0])), [(0, 1)], [50],
        periodic=True,
    )  # fmt: skip
    a, b = (lambda x: np.abs(x[:, 0] - 0.3) < 0.05), (lambda x: np.abs(x[:, 0] - 0.7) < 0.1)
    mu = lambda x: np.exp(-2 * np.cos(2 * np.pi * x) - np.sin(6 * np.pi * x))  # noqa: E731
    total = integrate.quad(mu, 0, 1, epsabs=0, epsrel=1e-12)[0]
    ways = [
        1 / total / integrate.quad(lambda x: 1 / mu(x), *ends, epsrel=1e-12)[0] for ends in ((0.35, 0.6), (0.8, 1.25))
    ]
    tr = ring.transition(a, b)
    assert tr.frequency == pytest.approx(sum(ways), rel=1e-9)
    np.testing.assert_allclose(tr.current.at([[0.5], [0.0], [0.9]])[:, 0], [ways[0], -ways[1], -ways[1]], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:the solution is known")
@pytest.mark.filterwarnings("ignore:rates and durations")  # on the coarsest cells
@pytest.mark.parametrize("barrier", [3, 15, 40])
def test_transitions_in_the_plane(barrier):
    """Frequencies and rates of a separable potential, 3rd order and more; durations 2nd; errors that are of their size."""
    sizes, found = (48, 72, 108), []
    values = exact(barrier)
    for n in sizes:
        tr = wells(barrier, 2, (n, n // 2)).transition(LEFT, RIGHT)
        found.append({name: abs(getattr(tr, name) / value - 1) for name, value in values.items()})
        for region in (lambda x: x[:, 0] < 0.3 * np.cos(3 * x[:, 1]), lambda x: x[:, 0] + 0.3 * x[:, 1] < 0.1):
            assert tr.flux(region) == pytest.approx(tr.frequency, rel=1e-10)
    assert_rate(sizes, [errors["frequency"] for errors in found], -3.2, slack=1.0, cap=6e-4)
    assert_rate(sizes, [errors["mean_duration"] for errors in found], -2.5, slack=1.0, cap=6e-3)
    for name, value in values.items():
        # the order is taken to be 2 at most, and is 3 here; durations have errors of either sign
        least = 0.02 if name == "mean_duration" else 0.08
        assert least * tr.errors[name] <= abs(getattr(tr, name) - value) <= tr.errors[name]
    y = np.linspace(-1, 1, 801)[:, None]
    for place in (-0.5, 0.0, 0.333):
        across = tr.current.at(np.concatenate([np.full_like(y, place), y], axis=1))
        assert np.trapezoid(across[:, 0], y[:, 0]) == pytest.approx(tr.frequency, rel=1e-4)
        assert np.abs(across[:, 1]).max() < 1e-6 * tr.frequency
    assert (tr.current.at([[-1.2, 0.0], [1.2, 0.3]]) == 0).all()
    back = wells(barrier, 2, (108, 54)).transition(RIGHT, LEFT)
    assert back.frequency == pytest.approx(tr.frequency, rel=1e-10)
    assert back.mean_duration == pytest.approx(tr.mean_duration, rel=1e-8)


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore:the solution is known")
@pytest.mark.filterwarnings("ignore:rates and durations")
@pytest.mark.parametrize("barrier", [3, 40])
def test_intervals_and_the_lattice_agree(barrier):
    """The exact frequency is in the interval, and the number that is returned too; discs: two methods, two sets of errors."""
    fp = wells(barrier, 2, (48, 32))
    tr = fp.transition(LEFT, RIGHT, bounds=True)
    assert tr.lower <= exact(barrier)["frequency"] <= tr.upper
    assert tr.upper - tr.lower < 1e-3 * tr.frequency
    assert abs(tr.frequency - exact(barrier)["frequency"]) <= tr.error
    discs = [lambda x, c=c: (x[:, 0] - c) ** 2 + x[:, 1] ** 2 < 0.04 for c in (-1.0, 1.0)]
    tr, grid = fp.transition(*discs, bounds=True), fp.transition(*discs)
    assert tr.lower <= tr.frequency <= tr.upper
    # the current is scaled with the frequency
    assert tr.flux(lambda x: x[:, 0] < 0.1) == pytest.approx(tr.frequency, rel=1e-10)
    scale = tr.frequency / grid.frequency
    np.testing.assert_allclose(
        tr.current.values, grid.current.values * scale, rtol=1e-10, atol=1e-12 * np.abs(tr.current.values).max()
    )
    assert tr.lower - grid.error <= grid.frequency <= tr.upper + grid.error
    assert tr.rate / tr.frequency == pytest.approx(grid.rate / grid.frequency, rel=1e-12)


@pytest.mark.filterwarnings("ignore:rates and durations")
def test_mean_time_from_the_equilibrium_on_a_set_is_one_over_the_rate():
    """1/k_AB = int nu_A T: the equilibrium measure of A is where the last visits end, and T is the time to B from there."""
    fp = wells(3, 2, (96, 48))
    tr, time = fp.transition(LEFT, RIGHT), fp.mean_first_passage_time(RIGHT)
    # the wall of A is a line along which all is separable: T on it does not depend on the other coordinate
    assert 1 / tr.rate == pytest.approx(time.at([[-0.83, 0.0]])[0], rel=2e-3)


@pytest.mark.parametrize("dim", [1, 2])
def test_first_passage_of_brownian_motion(dim):
    """Exit from 1 with a wall at 0: T = (1 - x^2)/2, var = (1 - x^4)/6, and the series for the survival."""
    fp = FokkerPlanck(Given(unit(dim), lambda x: np.zeros(len(x))), [(0, 1), (0, 0.5)][:dim], (64, 16)[:dim], rtol=1e-6)
    law = fp.first_passage(lambda x: x[:, 0] >= 1)
    x = np.array([[0.0, 0.2], [0.5, 0.1], [0.75, 0.5]])[:, :dim]
    # exact at nodes in the plane too: T is a parabola; its square is not
    np.testing.assert_allclose(law.mean.at(x), (1 - x[:, 0] ** 2) / 2, rtol=1e-9)
    np.testing.assert_allclose(law.variance.at(x), (1 - x[:, 0] ** 4) / 6, rtol=1e-9 if dim == 1 else 1e-3)
    times = np.array([0.0, 0.1, 0.5, 2.0])
    k = (np.arange(60) + 0.5) * np.pi
    series = (2 * (-1.0) ** np.arange(60) / k * np.cos(0.5 * k) * np.exp(-(k**2) * times[:, None])).sum(axis=1)
    series[0] = 1.0
    found = law.survival(times, x[1])
    np.testing.assert_allclose(found, series, rtol=2e-3)
    assert (np.diff(found) < 0).all()


def test_survival_is_known_relative_to_itself():
    """exp(-50) of the paths are left after 50 mean times; each digit of their number counts."""
    fp = wells(10, 1, (100,))
    law = fp.quasi_stationary(RIGHT)
    times = np.array([1.0, 10.0, 50.0]) / law.rate
    start = law.density
    run = fp.evolve(start.at, times, absorbing=RIGHT)
    np.testing.assert_allclose(np.log(run.survival), -law.rate * times, rtol=2e-4, atol=2e-3)
    assert run.minimum.min() >= 0
    # the law does not change: what is left is distributed as at the start
    np.testing.assert_allclose(run[2].at([[-1.0], [0.3]]) / run.survival[2], start.at([[-1.0], [0.3]]), rtol=2e-3)


@pytest.mark.filterwarnings("ignore:the solution is known")
def test_quasi_stationary_law_of_an_interval():
    """cos(pi x/2) with the rate pi^2/4, of second order; from a deep well the rate is one over the mean time."""
    sizes, errors = (25, 50, 100), []
    for n in sizes:
        flat = FokkerPlanck(Given(unit(1), lambda x: np.zeros(len(x))), [(0, 1)], [n])
        law = flat.quasi_stationary(lambda x: x[:, 0] >= 1)
        errors.append(abs(law.rate * 4 / np.pi**2 - 1))
        assert errors[-1] <= law.error / law.rate <= 3 * errors[-1]
    assert_rate(sizes, errors, -2.0, slack=0.1, cap=1e-4)
    x = np.array([[0.0], [0.5], [0.995], [1.0]])
    np.testing.assert_allclose(law.density.at(x), np.pi / 2 * np.cos(np.pi * x[:, 0] / 2), rtol=1e-3, atol=1e-9)
    assert 0 < law.density.error < 1e-3
    for dim, cells in ((1, (100,)), (2, (72, 36))):
        deep = wells(30, dim, cells)
        rate = deep.quasi_stationary(RIGHT).rate
        assert rate * deep.mean_first_passage_time(RIGHT).at([[-1.0, 0.0][:dim]])[0] == pytest.approx(1, rel=2e-3)


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore:the solution is", "ignore:rates and durations")
def test_densities_of_transitions():
    """Strips off the nodes: the field integrates to 1, and is a product of laws on lines within its error."""
    ends, sigma = (-0.5, 0.5), 0.4
    psi = lambda x: 2 * (x[:, 0] ** 2 - 1) ** 2 + 1.5 * x[:, 1] ** 2  # noqa: E731
    strips = FokkerPlanck(Given(unit(2), psi, sigma), [(-2, 2), (-1.8, 1.8)], (48, 48))
    tr = strips.transition(lambda x: x[:, 0] <= ends[0], lambda x: x[:, 0] >= ends[1])
    ticks, weights = np.polynomial.legendre.leggauss(200)
    x, y = 0.5 * ticks, 1.8 * ticks
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    rule = np.outer(0.5 * weights, 1.8 * weights).ravel()
    assert rule @ tr.density.at(points) == pytest.approx(1, abs=5e-3)
    resist = lambda a, b: integrate.quad(lambda u: np.exp(2 * (u**2 - 1) ** 2 / sigma), a, b)[0]  # noqa: E731
    along = [np.exp(-2 * (u**2 - 1) ** 2 / sigma) * resist(-0.5, u) * resist(u, 0.5) for u in x]
    exact = np.outer(along, np.exp(-1.5 * y**2 / sigma)).ravel()
    exact /= rule @ exact
    assert (np.abs(tr.density.at(points) - exact) <= tr.density.error_at(points) + 1e-3 * exact.max()).mean() > 0.97
    assert np.abs(tr.density.at(points) - exact).max() < 0.05 * exact.max()


@pytest.mark.filterwarnings("ignore:the solution is", "ignore:the survival at late", "ignore:the integral of the init")
@pytest.mark.parametrize("cells", [64, 90, 111, 201])
def test_starts_that_jump_at_the_set(cells):
    """Brownian motion: a density that ends at the absorbing point, off the nodes, and on a strip in the plane."""
    wall, ts = 0.013, np.array([1e-3, 1e-2, 0.1])
    start = lambda x: np.exp(-(((x[:, 0] - wall + 0.05) / 0.05) ** 2) / 2) * (x[:, 0] < wall)  # noqa: E731
    absorbing = lambda x: x[:, 0] >= wall  # noqa: E731
    ticks, weights = np.polynomial.legendre.leggauss(400)
    y, rates = (1 + wall) * (ticks + 1) / 2, (np.arange(1500) + 0.5) * np.pi / (1 + wall)
    law = weights * np.exp(-(((y - 0.05) / 0.05) ** 2) / 2)
    modes = 2 / (rates * (1 + wall)) * (np.sin(np.outer(rates, y)) @ (law / law.sum()))
    exact = np.array([(modes * np.exp(-(rates**2) * t)).sum() for t in ts])
    flat = lambda dim: Given(unit(dim), lambda x: 0 * x[:, 0])  # noqa: E731
    runs = [FokkerPlanck(flat(1), [(-1, 0.5)], cells).evolve(start, ts, absorbing=absorbing)]
    if cells == 64:
        runs.append(FokkerPlanck(flat(2), [(-1, 0.5), (0, 1)], (cells, 8)).evolve(start, ts, absorbing=absorbing))
    for run in runs:
        assert run.survival[0] < 1
        assert np.abs(run.survival / exact - 1).max() < 2 * (1.5 / cells / 0.05) ** 2 * 0.15
        assert (np.abs(run.survival - exact) < 6 * run.error * exact).all()


@pytest.mark.filterwarnings("ignore:the solution is", "ignore:M or Psi jumps")
def test_variances_behind_a_slope():
    """95 sigma above the wall: T and its variance on a line, with a nuisance across. Slopes of T are rounding there."""
    tensor = lambda x: np.exp(3 * np.sin(2 * x[:, 1]))[:, None, None] * np.diag([0, 1]) + np.diag([1, 0])  # noqa: E731
    slope = Given(tensor, lambda x: 50 * x[:, 0] + 3 * np.cos(4 * x[:, 1]))
    law = FokkerPlanck(slope, [(-1.3, 1.3), (-1, 1)], (80, 33)).first_passage(lambda x: x[:, 0] > 0.61)
    points = np.array([[-1.3, 0.3], [-0.5, -0.5], [0.5, 0.1], [0.6, 0.1]])
    longest = np.exp(95.5) / 2500
    share = 1 - np.exp(50 * (points[:, 0] - 0.61))
    # a path falls back with this probability, and then takes an exponential time
    for field, exact in ((law.mean, share * longest), (law.variance, (2 * share - share**2) * longest**2)):
        assert (np.abs(field.at(points) - exact) <= field.error_at(points)).all()
        assert np.abs(field.at(points) / exact - 1).max() < 0.6


@pytest.mark.filterwarnings("ignore:M or Psi jumps", "ignore:the solution is", "ignore:rates and durations")
def test_transitions_through_a_wall():
    """A frequency of 0 is refused, not divided by."""
    wall = Given(unit(2), lambda x: np.where(np.abs(x[:, 0]) < 0.3, 1e5, 0.0))
    with pytest.raises((NotConverged, InvalidArgument)):
        FokkerPlanck(wall, [(-1.8, 1.8), (-2, 2)], (48, 24)).transition(LEFT, RIGHT)


@pytest.mark.filterwarnings("ignore:the solution is known")
def test_errors_of_evolutions_are_of_their_size():
    """An Ornstein-Uhlenbeck process: the true distance in total variation is between 0.3 and 1 of the estimate."""
    bowl = Given(unit(2), lambda x: 0.5 * (x**2).sum(axis=1))
    start = lambda x: np.exp(-((x - [1.0, 0.5]) ** 2).sum(axis=1) / 0.8)  # noqa: E731
    for n in (32, 64):
        fp = FokkerPlanck(bowl, [(-5, 5)] * 2, (n, n), rtol=1e-7)
        run = fp.evolve(start, [0.2, 1.0])
        nodes, volumes = fp.grid.nodes, fp.generator.volumes
        for i, t in enumerate(run.times):
            variance = 1 + (0.4 - 1) * np.exp(-2 * t)
            exact = np.exp(-((nodes - np.exp(-t) * np.array([1.0, 0.5])) ** 2).sum(axis=1) / (2 * variance))
            exact /= 2 * np.pi * variance
            true = np.abs(run.probabilities[i] - exact * volumes).sum()
            assert 0.3 * run.error[i] <= true <= run.error[i]
        assert run[1].error == run.error[1]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda fp: fp.transition(LEFT, lambda x: x[:, 0] < 0), "b"),
        (lambda fp: fp.transition(3, RIGHT), "a"),
        (lambda fp: fp.transition(LEFT, RIGHT, bounds=1), "bounds"),
        (lambda fp: fp.transition(LEFT, RIGHT).flux(lambda x: x[:, 0] > 0), "region"),
        (lambda fp: fp.transition(LEFT, RIGHT).flux(7), "region"),
        (lambda fp: fp.transition(LEFT, RIGHT).current.at([[9.0] * fp.dim]), "points"),
        (lambda fp: fp.first_passage(None), "target"),
        (lambda fp: fp.first_passage(RIGHT).survival([1.0], [0.0] * 5), "initial"),
        (lambda fp: fp.first_passage(RIGHT).survival([1.0], [7.0] * fp.dim), "initial"),
        (lambda fp: fp.first_passage(RIGHT).survival([1.0], ["0.1"] * fp.dim), "initial"),
        (lambda fp: fp.first_passage(RIGHT).survival([1e308], [0.0] * fp.dim), "times"),
        (lambda fp: fp.first_passage(RIGHT).survival([-1.0], [0.0] * fp.dim), "times"),
        (lambda fp: fp.quasi_stationary(lambda x: x[:, 0] > -9), "target"),
        (lambda fp: fp.evolve(lambda x: np.ones(len(x)), [1.0], absorbing=3), "absorbing"),
        (lambda fp: fp.evolve(lambda x: np.ones(len(x)), [1.0], absorbing=lambda x: x[:, 0] > 9), "absorbing"),
    ],
)
@pytest.mark.filterwarnings("ignore:the solution is known", "ignore:rates and durations")
def test_wrong_transitions(call, name):
    for equation in (wells(3, 1, (20,)), wells(3, 2, (24, 12))):
        with pytest.raises(InvalidArgument, match=rf"^{name}"):
            call(equation)


@pytest.mark.parametrize("cells", [49, 98, 103])
def test_the_last_node_is_the_wall(cells):
    """low + n h is not the end of the box to the last digit: both ends absorb, for any number of cells."""
    flat = FokkerPlanck(Given(unit(1), lambda x: np.zeros(len(x))), [(0, 1)], cells)
    both = lambda x: (x[:, 0] >= 1) | (x[:, 0] <= 0)  # noqa: E731
    assert flat.first_passage(both).survival([0.5], [0.5])[0] == pytest.approx(
        4 / np.pi * np.exp(-0.5 * np.pi**2), rel=5e-3
    )
    assert flat.quasi_stationary(both).rate == pytest.approx(np.pi**2, rel=1e-3)


def test_jumps_on_a_line_are_found():
    """M jumps anywhere, also just beside a node, where no Gauss point is: the interval holds 1/(z + (1 - z)/50)."""
    generator = np.random.default_rng(1)
    for k in range(30):
        cells, z = int(generator.integers(5, 60)), generator.uniform(0.1, 0.9)
        z = z if k % 3 else (np.floor(z * cells) + 0.0035) / cells
        jump = Given(lambda x, z=z: np.where(x[:, :1] < z, 1.0, 50.0)[:, :, None], lambda x: np.zeros(len(x)))
        tr = FokkerPlanck(jump, [(0, 1)], cells).transition(lambda x: x[:, 0] <= 0, lambda x: x[:, 0] >= 1, bounds=True)
        assert tr.lower <= 1 / (z + (1 - z) / 50) <= tr.upper


def test_jumps_on_a_grid_are_said():
    jump = Given(lambda x: np.where(x[:, :1] < 0.76, 1.0, 100.0)[:, :, None] * np.eye(2), lambda x: np.zeros(len(x)))
    fp = FokkerPlanck(jump, [(0, 1)] * 2, (30, 12))
    call = lambda: fp.committor(lambda x: x[:, 0] <= 0, lambda x: x[:, 0] >= 1)  # noqa: E731
    if MPI.COMM_WORLD.rank > 0:
        call()
    else:
        with pytest.warns(Unresolved, match=r"M or Psi jumps, or is not resolved, between nodes, as near x = \[0.75"):
            call()


@pytest.mark.parametrize("dim", [1, 2])
def test_densities_that_reach_a_set_are_killed(dim):
    """A uniform density that ends where a set begins: the series of the half interval."""
    flat = FokkerPlanck(Given(unit(dim), lambda x: np.zeros(len(x))), [(0, 2), (0, 1)][:dim], (64, 8)[:dim])
    run = flat.evolve(lambda x: 1.0 * (x[:, 0] < 1), [0.05, 0.5], absorbing=lambda x: x[:, 0] >= 1)
    k = (np.arange(200) + 0.5) * np.pi
    series = (2 / k**2 * np.exp(-(k**2) * run.times[:, None])).sum(axis=1)
    # the node at 1 has half of a cell, which is dead at once
    np.testing.assert_allclose(run.survival, series, rtol=2e-2)
    assert (run.error < 0.1).all()


def test_functions_may_write_into_their_arguments():
    """They get copies: neither the nodes nor what is solved later changes."""
    fp = wells(3, 2, (24, 12))

    def shifted(x):
        x[:, 0] -= 0.1
        return x[:, 0] >= 0.8

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        expected = fp.committor(LEFT, lambda x: x[:, 0] - 0.1 >= 0.8).at([[0.0, 0.0]])
        found = [fp.committor(LEFT, shifted).at([[0.0, 0.0]]) for _ in range(2)]
    assert found == [expected, expected]


@pytest.mark.filterwarnings("ignore:the rate of the quasi-stationary")
def test_quasi_stationary_law_within_steep_walls():
    """Walls of 2000 sigma, where modes by an eigensolver are noise: the rate is one over the mean time, 1e-47."""
    steep = FokkerPlanck(Given(unit(1), lambda x: 2000 * x[:, 0] ** 8), [(-1, 1)], 120)
    target = lambda x: x[:, 0] >= 0.7  # noqa: E731
    rate = steep.quasi_stationary(target).rate
    assert rate * steep.mean_first_passage_time(target).at([[0.0]])[0] == pytest.approx(1, rel=2e-2)
