"""The Fokker-Planck equation of actions: closed forms, conservation, rates, and samples of the same law."""

from dataclasses import replace

import numpy as np
import pytest
from chance import assert_mean
from rotators import diagonal_law, lattice_of, linear_law, slow, weak
from scipy import linalg

from scaling_limits.particles import (
    AssumptionWarning,
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.pdes import TransportFokkerPlanck

TEMPERATURES = {1: [0.7], 2: [1.5, 0.5], 3: [2.0, 1.0, 0.5]}


def grid(upper, dim, points):
    """Gauss and Legendre's points and weights in a box."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    axes = [0.5 * u * (nodes + 1) for u in upper]
    shares = [0.5 * u * weights for u in upper]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    return points, np.prod(np.stack(np.meshgrid(*shares, indexing="ij"), axis=-1), axis=-1).ravel()


@pytest.mark.serial
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("p", [2, 3, 4])
def test_stationary_law_in_closed_form(p, dim):
    """1e-6 in L1 and means to 1e-8, p = 3 in space 1e-7; the tail that was cut is below 1e-20."""
    temperature = TEMPERATURES[dim]
    equation = TransportFokkerPlanck(lattice_of(DiagonalDissipation(p), temperature))
    rho = equation.stationary()
    density, mean = diagonal_law(p, temperature)
    points, weights = grid(np.minimum(equation.upper, 12 * mean), dim, {1: 400, 2: 120, 3: 48}[dim])
    assert (weights * np.abs(rho.at(points) - density(points))).sum() < 1e-6
    assert np.abs(rho.mean() - mean).max() < (1e-8 if (p, dim) != (3, 3) else 1e-7)
    assert abs(rho.mass - 1) < 1e-13
    assert (equation.tail < 1e-20).all()
    assert rho.minimum >= 0


def general(p):
    """The same as diagonal dissipation, as a function of which nothing is known."""

    def square(j, u):
        return -(abs(u[j]) ** 2) * u[j]

    def linear(j, u):
        return -u[j] + 0.0 * u[0]

    return CustomDissipation(linear if p == 2 else square, p, degree=0 if p == 2 else 2)


@pytest.mark.parametrize("p", [2, 4])
def test_solver_against_closed_form(p):
    """Without the knowledge that sites are independent, and with another weight, the solver finds the same law: 1e-6."""
    lattice = lattice_of(DiagonalDissipation(p), [1.5, 0.5])
    given = lattice_of(general(p), [1.5, 0.5])
    equation = TransportFokkerPlanck(given, upper=TransportFokkerPlanck(lattice).upper * 0.7, cells=20, wide=True)
    assert not equation.separable
    rho = equation.stationary()
    density, mean = diagonal_law(p, [1.5, 0.5])
    points, weights = grid(np.minimum(equation.upper, 12 * mean), 2, 100)
    assert (weights * np.abs(rho.at(points) - density(points))).sum() < 1e-6
    assert np.abs(rho.mean() - mean).max() < 1e-8


def bump(points):
    return np.exp(-3 * ((points - 0.6) ** 2).sum(axis=1))


@pytest.mark.serial
@pytest.mark.parametrize("dim", [1, 2])
def test_mean_of_linear_damping(dim):
    """p = 2: d E I/d tau = T - 2 E I, along the way: 1e-8; linear coupling of neighbours changes nothing (example 1)."""
    temperature, times = np.array(TEMPERATURES[dim]), np.array([0.0, 0.03, 0.2, 1.0, 3.0])
    for dissipation in (DiagonalDissipation(2), LinearDissipation(0.1 - 0.1j)):
        equation = TransportFokkerPlanck(lattice_of(dissipation, temperature))
        run = equation.evolve(bump, times)
        points, weights = grid([4.0] * dim, dim, 100)
        start = (weights * bump(points)) @ points / (weights * bump(points)).sum()
        exact = temperature / 2 + (start - temperature / 2) * np.exp(-2 * times[:, None])
        assert np.abs(run.mean - exact).max() < 1e-8
        assert np.abs(run.mass - 1).max() < 1e-13
        assert (run.minimum >= 0).all()
        assert (np.diff(run.free_energy) <= 1e-12).all()
        assert abs(equation.spectrum(2)[1] - 2) < 1e-8


def test_coupled_solver_keeps_the_mean_of_linear_damping():
    """The same by the solver that does not know of independence: adaptive steps in time, 1e-6 of the way."""
    temperature, times = np.array([1.5, 0.5]), np.array([0.0, 0.1, 1.0])
    equation = TransportFokkerPlanck(lattice_of(general(2), temperature), upper=[24.0, 12.0], cells=14, rtol=1e-7)
    run = equation.evolve(bump, times)
    exact = temperature / 2 + (run.mean[0] - temperature / 2) * np.exp(-2 * times[:, None])
    assert np.abs(run.mean - exact).max() < 1e-6
    assert np.abs(run.mass - 1).max() < 1e-12
    assert (run.minimum >= 0).all()
    assert np.abs(equation.spectrum(3) - [0, 2, 2]).max() < 1e-7


@pytest.mark.serial
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_rates_of_linear_damping(dim):
    """Laguerre polynomials: the rates are 2 times all sums of integers."""
    rates = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), TEMPERATURES[dim])).spectrum(7)
    expected = {1: range(7), 2: [0, 1, 1, 2, 2, 2, 3], 3: [0, 1, 1, 1, 2, 2, 2]}[dim]
    assert np.abs(rates - 2 * np.array(expected)).max() < 1e-7


@pytest.mark.serial
def test_rates_of_nonlinear_damping():
    """p = 4, one site: Chebyshev collocation in |v|, where the generator is T/2 (f'' + f'/r) - r^3 f'."""
    points, radius, t = 90, 3.6, 0.7
    x = np.cos(np.pi * np.arange(2 * points + 2) / (2 * points + 1))  # even functions on [-R, R]
    n = len(x)
    c = np.r_[2.0, np.ones(n - 2), 2.0] * (-1.0) ** np.arange(n)
    d = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(n))
    d = (d - np.diag(d.sum(axis=1))) / radius
    half = n // 2
    even = lambda m: m[:half, :half] + m[:half, half:][:, ::-1]  # noqa: E731
    r = radius * x[:half]
    generator = np.diag(t / 2 / r - r**3) @ even(d) + t / 2 * even(d @ d)
    generator[0] = even(d)[0] * 1e6  # no flux at the end
    expected = np.sort(-linalg.eigvals(generator).real)
    expected = expected[np.abs(expected) < 1e3][:4]
    found = TransportFokkerPlanck(lattice_of(DiagonalDissipation(4), [t])).spectrum(4)
    assert np.abs(found - np.maximum(expected, 0)).max() < 1e-6


@pytest.mark.serial
def test_evolution_in_closed_form():
    """p = 2: from the law of a Gaussian amplitude, noncentral chi squared at all times; pointwise 1e-8."""
    start = linear_law(0.7, 0.5, 0.2)
    equation = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [0.7]))
    times = np.array([0.05, 0.4, 2.0])
    run = equation.evolve(lambda x: start.pdf(x[:, 0]), times)
    x = np.linspace(0.01, 4, 60)
    for i, time in enumerate(times):
        exact = linear_law(0.7, 0.5, 0.2 + time)
        assert np.abs(run.at(x[:, None])[i] - exact.pdf(x)).max() < 1e-7
        assert np.abs(run[i].distribution(0, x) - exact.cdf(x)).max() < 1e-8


@pytest.mark.serial
def test_hot_start():
    """A start much wider than the stationary law widens the box: mean of p = 2, and a law of p = 4 against samples."""
    hot = lambda x: np.exp(-x.sum(axis=1) / 1.5)  # noqa: E731 - mean 1.5
    equation = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [0.5]))
    run = equation.evolve(hot, [0.0, 0.3])
    assert np.abs(run.mean[:, 0] - [1.5, 0.25 + 1.25 * np.exp(-0.6)]).max() < 1e-6
    lattice = lattice_of(DiagonalDissipation(4), [0.5])
    run = TransportFokkerPlanck(lattice).evolve(hot, [0.2])
    generator = np.random.Generator(np.random.Philox(key=1))
    initial = np.sqrt(2 * generator.exponential(1.5, (100_000, 1))) + 0j
    sample = TransportProcess(lattice).sample(initial, [0.2], 100_000, seed=1)
    assert_mean(sample.mean[0], run.mean[0], sample.standard_error[0])
    with pytest.raises(InvalidArgument, match="upper"):
        TransportFokkerPlanck(lattice, upper=2.0).evolve(hot, [0.1])


def test_replace_chooses_anew_what_was_not_given():
    """A box that was chosen follows the lattice, one that was given stays; making an equation solves nothing."""
    lattice, hot = (lattice_of(DirectedDissipation(), t) for t in ([2.0, 0.5], [4.0, 1.0]))
    equation = TransportFokkerPlanck(lattice, cells=9)
    assert "discretisation" not in vars(equation)
    other = replace(equation, lattice=hot)
    assert np.array_equal(other.upper, TransportFokkerPlanck(hot).upper)
    assert (other.upper > equation.upper).all()
    assert (other.cells, other.degree) == ((9, 9), 6)
    given = replace(equation, upper=5.0, degree=3)
    assert np.array_equal(replace(given, lattice=hot).upper, [5.0, 5.0])
    assert (replace(given, rtol=1e-3).degree, replace(given, rtol=1e-3).rtol) == (3, 1e-3)


def test_wider_box_is_seen():
    """A hot start is solved in a wider box, which the result names; both names of the relative entropy are one."""
    equation = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [0.5]))
    run = equation.evolve(lambda x: np.exp(-x.sum(axis=1) / 1.5), [0.1])
    assert (run.discretisation.upper > equation.upper).all()
    assert np.array_equal(run.free_energy, run.relative_entropy)
    assert len(repr(run)) < 200


def test_no_dissipation_on_finite_times():
    """Section 7.1, R = 0: E I(tau) = E I(0) + T tau and E I^2(tau) = E I^2(0) + 4 T (E I(0) tau + T tau^2/2) in a given box."""
    turning = PolynomialDissipation(lambda u: 0.3j * u(), power=2)
    with pytest.warns(AssumptionWarning, match="section 7.1"):
        lattice = RotatorLattice((2,), slow, weak, turning, [1.0, 0.5], 0.1)
    run = TransportFokkerPlanck(lattice, upper=(32.0, 24.0)).evolve(lambda x: np.exp(-3 * x.sum(axis=-1)), [0.5, 1.0])
    for k, tau in enumerate((0.5, 1.0)):
        heat = np.array([1.0, 0.5])
        mean, square = 1 / 3 + heat * tau, 2 / 9 + 4 * heat * (tau / 3 + heat * tau**2 / 2)
        assert np.abs(run.mean[k] - mean).max() < 1e-7
        found = run.density(k).expectation(lambda x: x**2)
        assert np.abs(found - square).max() < 1e-6
    with pytest.raises(InvalidArgument, match="no stationary law"):
        TransportFokkerPlanck(lattice)
