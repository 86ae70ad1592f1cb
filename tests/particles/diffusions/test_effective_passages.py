"""First passages of the effective equation in a box: orders without noise, closed forms, quadrature, fields, streams."""

import math

import numpy as np
import pytest
from chance import Z, assert_mean
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate

from scaling_limits.particles import EffectiveLangevin, InvalidArgument, Unresolved, Unstable
from scaling_limits.particles.diffusions.reflection import Walls

SIGMA = 0.5


def line(mobility, slope, force=0.0, box=(0.0, 1.0), periodic=False):
    """Kinetic noise of a mobility M with the slope M' given, and Psi = -force x."""
    drift = lambda x: force * mobility(x) + SIGMA * slope(x)  # noqa: E731
    return EffectiveLangevin(drift, lambda x: np.sqrt(2 * SIGMA * mobility(x))[:, :, None], [box], periodic)


FLAT = line(lambda x: 1 + 0 * x, lambda x: 0 * x)
VARIABLE = line(lambda x: 1 + x, lambda x: 1 + 0 * x)
RIGHT = lambda x: 1 - x[:, 0]  # noqa: E731
# of a wall at 0 that reflects and a target at 1: T' = -x/(sigma M)
MEANS = {"flat": (FLAT, lambda x: 1 - x**2), "variable": (VARIABLE, lambda x: 2 * (1 - x - math.log(2 / (1 + x))))}
BENT = lambda x: 1 - x[:, 0] + 0.4 * (1 - x[:, 0]) ** 2  # noqa: E731
SEEN = lambda x: x[:, 0] >= 1  # noqa: E731
LEVELS = {
    "distance": (lambda d: (d, 1 + 0 * d), RIGHT),
    "level": (lambda d: (d + 0.4 * d**2, 1 + 0.8 * d), BENT),
    "indicator": (None, SEEN),
}


def assert_near(value, expected, error, bias):
    """The error of sampling, and beside it, once, what the step leaves."""
    assert abs(value - expected) < Z * error + bias, f"{value} instead of {expected} +- {error}"


# --- orders without noise ------------------------------------------------------------------------------------


def mean_by_operator(sampler, h, level, start=0.2, nodes=40, grid=4001):
    """E T of the scheme: a step in [0, 1), reflected at 0, that has hit 1 at its end or by the bridge.

    The number of steps to come is a polynomial through Gauss-Legendre nodes; integrals over the normal number of a
    step are sums. T is the middle of the step that hit a level, or its end.
    """
    legendre = np.polynomial.legendre
    ticks, z = legendre.leggauss(nodes)[0], np.linspace(-8, 8, grid)
    weights = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    x = np.repeat((ticks + 1) / 2, grid)
    new = sampler.step(x[:, None], np.tile(z, nodes)[:, None], np.empty((len(x), 0)), h)[:, 0]
    y, stays = np.abs(new), (new < 1) * np.tile(weights, nodes)
    y = np.where(y > 1, 2 - y, y)
    if level is not None:
        (before, slope), (after, _) = level(1 - x), level(1 - y)
        stays *= 1 - np.exp(-2 * before * after / (h * sampler.noise(x[:, None])[:, 0, 0] ** 2 * slope**2))
    later = (legendre.legvander(2 * y - 1, nodes - 1) * stays[:, None]).reshape(nodes, grid, nodes).sum(axis=1)
    count = np.linalg.solve(legendre.legvander(ticks, nodes - 1) - later, np.ones(nodes))
    return h * (legendre.legval(2 * start - 1, count) - (0.0 if level is None else 0.5))


@pytest.mark.serial
@pytest.mark.parametrize(("name", "order", "cap"), [("distance", 1.0, 3e-3), ("level", 0.85, 3e-3), ("indicator", 0.5, 0.07)])  # fmt: skip
def test_orders_of_targets(name, order, cap):
    """With a mobility that depends on x and a wall that reflects: levels are of order 1, indicators of order 1/2.

    For these steps the level that is no distance has two errors of order h, of opposite signs.
    """
    sampler, exact = MEANS["variable"]
    steps = (0.04, 0.02, 0.01, 0.005)
    errors = [abs(mean_by_operator(sampler, h, LEVELS[name][0]) - exact(0.2)) for h in steps]
    assert_rate(steps, errors, order, slack=0.15, cap=cap)


@pytest.mark.serial
def test_constant_noise_and_a_distance_are_exact():
    """A mirror at 0 and bridges to 1: only both ends in one step are missing, which is beyond all orders."""
    sampler, exact = MEANS["flat"]
    assert abs(mean_by_operator(sampler, 0.02, LEVELS["distance"][0]) - exact(0.2)) < 1e-6


@pytest.mark.serial
@pytest.mark.parametrize("name", LEVELS)
def test_large_steps_agree_with_the_operator(name):
    """The sampler with h = 0.02 against the operator of its step."""
    level, target = LEVELS[name]
    found = VARIABLE.first_passages([0.2], target, 20_000, 5, 0.02)
    assert found.boundary_order == ((0.5,) if level is None else (1.0,))
    assert_mean(found.mean, mean_by_operator(VARIABLE, 0.02, level), found.standard_error)


# --- closed forms and quadrature -------------------------------------------------------------------------------


@pytest.mark.serial
@pytest.mark.parametrize("name", MEANS)
def test_mean_time_on_a_line(name):
    """E T from the wall that reflects, and from within; the target is the other wall, and the walls may change."""
    sampler, exact = MEANS[name]
    for start in (0.0, 0.5):
        found = sampler.first_passages([start], RIGHT, 4000, 2, 5e-3)
        assert_near(found.mean, exact(start), found.standard_error, 2.5e-3)
        assert found.standard_error < 0.017
    left = EffectiveLangevin(lambda x: -sampler.drift(1 - x), lambda x: sampler.noise(1 - x), [(0, 1)])
    found = left.first_passages([0.5], lambda x: x[:, 0], 4000, 3, 5e-3)
    assert_near(found.mean, exact(0.5), found.standard_error, 2.5e-3)
    # the same target within a larger box
    wide = EffectiveLangevin(sampler.drift, sampler.noise, [(0, 3)])
    found = wide.first_passages([0.5], RIGHT, 4000, 4, 5e-3)
    assert_near(found.mean, exact(0.5), found.standard_error, 2.5e-3)


@pytest.mark.serial
def test_splitting_of_two_targets():
    """A wall and a point within, M = 1 + x, Psi = -x: q' is exp(Psi/sigma)/M; and E T of both by the double integral."""
    sampler = line(lambda x: 1 + x, lambda x: 1 + 0 * x, force=1.0)
    scale = lambda a, b: integrate.quad(lambda x: np.exp(-x / SIGMA) / (1 + x), a, b)[0]  # noqa: E731
    speed = lambda y: integrate.quad(lambda x: np.exp(x / SIGMA), 0.2, y)[0] / SIGMA  # noqa: E731
    outer = lambda a, b: integrate.quad(lambda y: np.exp(-y / SIGMA) / (1 + y) * speed(y), a, b)[0]  # noqa: E731
    right = scale(0.2, 0.45) / scale(0.2, 1)
    targets = {"wall": RIGHT, "within": lambda x: x[:, 0] - 0.2}
    found = sampler.first_passages([0.45], targets, 20_000, 7, 2e-3)
    value, error = found.probability("wall")
    assert_near(value, right, error, 1e-3)
    assert_near(found.mean, right * outer(0.2, 1) - outer(0.2, 0.45), found.standard_error, 1e-3)
    assert error < 0.004


@pytest.mark.serial
def test_around_a_period():
    """Brownian motion from 0 on a ring to what is within 0.1 of 0.5, both ways around: E T = 0.4^2."""
    ring = line(lambda x: 1 + 0 * x, lambda x: 0 * x, periodic=True)
    found = ring.first_passages([0.0], lambda x: np.abs(x[:, 0] - 0.5) - 0.1, 10_000, 2, 5e-3)
    assert_mean(found.mean, 0.16, found.standard_error)
    # a bridge across the seam itself: the target is an interval around it
    across = lambda x: 0.4 - np.abs(x[:, 0] - 0.5)  # noqa: E731
    found = ring.first_passages([0.5], across, 10_000, 2, 5e-3)
    assert_mean(found.mean, 0.16, found.standard_error)
    with pytest.raises(InvalidArgument, match=r"^targets: .*periodic"):
        ring.first_passages([0.2], lambda x: 0.8 - x[:, 0], 100, 2, 5e-3)


# --- walls ---------------------------------------------------------------------------------------------------


def test_where_ways_cross_walls():
    """Parts and points against a line; beyond two walls both are said, each on its wall and in the box."""
    walls = Walls(np.array([[0.0, 2.0], [-1.0, 1.0], [0.0, 1.0]]), np.array([False, False, True]))
    x = np.array([[1.5, 0.0, 0.2], [0.5, 0.5, 0.9], [1.9, 0.9, 0.5], [1.0, 0.0, 0.5]])
    new = np.array([[2.5, 0.5, 0.3], [-0.5, 0.7, 1.3], [2.1, 1.3, 0.5], [1.1, 0.1, 0.6]])
    (rows, parts, points), (high, later, top) = walls.crossed(x, new)
    assert (rows.tolist(), high.tolist()) == ([0, 1, 2], [2])
    np.testing.assert_allclose((*parts, *later), (0.5, 0.5, 0.5, 0.25), rtol=1e-14)
    np.testing.assert_allclose(points, [[2, 0.25, 0.25], [0, 0.6, 0.1], [2, 1, 0.5]], rtol=1e-14)
    np.testing.assert_allclose(top, [[1.95, 1, 0.5]], rtol=1e-14)
    ((around, lower, upper),) = walls.seams(x, new)
    assert around.tolist() == [1]
    np.testing.assert_allclose(np.r_[lower, upper], [[0.25, 0.55, 0], [0.25, 0.55, 1]], rtol=1e-14)


@pytest.mark.serial
def test_walls_are_hit_by_every_kind_of_target():
    """Pairs of walls of a square as targets: by symmetry each is hit first by half; times are those of a box."""
    flat = EffectiveLangevin(lambda x: 0 * x, lambda x: np.repeat(np.eye(2)[None], len(x), axis=0), [(-1, 1)] * 2)
    levels = [lambda x: 1 - np.abs(x[:, 0]), lambda x: 1 - np.abs(x[:, 1])]
    seen = [lambda x: np.abs(x[:, 0]) >= 1, lambda x: np.abs(x[:, 1]) >= 1]
    k = 2 * np.arange(60) + 1
    signs = (-1.0) ** np.arange(60)
    waves = signs[:, None] * signs[None] / (k[:, None] * k[None] * (k[:, None] ** 2 + k[None] ** 2))
    exact = 2 * (4 / math.pi) ** 2 * waves.sum() * 4 / math.pi**2
    means = []
    for targets in (levels, seen):
        found = flat.first_passages([0.0, 0.0], targets, 4000, 3, 0.01)
        assert_mean(found.probability(0)[0], 0.5, found.probability(0)[1])
        assert found.censored == 0
        means.append(found.mean)
    assert_near(means[0], exact, found.standard_error, 2e-3)
    assert means[1] > exact + 0.05


# --- another method --------------------------------------------------------------------------------------------


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore")
def test_discs_in_a_box_against_fields():
    """A disc within and one that a wall cuts, with a tensor that is not diagonal: E T and the committor."""
    from diffusions import Given

    from scaling_limits.pdes import FokkerPlanck

    tensor, start = np.array([[1.0, 0.6], [0.6, 1.0]]), [0.1, 0.9]
    root = np.linalg.cholesky(2 * SIGMA * tensor)
    sampler = EffectiveLangevin(lambda x: 0 * x, lambda x: np.repeat(root[None], len(x), axis=0), [(0, 1)] * 2)
    given = Given(lambda x: np.repeat(tensor[None], len(x), axis=0), lambda x: 0 * x[:, 0], SIGMA)
    fields = FokkerPlanck(given, [(0, 1)] * 2, (100, 100), comm=MPI.COMM_SELF)
    within = lambda x: np.hypot(x[:, 0] - 0.6, x[:, 1] - 0.4) - 0.2  # noqa: E731
    cut = lambda x: np.hypot(x[:, 0] - 0.1, x[:, 1] - 0.1) - 0.25  # noqa: E731
    inside = [lambda x: within(x) <= 0, lambda x: cut(x) <= 0]
    for level, indicator in zip((within, cut), inside):
        exact = fields.first_passage(indicator).mean.at([start])[0]
        found = sampler.first_passages(start, level, 4000, 3, 0.01)
        # the error of the step is 1.2 to 1.8 %, measured
        assert_near(found.mean, exact, found.standard_error, 0.02 * exact)
    exact = fields.committor(*inside).at([start])[0]
    found = sampler.first_passages(start, [within, cut], 4000, 3, 0.01)
    assert_near(found.probability(1)[0], exact, found.probability(1)[1], 0.005)


# --- streams ---------------------------------------------------------------------------------------------------


def turning(periodic=(False, False)):
    """M that depends on the position and is not diagonal, with B that is not triangular."""
    drift = lambda x: np.stack([-x[:, 1], x[:, 0]], axis=1) - 0.3 * x  # noqa: E731

    def noise(x):
        c, s = np.cos(x[:, 0]), np.sin(x[:, 0])
        return np.stack([np.stack([c, -0.5 * s], -1), np.stack([s, 0.5 * c], -1)], -2)

    return EffectiveLangevin(drift, noise, [(-1, 1), (-1.5, 1)], periodic)


def test_the_same_for_any_workers_and_ranks():
    targets = [lambda x: 0.9 - x[:, 0] + x[:, 1] ** 2 / 9, lambda x: x[:, 1] < -0.2]
    whole = turning().first_passages([0.1, 0.2], targets, 5000, 9, 0.01, limit=0.3, workers=1)
    for call in ({"workers": 2}, {"comm": MPI.COMM_WORLD}):
        other = turning().first_passages([0.1, 0.2], targets, 5000, 9, 0.01, limit=0.3, **call)
        assert (other.times == whole.times).all()
        assert (other.hit == whole.hit).all()
    fewer = turning().first_passages([0.1, 0.2], targets, 600, 9, 0.01, limit=0.3)
    assert (fewer.times == whole.times[:600]).all()
    assert set(whole.hit) == {-1, 0, 1}


@pytest.mark.serial
def test_indicators_see_what_samples_show():
    """Of an indicator within, T is the first snapshot in it: the same paths, number for number."""
    h, steps = 2.0**-6, 40
    snapshots = turning().sample([0.1, 0.2], h * np.arange(1, steps + 1), 700, 9, h).positions
    seen = snapshots[:, :, 0] > 0.5
    first = np.where(seen.any(axis=0), (1 + seen.argmax(axis=0)) * h, np.inf)
    found = turning().first_passages([0.1, 0.2], lambda x: x[:, 0] > 0.5, 700, 9, h, limit=h * steps)
    # the wall is in the target, but no path meets it that was not in the target before
    assert (found.times == first).mean() > 0.99
    assert (found.times <= first).all()
    assert 50 < found.censored < 650


# --- results and refusals ----------------------------------------------------------------------------------------


def test_starts_inside_and_limits():
    both = [lambda x: x[:, 0] > 0.9, lambda x: 0.5 - x[:, 0]]
    found = FLAT.first_passages([[0.0], [0.6], [1.0]], both, 3, 1, 0.01, limit=1e-3)
    assert found.times.tolist() == [math.inf, 0, 0]
    assert found.hit.tolist() == [-1, 1, 0]
    assert found.step == 1e-3
    found = FLAT.first_passages([0.0], RIGHT, 2000, 1, 0.07, limit=0.3)
    assert found.step == pytest.approx(0.06)
    assert found.times[found.hit >= 0].max() < 0.3
    assert 0 < found.censored < 2000
    with pytest.warns(Unresolved, match="none of 50 paths"):
        assert FLAT.first_passages([0.0], RIGHT, 50, 1, 1e-3, limit=0.01).censored == 50


def test_a_noise_that_is_singular():
    """No noise across the second direction, and none at all: a straight way at the speed of the drift."""
    root = np.array([[1.0, 0.0], [0.0, 0.0]])
    pushed = EffectiveLangevin(
        lambda x: np.repeat([[0.0, 1.0]], len(x), axis=0),
        lambda x: np.repeat(root[None], len(x), axis=0),
        [(-1, 1)] * 2,
    )
    found = pushed.first_passages([0.0, -0.5], lambda x: 0.5 - x[:, 1], 50, 1, 0.03)
    np.testing.assert_allclose(found.times, 33.5 * 0.03, rtol=1e-12)


@pytest.mark.serial
def test_what_is_refused_on_the_way():
    """Levels that are lost, functions that raise, steps as long as the box, drifts that jump; each by its name."""
    with pytest.raises(InvalidArgument, match=r"^targets: .*finite"), np.errstate(all="ignore"):
        FLAT.first_passages([0.0], lambda x: np.sqrt(0.5 - x[:, 0]) + 5, 64, 1, 1e-2, limit=1.0)
    # at the wall only
    with pytest.raises(InvalidArgument, match=r"^targets: .*finite"):
        FLAT.first_passages([0.0], lambda x: np.where(x[:, 0] == 1.0, np.nan, 5.0), 64, 1, 1e-2, limit=2.0)
    with pytest.raises(Unstable, match="longer than the box"):
        FLAT.first_passages([0.0], lambda x: 5 + x[:, 0], 64, 1, 1.0)
    steep = EffectiveLangevin(lambda x: -200 * (x - 0.5), lambda x: 0.1 * np.ones((len(x), 1, 1)), [(0, 1)])
    with pytest.raises(InvalidArgument, match=r"^step: .*not stable"):
        steep.first_passages([0.4], RIGHT, 64, 1, 0.01)
    # single paths may take short ways across a jump
    jump = EffectiveLangevin(lambda x: -np.sign(x), lambda x: np.ones((len(x), 1, 1)), [(-2, 2)])
    assert np.isfinite(jump.first_passages([0.0], lambda x: 1.5 - x[:, 0], 3, 1, 0.01).times).all()
