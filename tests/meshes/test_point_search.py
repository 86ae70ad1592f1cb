"""Points in meshes, and functions there: any rank by itself, as dolfinx and as formulas say."""

import numpy as np
import pytest
from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from meshes import KIND, QUAD, cube, line, mapped, square, wobbled
from scaling_limits.meshes import torus
from scaling_limits.meshes.exposed_memory import LARGE, MOST, ExposedMemory, SpreadTable
from scaling_limits.meshes.point_search import PointSearch
from scaling_limits.meshes.spread_functions import SpreadSpace
from scaling_limits.particles import InvalidArgument

COMM = MPI.COMM_WORLD


def quadratic(x):
    """A polynomial of degree 2, from points (d, P)."""
    return 1.0 + x[0] - 2 * x[-1] + x[0] * x[-1] + 0.3 * x[0] ** 2


def inner_points(mesh, count, seed):
    """Points within the box of a mesh that fills it, other ones on each rank."""
    x = mesh.geometry.x[:, : mesh.geometry.dim]
    low, high = (COMM.allreduce(part, op) for part, op in ((x.min(axis=0), np.minimum), (x.max(axis=0), np.maximum)))
    return low + (high - low) * np.random.default_rng([seed, COMM.rank]).random((count, len(low)))


MESHES = {
    "line": lambda: line(50),
    "triangles": lambda: wobbled(square(14), 0.02),
    "quadrilaterals": lambda: wobbled(square(14, QUAD), 0.02),
    "tetrahedra": lambda: wobbled(cube(5), 0.02),
    "hexahedra": lambda: wobbled(cube(5, KIND.hexahedron), 0.02),
    "graded": lambda: mapped(square(24), lambda x: np.sign(x) * np.abs(x) ** 6),
}


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("degree", [1, 2])
def test_polynomials_are_themselves(name, degree):
    """Of degree 1 on any cell and 2 on simplices, at other points on each rank."""
    mesh = MESHES[name]()
    search = PointSearch(mesh, COMM)
    space = fem.functionspace(mesh, ("Lagrange", degree))
    straight = search.map.simplex
    given = quadratic if degree == 2 and straight else (lambda x: 2.0 - x[0] + 3 * x[-1])
    function = fem.Function(space)
    function.interpolate(lambda x: given(x[: mesh.geometry.dim]))
    spread = SpreadSpace(search, space).spread(function)
    points = inner_points(mesh, 300, 1)
    found = search.find(points)
    corners = found.rows(search.corners).reshape(len(points), -1, points.shape[1])
    back = np.array([search.map.pushed(c[None], xi[None])[0, 0] for c, xi in zip(corners, found.reference)])
    np.testing.assert_allclose(back, points, atol=1e-13)
    np.testing.assert_allclose(spread.at(found)[:, 0], given(points.T), atol=1e-12)


def test_as_dolfinx_says():
    """A rough function on wobbled hexahedra and quadrilaterals, where no polynomial helps."""
    for mesh in (wobbled(cube(4, KIND.hexahedron), 0.04), wobbled(square(9, QUAD), 0.03)):
        space = fem.functionspace(mesh, ("Lagrange", 2))
        function = fem.Function(space)
        function.interpolate(lambda x: np.sin(40 * x[0]) * np.cos(30 * x[-1]))
        search = PointSearch(mesh, COMM)
        spread = SpreadSpace(search, space).spread(function)
        count = mesh.topology.index_map(mesh.topology.dim).size_local
        cells = np.arange(count, dtype=np.int32)
        points = dolfinx_mesh.compute_midpoints(mesh, mesh.topology.dim, cells) + 1e-3
        expected = np.reshape(function.eval(points, cells), -1)
        found = search.find(points[:, : mesh.geometry.dim])
        np.testing.assert_allclose(spread.at(found)[:, 0], expected, atol=1e-10)


def test_vectors_and_tori():
    mesh = torus([8, 6], periodic=True)
    space = fem.functionspace(mesh, ("Discontinuous Lagrange", 1, (2,)))
    function = fem.Function(space)
    function.interpolate(lambda x: np.stack([x[0], 1 - 3 * x[1]]))
    search = PointSearch(mesh, COMM)
    points = inner_points(mesh, 100, 2)
    found = SpreadSpace(search, space).spread(function).at(search.find(points))
    np.testing.assert_allclose(found, np.stack([points[:, 0], 1 - 3 * points[:, 1]], 1), atol=1e-13)


def test_one_rank_alone():
    """Points of all ranks, asked by the last one only; and points that are nowhere."""
    mesh = square(20)
    search = PointSearch(mesh, COMM)
    if COMM.rank == COMM.size - 1:
        points = np.stack(np.meshgrid(np.linspace(-1, 1, 31), np.linspace(-1, 1, 17)), -1).reshape(-1, 2)
        found = search.find(points)
        assert set(found.rank) == set(range(COMM.size))
        for wrong in ([[1.0 + 1e-9, 0.0]], [[0.0, 0.0], [np.inf, 0.0]]):
            with pytest.raises(InvalidArgument, match="in the mesh"):
                search.find(np.array(wrong))
        assert search.find(points[:0]).rank.shape == (0,)
    COMM.Barrier()


def test_many_tables():
    """More than the pieces of memory that MPI allows in a window, large and small."""
    small = [SpreadTable.of(COMM, np.full((3 + COMM.rank, 2), float(k))) for k in range(200)]
    large = [SpreadTable.of(COMM, np.full((LARGE // 8, 1), float(k))) for k in range(MOST + 10)]
    other = (COMM.rank + 1) % COMM.size
    for k in (0, 63, 199):
        assert (small[k].take(other, np.array([0, 2])) == k).all()
        assert small[k].whole(other).shape == (3 + other, 2)
    for k in (0, MOST - 1, MOST + 9):
        assert large[k].take(other, np.array([0, LARGE // 8 - 1])).ravel().tolist() == [k, k]
    COMM.Barrier()
    del small, large
    SpreadTable.of(COMM, np.zeros((1, 1)))
    if COMM.size > 1:
        assert len(ExposedMemory.of(COMM).arrays) < 30
