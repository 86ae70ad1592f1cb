"""First passages to several targets: closed forms, orders without noise, streams, estimates, what is refused."""

import math

import numpy as np
import pytest
from chance import ALPHA, assert_mean, assert_uniform
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate, stats

import scaling_limits
from scaling_limits.particles import FirstPassages, InvalidArgument, Langevin, MultiscalePotential, Unresolved
from scaling_limits.particles.diffusions.passages.judges import decide, uniform_number
from scaling_limits.particles.sampling.philox import key_words

NONE = lambda x, *y: 0  # noqa: E731
FLAT = Langevin(MultiscalePotential(1, 1, 0.5, lambda x: 1e-9 * x[0] ** 2, NONE), 1.0)
PARABOLA = Langevin(MultiscalePotential(1, 1, 0.5, lambda x: x[0] ** 2 / 2, NONE), 1.0)
ENDS = {"right": lambda x: 1 - x[:, 0], "left": lambda x: 1 + x[:, 0]}
SIGMA = 0.5


def exit_of(slope, start):
    """P(1 is hit before -1) and E T from the start, for the drift -V' with V(0) = 0, by quadrature."""
    inverse = lambda x: np.exp(slope(x) / SIGMA)  # noqa: E731
    scale = lambda a, b: integrate.quad(inverse, a, b, epsabs=1e-12)[0]  # noqa: E731
    inner = lambda y: integrate.quad(lambda x: np.exp(-slope(x) / SIGMA), -1, y, epsabs=1e-12)[0]  # noqa: E731
    outer = lambda a, b: integrate.quad(lambda y: inverse(y) * inner(y) / SIGMA, a, b, epsabs=1e-10)[0]  # noqa: E731
    right = scale(-1, start) / scale(-1, 1)
    return right, right * outer(-1, 1) - outer(-1, start)


LINES = {"Brownian motion": (FLAT, lambda x: 0 * x), "Ornstein-Uhlenbeck": (PARABOLA, lambda x: x**2 / 2)}


@pytest.mark.serial
@pytest.mark.parametrize("name", LINES)
def test_exit_from_an_interval(name):
    """Which end, and when; the bias, of order h, is below a tenth of the error."""
    sampler, potential = LINES[name]
    right, mean = exit_of(potential, 0.2)
    found = sampler.first_passages([0.2], ENDS, 20_000, 3, 2e-3)
    assert_mean(found.probability("right")[0], right, found.probability("right")[1])
    assert_mean(found.mean, mean, found.standard_error)
    assert found.probability(0)[0] + found.probability(1)[0] == 1
    assert found.standard_error < 0.02 * mean
    if name == "Brownian motion":
        assert (mean, right) == (pytest.approx(0.96), pytest.approx(0.6))
        # the survival function as a series
        t, k = np.array([0.2, 0.5, 1.0, 2.0]), 2 * np.arange(40) + 1
        waves = 4 / (np.pi * k) * np.sin(np.pi * k / 2) * np.cos(np.pi * k * 0.2 / 2)
        exact = (waves * np.exp(-np.outer(t, (np.pi * k) ** 2) / 8)).sum(axis=1)
        values, errors = found.survival(t)
        assert_mean(values, exact, errors)


# --- orders without noise ------------------------------------------------------------------------------------


def level_of(distance):
    """A level that is no distance, and its slope: the order of the bridge is then one."""
    return distance + 0.4 * distance**2, 1 + 0.8 * distance


DISTANCE = lambda distance: (distance, np.ones_like(distance))  # noqa: E731


def killed(h, level, nodes=400):
    """Points of an interval, the transfer operator of a Heun step that stays in it, and the chance to leave at 1.

    For V = x^2/2 a step is Gaussian; what stays is weighed with the bridge to both ends, in the order of the list, for
    levels of the distance to each end; None looks at the ends of steps only.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    mean, std = x * (1 - h + h**2 / 2), math.sqrt(2 * SIGMA * h) * (1 - h / 2)
    density = np.exp(-0.5 * ((x[None] - mean[:, None]) / std) ** 2) / (std * math.sqrt(2 * np.pi))

    def hit(distance):
        if level is None:
            return np.zeros((nodes, nodes))
        value, slope = level(distance)
        return np.exp(-2 * value[:, None] * value[None] / (h * 2 * SIGMA * slope[:, None] ** 2))

    right, left = hit(1 - x), hit(1 + x)
    at_once = stats.norm.sf((1 - mean) / std) + (density * right) @ w
    return x, w * density * (1 - right) * (1 - left), at_once


def exit_by_operator(h, level, start=0.2):
    """P(1 is hit before -1) and E T of the scheme; T is the middle of the step that hit a level, or its end."""
    x, operator, at_once = killed(h, level)
    found = np.linalg.solve(np.eye(len(x)) - operator, np.stack([at_once, np.ones(len(x))], axis=1))
    right, count = (np.polynomial.legendre.Legendre.fit(x, f, 40, domain=[-1, 1])(start) for f in found.T)
    return right, h * (count - (0.0 if level is None else 0.5))


@pytest.mark.parametrize(
    ("level", "order", "cap"), [(DISTANCE, 2.0, 2e-5), (level_of, 1.0, 0.01), (None, 0.5, 0.2)],
    ids=["distance", "level", "indicator"],
)  # fmt: skip
def test_orders_of_targets(level, order, cap):
    """E T and the committor at 0.2 for V = x^2/2 against quadrature: indicators are of order 1/2, levels of order 1.

    Of a constant noise and a level that is a distance to a plane the order is two.
    """
    exact, steps = exit_of(LINES["Ornstein-Uhlenbeck"][1], 0.2), (0.04, 0.02, 0.01, 0.005)
    found = np.array([exit_by_operator(h, level) for h in steps])
    errors = np.abs(found - exact)
    assert_rate(steps, errors[:, 1], order, slack=0.15, cap=cap)
    assert (np.diff(errors[:, 0]) < 0).all()
    assert errors[-1, 0] < cap


@pytest.mark.serial
def test_large_steps_agree_with_the_operator():
    """The sampler with h = 0.1, where the bias is many errors, against the operator of its step."""
    right, left = ENDS.values()
    bent = [lambda x: 1 - x[:, 0] + 0.4 * (1 - x[:, 0]) ** 2, lambda x: 1 + x[:, 0] + 0.4 * (1 + x[:, 0]) ** 2]
    seen = [lambda x: x[:, 0] >= 1, lambda x: x[:, 0] <= -1]
    for level, targets in ((DISTANCE, [right, left]), (level_of, bent), (None, seen)):
        found = PARABOLA.first_passages([0.2], targets, 20_000, 5, 0.1)
        assert found.boundary_order == (0.5 if level is None else 1.0,) * 2
        probability, mean = exit_by_operator(0.1, level)
        assert_mean(found.mean, mean, found.standard_error)
        assert_mean(found.probability(0)[0], probability, found.probability(0)[1])


# --- the plane -----------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_a_half_plane_with_a_mobility_that_is_not_diagonal():
    """n.X is a Brownian motion with the diffusion n.B n: T to a line has Levy's law; phi need not be a distance."""
    tensor = np.array([[1.0, 0.6], [0.6, 0.7]])
    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: 1e-9 * (x[0] ** 2 + x[1] ** 2), NONE, mobility=lambda x, y: tensor.tolist()
    )
    normal, h, limit = np.array([0.6, 0.8]), 0.02, 4.0
    level = lambda x: np.sinh(2 * (1 - 0.6 * x[:, 0] - 0.8 * x[:, 1]))  # noqa: E731
    found = Langevin(potential, 1.0).first_passages([0.3, 0.1], level, 20_000, 4, h, limit=limit)
    distance, spread = 1 - normal @ [0.3, 0.1], normal @ tensor @ normal
    t = np.array([0.5, 1.0, 2.0, 4.0])
    values, errors = found.survival(t)
    exact = lambda moved: 1 - 2 * stats.norm.sf((distance + moved) / np.sqrt(spread * t))  # noqa: E731
    assert_mean(values, exact(0.0), errors)
    # a boundary that is farther away by 0.58 of a step would be seen, and one with another tensor
    assert np.abs((values - exact(0.5826 * math.sqrt(spread * h))) / errors).max() > 8
    assert abs(found.probability(0)[0] - (1 - exact(0.0)[-1])) < 6 * found.probability(0)[1]
    assert found.bounds(0) == (found.probability(0)[0], 1.0)


@pytest.mark.serial
def test_a_disc_left_by_brownian_motion():
    """E T = (1 - r^2)/(4 sigma), the boundary is curved, and the angle at exit has Poisson's law."""
    plane = Langevin(MultiscalePotential(2, 1, 0.5, lambda x: 1e-9 * (x[0] ** 2 + x[1] ** 2), NONE), 1.0)
    outside = lambda x: 1 - x[:, 0] ** 2 - x[:, 1] ** 2  # noqa: E731
    for h in (0.02, 0.005):
        found = plane.first_passages([0.5, 0.0], outside, 10_000, 6, h)
        assert_mean(found.mean, 0.375, found.standard_error + 0.5 * h)
        seen = plane.first_passages([0.5, 0.0], lambda x: x[:, 0] ** 2 + x[:, 1] ** 2 > 1, 10_000, 6, h)
        assert seen.mean - 0.375 > 3 * abs(found.mean - 0.375)


# --- two wells -----------------------------------------------------------------------------------------------

WELLS = MultiscalePotential(1, 1, 0.25, lambda x: (x[0] ** 2 - 1) ** 2, NONE)


def gibbs(a, b, sign, f=lambda x: 1.0):
    return integrate.quad(lambda x: np.exp(sign * (x**2 - 1) ** 2 / 0.25) * f(x), a, b)[0]


@pytest.mark.serial
def test_committor_of_two_wells():
    for start in (-0.2, 0.1, 0.4):
        found = Langevin(WELLS, 1.0).first_passages(
            [start], [lambda x: x[:, 0] + 1, lambda x: 1 - x[:, 0]], 5000, 2, 2e-3
        )
        value, error = found.probability(1)
        assert abs(value - gibbs(-1, start, 1) / gibbs(-1, 1, 1)) < 5 * error


@pytest.mark.serial
def test_rate_of_two_wells():
    """1/rate is Kramers' double integral from the well to beyond the barrier; with a limit the rate is the same."""
    inner = lambda y: gibbs(-4, y, -1)  # noqa: E731
    exact = gibbs(-1, 0.8, 1, inner) / 0.25
    target = lambda x: 0.8 - x[:, 0]  # noqa: E731
    sampler = Langevin(WELLS, 1.0)
    whole = sampler.first_passages([-1.0], target, 4000, 3, 5e-3)
    assert whole.censored == 0
    assert_mean(whole.mean, exact, whole.standard_error + 5e-3 * exact)
    assert (whole.rate[0] * whole.mean, whole.rate[1] / whole.rate[0]) == (pytest.approx(1), pytest.approx(4000**-0.5))
    assert exact > 50
    # a limit: the mean of those that arrived is far too short, the rate is right
    limited = sampler.first_passages([-1.0], target, 4000, 4, 5e-3, limit=40.0)
    assert 1000 < limited.censored < 3000
    assert limited.times[limited.hit >= 0].mean() < 0.5 * exact
    # the time to forget the start is about 1 of 40
    assert abs(limited.rate[0] * exact - 1) < 5 * limited.rate[1] * exact + 0.03
    # and without it there is no such allowance
    rate, error = limited.rate_after(4.0)
    assert abs(rate * exact - 1) < 5 * error * exact + 5e-3
    late = limited.times[limited.times > 4.0]
    assert rate == pytest.approx((late < np.inf).sum() / (np.minimum(late, 40.0) - 4.0).sum(), rel=1e-12)
    for time in (-1.0, 40.0, math.nan, "4"):
        with pytest.raises(InvalidArgument, match="time"):
            limited.rate_after(time)
    kept = np.minimum(limited.times, 40.0)
    assert (limited.mean, limited.standard_error) == (kept.mean(), pytest.approx(kept.std(ddof=1) / 4000**0.5))


# --- streams -------------------------------------------------------------------------------------------------


def test_uniform_numbers():
    """Their law, and no dependence of paths and steps on one another."""
    key = key_words(5)
    u = np.array([[uniform_number(p, s, *key) for p in range(600)] for s in range(60)])
    assert_uniform(u.ravel())
    for axis, shift in ((0, 1), (1, 1), (1, 256)):
        other = np.roll(u, shift, axis=axis)
        assert_mean((12 * (u - 0.5) * (other - 0.5)).mean(), 0.0, 1 / math.sqrt(u.size))
    assert len(np.unique(u)) == u.size
    assert uniform_number(0, 2**33, *key) != uniform_number(0, 0, *key)
    assert uniform_number(2**33 - 1, 0, *key) != uniform_number(511, 0, *key)


def test_decisions():
    """Inside at the end; on the way, for a uniform number below the probability; what is reached first; no number."""
    key, n = key_words(9), 4000
    here = np.repeat([[0.0], [0.0], [2.0], [0.5], [1.0]], n, axis=1)
    slopes = np.repeat([[0.3], [-0.4]], n, axis=1)
    square = (2.0 * 0.3 + 0.5 * -0.4) ** 2 + (1.0 * -0.4) ** 2
    before, after, paths = np.full(n, 0.2), np.linspace(-0.01, 0.3, n), np.arange(n)
    # every seventh path has entered another target, at 1/2 of the way
    hits, scores = np.where(paths % 7 == 0, 0, -1), np.where(paths % 7 == 0, -0.5, np.inf)
    after[-1], expected = np.nan, hits.copy()
    for j in range(n):
        p = math.exp(-2 * 0.2 * max(after[j], 0.0) / (0.1 * square)) if after[j] == after[j] else 0.0
        expected[j] = 3 if hits[j] < 0 and uniform_number(j, 17, *key) < p else hits[j]
    expected[-1] = -2
    decide(3, before, after, slopes, here, paths, n, hits, scores, 0.1, 17, *key)
    assert (hits == expected).all()
    assert 500 < (hits == 3).sum() < 3000
    # a target that holds this one is entered before, whatever its place in the list
    decide(5, before - 0.05, after - 0.05, slopes, here, paths, n, hits, scores, 0.1, 17, *key)
    assert (hits[:-1] != 3).all()


def test_the_same_for_any_workers_and_ranks():
    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: (x[0] ** 2 + x[1] ** 2) / 2, NONE, mobility=lambda x, y: [[1, 0.4], [0.4, 0.6]]
    )
    targets = [lambda x: 1 - x[:, 0] + np.exp(x[:, 1]) / 9, lambda x: x[:, 1] < -0.7]
    for sampler in (Langevin(potential, 1.0), Langevin(MultiscalePotential(2, 1, 0.5, lambda x: x[0] ** 2 + x[1] ** 2, NONE), 1.0)):  # fmt: skip
        whole = sampler.first_passages([0.1, 0.2], targets, 1300, 9, 5e-3, limit=0.7, workers=1)
        calls = [{"workers": n} for n in (2, 3)] + [{"comm": MPI.COMM_WORLD}]
        for call in calls:
            other = sampler.first_passages([0.1, 0.2], targets, 1300, 9, 5e-3, limit=0.7, **call)
            assert (other.times == whole.times).all()
            assert (other.hit == whole.hit).all()
        fewer = sampler.first_passages([0.1, 0.2], targets, 600, 9, 5e-3, limit=0.7)
        assert (fewer.times == whole.times[:600]).all()
        assert set(whole.hit) == {-1, 0, 1}


@pytest.mark.serial
def test_targets_that_share_a_boundary():
    """Brownian motion out of (-1, 1): each target twice, or one that another holds, leaves the times as they are."""
    once = FLAT.first_passages([0.2], [lambda x: 1 - x[:, 0], lambda x: 1 + x[:, 0]], 2000, 3, 0.02)
    levels = [lambda x: 1.02 - x[:, 0], lambda x: 1 - x[:, 0], lambda x: 1 - x[:, 0], lambda x: 1 + x[:, 0]]
    more = FLAT.first_passages([0.2], levels, 2000, 3, 0.02)
    assert (more.times == once.times).all()
    assert (more.hit == np.array([1, 3])[once.hit]).all()


def test_indicators_see_what_first_passage_times_sees():
    target = lambda x: np.abs(x[:, 0]) > 0.8  # noqa: E731
    expected = PARABOLA.first_passage_times([0.1], target, 600, 2, step=1e-3)
    found = PARABOLA.first_passages([0.1], target, 600, 2, 1e-3)
    assert (found.times == expected).all()


# --- results -------------------------------------------------------------------------------------------------


def test_starts_inside_and_order():
    """Where targets overlap the first counts, at once."""
    both = [lambda x: x[:, 0] > 5, lambda x: x[:, 0] - 1, lambda x: x[:, 0] - 2]
    found = FLAT.first_passages([[0.5], [1.5], [6.0]], both, 3, 1, 1e-2)
    assert found.times.tolist() == [0, 0, 0]
    assert found.hit.tolist() == [1, 2, 0]
    assert found.rate == (math.inf, math.inf)


def test_limits_are_whole_numbers_of_steps():
    found = FLAT.first_passages([0.0], ENDS, 2000, 1, 0.07, limit=0.3)
    assert found.step == pytest.approx(0.06)
    assert (found.limit, found.times[found.hit >= 0].max() < 0.3) == (0.3, True)
    assert found.survival([0.3])[0][0] == found.censored / 2000
    with pytest.raises(InvalidArgument, match=r"^times: .*limit"):
        found.survival([0.2, 0.4])
    assert "censored" in repr(found)
    assert "min(T, limit)" in repr(found)


def test_nothing_is_known_where_all_are_censored():
    with pytest.warns(Unresolved, match="none of 50 paths"):
        found = FLAT.first_passages([0.0], [lambda x: 50 - x[:, 0]], 50, 1, 0.01, limit=0.1)
    assert found.censored == 50
    assert found.bounds(0) == (0.0, 1.0)
    assert found.rate == (0.0, pytest.approx(1 / 5.0))
    assert found.probability(0)[1] > 0
    assert (found.mean, np.isinf(found.times).all()) == (pytest.approx(0.1), True)


def test_errors_cover(monkeypatch):
    """Of 400 experiments with 40 paths each, as many miss a probability of 0.6 by two errors as a binomial law says."""
    found = FLAT.first_passages([0.2], ENDS, 16_000, 8, 5e-3)
    shares = (found.hit.reshape(400, 40) == 0).sum(axis=1)
    parts = [FirstPassages(found.times[:40], np.repeat([0, 1], [k, 40 - k]), ("a", "b"), (1.0, 1.0), math.inf, 0.1, 1) for k in shares]  # fmt: skip
    missed = sum(abs(p.probability("a")[0] - 0.6) > 2 * p.probability("a")[1] for p in parts)
    k = np.arange(41)
    likely = (k + 0.5) / 41
    chance = stats.binom.pmf(k, 40, 0.6)[np.abs(k / 40 - 0.6) > 2 * np.sqrt(likely * (1 - likely) / 40)].sum()
    assert stats.binomtest(missed, 400, chance).pvalue > ALPHA
    assert chance < 0.07


def test_files(shared_folder):
    found = FLAT.first_passages([0.2], ENDS, 40, 8, 1e-2, limit=0.5)
    path = shared_folder / f"passages{MPI.COMM_WORLD.rank}.npz"
    found.save(path)
    for again in (FirstPassages.load(path), scaling_limits.load(path)):
        assert (again.times == found.times).all()
        assert (again.hit == found.hit).all()
        assert (again.names, again.boundary_order, again.limit) == (("right", "left"), (1.0, 1.0), 0.5)
        assert (again.step, again.seed) == (found.step, 8)
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    np.savez(path, **(content | {"hit": content["hit"][:-1]}))
    with pytest.raises(InvalidArgument, match=r"^path: .*damaged"):
        FirstPassages.load(path)
