"""On meshes: the errors that are told of densities beside those of `at`, at the nodes and between them."""

import warnings

import numpy as np
import pytest
from diffusions import Given, gaussian
from mpi4py import MPI

from meshes import KIND, QUAD, line, square, wobbled
from scaling_limits.pdes import FokkerPlanck, Unresolved

quiet = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
SIGMA = 0.5


def harmonic(dim, strength=1.0):
    return Given(
        lambda x: np.broadcast_to(np.eye(dim), (len(x), dim, dim)).copy(),
        lambda x: 0.5 * strength * (x**2).sum(axis=1), SIGMA,
    )  # fmt: skip


def midpoints(n, half, dim):
    """Points (n^d, d) in [-half, half]^d, and the volume of each."""
    ticks = (np.arange(n) + 0.5) / n * 2 * half - half
    return np.stack(np.meshgrid(*[ticks] * dim, indexing="ij"), axis=-1).reshape(-1, dim), (2 * half / n) ** dim


@quiet
@pytest.mark.parametrize("kind", [KIND.triangle, QUAD])
def test_early_densities_between_nodes(kind):
    """An Ornstein-Uhlenbeck process: at early times the error is that of the values between the nodes."""
    start, width, times = np.array([0.4, 0.2]), 0.45, np.array([0.0, 0.02, 0.3])
    fp = FokkerPlanck(harmonic(2), mesh=wobbled(square(18, kind, half=3.0), 0.03), rtol=1e-4)
    run = fp.evolve(gaussian(start, width**2 * np.eye(2)), times)
    points, volume = midpoints(150, 3.0, 2)
    variance = width**2 * np.exp(-2 * times) + SIGMA * (1 - np.exp(-2 * times))
    exact = np.array([gaussian(start * np.exp(-t), v * np.eye(2))(points) for t, v in zip(times, variance)])
    exact /= exact.sum(axis=1, keepdims=True) * volume
    away = np.abs(run.at(points) - exact).sum(axis=1) * volume
    assert (away < 1.5 * run.error).all()
    assert (run.error < 3 * away).all()
    assert away[0] < 0.1


@quiet
def test_beside_a_set():
    """Where paths are killed, at early times beside a fine mesh."""
    start = lambda x: np.exp(-((x[:, 0] - 0.3) ** 2) / 0.05)  # noqa: E731
    at, times = {}, [0.0, 0.01, 0.1]
    points, volume = midpoints(2000, 1.0, 1)
    for n in (20, 400):
        fp = FokkerPlanck(harmonic(1), mesh=line(n), rtol=1e-5)
        run = fp.evolve(start, times, absorbing=lambda x: x[:, 0] >= 0.55)
        at[n] = run.at(points)
        if n == 20:
            error = run.error
            # what is killed is 0 in files too, and nowhere next to it
            least = float(run[-1].values.min(initial=np.inf))
            assert fp.comm.allreduce(least, MPI.MIN) == run.minimum[-1] == 0.0
    away = np.abs(at[20] - at[400]).sum(axis=1) * volume / (at[400].sum(axis=1) * volume)
    assert (away < 1.5 * error).all()
    assert (error < 5 * away).all()


@quiet
@pytest.mark.parametrize("n", [8, 16])
def test_quasi_stationary_law(n):
    """The first mode of a line that ends in the set, cos(pi (x + 1)/4) without a potential."""
    fp = FokkerPlanck(harmonic(1, 0.0), mesh=line(n))
    law = fp.quasi_stationary(lambda x: x[:, 0] >= 1 - 1e-9)
    points, volume = midpoints(4000, 1.0, 1)
    exact = np.pi / 4 * np.cos(np.pi / 4 * (points[:, 0] + 1))
    away = np.abs(law.density.at(points) - exact).sum() * volume
    assert away < 1.5 * law.density.error < 6 * away
    assert away < 0.02


@quiet
@pytest.mark.parametrize("n", [12, 24])
def test_quasi_stationary_law_in_a_steep_well(n):
    """Where sums over the nodes are not integrals, beside the line's fine grid."""
    steep = Given(
        lambda x: np.ones((len(x), 1, 1)), lambda x: (x[:, 0] ** 2 - 1) ** 2 - 0.27 * x[:, 0], 0.1
    )  # fmt: skip
    target = lambda x: x[:, 0] > 0.745  # noqa: E731
    ours = FokkerPlanck(steep, mesh=line(n, low=-1.6, high=1.6)).quasi_stationary(target).density
    theirs = FokkerPlanck(steep, [(-1.6, 1.6)], 2000).quasi_stationary(target).density
    points, volume = midpoints(2000, 1.6, 1)
    away = np.abs(ours.at(points) - theirs.at(points)).sum() * volume
    assert away < 1.5 * ours.error
    assert ours.error < 10 * away


@quiet
@pytest.mark.serial
def test_survival_from_a_point():
    """Between two nodes, and in a cell that the set cuts; beside the line's fine grid."""
    wells = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: (x[:, 0] ** 2 - 1) ** 2, SIGMA)
    target, times = lambda x: x[:, 0] > 0.8, [0.01, 0.05, 0.2, 0.5, 1.0, 3.0]
    theirs, points = FokkerPlanck(wells, [(-1.6, 1.6)], 2000).first_passage(target), (-0.2, 0.3, 0.6, 0.7)
    expected = {point: theirs.survival(times, [point]) for point in points}
    for n in (11, 24, 48):
        ours = FokkerPlanck(wells, mesh=line(n, low=-1.6, high=1.6)).first_passage(target)
        for point in points:
            survival, errors = ours.survival_and_error(times, [point])
            away = np.abs(survival - expected[point])
            assert (away < 1.3 * errors).all()
            if n == 48:
                assert errors[-1] < 0.02 * survival[-1]


@pytest.mark.serial
def test_poisson_is_warned_of():
    """Where cells are too large, and not where the source is constant."""
    fp = FokkerPlanck(harmonic(1), mesh=line(4))
    with pytest.warns(Unresolved, match="Poisson equation is known to"):
        fp.poisson(lambda x: np.sin(6 * x[:, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Unresolved)
        fp.poisson(lambda x: 0.1 + 0 * x[:, 0])
        FokkerPlanck(harmonic(1), mesh=line(40)).poisson(lambda x: np.sin(x[:, 0]))
