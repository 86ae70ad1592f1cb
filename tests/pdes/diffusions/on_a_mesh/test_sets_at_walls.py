"""Sets that are a wall of the mesh, written as one writes them (x >= 1), have all of its nodes, whatever rounding does."""

import numpy as np
import pytest
from diffusions import Given
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from meshes import HEX, KIND, QUAD, cube, line, mapped, square
from scaling_limits.pdes import FokkerPlanck

# Psi = x, M = 1, sigma = 1 in (-1, 1)^d: transitions from x = -1 to 1 by quadrature of exp(x) and exp(-x)
FREQUENCY = 0.25 / np.sinh(1.0) ** 2
TURN = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])


def equation(mesh, turn=None):
    dim = mesh.geometry.dim
    turn = np.eye(dim) if turn is None else turn
    one = Given(lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0), lambda x: (x @ turn)[:, 0], 1.0)
    return FokkerPlanck(one, mesh=mesh)


def passage_time(x):
    """E T from x to 1, T'' - T' = -1."""
    return x - np.exp(1 + x) - 1 + np.exp(2)


def noisy(mesh):
    """Walls off by a rounding, here out and there in."""
    return mapped(mesh, lambda x: x * (1 + 4e-16 * np.sign(np.sin(1e3 * (x @ np.array([1.0, 2.0])) + 0.3)))[:, None])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made", [
    lambda: line(20), lambda: square(8), lambda: square(9, QUAD), lambda: cube(5), lambda: cube(5, HEX),
    lambda: noisy(square(8)), lambda: noisy(square(10, QUAD)),
])  # fmt: skip
def test_walls(made):
    """The frequency to 1e-4 and the time to 2e-3: a wall with a hole gives half of them."""
    fp = equation(made())
    left, right = (lambda x: x[:, 0] <= -1), (lambda x: x[:, 0] >= 1)
    assert fp.transition(left, right).frequency == pytest.approx(FREQUENCY, rel=2e-4)
    points = np.linspace(-0.95, 0.95, 7)[:, None] * np.eye(fp.dim)[0]
    np.testing.assert_allclose(
        fp.mean_first_passage_time(right).at(points), passage_time(points[:, 0]), rtol=0, atol=1e-2
    )
    run = fp.evolve(lambda x: np.ones(len(x)), [0.0, 50.0], absorbing=right)
    assert run.survival[1] < 1e-3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [KIND.triangle, QUAD])
def test_turned_walls(kind):
    """The same on a square that is turned, and far from 0."""
    fp = equation(mapped(square(8, kind), lambda x: x @ TURN.T), TURN)
    left, right = (lambda x: (x @ TURN)[:, 0] <= -1), (lambda x: (x @ TURN)[:, 0] >= 1)
    assert fp.transition(left, right).frequency == pytest.approx(FREQUENCY, rel=2e-4)
    away = np.array([1e3, -1e3])
    fp = equation(mapped(square(8, kind), lambda x: x + away))
    left, right = (lambda x: x[:, 0] <= 999), (lambda x: x[:, 0] >= 1001)
    assert fp.transition(left, right).frequency == pytest.approx(FREQUENCY, rel=2e-4)


def test_nodes_are_those_of_the_mesh():
    """To the last digit; and a set that has no values outside of the mesh is asked inside only."""

    def wall(x):
        if (np.abs(x) > 1).any():
            raise ValueError("outside")
        return x[:, 0] == 1

    fp = equation(square(7))
    assert set(np.abs(fp.on_mesh.nodes).max(axis=1).tolist()) <= set(np.abs(fp.mesh.geometry.x).max(axis=1).tolist())
    assert fp.mean_first_passage_time(wall).at([[0.0, 0.0]]) == pytest.approx(passage_time(0.0), abs=1e-2)


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
@pytest.mark.parametrize("kind", [KIND.tetrahedron, HEX])
@pytest.mark.parametrize(("left", "right"), [(-0.77, 0.63), (-0.8, 0.65)])
def test_planes_through_cells(kind, left, right):
    """Planes onto which all nodes of some cells are moved: these have no volume, and the numbers are known."""
    mesh = dolfinx_mesh.create_box(MPI.COMM_WORLD, [[-1.2, -0.5, -0.5], [1.2, 0.5, 0.5]], [16, 8, 8], kind)
    fp = equation(mesh)
    frequency = 1 / ((np.exp(right) - np.exp(left)) * 2 * np.sinh(1.2))
    found = fp.transition(lambda x: x[:, 0] <= left, lambda x: x[:, 0] >= right)
    assert found.frequency == pytest.approx(frequency, rel=5e-4)
