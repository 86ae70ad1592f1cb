"""Meshes in which the two sides of a period are the same facets, while each cell has nodes of its own."""

from __future__ import annotations

import itertools

import basix.ufl
import numpy as np
import ufl
from dolfinx.mesh import Mesh
from mpi4py import MPI

from . import compat

# each box of the grid is divided into these cells, given by its corners, which are numbered with x fastest
TETRAHEDRA = tuple((0, a, a | b, 7) for a, b in itertools.permutations((1, 2, 4), 2))
SUBDIVISIONS = {
    "interval": ((0, 1),),
    "triangle": ((0, 1, 3), (0, 2, 3)),
    "quadrilateral": ((0, 1, 2, 3),),
    "tetrahedron": TETRAHEDRA,
    "hexahedron": (tuple(range(8)),),
}


def periodic_mesh(nodes: list[np.ndarray], counts: np.ndarray, wraps: np.ndarray, kind: str, comm: MPI.Comm) -> Mesh:
    """Make a mesh of boxes, or of their parts, whose topology is periodic in some directions.

    Args:
        nodes: break points along each direction, each (n_i + 1,), increasing from 0.
        counts: boxes along each direction (d,), n_i.
        wraps: whether a direction is periodic (d,).
        kind: of cells, one of SUBDIVISIONS.
        comm: the communicator whose ranks share the mesh.
    """
    dim = len(nodes)
    subdivision = np.array(SUBDIVISIONS[kind])
    corners = np.array([corner[::-1] for corner in itertools.product((0, 1), repeat=dim)])  # x fastest
    vertices = np.where(wraps, counts, counts + 1)
    box_strides = np.concatenate([[1], np.cumprod(counts[:-1])])
    vertex_strides = np.concatenate([[1], np.cumprod(vertices[:-1])])

    def anchors(boxes: np.ndarray) -> np.ndarray:
        return (boxes[:, None] // box_strides) % counts

    def domain() -> ufl.Mesh:
        return ufl.Mesh(basix.ufl.element("Lagrange", kind, 1, shape=(dim,)))

    if comm.rank == 0:
        boxes = anchors(np.arange(counts.prod()))
        numbers = ((boxes[:, None, :] + corners) % vertices) @ vertex_strides
        topology = numbers[:, subdivision].reshape(-1, subdivision.shape[1])
        at = np.stack(np.unravel_index(np.arange(vertices.prod()), vertices, order="F"), axis=1)
        x = np.stack([axis[at[:, i]] for i, axis in enumerate(nodes)], axis=1)
    else:
        topology, x = np.zeros((0, subdivision.shape[1]), dtype=np.int64), np.zeros((0, dim))
    # the topology comes from a mesh whose vertices are identified; its coordinates, torn at the seam, are replaced
    wrapped = compat.create_mesh(comm, topology.astype(np.int64), np.ascontiguousarray(x), domain())
    box, part = np.divmod(np.asarray(wrapped.topology.original_cell_index, dtype=np.int64), len(subdivision))
    places = anchors(box)[:, None, :] + corners[subdivision[part]]
    unwrapped = np.stack([axis[places[..., i]] for i, axis in enumerate(nodes)], axis=-1)
    return compat.replace_geometry(wrapped, unwrapped, domain())
