"""Densities of actions: what they say of themselves, starts that are not resolved, and their image in the plane."""

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI
from rotators import diagonal_law, lattice_of
from scipy import integrate
from ufl import dx

from scaling_limits.particles import DiagonalDissipation, DirectedDissipation
from scaling_limits.pdes import EffectivePlane, TransportFokkerPlanck, Unresolved


def test_densities_are_what_they_say():
    """Marginals, distributions, expectations and the finite element function of one density agree with one another."""
    equation = TransportFokkerPlanck(lattice_of(DirectedDissipation(), [2.0, 0.5]))
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
