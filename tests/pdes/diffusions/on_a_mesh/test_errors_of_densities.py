"""`run.error` on meshes beside the true total variation of `run.at`, at time 0, just after it, and late."""

import numpy as np
import pytest
from diffusions import Given, gaussian

from meshes import HEX, KIND, QUAD, cube, line, square, wobbled
from scaling_limits.pdes import FokkerPlanck

quiet = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")


def steep(dim, rate):
    """Psi = rate x^2/2, M = 1, sigma = 1."""
    one = lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0)  # noqa: E731
    return Given(one, lambda x: 0.5 * rate * (x**2).sum(axis=1), 1.0)


def variation(run, exact, dim, half, points):
    """int |rho - exact| of the densities at the times, by midpoints."""
    axis = half * (2 * (np.arange(points) + 0.5) / points - 1)
    x = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), -1).reshape(-1, dim)
    weight = (2 * half / points) ** dim
    return np.array([np.abs(rho - density(x)).sum() * weight for rho, density in zip(run.at(x), exact)])


@pytest.mark.serial
@quiet
@pytest.mark.parametrize(("made", "dim", "points"), [
    (lambda: line(24, low=-4.0, high=4.0), 1, 2000),
    (lambda: wobbled(square(30, KIND.triangle, half=4.0), 0.05), 2, 160),
    (lambda: wobbled(square(24, QUAD, half=4.0), 0.05), 2, 160),
    (lambda: cube(8, HEX), 3, 40),
], ids=["line", "triangles", "quadrilaterals", "hexahedra"])  # fmt: skip
def test_at_all_times(made, dim, points):
    """Within a factor of 2 from the start on, where the nodes are exact and what lies between them is not."""
    mesh = made()
    half = float(np.abs(mesh.geometry.x).max())
    # in the small box of hexahedra walls are felt later than 0.01
    times = np.array([0.0, 1e-8, 1e-3, 0.01] if dim == 3 else [0.0, 1e-8, 1e-3, 0.1, 0.5])
    rate, width = (1.0, 0.09) if dim < 3 else (16.0, 0.05)
    start, variance = 0.3 * half / 4, width * np.exp(-2 * rate * times) + (1 - np.exp(-2 * rate * times)) / rate
    run = FokkerPlanck(steep(dim, rate), mesh=mesh).evolve(gaussian([start] * dim, width * np.eye(dim)), times)
    means = start * np.exp(-rate * times)
    exact = [gaussian([m] * dim, v * np.eye(dim)) for m, v in zip(means, variance)]
    true = variation(run, exact, dim, half, points)
    assert (true < 2 * run.error).all()
    assert (run.error < 2 * true).all()


@pytest.mark.serial
@quiet
def test_wide_starts_in_steep_wells():
    """u = rho/pi is exp(100) times as large at the walls: the error is known all the same, and never above 2."""
    times = np.array([0.0, 0.05, 0.3])
    run = FokkerPlanck(steep(1, 20.0), mesh=line(64, low=-3.3, high=3.3)).evolve(gaussian([0.0], [[0.2]]), times)
    variance = 0.2 * np.exp(-40 * times) + (1 - np.exp(-40 * times)) / 20
    true = variation(run, [gaussian([0.0], [[v]]) for v in variance], 1, 3.3, 4000)
    assert (true < 2 * run.error).all()
    assert (run.error < [2 * true[0], 2.0 + 1e-3, 4 * true[2] + 2e-5]).all()


@pytest.mark.serial
@quiet
def test_survival_of_few():
    """S(t) for an interval with one open end, down to 1e-8: the error is relative to what survives."""
    k = np.arange(2000)
    rates = ((k + 0.5) * np.pi / 2) ** 2
    times = np.array([0.1, 1.0, 8.0])
    # start at density 1/2 in (-1, 1), paths killed at 1
    exact = np.array([(np.exp(-rates * t) * 2 / ((k + 0.5) * np.pi) ** 2).sum() for t in times])
    law = FokkerPlanck(steep(1, 0.0), mesh=line(40)).first_passage(lambda x: x[:, 0] >= 1)
    survival, error = law.survival_and_error(times, lambda x: np.ones(len(x)))
    assert (np.abs(survival - exact) < 3 * error).all()
    assert (error < 0.05 * exact).all()
