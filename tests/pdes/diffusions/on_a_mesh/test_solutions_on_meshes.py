"""On meshes: densities, rates, times, committors and transitions against closed forms and against the grid."""

import numpy as np
import pytest
from diffusions import Given, gaussian
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI
from rates import assert_rate
from scipy import special
from sympy import cos, pi, tanh

from meshes import DIAGONAL, KIND, QUAD, cube, disc, line, mapped, square, wobbled
from scaling_limits.particles import MultiscalePotential, egg_carton
from scaling_limits.pdes import RESOLVENT4, EffectiveFokkerPlanck, FokkerPlanck, NotConverged
from scaling_limits.pdes.diffusions.on_a_mesh.limits import StepLimiter
from scaling_limits.pdes.diffusions.on_a_mesh.lumped import LumpedEquation
from scaling_limits.pdes.time.density_integrator import IntegratorState

quiet = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
SIGMA = 0.5


def free(dim):
    return Given(lambda x: np.broadcast_to(np.eye(dim), (len(x), dim, dim)).copy(), lambda x: np.zeros(len(x)), SIGMA)


def harmonic(dim):
    return Given(
        lambda x: np.broadcast_to(np.eye(dim), (len(x), dim, dim)).copy(), lambda x: 0.5 * (x**2).sum(axis=1), SIGMA
    )


def outside(radius):
    return lambda x: (x**2).sum(axis=1) >= radius**2 * (1 - 1e-12)


def inside(radius):
    return lambda x: (x**2).sum(axis=1) <= radius**2 * (1 + 1e-12)


PLACES = np.array([[0.0, 0.0], [0.3, 0.2], [-0.5, 0.1], [0.7, 0.2]])


@pytest.mark.serial
@quiet
@pytest.mark.parametrize("kind", [KIND.triangle, QUAD])
def test_ornstein_uhlenbeck(kind):
    """Second order in space, for the whole density; the error that is told is at least half of it."""
    start, width, times = np.array([0.5, 0.2]), 0.6, np.array([0.2, 0.5, 1.0])
    variance = width**2 * np.exp(-2 * times) + SIGMA * (1 - np.exp(-2 * times))
    errors, sizes = [], [10, 20, 40]
    for n in sizes:
        fp = FokkerPlanck(harmonic(2), mesh=wobbled(square(n, kind, half=3.2), 0.6 / n))
        run = fp.evolve(gaussian(start, width**2 * np.eye(2)), times)
        equation = fp.on_mesh
        exact = np.array([gaussian(start * np.exp(-t), v * np.eye(2))(equation.nodes) for t, v in zip(times, variance)])
        away = np.abs(run.probabilities - exact * equation.volumes).sum(axis=1)
        errors.append(equation.comm.allreduce(away).max())
        if n == 20:
            assert (equation.comm.allreduce(away) < 2 * run.error).all()
            assert (run.error < 20 * equation.comm.allreduce(away)).all()
            np.testing.assert_allclose(run.mean[:, 0], 0.5 * np.exp(-times), atol=5e-3)
    assert_rate(sizes, errors, -2, slack=0.35, cap=6e-3)


def test_order_in_time():
    """Of linear steps: as declared."""
    fp = FokkerPlanck(harmonic(1), mesh=line(40, low=-3.0, high=3.0))
    start = gaussian([0.5], [[0.3]])
    exact = fp.evolve(start, [1.0], step=1e-3).probabilities[0]
    steps, errors = np.array([0.1, 0.05, 0.025]), []
    for step in steps:
        run = fp.evolve(start, [1.0], scheme=RESOLVENT4, step=step)
        errors.append(fp.comm.allreduce(np.abs(run.probabilities[0] - exact).sum()))
    assert_rate(steps, errors, 4, slack=0.4, cap=1e-7)


@quiet
def test_structure_on_ranks():
    """A start that linear steps cannot carry, on whatever ranks the mesh is."""
    tensor = np.array([[0.7, 0.4], [0.4, 0.3]])
    narrow = Given(lambda x: np.broadcast_to(tensor, (len(x), 2, 2)).copy(), lambda x: (x**2).sum(axis=1), SIGMA)
    run = FokkerPlanck(narrow, mesh=disc(4), rtol=1e-3).evolve(
        gaussian([0.1, 0.1], 0.04 * np.eye(2)), [0.0, 3e-3, 1e-2]
    )
    assert np.abs(run.mass - 1).max() < 1e-13
    assert run.minimum.min() >= 0
    assert (np.diff(run.free_energy) < 0).all()
    # as on one rank
    assert abs(run.relative_entropy[-1] - 0.788156) < 1e-5


@quiet
def test_limits_on_ranks():
    """The monotone part of A, and what it leaves of a rough density where paths are killed, on whatever ranks."""
    tensor = np.array([[0.7, 0.45], [0.45, 0.3]])
    coefficients = Given(lambda x: np.broadcast_to(tensor, (len(x), 2, 2)).copy(), lambda x: (x**2).sum(axis=1), SIGMA)
    equation = FokkerPlanck(coefficients, mesh=disc(6)).on_mesh
    for held in (None, equation.nodes[:, 0] > 0.5):
        lumped = LumpedEquation(equation, held)
        matrix = lumped.scaled(monotone=True)
        first, _ = matrix.getOwnershipRange()
        starts, columns, values = matrix.getValuesCSR()
        beside = np.repeat(np.arange(first, first + equation.own), np.diff(starts)) != columns
        assert values[beside].max() <= 0.0 < values[~beside].min()
        limiter = StepLimiter(lumped, 1e-12)
        if held is None:
            assert np.abs(limiter.monotone.applied(lumped.root)).max() < 1e-12 * lumped.fastest
        positive = lumped.root > 0
        rough = np.where(positive, np.sin(40 * equation.nodes[:, 0]) > 0.5, 0.0) / np.where(positive, lumped.root, 1.0)
        old = IntegratorState(state=rough / equation.total(rough * lumped.root))
        old.entropy = lumped.relative_entropy(old.state * lumped.root)[0]
        # away from the equilibrium; and where paths are killed, with nothing left
        linear = 1.25 * old.state - 0.25 * lumped.root if held is None else 0.0 * old.state
        found = limiter.limited(old, linear, 0.1)
        mass = equation.total(found.state * lumped.root)
        assert equation.comm.allreduce(float(found.state.min(initial=np.inf)), MPI.MIN) >= 0.0
        assert abs(mass - 1) < 1e-13 if held is None else 0.9 < mass < 1.0
        assert held is not None or found.entropy < old.entropy
        assert found.change > 0.1


def test_functions():
    fp = FokkerPlanck(harmonic(2), mesh=square(6))
    mobility, energy = fp.functions(degree=2)
    x = energy.function_space.tabulate_dof_coordinates()[:, :2]
    np.testing.assert_allclose(energy.x.array, 0.5 * (x**2).sum(axis=1), atol=1e-14)
    np.testing.assert_allclose(mobility.x.array.reshape(-1, 4), np.tile(np.eye(2).ravel(), (len(x), 1)), atol=1e-14)


def test_functions_of_effective_coefficients():
    """Those of a rugged potential, on a mesh in their box."""
    fp = EffectiveFokkerPlanck(egg_carton(0.5), mesh=square(4, half=0.5), rtol=1e-4)
    mobility, energy = fp.coefficients.functions(fp.mesh, 2)
    x = energy.function_space.tabulate_dof_coordinates()[:, :2]
    np.testing.assert_allclose(energy.x.array, fp.coefficients.free_energy(x), atol=1e-12)
    expected = fp.coefficients.mobility(x).reshape(-1, 4)
    np.testing.assert_allclose(np.sort(mobility.x.array), np.sort(expected.ravel()), rtol=1e-10)


def test_equilibrium():
    rho = FokkerPlanck(harmonic(2), mesh=square(32, half=4.0)).stationary()
    expected = gaussian([0.0, 0.0], SIGMA * np.eye(2))(PLACES)
    np.testing.assert_allclose(rho.at(PLACES), expected, rtol=1e-7)
    assert abs(rho.mass - 1) < 1e-8
    np.testing.assert_allclose(rho.covariance, SIGMA * np.eye(2), atol=1e-6)
    assert np.abs(rho.mean).max() < 1e-10


@pytest.mark.serial
@quiet
def test_modes():
    """Of a box, a triangle and a disc, in closed form; errors as they are told."""
    exact = SIGMA * np.pi**2 / 4 * np.array([0, 1, 1, 2, 4, 4])
    for mesh in (wobbled(square(12), 0.03), wobbled(square(12, QUAD), 0.03)):
        modes = FokkerPlanck(free(2), mesh=mesh).modes(6)
        np.testing.assert_allclose(modes.rates, exact, rtol=1e-5)
        assert (np.abs(modes.rates - exact) <= modes.errors + 1e-12).all()
    # equilateral, of side 1: Lame
    corner = np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)]])
    half = dolfinx_mesh.create_unit_square(square(1).comm, 12, 12, diagonal=DIAGONAL.left)
    cells = dolfinx_mesh.locate_entities(half, 2, lambda x: x[0] + x[1] <= 1 + 1e-9)
    part = dolfinx_mesh.create_submesh(half, 2, cells)[0]
    rates = FokkerPlanck(free(2), mesh=mapped(part, lambda x: x @ corner.T)).modes(4).rates
    np.testing.assert_allclose(rates, SIGMA * 16 * np.pi**2 / 9 * np.array([0, 1, 1, 3]), rtol=1e-5)


@quiet
@pytest.mark.parametrize("fitted", [pytest.param(False, marks=pytest.mark.serial), True])
def test_times_in_a_disc(fitted):
    """Second order, whether the mesh fits the set or cuts it; errors are not more than is told."""
    radius, sizes, errors = 0.81, [12, 24, 48], []
    for n in sizes:
        mesh = disc(n // 2, radius) if fitted else square(n)
        found = FokkerPlanck(free(2), mesh=mesh).first_passage(outside(radius))
        exact = (radius**2 - (PLACES**2).sum(axis=1)) / (4 * SIGMA)
        away = np.abs(found.mean.at(PLACES) - exact)
        assert (away <= found.mean.error_at(PLACES)).all()
        errors.append(away.max())
        assert found.mean.at([[radius, 0.0]])[0] == 0.0
    assert_rate(sizes, errors, -2, slack=0.6, cap=3e-4)
    assert abs(found.variance.at([[0.0, 0.0]])[0] - radius**4 / (32 * SIGMA**2)) < 3e-4


@quiet
def test_a_ball():
    """In space, for both kinds of cells."""
    for kind in (KIND.tetrahedron, KIND.hexahedron):
        field = FokkerPlanck(free(3), mesh=cube(8, kind)).mean_first_passage_time(outside(0.9))
        assert abs(field.at([[0.0, 0.0, 0.0]])[0] - 0.81 / (6 * SIGMA)) < 0.02


@quiet
def test_transitions_of_a_ring():
    small, large = 0.31, 0.81
    exact = SIGMA * 2 * np.pi / np.log(large / small)
    for mesh, area in (
        (square(40), 4.0),
        (square(40, QUAD), 4.0),
        (disc(20, large, small), np.pi * (0.81**2 - 0.31**2)),
    ):
        fp = FokkerPlanck(free(2), mesh=mesh)
        found = fp.transition(inside(small), outside(large))
        assert abs(found.frequency * area - exact) < 0.01 * exact
        assert abs(found.frequency - exact / area) < max(found.error, 0.004 * found.frequency)
        x = np.array([[0.5, 0.0], [0.0, -0.6]])
        q = np.log(np.linalg.norm(x, axis=1) / small) / np.log(large / small)
        np.testing.assert_allclose(found.forward.at(x), q, atol=5e-3)
        np.testing.assert_allclose(found.backward.at(x), 1 - q, atol=5e-3)
        np.testing.assert_allclose(fp.committor(inside(small), outside(large)).at(x), found.forward.at(x), atol=1e-12)
        assert abs(found.flux(lambda y: (y**2).sum(axis=1) <= 0.55**2) / found.frequency - 1) < 1e-9
        assert abs(found.current.at(x)[0, 0] - exact / area / (2 * np.pi * 0.5)) < 0.1 * found.current.at(x)[0, 0]


@pytest.mark.serial
@quiet
def test_survival_and_its_law():
    """Of paths in a disc, by Bessel's functions; and the law that they come to."""
    radius, times, zeros = 0.81, np.array([0.1, 0.3, 0.6]), special.jn_zeros(0, 40)
    decay = np.exp(-SIGMA * (zeros / radius) ** 2 * times[:, None])
    exact = (2 / (zeros * special.j1(zeros)) * decay).sum(axis=1)
    fp = FokkerPlanck(free(2), mesh=square(28))
    survival, errors = fp.first_passage(outside(radius)).survival_and_error(times, [0.0, 0.0])
    assert (np.abs(survival - exact) <= errors).all()
    np.testing.assert_allclose(survival, exact, atol=6e-3)
    law = fp.quasi_stationary(outside(radius))
    assert abs(law.rate - SIGMA * (zeros[0] / radius) ** 2) < law.error < 0.02
    run = fp.evolve(law.density.at if fp.comm.size == 1 else (lambda x: np.exp(-4 * (x**2).sum(axis=1))),
                    [0.0, 0.2, 0.4], absorbing=outside(radius))  # fmt: skip
    assert (np.diff(run.survival) < 0).all()
    assert run.minimum.min() >= 0
    assert abs(np.log(run.survival[1] / run.survival[2]) / 0.2 / law.rate - 1) < 0.05


@pytest.mark.serial
@quiet
def test_the_grid_says_the_same():
    double = Given(
        lambda x: np.broadcast_to(np.diag([1.0, 0.5]), (len(x), 2, 2)).copy(),
        lambda x: (x[:, 0] ** 2 - 1) ** 2 + 2 * x[:, 1] ** 2,
        0.2,
    )
    box = [(-1.6, 1.6), (-1.2, 1.2)]
    mesh = dolfinx_mesh.create_rectangle(square(1).comm, [[-1.6, -1.2], [1.6, 1.2]], [40, 30])
    ours, theirs = FokkerPlanck(double, mesh=mesh), FokkerPlanck(double, box, (96, 72))
    left, right = (lambda x: x[:, 0] <= -0.9), (lambda x: x[:, 0] >= 0.9)
    points = np.array([[-0.95, 0.1], [0.0, 0.2], [0.4, -0.3]])
    for ask in (
        lambda fp: fp.mean_first_passage_time(right).at(points),
        lambda fp: fp.committor(left, right).at(points),
        lambda fp: fp.modes(3).rates,
        lambda fp: fp.transition(left, right).rate,
        lambda fp: fp.quasi_stationary(right).rate,
        lambda fp: fp.poisson(lambda x: x[:, 0]).at(points),
        lambda fp: fp.evolve(gaussian([0.2, 0.1], 0.09 * np.eye(2)), [0.1, 1.0]).mean,
    ):
        np.testing.assert_allclose(ask(ours), ask(theirs), rtol=0.02, atol=2e-3)


@pytest.mark.serial
@quiet
@pytest.mark.parametrize("height", [15.0, 25.0, 60.0])
def test_high_barriers_are_right_or_refused(height):
    well = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: (x[:, 0] ** 2 - 1) ** 2, 1 / height)
    ours = FokkerPlanck(well, mesh=line(200, low=-1.6, high=1.6))
    theirs = FokkerPlanck(well, [(-1.6, 1.6)], 400)
    target = lambda x: x[:, 0] >= 0.9  # noqa: E731
    if height > 50:
        with pytest.raises(NotConverged, match="temperature"):
            ours.mean_first_passage_time(target)
        return
    field = ours.mean_first_passage_time(target)
    exact = theirs.mean_first_passage_time(target).at([[-1.0]])[0]
    assert abs(field.at([[-1.0]])[0] / exact - 1) < 0.01
    assert field.error < 0.05 * exact


@quiet
@pytest.mark.serial
def test_effective_equation():
    """M and Psi of cell problems, on a mesh and on a grid."""
    rugged = MultiscalePotential(
        2, 1, 0.5, lambda x: (x[0] ** 2 + x[1] ** 2) / 2,
        lambda x, y: (1 + tanh(x[0]) / 4) * cos(2 * pi * y[0]) * cos(2 * pi * y[1]) / 2,
    )  # fmt: skip
    ours = EffectiveFokkerPlanck(rugged, mesh=square(16, half=2.0), rtol=1e-4)
    theirs = EffectiveFokkerPlanck(rugged, [(-2, 2)] * 2, (32, 32), rtol=1e-4)
    np.testing.assert_allclose(ours.stationary().at(PLACES), theirs.stationary().at(PLACES), rtol=1e-6)
    np.testing.assert_allclose(ours.spectrum(3), theirs.spectrum(3), rtol=1e-5)
    field = ours.mean_first_passage_time(outside(1.5))
    exact = theirs.mean_first_passage_time(outside(1.5)).at(PLACES)
    assert (np.abs(field.at(PLACES) - exact) < field.error_at(PLACES) + 0.005 * exact).all()
