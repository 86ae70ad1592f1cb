"""Bounds of the frequency of transitions: against closed forms and quadrature on every mesh, rates of their width."""

from itertools import pairwise

import numpy as np
import pytest
from diffusions import Given, rotated
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate

from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.diffusions.capacity.frequency_bounds import frequency_bounds


def quad(f, low, high):
    return integrate.quad(f, low, high, epsabs=0, epsrel=1e-12, limit=400)[0]


def holds(found, exact, rtol=1e-11):
    """The interval contains the exact value, which is known to rtol."""
    assert 0 <= found.lower <= exact * (1 + rtol), (found, exact)
    assert found.upper >= exact * (1 - rtol), (found, exact)
    return found


def strips(barrier, cells, degree=None, dim=2, **arguments):
    """Half spaces that end between nodes, Psi = barrier (x^2 - 1)^2 + ..., diagonal M: one quadrature."""
    ends, low, high = (-0.913, 0.877), -1.8, 1.8
    rest = lambda x: 0.5 * x[:, 1] ** 2 + (np.cos(x[:, 2]) if dim == 3 else 0.0)  # noqa: E731
    mobility = lambda x: (1 + 0.3 * np.sin(x[:, 0]))[:, None, None] * np.diag([1.0, 2.0, 3.0])[:dim, :dim]  # noqa: E731
    given = Given(mobility, lambda x: barrier * (x[:, 0] ** 2 - 1) ** 2 + rest(x))
    box = [(low, high), (-2, 2), (-1, 1)][:dim]
    fp = FokkerPlanck(given, box, (cells,) * dim, **arguments)
    weight = lambda x: np.exp(-barrier * (x**2 - 1) ** 2)  # noqa: E731
    resistance = quad(lambda x: 1 / ((1 + 0.3 * np.sin(x)) * weight(x)), *ends)
    exact = 1 / (resistance * (quad(weight, low, 0) + quad(weight, 0, high)))
    return frequency_bounds(fp, lambda x: x[:, 0] < ends[0], lambda x: x[:, 0] > ends[1], degree=degree), exact


@pytest.mark.parametrize("barrier", [1.0, 10.0, 30.0, 60.0])
def test_strips_on_every_mesh(barrier):
    """At barriers up to 60 sigma, on meshes from 6 x 6: wide where cells are large, never wrong."""
    for cells, degree in ((6, 1), (6, 2), (7, 3), (12, 1), (12, 2)):
        found = holds(*strips(barrier, cells, degree))
        assert found.fitted
        assert found.degree == degree
    fine = holds(*strips(barrier, 32))
    assert fine.width < 2e-5 * barrier
    assert fine.error_of_quadrature < 1e-7 * fine.upper


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_width_is_of_order_2p(degree):
    """Smooth coefficients and sets that end at planes: both bounds converge like h^2p, two-sided."""
    counts = np.array({1: [12, 24, 48], 2: [12, 24, 48], 3: [9, 18, 36]}[degree])
    both = [holds(*strips(1.0, n, degree)) for n in counts]
    exact = strips(1.0, 6, 1)[1]
    uppers, lowers = (np.array([abs(getattr(f, name) / exact - 1) for f in both]) for name in ("upper", "lower"))
    cap = {1: 1e-3, 2: 1e-6, 3: 3e-9}[degree]
    assert_rate(1 / counts, uppers, 2 * degree, slack=0.25, cap=cap)
    assert_rate(1 / counts, lowers, 2 * degree, slack=0.35, cap=cap)


@pytest.mark.serial
def test_strips_in_space():
    for cells, degree, width in ((4, 1, 0.9), (6, 2, 0.05), (5, None, 0.02)):
        assert holds(*strips(5.0, cells, degree, dim=3)).width < width


def full_tensor(amplitude, cells, walls=False, turned=False, **arguments):
    """M e_1 = J/pi with div J = 0, J e_2 = 0 at walls: the committor is linear in x_1 for every pi and every M_22."""
    slope = lambda x: 1 + 0.6 * np.cos(2 * np.pi * x[:, 1]) * np.sin(2 * np.pi * x[:, 0])  # noqa: E731
    across = lambda x: -0.6 * np.sin(2 * np.pi * x[:, 1]) * np.cos(2 * np.pi * x[:, 0])  # noqa: E731
    psi = lambda x, y: amplitude * (np.cos(3 * x + 2 * y) + 0.5 * np.sin(5 * y))  # noqa: E731

    def mobility(x):
        first, second = (part(x) * np.exp(psi(*x.T)) for part in (slope, across))
        return np.stack([np.stack([first, second], -1), np.stack([second, second**2 / first + 0.5], -1)], -2)

    fp = FokkerPlanck(Given(mobility, lambda x: psi(*x.T)), [(0, 1), (0, 1)], (cells, cells), **arguments)
    low, high = (0.0, 1.0) if walls else (0.21, 0.83)
    sets = (lambda x: x[:, 0] <= low), (lambda x: x[:, 0] >= high)
    nodes, weights = np.polynomial.legendre.leggauss(100)
    x = 0.5 * (nodes + 1)
    partition = 0.25 * weights @ np.exp(-psi(x[:, None], x)) @ weights
    return frequency_bounds(fp, *(sets[::-1] if turned else sets)), 1 / ((high - low) * partition)


@pytest.mark.parametrize("walls", [False, True])
def test_full_tensors_that_vary(walls):
    """Sets with a volume, and sets that are a wall only, of measure zero."""
    for amplitude, cells, width in ((1.0, 3, 1e-3), (3.0, 6, 1e-4), (5.0, 16, 1e-6)):
        assert holds(*full_tensor(amplitude, cells, walls)).width < width


def test_from_a_to_b_is_from_b_to_a():
    one, other = full_tensor(3.0, 8)[0], full_tensor(3.0, 8, turned=True)[0]
    np.testing.assert_allclose([one.lower, one.upper], [other.lower, other.upper], rtol=1e-10)


def ellipses(cells, barrier, tensor, corner, degree=None):
    """Between r < 0.33 and r > 0.9, r^2 = x . M^-1 x, M constant, Psi of r: a flat or curved ring by one quadrature."""
    dim, inner, outer = len(tensor), 0.33, 0.9
    inverse = np.linalg.inv(tensor)
    radius = lambda x: np.sqrt(np.einsum("pi,ij,pj->p", x, inverse, x))  # noqa: E731
    psi = lambda r: barrier * np.sin(np.pi * (np.clip(r, inner, outer) - inner) / (outer - inner)) ** 2  # noqa: E731
    size = np.sqrt(np.diag(tensor))
    box = np.stack([0 * size if corner else -size, size], axis=1)
    given = Given(lambda x: np.repeat(tensor[None], len(x), 0), lambda x: psi(radius(x)))
    fp = FokkerPlanck(given, box, (cells,) * dim)
    # psi is 0 outside of the ring: what is missing of the volume is an integral of r
    sphere = {2: 2 * np.pi, 3: 4 * np.pi}[dim] * np.sqrt(np.linalg.det(tensor)) / (2**dim if corner else 1)
    missing = sphere * quad(lambda r: (1 - np.exp(-psi(r))) * r ** (dim - 1), inner, outer)
    resistance = quad(lambda r: np.exp(psi(r)) * r ** (1 - dim), inner, outer) / sphere
    exact = 1 / (resistance * (np.prod(np.diff(box)) - missing))
    return frequency_bounds(fp, lambda x: radius(x) < inner, lambda x: radius(x) > outer, degree=degree), exact


STRONG = rotated(np.array([0.5]), np.ones(1), np.full(1, 0.25))[0]


@pytest.mark.parametrize(
    ("tensor", "corner", "barrier"),
    [
        (np.eye(2), True, 0.0),
        pytest.param(np.eye(2), False, 8.0, marks=pytest.mark.serial),
        pytest.param(STRONG, False, 4.0, marks=pytest.mark.serial),
    ],
)
def test_curved_sets_are_enclosed(tensor, corner, barrier):
    """Sets that no cell fits: the interval holds the truth on every mesh, and is of the first order of the cells."""
    for cells, degree in ((18, 1), (21, 2), (26, 1)):
        assert not holds(*ellipses(cells, barrier, tensor, corner, degree)).fitted
    widths = [holds(*ellipses(n, barrier, tensor, corner)).width for n in (6, 12, 24)]
    assert widths[0] < 0.6
    assert widths[2] < 0.06
    assert widths[1] < 0.7 * widths[0]
    assert widths[2] < 0.7 * widths[1]


@pytest.mark.serial
def test_an_octant_of_a_shell():
    assert holds(*ellipses(6, 3.0, np.eye(3), True)).width < 0.15
    assert holds(*ellipses(10, 3.0, np.eye(3), True, degree=1)).width < 0.4


@pytest.mark.serial
@pytest.mark.parametrize("depth", [0.0, 20.0, 40.0, 80.0])
def test_a_deep_well_between_the_sets(depth):
    """Wells that are tens of sigma deeper than A and B make the matrix singular; the interval stays narrow."""
    well = lambda x: -10 * np.cos(2 * np.pi * x) - depth * np.exp(-((x / 0.35) ** 4))  # noqa: E731
    given = Given(lambda x: np.repeat(np.eye(2)[None], len(x), 0), lambda x: well(x[:, 0]) + 2 * x[:, 1] ** 2)
    for cells, width in ((10, 1.0), (40, 2e-3)):
        fp = FokkerPlanck(given, [(-1.3, 1.3), (-1, 1)], (cells, cells))
        found = frequency_bounds(fp, lambda x: x[:, 0] < -1, lambda x: x[:, 0] > 1)
        parts = np.linspace(-1.3, 1.3, 14)
        partition = sum(quad(lambda x: np.exp(-well(x)), *ends) for ends in pairwise(parts))
        resistance = quad(lambda x: np.exp(well(x)), -1, 0) + quad(lambda x: np.exp(well(x)), 0, 1)
        assert holds(found, 1 / partition / resistance, 1e-10).width < width


def test_a_ring():
    """Periodic in both directions, A across the period: two ways in parallel."""
    psi = lambda x: 4 * np.cos(2 * np.pi * x)  # noqa: E731
    mobility = lambda x: np.repeat(np.diag([1.0, 3.0])[None], len(x), 0)  # noqa: E731
    given = Given(mobility, lambda x: psi(x[:, 0]) + np.sin(2 * np.pi * x[:, 1]))
    ways = [1 / quad(lambda x: np.exp(psi(x)), *ends) for ends in ((0.07, 0.39), (0.61, 0.91))]
    for cells, width in ((5, 1e-3), (16, 1e-4)):
        fp = FokkerPlanck(given, [(0, 1), (0, 1)], (cells, cells), periodic=True)
        found = frequency_bounds(
            fp, lambda x: (x[:, 0] < 0.07) | (x[:, 0] > 0.91), lambda x: np.abs(x[:, 0] - 0.5) < 0.11
        )
        assert holds(found, sum(ways) / quad(lambda x: np.exp(-psi(x)), 0, 1)).width < width


def test_a_line():
    psi = lambda x: 5 * (x**2 - 1) ** 2 + x  # noqa: E731
    fp = FokkerPlanck(Given(lambda x: 1 + 0 * x[:, :, None], lambda x: psi(x[:, 0])), [(-2, 2)], 20)
    found = frequency_bounds(fp, lambda x: x[:, 0] < -0.93, lambda x: x[:, 0] > 1.013)
    exact = 1 / quad(lambda x: np.exp(psi(x)), -0.93, 1.013) / quad(lambda x: np.exp(-psi(x)), -2, 2)
    assert holds(found, exact).width < 1e-6


def test_errors_of_coefficients_widen_the_interval():
    """M and Z1 to 1 %: M and pi in the numerator, pi in the integral over the box."""
    exact, blurred = (frequency_bounds(_with(error), *_SIDES) for error in (0.0, 0.01))
    assert blurred.upper == pytest.approx(exact.upper * 1.01**2 / 0.99, rel=1e-12)
    assert blurred.lower == pytest.approx(exact.lower * 0.99**2 / 1.01, rel=1e-12)
    widened = blurred.upper - exact.upper + exact.lower - blurred.lower
    assert blurred.error_of_coefficients == pytest.approx(widened, rel=1e-9)
    assert exact.error_of_coefficients == 0


class Blurred(Given):
    """Coefficients that say what their error is."""

    error = 0.01


_SIDES = (lambda x: x[:, 0] < 0.2), (lambda x: x[:, 0] > 0.8)


def _with(error):
    kind = Blurred if error else Given
    given = kind(lambda x: np.repeat(np.eye(2)[None], len(x), 0), lambda x: np.cos(3 * x[:, 0]))
    return FokkerPlanck(given, [(0, 1), (0, 1)], (5, 5))


@pytest.mark.serial
def test_jumps_inside_of_cells_are_measured():
    """Psi jumps by 5 sigma between nodes and the planes of the sets: the error of quadrature covers it."""
    low, high = 0.4413, 0.5847
    psi = lambda x: 5.0 * ((x > low) & (x < high))  # noqa: E731
    given = Given(lambda x: np.repeat(np.eye(2)[None], len(x), 0), lambda x: psi(x[:, 0]))
    partition = 1 + (np.exp(-5) - 1) * (high - low)
    exact = 1 / (0.6 + (np.exp(5) - 1) * (high - low)) / partition
    for cells, degree in ((6, 1), (7, 2), (16, 3)):
        fp = FokkerPlanck(given, [(0, 1), (0, 1)], (cells, cells))
        found = holds(frequency_bounds(fp, *_SIDES, degree=degree), exact)
        assert 0 < found.error_of_quadrature < found.upper - found.lower


def test_ranks_together_and_alone():
    """The same interval by all ranks together and by each alone."""
    together, alone = (
        strips(10.0, 9, 2, comm=comm)[0] for comm in (MPI.COMM_WORLD, MPI.COMM_SELF)
    )  # fmt: skip
    np.testing.assert_allclose([together.lower, together.upper], [alone.lower, alone.upper], rtol=1e-9)
    few = frequency_bounds(FokkerPlanck(Given(_unit, _flat), [(0, 1), (0, 1)], (1, 1)), *_WALLS, degree=2)
    assert few.upper == pytest.approx(1.0, rel=1e-11)


def _unit(x):
    return np.repeat(np.eye(2)[None], len(x), 0)


def _flat(x):
    return np.zeros(len(x))


_WALLS = (lambda x: x[:, 0] <= 0), (lambda x: x[:, 0] >= 1)
