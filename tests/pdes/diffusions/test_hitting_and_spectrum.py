"""Mean first passage times, committors and rates: against double integrals, Chebyshev collocation, and bounds."""

from contextlib import nullcontext

import numpy as np
import pytest
from diffusions import Given, averages_on_a_line, double_well, rates_on_a_line, rotated
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate
from scipy.interpolate import CubicSpline

from scaling_limits.particles import InvalidArgument, MultiscalePotential, egg_carton, fully_coupled, mueller_brown
from scaling_limits.pdes import EffectiveFokkerPlanck, FokkerPlanck, Unresolved

WELL = double_well(0.5)


def line_of(potential, low, high, count=4001):
    """exp(-Psi/sigma) and M as functions on [low, high], from quadrature of Z1 and of the integral of exp(V1/sigma)."""
    x = np.linspace(low, high, count)
    partition, inverse = averages_on_a_line(potential, x, 48)
    smooth = CubicSpline(x, np.stack([np.log(partition), -np.log(partition * inverse)], axis=1))

    def weight(t):
        confining = potential.confining_at(np.reshape(t, (-1, 1))).reshape(np.shape(t))
        return np.exp(smooth(t)[..., 0] - confining / potential.temperature)

    return weight, lambda t: np.exp(smooth(t)[..., 1])


def test_mean_first_passage_time_is_the_double_integral():
    """T(x) = int_x^b (1/(sigma M pi)(y)) int_a^y pi(z) dz dy, fully coupled N = 2: 1e-6 on 100 cells."""
    low, end, sigma = -2.5, 0.9137, WELL.temperature
    weight, mobility = line_of(WELL, low, 2.5)
    nodes, weights = np.polynomial.legendre.leggauss(20)

    def cumulative(f, ends):
        middle, half = 0.5 * (ends[1:] + ends[:-1]), 0.5 * np.diff(ends)
        return np.r_[0.0, np.cumsum(half * (weights * f(middle[:, None] + half[:, None] * nodes)).sum(axis=1))]

    ends = np.linspace(low, end, 2001)
    inner = CubicSpline(ends, cumulative(weight, ends))
    outer = cumulative(lambda y: inner(y) / (sigma * mobility(y) * weight(y)), ends)
    fp = EffectiveFokkerPlanck(WELL, [(low, 2.5)], (100,))
    found = fp.mean_first_passage_time(lambda x: x[:, 0] > end)
    x = ends[::250][:-1]
    expected = outer[-1] - outer[::250][:-1]
    np.testing.assert_allclose(found.at(x[:, None]), expected, rtol=1e-6)
    assert (found.at([[end + 1e-9], [2.0]]) < 1e-6).all()
    both = fp.committor(lambda x: x[:, 0] < -1.05, lambda x: x[:, 0] > end)
    resistance = lambda y: 1 / (sigma * mobility(y) * weight(y))  # noqa: E731
    parts = [integrate.quad(resistance, -1.05, b, epsabs=1e-12, limit=200)[0] for b in (-0.3, 0.4, end)]
    np.testing.assert_allclose(both.at([[-0.3], [0.4]]), np.array(parts[:2]) / parts[2], rtol=1e-6)
    np.testing.assert_allclose(both.at([[-2.0], [2.0]]), [0, 1], atol=1e-12)


def test_spectral_gap_against_chebyshev():
    """Double well, N = 2: the first rates to 1e-7."""
    low, high, sigma = -2.2, 2.2, WELL.temperature
    x = np.linspace(low, high, 4001)
    partition, inverse = averages_on_a_line(WELL, x, 48)
    slope_of_partition, mobility = (
        CubicSpline(x, np.log(partition)).derivative(),
        CubicSpline(x, 1 / (partition * inverse)),
    )
    slope = lambda t: slope_of_partition(t) - 4 * t * (t**2 - 1) / sigma  # noqa: E731 - of log w = -Psi/sigma
    expected, check = (rates_on_a_line(slope, lambda t: sigma * mobility(t), low, high, n)[1:5] for n in (120, 100))
    np.testing.assert_allclose(expected, check, rtol=1e-8)  # the oracle has converged
    found = EffectiveFokkerPlanck(WELL, [(low, high)], (100,)).spectrum(5)
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], expected, rtol=1e-7)


def test_ornstein_uhlenbeck_rates():
    """A parabola and a constant tensor: the rates are the sums of eigenvalues of M A, to 1e-8."""
    tensor = rotated(np.array([0.5]), np.ones(1), np.full(1, 0.25))[0]
    stiffness = np.diag([1.0, 2.0])
    given = Given(
        lambda x: np.repeat(tensor[None], len(x), axis=0),
        lambda x: 0.5 * np.einsum("pi,ij,pj->p", x, stiffness, x),
        0.2,
    )
    fp = FokkerPlanck(given, [(-3.5, 3.5), (-2.8, 2.8)], (28, 28), rtol=1e-5)
    slow, fast = np.sort(np.linalg.eigvals(tensor @ stiffness).real)
    expected = np.sort([i * slow + j * fast for i in range(7) for j in range(3)])[:6]
    np.testing.assert_allclose(fp.spectrum(6), expected, rtol=1e-8, atol=1e-12)
    modes = fp.modes(3)
    assert modes.rates[0] == 0
    f = modes.functions[1].x.array
    assert np.ptp(f) > 1


def test_rare_transitions():
    """A barrier of 20 sigma: the rate is that of Kramers' exact double integral, though it is 1e-9 of the others."""
    potential = double_well(0.05)
    fp = EffectiveFokkerPlanck(potential, [(-1.8, 1.8)], (200,))
    weight, mobility = line_of(potential, -1.8, 1.8)
    scale = weight(-1.0)
    wells = [
        integrate.quad(lambda x: weight(x) / scale, *ends, epsabs=0, epsrel=1e-11, limit=400)[0]
        for ends in ((-1.8, 0.0), (0.0, 1.8))
    ]
    barrier = integrate.quad(
        lambda x: scale / (0.05 * mobility(x) * weight(x)), -1.0, 1.0, epsabs=0, epsrel=1e-11, limit=400
    )[0]
    leading = (1 / wells[0] + 1 / wells[1]) / barrier
    gap = fp.spectrum(2)[1]
    assert gap < 1e-15
    assert gap == pytest.approx(leading, rel=1e-4)


def test_proposition_4_bounds():
    """For V0 = rho x^2/2 the full gap is at least rho exp(-osc/sigma), the effective one at least rho exp(-2 osc/sigma)."""
    for temperature, coupling in ((0.7, 0.0), (1.0, 0.8)):
        potential = fully_coupled(temperature, dim=1, scales=1, coupling=coupling)
        x, y = (grid.ravel()[:, None] for grid in np.meshgrid(np.linspace(-5, 5, 201), np.arange(200) / 200))
        oscillation = np.ptp(potential.fluctuation_at(x, y))
        effective = EffectiveFokkerPlanck(potential, [(-7, 7)], (200,)).spectrum(2)[1]
        full = Given(lambda x: np.ones((len(x), 1, 1)), lambda x, v=potential: v.full_at(x, 0.2), temperature)
        rate = FokkerPlanck(full, [(-7, 7)], (700,)).spectrum(2)[1]
        assert np.exp(-2 * oscillation / temperature) <= effective <= 1
        assert np.exp(-oscillation / temperature) <= rate
        assert rate == pytest.approx(effective, rel=0.2)
        assert rate < 1  # ruggedness slows down, and the printed exponent would allow more than it does


@pytest.mark.filterwarnings("ignore:the solution is known")  # on coarse cells
def test_passage_times_in_the_plane_at_second_order():
    """To the outside of a disc without drift: T = (r^2 - |x|^2)/(2 d sigma), whatever the mesh does at the circle."""
    flat = Given(lambda x: np.repeat(np.eye(2)[None], len(x), axis=0), lambda x: np.zeros(len(x)), 0.5)
    points = np.array([[0.0, 0.0], [0.5, 0.1], [-0.3, 0.6]])
    sizes, errors = (20, 40, 80, 160), []
    for n in sizes:
        fp = FokkerPlanck(flat, [(-1.5, 1.4), (-1.3, 1.5)], (n, n))
        found = fp.mean_first_passage_time(lambda x: np.hypot(x[:, 0], x[:, 1]) > 1.1).at(points)
        errors.append(np.abs(found - (1.21 - (points**2).sum(axis=1)) / 2).max())
    assert_rate(sizes, errors, -2.0, slack=0.35, cap=3e-4)


@pytest.mark.parametrize("contrast", [0.3, 0.01])
def test_a_slanted_strip_with_drift(contrast):
    """Sets that end at lines n.x = -+1, M and grad Psi along n: the plane problem is that of a line, also with wide steps."""
    normal = np.array([np.cos(0.4), np.sin(0.4)])
    tensor = rotated(np.array([0.4 + np.pi / 2]), np.ones(1), np.full(1, contrast))[0]  # contrast along the normal
    given = Given(lambda x: np.repeat(tensor[None], len(x), axis=0), lambda x: 1.5 * (x @ normal), 1.0)
    fp = FokkerPlanck(given, [(-2, 2), (-2, 2)], (80, 80))
    q = fp.committor(lambda x: x @ normal < -1, lambda x: x @ normal > 1)
    s = np.array([-0.5, 0.0, 0.6])
    found = q.at(s[:, None] * normal)
    np.testing.assert_allclose(found, np.expm1(1.5 * (s + 1)) / np.expm1(3.0), atol=0.01)
    assert np.nanmin(q.values) >= 0
    assert np.nanmax(q.values) <= 1


@pytest.mark.serial  # half a minute; its parts run on two ranks elsewhere
@pytest.mark.filterwarnings("ignore:the solution is known to about 2e-02")
def test_in_space():
    """d = 3: the time out of a ball; and the committor of two separable wells is that of a line."""
    flat = Given(lambda x: np.repeat(np.eye(3)[None], len(x), axis=0), lambda x: np.zeros(len(x)), 1.0)
    fp = FokkerPlanck(flat, [(-1, 1)] * 3, (30, 30, 30))
    found = fp.mean_first_passage_time(lambda x: (x**2).sum(axis=1) > 0.81)
    assert found.at([[0.0, 0.0, 0.0]])[0] == pytest.approx(0.81 / 6, rel=5e-3)
    three = EffectiveFokkerPlanck(egg_carton(1.0, dim=3), [(-4, 4)] * 3, (6, 6, 6), rtol=1e-3)
    gap = three.spectrum(4)
    one = EffectiveFokkerPlanck(egg_carton(1.0, dim=1), [(-4, 4)], (100,)).spectrum(2)[1]
    np.testing.assert_allclose(gap[1:], one, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:the solution is known")
@pytest.mark.serial
def test_mueller_brown():
    """Two deep wells: the gap is the sum of both passage rates, committors are in [0, 1], and times are symmetric sums."""
    fp = EffectiveFokkerPlanck(mueller_brown(15.0, coupling=0.4), [(-1.5, 1.2), (-0.4, 2.0)], (64, 56), rtol=1e-4)
    wells = np.array([[-0.558, 1.442], [0.623, 0.028]])
    balls = [lambda x, c=centre: ((x - c) ** 2).sum(axis=1) < 0.1**2 for centre in wells]
    there, back = (fp.mean_first_passage_time(ball).at(wells[[1 - i]])[0] for i, ball in enumerate(balls))
    gap = fp.spectrum(2)[1]
    assert 1 / there + 1 / back == pytest.approx(gap, rel=0.2)
    q = fp.committor(*balls)
    assert np.nanmin(q.values) == 0
    assert np.nanmax(q.values) == 1


def test_unresolved_rates_are_reported():
    steep = EffectiveFokkerPlanck(double_well(0.03), [(-2, 2)], (6,))
    if MPI.COMM_WORLD.rank == 0:
        with pytest.warns(Unresolved, match="more cells"), pytest.warns(Unresolved, match="69 sigma"):
            steep.spectrum(3)
    else:
        steep.spectrum(3)


FP = EffectiveFokkerPlanck(MultiscalePotential(2, 1, 1.0, lambda x: x[0] ** 2 + x[1] ** 2, lambda x, y: 0), [(-2, 2)] * 2, (8, 8))  # fmt: skip


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda fp: fp.mean_first_passage_time(3), "target"),
        (lambda fp: fp.mean_first_passage_time(lambda x: x[:, 0]), "target"),
        (lambda fp: fp.mean_first_passage_time(lambda x: x[:, 0] > 5), "target"),
        (lambda fp: fp.mean_first_passage_time(lambda x: x[:, 0] > -5), "target"),
        (lambda fp: fp.committor(lambda x: x[:, 0] < 0, lambda x: x[:, 0] < 1), "b"),
        (lambda fp: fp.committor(lambda x: x[:, 0] < 0, None), "b"),
        (lambda fp: fp.poisson(1.0), "source"),
        (lambda fp: fp.poisson(lambda x: x[:, 0] * np.inf), "source"),
    ],
)
def test_wrong_sets(call, name):
    for equation in (FP, EffectiveFokkerPlanck(WELL, [(-2, 2)], (20,))):
        with pytest.raises(InvalidArgument, match=name), np.errstate(invalid="ignore"):
            call(equation)


def test_asymptotic_variance():
    """-L f = x for Ornstein and Uhlenbeck is f = x/k, with the variance 2 <x f> = 2 sigma/k^2 of time averages."""
    parabola = Given(lambda x: 0.5 * np.ones((len(x), 1, 1)), lambda x: x[:, 0] ** 2, 0.3)
    fp = FokkerPlanck(parabola, [(-4, 4)], (400,))
    f = fp.poisson(lambda x: x[:, 0])
    np.testing.assert_allclose(f.at([[0.5], [-1.0]]), [0.5, -1.0], rtol=1e-3)


@pytest.mark.serial
def test_errors_of_rates_in_space_are_of_their_size():
    """Few unknowns are affordable: what is said of the error is above it, and not a hundred times as much.

    The rates are those of lines with the same walls, which at 14.6 sigma change them by 2e-6.
    """
    stiffness, sides = np.array([1.0, 1.4, 3.0]), (2.7, 2.4, 1.6)
    parabola = Given(lambda x: np.repeat(np.eye(3)[None], len(x), axis=0), lambda x: 0.5 * (x**2 @ stiffness), 0.25)
    fp = FokkerPlanck(parabola, [(-side, side) for side in sides], (10, 10, 10), rtol=0.02)
    found = fp.modes(3)
    lines = [
        Given(lambda x: np.ones((len(x), 1, 1)), lambda x, a=a: 0.5 * a * x[:, 0] ** 2, 0.25) for a in stiffness[:2]
    ]
    expected = [FokkerPlanck(line, [(-s, s)], (60,)).spectrum(2)[1] for line, s in zip(lines, sides)]
    errors = np.abs(found.rates[1:] - expected)
    assert (errors <= found.errors[1:]).all()
    assert (found.errors[1:] <= 100 * errors + 1e-6).all()
    assert (errors < 1e-3).all()


@pytest.mark.filterwarnings("ignore:rates are known")
@pytest.mark.parametrize(("drift", "cut"), [(60.0, False), (68.0, False), (75.0, True), (100.0, True), (300.0, True)])
def test_modes_that_reach_into_cells_that_are_left_out(drift, cut):
    """Psi = F x on [0, 1] has the rates F^2/4 + (pi j)^2, and modes with pi f^2 everywhere: beyond 69 sigma the errors
    say what is left out, with a warning, and below nothing is said of it."""
    fp = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: drift * x[:, 0], temperature=1.0, box=[(0.0, 1.0)], cells=400
    )
    exact = drift**2 / 4 + (np.pi * np.arange(1, 4)) ** 2
    said = pytest.warns(Unresolved, match="69 sigma") if cut and MPI.COMM_WORLD.rank == 0 else nullcontext()
    with said:
        modes = fp.modes(4)
    if not cut:
        assert np.abs(modes.rates[1:] / exact - 1).max() < 1e-7
    assert (np.abs(modes.rates[1:] - exact) <= modes.errors[1:]).all()
    assert (modes.worst > 1e-3) == cut
