"""Quadrilaterals and hexahedra divided into simplices with the same nodes.

A hexahedron is the union of the cones from its first node, in an order of all nodes, to the three faces opposite, each
of which is cut through its own first node: neighbours cut a face they share alike. Source: Dompierre, Labbe,
Vallet and Camarero, How to subdivide pyramids, prisms and hexahedra into tetrahedra, 8th International Meshing
Roundtable (1999).
"""

from __future__ import annotations

import basix.ufl
import numpy as np
import ufl
from dolfinx import mesh as dolfinx_mesh

from scaling_limits.meshes.backend.compat import create_mesh, geometry_dofmap

# along which no two nodes of a cell are equally high, unless by chance
SLANTED = np.array([1.0, np.sqrt(2.0) - 1.0, np.sqrt(3.0) - 1.0])
# the corners of the faces of a hexahedron, in the order of dolfinx; diagonals join the first and last, or the others
FACES = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 4, 5], [2, 3, 6, 7], [0, 2, 4, 6], [1, 3, 5, 7]])


def simplices_of(mesh: dolfinx_mesh.Mesh) -> dolfinx_mesh.Mesh:
    """The mesh of triangles or tetrahedra with the nodes of a mesh of quadrilaterals or hexahedra; collective."""
    topology, geometry = mesh.topology, mesh.geometry
    count = topology.index_map(topology.dim).size_local
    nodes, layout = np.asarray(geometry_dofmap(mesh)[:count]), geometry.index_map()
    names = layout.local_to_global(nodes.ravel().astype(np.int32)).reshape(nodes.shape)
    kind = "triangle" if topology.dim == 2 else "tetrahedron"
    # along a slanted direction, which does not depend on the ranks; by number where that is the same
    height = geometry.x @ SLANTED
    rank = np.argsort(np.lexsort((layout.local_to_global(np.arange(len(height), dtype=np.int32)), height)))
    cells = _triangles(names, rank[nodes]) if topology.dim == 2 else _tetrahedra(names, rank[nodes])
    domain = ufl.Mesh(basix.ufl.element("Lagrange", kind, 1, shape=(geometry.dim,)))
    x = np.ascontiguousarray(geometry.x[: layout.size_local, : geometry.dim])
    return create_mesh(mesh.comm, np.ascontiguousarray(cells, dtype=np.int64), x, domain)


def _triangles(corners: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Triangles (2 F, 3) of quadrilaterals (F, 4), cut through the corner of the least rank (F, 4)."""
    first = np.isin(rank.argmin(axis=1), (0, 3))[:, None]
    one = np.where(first, corners[:, [0, 1, 3]], corners[:, [1, 0, 2]])
    other = np.where(first, corners[:, [0, 2, 3]], corners[:, [1, 3, 2]])
    return np.concatenate([one, other])


def _tetrahedra(corners: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Tetrahedra (6 C, 4) of hexahedra (C, 8), cut by the ranks of their corners (C, 8)."""
    apex, result = rank.argmin(axis=1), [np.empty((0, 4), dtype=corners.dtype)]
    for corner in range(8):
        some, ranks = corners[apex == corner], rank[apex == corner]
        for face in (one for one in FACES if corner not in one):
            triangles = _triangles(some[:, face], ranks[:, face])
            result.append(np.concatenate([np.tile(some[:, corner], 2)[:, None], triangles], axis=1))
    return np.concatenate(result)
