"""Meshes of many kinds, the same on any number of ranks."""

import basix.ufl
import numpy as np
import ufl
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI
from scipy.spatial import Delaunay

from scaling_limits.meshes.backend.compat import create_mesh

COMM = MPI.COMM_WORLD
KIND = dolfinx_mesh.CellType


def by_hand(points, cells, kind="triangle", comm=COMM):
    """A mesh of simplices from nodes (N, d) and cells (C, d + 1)."""
    points = np.asarray(points, dtype=float)
    domain = ufl.Mesh(basix.ufl.element("Lagrange", kind, 1, shape=(points.shape[1],)))
    if comm.rank:
        points, cells = points[:0], np.asarray(cells)[:0]
    return create_mesh(comm, np.ascontiguousarray(cells, dtype=np.int64), np.ascontiguousarray(points), domain)


def disc(rings, radius=1.0, hole=0.0, centre=(0.0, 0.0)):
    """Triangles of a disc, or of a ring where there is a hole, whose nodes are on circles."""
    radii = np.linspace(hole, radius, rings + 1)
    parts = []
    for i, r in enumerate(radii):
        count = max(1, round(2 * np.pi * r / (radii[1] - radii[0])))
        angles = 2 * np.pi * (np.arange(count) + 0.5 * (i % 2)) / count
        parts.append(np.stack([r * np.cos(angles), r * np.sin(angles)], 1))
    points = np.concatenate(parts)
    cells = Delaunay(points).simplices
    middle = points[cells].mean(axis=1)
    inner = np.linalg.norm(points[cells], axis=2) <= hole * (1 + 1e-12)
    area = np.abs(np.linalg.det(points[cells][:, 1:] - points[cells][:, :1]))
    keep = ~inner.all(axis=1) & (area > 1e-9 * radius**2) & (np.linalg.norm(middle, axis=1) > 0.9 * hole)
    return by_hand(points + np.array(centre), cells[keep])


def wobbled(mesh, size):
    """Nodes moved by up to a size, by a rule that looks random; those of the boundary stay."""
    x = mesh.geometry.x[:, : mesh.geometry.dim]
    low, high = _ends(x, MPI.MIN), _ends(x, MPI.MAX)
    free = ((x > low + 1e-9) & (x < high - 1e-9)).all(axis=1)[:, None]
    phase = np.sin(1e3 * (x @ np.arange(1.0, x.shape[1] + 1))[:, None] * np.arange(1.0, x.shape[1] + 1) + 0.5)
    x[:] += size * np.where(free, phase, 0.0)
    return mesh


def _ends(x, op):
    ends = np.array(x.min(axis=0) if op == MPI.MIN else x.max(axis=0))
    COMM.Allreduce(MPI.IN_PLACE, ends, op)
    return ends


def mapped(mesh, rule):
    """Nodes moved to where a rule on coordinates (n, d) sends them."""
    dim = mesh.geometry.dim
    mesh.geometry.x[:, :dim] = rule(mesh.geometry.x[:, :dim].copy())
    return mesh


def square(n, kind=KIND.triangle, diagonal=dolfinx_mesh.DiagonalType.right, comm=COMM, half=1.0):
    return dolfinx_mesh.create_rectangle(comm, [[-half] * 2, [half] * 2], [n, n], kind, diagonal=diagonal)


def cube(n, kind=KIND.tetrahedron, comm=COMM):
    return dolfinx_mesh.create_box(comm, [[-1.0] * 3, [1.0] * 3], [n, n, n], kind)


def line(n, comm=COMM, low=-1.0, high=1.0):
    return dolfinx_mesh.create_interval(comm, n, [low, high])


DIAGONAL = dolfinx_mesh.DiagonalType
QUAD, HEX = KIND.quadrilateral, KIND.hexahedron
shear = np.array([[1.0, 3.0], [0.0, 0.3]])
TWENTY = {
    "line": lambda: line(40),
    "graded line": lambda: mapped(line(40), lambda x: np.sign(x) * np.abs(x) ** 3),
    "wobbled line": lambda: wobbled(line(40), 0.02),
    "triangles": lambda: square(14),
    "left triangles": lambda: square(14, diagonal=DIAGONAL.left),
    "crossed triangles": lambda: square(10, diagonal=DIAGONAL.crossed),
    "wobbled triangles": lambda: wobbled(square(14), 0.04),
    "obtuse triangles": lambda: mapped(square(14), lambda x: x @ shear.T / 3),
    "flat triangles": lambda: mapped(square(14), lambda x: x * [1.0, 0.02]),
    "graded triangles": lambda: mapped(square(14), lambda x: np.sign(x) * np.abs(x) ** 2.5),
    "disc": lambda: disc(8),
    "ring": lambda: disc(6, hole=0.4),
    "quadrilaterals": lambda: square(14, QUAD),
    "wobbled quadrilaterals": lambda: wobbled(square(14, QUAD), 0.03),
    "sheared quadrilaterals": lambda: mapped(square(14, QUAD), lambda x: x @ shear.T / 3),
    "tetrahedra": lambda: cube(5),
    "wobbled tetrahedra": lambda: wobbled(cube(5), 0.06),
    "flat tetrahedra": lambda: mapped(cube(5), lambda x: x * [1.0, 1.0, 0.05]),
    "hexahedra": lambda: cube(6, HEX),
    "wobbled hexahedra": lambda: wobbled(cube(6, HEX), 0.05),
}
