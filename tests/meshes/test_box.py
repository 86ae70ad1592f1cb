"""Boxes: their geometry, walls, and values of functions at points on any number of ranks."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import CellType
from mpi4py import MPI

from scaling_limits.meshes import box, evaluate, lattice
from scaling_limits.particles import InvalidArgument


@pytest.mark.parametrize("periodic", [False, True, (True, False)])
@pytest.mark.parametrize("cell_type", [None, CellType.triangle])
def test_volume_boundary_and_values(periodic, cell_type):
    mesh = box([(-1, 2), (1, 3)], (6, 5), periodic=periodic, cell_type=cell_type)
    one = fem.Constant(mesh, 1.0)
    total = lambda form: mesh.comm.allreduce(fem.assemble_scalar(fem.form(form)))  # noqa: E731
    assert total(one * ufl.dx) == pytest.approx(6.0)
    walls = {False: 10.0, True: 0.0, (True, False): 6.0}[periodic]
    assert total(one * ufl.ds) == pytest.approx(walls)
    x = ufl.SpatialCoordinate(mesh)
    assert total(x[0] * x[1] * ufl.dx) == pytest.approx(6.0 * 0.5 * 2.0)
    space = fem.functionspace(mesh, ("Lagrange", 3))
    function = fem.Function(space)
    wave = lambda x: np.sin(2 * np.pi * (x[0] + 1) / 3) * np.cos(np.pi * x[1])  # noqa: E731
    function.interpolate(wave)
    points = np.random.default_rng(2).uniform((-1, 1), (2, 3), (50, 2))
    assert np.abs(evaluate(function, points) - wave(points.T)).max() < 5e-2
    assert (evaluate(function, points[:0]) == np.zeros(0)).all()
    with pytest.raises(InvalidArgument, match="points"):
        evaluate(function, np.array([[2.5, 1.5]]))


def test_break_points():
    mesh = box([(1, 2)], [[1.0, 1.1, 1.5, 2.0]])
    nodes = np.unique(np.round(np.concatenate(MPI.COMM_WORLD.allgather(mesh.geometry.x[:, 0])), 12))
    np.testing.assert_allclose(nodes, [1.0, 1.1, 1.5, 2.0])


@pytest.mark.parametrize("periodic", [False, True, (True, False, False)])
@pytest.mark.parametrize("times", [-1, 1, 2])
def test_steps_and_volumes_of_nodes(periodic, times):
    """Against places added up by numpy: numbers of nodes behind steps, -1 behind walls, and a half for each wall."""
    grid = lattice([(0, 1), (-1, 1), (2, 5)], (4, 3, 5), periodic, MPI.COMM_SELF)
    numbers = np.arange(grid.size)
    steps = np.random.default_rng(3).integers(-7, 8, (grid.size, 3))
    places = grid.index + times * steps
    expected = np.where(grid.holds(places), grid.flat(places % grid.shape), -1)
    np.testing.assert_array_equal(grid.stepped(numbers, steps, times), expected)
    walls = (((grid.index == 0) | (grid.index == np.array(grid.shape) - 1)) & ~np.array(grid.periodic)).sum(axis=1)
    np.testing.assert_allclose(grid.volumes_at(numbers[::-1]), (np.prod(grid.spacing) * 0.5**walls)[::-1], rtol=1e-15)


@pytest.mark.parametrize("periodic", [False, True, (True, False, False)])
def test_lattice(periodic):
    """Volumes add up, points are where dolfinx has them, ranks have all nodes once."""
    grid = lattice([(0, 1), (-1, 1), (2, 5)], (4, 3, 5), periodic, MPI.COMM_WORLD)
    assert MPI.COMM_WORLD.allreduce(grid.volumes.sum()) == pytest.approx(6.0)
    assert MPI.COMM_WORLD.allreduce(len(grid.points)) == grid.size
    field = grid.whole(grid.points @ [1.0, 10.0, 100.0])
    function = grid.function(field, "f")
    if periodic is False:
        x = grid.space.tabulate_dof_coordinates()
        np.testing.assert_allclose(function.x.array, x @ [1.0, 10.0, 100.0])
    assert grid.space.dofmap.index_map.size_global == grid.size
