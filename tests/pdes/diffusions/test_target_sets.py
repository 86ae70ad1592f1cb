"""Sets of hitting problems: walls, points, thin, touching and unresolved ones, and fields beside them."""

import numpy as np
import pytest
from diffusions import Given, rotated
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate

from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck, Unresolved

# what is tested here are sets on coarse cells
pytestmark = [
    pytest.mark.filterwarnings("ignore:the solution is known"),
    pytest.mark.filterwarnings("ignore:the error that the cells leave"),
]
ONE = lambda x: np.ones((len(x), 1, 1))  # noqa: E731
FLAT = FokkerPlanck(Given(ONE, lambda x: np.zeros(len(x))), [(0, 1)], (50,))
RING = FokkerPlanck(Given(ONE, lambda x: np.zeros(len(x))), [(0, 1)], (50,), periodic=True)


def plane(n, box=(-1, 1), **arguments):
    """Brownian motion in a square."""
    given = Given(lambda x: np.repeat(np.eye(2)[None], len(x), axis=0), lambda x: np.zeros(len(x)))
    return FokkerPlanck(given, [box] * 2, (n, n), **arguments)


def warned(match, call):
    """The result of a call that warns on rank 0, and there only."""
    if MPI.COMM_WORLD.rank > 0:
        return call()
    with pytest.warns(Unresolved, match=match):
        return call()


def passage(exponent, mobility, low, end, x):
    """T(x) = int_x^end exp(u(y))/M(y) int_low^y exp(-u(z)) dz dy for u = Psi/sigma, divided by sigma = 1."""
    inner = lambda y: integrate.quad(lambda z: np.exp(exponent(y) - exponent(z)), low, y, epsrel=1e-12, limit=200)[0]  # noqa: E731
    return integrate.quad(lambda y: inner(y) / mobility(y), x, end, epsrel=1e-11, limit=200)[0]


def test_absorption_at_the_end_of_an_interval():
    """T = (1 - x^2)/2 and q = x on a flat interval; a parabola and an M that varies, by the double integral."""
    x = np.array([[0.0], [0.3], [1.0]])
    for target in (lambda x: x[:, 0] >= 1.0, lambda x: x[:, 0] == 1.0, lambda x: x[:, 0] > 1.0 - 1e-12):
        np.testing.assert_allclose(
            FLAT.mean_first_passage_time(target).at(x), [0.5, 0.455, 0.0], rtol=1e-10, atol=1e-12
        )
    q = FLAT.committor(lambda x: x[:, 0] <= 0, lambda x: x[:, 0] >= 1)
    np.testing.assert_allclose(q.at(x), x[:, 0], rtol=1e-10, atol=1e-12)
    parabola = Given(ONE, lambda x: 0.5 * x[:, 0] ** 2)
    fp = FokkerPlanck(parabola, [(-5, 5)], (200,))
    expected = passage(lambda y: 0.5 * y**2, lambda y: 1.0, -5, 5, 0.5)
    assert expected == pytest.approx(1.407e5, rel=1e-3)
    for target in (lambda x: x[:, 0] >= 5, lambda x: x[:, 0] >= 5 - 1e-9):
        assert fp.mean_first_passage_time(target).at([[0.5]])[0] == pytest.approx(expected, rel=1e-6)
    tilted = Given(lambda x: (1.5 + np.sin(x[:, :1]))[:, :, None], lambda x: np.cos(2 * x[:, 0]) - 0.3 * x[:, 0])
    expected = passage(lambda y: np.cos(2 * y) - 0.3 * y, lambda y: 1.5 + np.sin(y), -2, 1.7, -0.4)
    found = FokkerPlanck(tilted, [(-2, 1.7)], (60,)).mean_first_passage_time(lambda x: x[:, 0] >= 1.7)
    assert found.at([[-0.4]])[0] == pytest.approx(expected, rel=1e-8)


def test_points_and_thin_sets_on_a_line():
    """A point is hit with probability one: T from both sides of it, on an interval and around a ring."""
    for c, width in ((0.5, 0.0), (0.5, 1e-13), (0.5, 1e-8), (0.437, 1e-3)):
        a, b = c - width, c + width
        found = FLAT.mean_first_passage_time(lambda x, c=c, w=width: np.abs(x[:, 0] - c) <= w)
        x = np.array([0.0, 0.2, 0.9, 1.0])
        expected = np.where(x < c, (a**2 - x**2) / 2, ((1 - b) ** 2 - (1 - x) ** 2) / 2)
        np.testing.assert_allclose(found.at(x[:, None]), expected, rtol=1e-9)
    for seam in (lambda x: x[:, 0] >= 1.0, lambda x: x[:, 0] == 0.0):
        np.testing.assert_allclose(RING.mean_first_passage_time(seam).at([[0.25], [0.5]]), [3 / 32, 1 / 8], rtol=1e-9)
    two = FLAT.committor(lambda x: x[:, 0] == 0.2, lambda x: x[:, 0] == 0.6)
    np.testing.assert_allclose(two.at([[0.1], [0.3], [0.7]]), [0, 0.25, 1], atol=1e-12)
    thin = lambda x: (x[:, 0] > 0.9) | (np.abs(x[:, 0] - 0.5003) < 2e-4)  # noqa: E731 - far from the nodes
    np.testing.assert_allclose(FLAT.mean_first_passage_time(thin).at([[0.0]]), [0.5001**2 / 2], rtol=1e-9)


@pytest.mark.parametrize(
    ("sets", "name", "text"),
    [
        ([lambda x: np.abs(x[:, 0] - 0.50011) < 1e-9], "target", "has none of"),
        ([lambda x: x[:, 0] > -1], "target", "whole box"),
        ([lambda x: x[:, 0] != 0.5], "target", "whole box"),
        ([lambda x: x[:, 0] <= 0.5, lambda x: x[:, 0] > 0.5], "b", r"must not meet a.*0\.5"),
        ([lambda x: x[:, 0] <= 0.5 + 1e-7, lambda x: x[:, 0] > 0.5], "b", "must not meet a"),
        ([lambda x: x[:, 0] <= 0.5, lambda x: x[:, 0] > 0.5 + 1e-10], "b", "must not meet a"),
        ([lambda x: x[:, 0] <= 0.5, lambda x: x[:, 0] <= 0.2], "b", "must not meet a"),
    ],
)
def test_sets_that_make_no_sense(sets, name, text):
    method = FLAT.mean_first_passage_time if len(sets) == 1 else FLAT.committor
    with pytest.raises(InvalidArgument, match=rf"^{name}: .*{text}"):
        method(*sets)


def test_sets_that_touch_around_a_ring():
    with pytest.raises(InvalidArgument, match=r"^b: must not meet a"):
        RING.committor(lambda x: x[:, 0] <= 0.1, lambda x: x[:, 0] >= 0.9)


def test_walls_of_the_plane():
    """T = (1 - x^2)/2 to a wall, q = (x + 1)/2 between two: without a warning."""
    fp = plane(20)
    x = np.array([[-1.0, 0.3], [0.15, -0.77], [0.99, 1.0]])
    wall = lambda x: x[:, 0] >= 1  # noqa: E731
    np.testing.assert_allclose(fp.mean_first_passage_time(wall).at(x), (4 - (x[:, 0] + 1) ** 2) / 2, atol=6e-3)
    np.testing.assert_allclose(fp.committor(lambda x: x[:, 0] <= -1, wall).at(x), (x[:, 0] + 1) / 2, atol=1e-10)


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.4625, 0.5125)], ids=["at a node", "beside the nodes"])
def test_small_sets_of_the_plane_are_said(centre):
    """A disc that no lattice resolves is refused or warned of, wherever it is; one of 4 cells is neither."""
    fp = plane(40, (0, 1))
    disc = lambda r, c=centre: lambda x: ((x - c) ** 2).sum(axis=1) <= r**2  # noqa: E731
    if centre == (0.5, 0.5):
        warned("target.*3 nodes across", lambda: fp.mean_first_passage_time(disc(1e-3)))
    else:
        with pytest.raises(InvalidArgument, match=r"^target: has no node"):
            fp.mean_first_passage_time(disc(1e-3))
    both = lambda x: disc(1e-3)(x) | (x[:, 0] <= 0)  # noqa: E731
    warned("target (is less|has a part)", lambda: fp.mean_first_passage_time(both))
    fp.mean_first_passage_time(disc(0.1))
    corner = lambda x: (x[:, 0] >= 1) & (x[:, 1] >= 1)  # noqa: E731
    warned("target.*3 nodes across", lambda: fp.mean_first_passage_time(corner))
    around = lambda x: (np.minimum(x, 1 - x) ** 2).sum(axis=1) < 0.1**2  # noqa: E731 - a disc at the seam
    plane(40, (0, 1), periodic=True).mean_first_passage_time(around)


@pytest.mark.parametrize("width", [0.03, 0.003, 0.26])
def test_edges_never_jump_over_a_set(width):
    """A strong anisotropy needs edges of several cells; a strip that is thinner than they are stops them all."""
    tensor = rotated(np.array([0.4]), np.ones(1), np.full(1, 1e-3))[0]
    fp = FokkerPlanck(
        Given(lambda x: np.repeat(tensor[None], len(x), axis=0), lambda x: np.zeros(len(x))), [(-1, 1)] * 2, (40, 40)
    )
    assert fp.generator.edges.widest > 2
    strip = lambda x: np.abs(x[:, 0] - 0.1) < width  # noqa: E731
    found = fp.committor(strip, lambda x: x[:, 0] <= -1)
    assert found.at([[0.6, 0.0]])[0] == 0.0
    # from the strip to the wall the field is linear along the fast direction, which meets no other wall from here
    assert found.at([[-0.45, 0.0]])[0] == pytest.approx((0.55 - width) / (1.1 - width), abs=0.02)


def test_fields_are_of_second_order_beside_sets():
    """log r in an annulus, at points up to the circles; between two cells of both it was of first order."""
    rng = np.random.default_rng(8)
    r = np.concatenate([rng.uniform(0.4, 0.95, 3000), 0.4 + 0.02 * rng.random(1000), 0.95 - 0.02 * rng.random(1000)])
    angle = rng.uniform(0, 2 * np.pi, len(r))
    x = r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner, outer = lambda x: (x**2).sum(axis=1) <= 0.16, lambda x: (x**2).sum(axis=1) >= 0.9025
    sizes, errors = (24, 48, 96, 192), []
    for n in sizes:
        q = plane(n).committor(inner, outer)
        found = q.at(x)
        assert found.min() >= 0
        assert found.max() <= 1
        errors.append(np.abs(found - np.log(r / 0.4) / np.log(0.95 / 0.4)).max())
    assert_rate(sizes, errors, -2.0, slack=0.3, cap=4e-4)


def test_fields_in_gaps_and_at_walls():
    """A gap of two cells, and a set that ends at a wall: linear fields come out as they are."""
    fp = plane(20)  # h = 0.1
    gap = fp.committor(lambda x: x[:, 0] <= 0.03, lambda x: x[:, 0] >= 0.17)
    x = np.array([[0.05, 0.2], [0.1, 1.0], [0.15, -1.0], [0.12, 0.33]])
    np.testing.assert_allclose(gap.at(x), (x[:, 0] - 0.03) / 0.14, atol=0.08)
    wide = fp.committor(lambda x: x[:, 0] <= -0.43, lambda x: x[:, 0] >= 0.57)
    x = np.array([[-0.41, 1.0], [0.56, -1.0], [-0.35, -0.95], [0.3, 0.2]])
    np.testing.assert_allclose(wide.at(x), x[:, 0] + 0.43, atol=1e-10)


def test_sets_where_no_path_goes():
    steep = Given(ONE, lambda x: 10 * x[:, 0] ** 2, 0.1)
    with pytest.raises(InvalidArgument, match=r"^target: .*exp"):
        FokkerPlanck(steep, [(-6, 6)], (100,)).mean_first_passage_time(lambda x: x[:, 0] >= 6)
    steep = Given(lambda x: np.repeat(np.eye(2)[None], len(x), axis=0), lambda x: 40 * (x**2).sum(axis=1), 0.1)
    with pytest.raises(InvalidArgument, match=r"^target: .*no path"):
        FokkerPlanck(steep, [(-3, 3)] * 2, (30, 30)).mean_first_passage_time(lambda x: x[:, 0] >= 2.5)
