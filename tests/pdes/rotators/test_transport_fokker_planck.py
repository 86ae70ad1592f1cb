"""The Fokker-Planck equation of actions: closed forms, conservation, rates, and samples of the same law."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from chance import assert_mean
from rotators import FREQUENCIES, linear_law, weak
from scipy import integrate, linalg
from scipy.special import gamma

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LinearDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.pdes import IMPLICIT_EULER, EffectivePlane, TransportFokkerPlanck, Unresolved

TEMPERATURES = {1: [0.7], 2: [1.5, 0.5], 3: [2.0, 1.0, 0.5]}


def lattice_of(dissipation, temperature):
    size = len(temperature)
    return RotatorLattice((size,), FREQUENCIES[dissipation.power], weak, dissipation, temperature, 0.1)


def diagonal_law(p, temperature):
    """The density prod_j exp(-(2/(p T_j)) (2 I_j)^(p/2)), and its means, in closed form."""
    rate = 2 / (p * np.asarray(temperature))
    norm = gamma(2 / p) / (p * rate ** (2 / p))
    mean = rate ** (-2 / p) * gamma(4 / p) / gamma(2 / p) / 2
    return lambda x: np.prod(np.exp(-rate * (2 * x) ** (p / 2)) / norm, axis=1), mean


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


# ---- example 2: sites that act on one another ---------------------------------------------------------------------------

EXAMPLE_2 = {
    2: (np.array([1.23647515, 0.29651006]), 1e-7),
    3: (np.array([1.34277055, 0.54719068, 0.40794542]), 1e-6),
}


@cache
def directed(dim):
    return TransportFokkerPlanck(lattice_of(DirectedDissipation(), {2: [2.0, 0.5], 3: [2.0, 1.0, 0.5]}[dim]))


@pytest.mark.parametrize("dim", [2, 3])
def test_example_2_is_converged(dim):
    """Means and covariance do not change with the mesh, to 1e-5; sites balance: E R_j + T_j = 0; flows add up."""
    fine = directed(dim)
    lattice, temperature = fine.lattice, fine.lattice.temperature
    coarse = {2: (8, 6), 3: (7, 3)}[dim]
    other = TransportFokkerPlanck(lattice, fine.upper, coarse[0], degree=coarse[1])
    rho = fine.stationary()
    assert np.abs(rho.mean() - other.stationary().mean()).max() < 1e-5
    assert np.abs(rho.covariance() - other.stationary().covariance()).max() < 1e-5
    assert np.abs(rho.mean() - EXAMPLE_2[dim][0]).max() < EXAMPLE_2[dim][1]
    assert abs(rho.mass - 1) < 1e-12
    assert (fine.tail < 1e-12).all()
    drift = rho.expectation(averaged_dissipation(lattice))
    assert np.abs(drift + temperature).max() < 1e-5
    flow = np.concatenate([[0.0], fine.flow(), [0.0]])
    thermostat = temperature - rho.expectation(lambda x: x**2)
    assert np.abs(0.5 * np.diff(flow) + thermostat).max() < 1e-5


@pytest.mark.serial
@pytest.mark.parametrize("dim", [2, 3])
def test_example_2_against_samples(dim):
    """Means and covariances of a million samples of the effective equation: 5 standard errors."""
    lattice, rho = directed(dim).lattice, directed(dim).stationary()
    initial = np.sqrt(2 * rho.mean()) + 0j
    times = 4.0 + 1.0 * np.arange(5)  # five looks at 200 000 members, past relaxation
    sample = TransportProcess(lattice).sample(initial, times, 200_000, seed=9, step=0.02)
    actions = sample.actions.mean(axis=0)  # of each member over time: independent
    assert_mean(actions.mean(axis=0), rho.mean(), actions.std(axis=0) / np.sqrt(len(actions)))
    centred = sample.actions - rho.mean()
    products = np.einsum("tpj,tpk->pjk", centred, centred) / len(times)
    error = products.std(axis=0) / np.sqrt(len(products))
    assert_mean(products.mean(axis=0), rho.covariance(), error)
    assert (5 * error < 0.02).all()


def test_example_2_turns_on_its_way():
    """Without detailed balance rates may be complex: those of N = 2 are; the mean relaxes with the slowest of them."""
    lattice = lattice_of(DirectedDissipation(), [2.0, 0.5])
    equation = TransportFokkerPlanck(lattice, cells=8, degree=5)
    rates = equation.spectrum(4)
    assert np.iscomplexobj(rates)
    assert np.abs(rates[:3] - [0, 2.400576 - 0.412133j, 2.400576 + 0.412133j]).max() < 1e-4
    times = np.linspace(1.0, 3.0, 9)
    run = equation.evolve(lambda x: np.exp(-2 * x.sum(axis=1)), times)
    modes = np.exp(-np.outer(times - 1, rates[1:3]))
    deviation = (run.mean - equation.stationary().mean()) / np.exp(-2.4 * (times - 1))[:, None]
    modes = modes / np.exp(-2.4 * (times - 1))[:, None]
    fit = modes @ np.linalg.lstsq(modes, deviation, rcond=None)[0]
    assert np.abs(fit - deviation).max() < 0.03 * np.abs(deviation).max()
    assert (np.diff(run.free_energy) < 0).all()


def test_evolution_against_samples():
    """N = 2, example 2: means on the way, 5 standard errors; implicit Euler with a given step converges to the same."""
    lattice = lattice_of(DirectedDissipation(), [2.0, 0.5])
    equation = TransportFokkerPlanck(lattice, cells=8, degree=5)
    run = equation.evolve(lambda x: np.exp(-2 * x.sum(axis=1)), [0.1, 0.5])
    generator = np.random.Generator(np.random.Philox(key=1))
    initial = np.sqrt(2 * generator.exponential(0.5, (100_000, 2))) + 0j
    sample = TransportProcess(lattice).sample(initial, [0.1, 0.5], 100_000, seed=4)
    assert_mean(sample.mean, run.mean, sample.standard_error)
    steps = [
        np.abs(
            equation.evolve(lambda x: np.exp(-2 * x.sum(axis=1)), [0.5], scheme=IMPLICIT_EULER, step=h).mean
            - run.mean[1]
        ).max()
        for h in (0.05, 0.025)
    ]
    assert 1.7 < steps[0] / steps[1] < 2.3
    assert steps[1] < 0.02


@pytest.mark.serial
def test_checkpoint(tmp_path):
    """An evolution that is cut off goes on from its file, and gives the same."""
    equation = TransportFokkerPlanck(lattice_of(DirectedDissipation(), [2.0, 0.5]), cells=6, degree=4)
    start, times, path = (lambda x: np.exp(-2 * x.sum(axis=1))), [0.1, 0.2], tmp_path / "c.npz"
    whole = equation.evolve(start, times)

    class Cut(Exception):
        pass

    from scaling_limits.pdes.time import checkpoint

    after_step, calls = checkpoint.Checkpoint.after_step, []

    def cut(keeper, journey):
        after_step(keeper, journey)
        calls.append(journey)
        if len(calls) == 12:
            raise Cut

    checkpoint.Checkpoint.after_step = cut
    try:
        with pytest.raises(Cut):
            equation.evolve(start, times, checkpoint=path, checkpoint_every=0.0)
    finally:
        checkpoint.Checkpoint.after_step = after_step
    again = equation.evolve(start, times, checkpoint=path, checkpoint_every=0.0)
    assert np.abs(again.fields - whole.fields).max() <= 1e-12 * np.abs(whole.fields).max()
    with pytest.raises(InvalidArgument, match="checkpoint"):
        equation.evolve(start, [0.1, 0.3], checkpoint=path)


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


# ---- one rotator in the plane -------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_image_of_the_plane():
    """Proposition 4.9 for densities: the law of |v|^2/2 under the equation in the plane is that of the actions; order 2."""
    lattice = lattice_of(DiagonalDissipation(4), [0.7])
    x = np.linspace(0.05, 1.5, 12)

    def start_of_actions(points):
        r, theta = np.sqrt(2 * points), 2 * np.pi * np.arange(64) / 64
        return np.exp(-((r * np.cos(theta) - 0.5) ** 2 + (r * np.sin(theta) - 0.3) ** 2) / 0.3).mean(axis=1)

    exact = TransportFokkerPlanck(lattice).evolve(start_of_actions, [0.2])[0].distribution(0, x)
    errors = []
    for cells in (32, 64, 128):
        plane = EffectivePlane(lattice, cells=cells, rtol=1e-5)
        run = plane.evolve(lambda v: np.exp(-((v - [0.5, 0.3]) ** 2).sum(axis=1) / 0.3), [0.2])
        errors.append(np.abs(plane.action_distribution(run[0], x) - exact).max())
    slope = -np.polyfit(np.log([32, 64, 128]), np.log(errors), 1)[0]
    assert 1.5 < slope < 2.6, errors
    assert errors[-1] < 2e-4
    density, _ = diagonal_law(4, [0.7])
    v = np.array([[0.3, 0.2], [1.0, -0.4]])
    assert np.abs(plane.stationary().at(v) * 2 * np.pi - density(0.5 * (v**2).sum(axis=1)[:, None])).max() < 1e-6


# ---- fields and arguments -----------------------------------------------------------------------------------------------


def test_densities_are_what_they_say():
    """Marginals, distributions, expectations and the finite element function of one density agree with one another."""
    equation = directed(2)
    rho = equation.stationary()
    x, y = np.array([0.3, 1.1, 2.4]), np.linspace(0, equation.upper[1], 4001)
    pairs = np.stack([np.repeat(x, y.size), np.tile(y, x.size)], axis=1)
    assert np.abs(integrate.simpson(rho.at(pairs).reshape(3, -1), x=y) - rho.marginal(0, x)).max() < 1e-9
    grid = np.linspace(0, 2.4, 2001)
    assert abs(integrate.simpson(rho.marginal(0, grid), x=grid) - rho.distribution(0, np.array([2.4]))[0]) < 1e-8
    assert np.abs(rho.expectation(lambda p: p) - rho.mean()).max() < 1e-10
    second = rho.expectation(lambda p: p[:, :, None] * p[:, None, :])
    assert np.abs(second - np.outer(rho.mean(), rho.mean()) - rho.covariance()).max() < 1e-10
    assert (rho.at(np.array([[1e3, 0.1]])) == 0).all()
    from dolfinx import fem
    from mpi4py import MPI
    from ufl import dx

    total = rho.function.function_space.mesh.comm.allreduce(fem.assemble_scalar(fem.form(rho.function * dx)), MPI.SUM)
    assert abs(total - 1) < 1e-4


@pytest.mark.parametrize("coupled", [False, True])
def test_unresolved_starts_say_so(coupled):
    """A start that is much narrower than a cell: what the elements make negative is cut, mass stays, and it is said."""
    system = lattice_of(DirectedDissipation(), [2.0, 0.5]) if coupled else lattice_of(DiagonalDissipation(2), [1.0])
    equation = TransportFokkerPlanck(system, upper=[9.0, 5.0] if coupled else 20.0, cells=3, degree=4)
    narrow = lambda x: np.exp(-30 * ((x - 1.0) ** 2).sum(axis=1))  # noqa: E731
    if equation.comm.rank == 0:
        with pytest.warns(Unresolved, match="more cells"):
            run = equation.evolve(narrow, [0.0, 0.1])
    else:
        run = equation.evolve(narrow, [0.0, 0.1])
    assert run.fields.min() >= 0
    assert run.undershoot > 1e-3
    assert np.abs(run.mass - 1).max() < 1e-12


ONE = RotatorLattice((1,), FREQUENCIES[2], weak, DiagonalDissipation(2), 1.0, 0.1)


@pytest.mark.serial
@pytest.mark.parametrize(
    ("argument", "value"),
    [("lattice", None), ("upper", -1.0), ("upper", [1.0, 2.0]), ("upper", np.nan), ("cells", 0), ("cells", (3, 3)),
     ("degree", 0), ("rtol", 0.0), ("wide", 1),
     ("lattice", RotatorLattice((4,), FREQUENCIES[2], weak, DiagonalDissipation(2), 1.0, 0.1))],
)  # fmt: skip
def test_bad_equations(argument, value):
    with pytest.raises(InvalidArgument, match=argument):
        TransportFokkerPlanck(**{"lattice": ONE} | {argument: value})


@pytest.mark.serial
@pytest.mark.parametrize(
    ("argument", "value"),
    [("initial", 3), ("initial", lambda x: -x[:, 0]), ("initial", lambda x: np.full(len(x), np.nan)),
     ("initial", lambda x: np.ones(3)), ("initial", lambda x: 0 * x[:, 0]), ("times", [-1.0]), ("times", [1, 0.5]),
     ("scheme", "Euler"), ("step", 0.0)],
)  # fmt: skip
def test_bad_evolutions(argument, value):
    with pytest.raises(InvalidArgument, match=argument):
        TransportFokkerPlanck(ONE).evolve(**{"initial": bump, "times": [0.1]} | {argument: value})


def test_bad_questions():
    equation = TransportFokkerPlanck(ONE)
    rho = equation.stationary()
    with pytest.raises(InvalidArgument, match="k"):
        equation.spectrum(0)
    for bad in ([[-1.0]], [[1.0, 2.0]], [1.0], [[np.nan]]):
        with pytest.raises(InvalidArgument, match="points"):
            rho.at(bad)
    with pytest.raises(InvalidArgument, match="site"):
        rho.marginal(1, [0.1])
    with pytest.raises(InvalidArgument, match="lattice"):
        EffectivePlane(RotatorLattice((2,), FREQUENCIES[2], weak, DiagonalDissipation(2), 1.0, 0.1))
    with pytest.raises(InvalidArgument, match="dissipation"):
        TransportFokkerPlanck(lattice_of(general(2), [1.0, 1.0]), upper=5.0, cells=4, degree=2).flow()
