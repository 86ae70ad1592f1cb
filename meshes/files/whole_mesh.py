"""A mesh on rank 0, numbered alike from any number of ranks, and back on all ranks."""

from __future__ import annotations

from dataclasses import dataclass

import basix.ufl
import numpy as np
import ufl
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from ..backend.compat import create_mesh, replace_geometry
from ..cell_maps import CellMap
from ..node_order import NodeOrder
from ..spread_functions import SpreadSpace
from .drawing import torn


@dataclass(frozen=True, eq=False)
class WholeMesh:
    """The cells of a mesh, and the unknowns of elements in them.

    Args:
        kind: of the cells, as dolfinx names it.
        unknowns: numbers of those in each cell, at its corners first (C, k).
        corners: coordinates of the corners of each cell (C, c, d).
        torn: whether cells have corners of their own, as on a torus.
    """

    kind: str
    unknowns: np.ndarray
    corners: np.ndarray
    torn: bool

    @classmethod
    def of(cls, spread: SpreadSpace, order: NodeOrder) -> WholeMesh | None:
        """The one of a space of scalars whose unknowns are numbered in an order, on rank 0; collective."""
        search = spread.search
        function = spread.function(order.own.astype(float))
        numbers = np.rint(function.x.array).astype(np.int64)[np.asarray(spread.space.dofmap.list)[search.order]]
        parts = search.comm.gather((numbers, search.corners.own))
        apart = torn(spread.space.mesh)
        if parts is None:
            return None
        unknowns, corners = (np.concatenate([part[k] for part in parts]) for k in range(2))
        first = np.lexsort(unknowns.T[::-1])
        dim = search.dim
        return cls(search.map.kind, unknowns[first], corners[first].reshape(len(first), -1, dim), apart)

    def points(self, reference: np.ndarray, size: int) -> np.ndarray:
        """Coordinates (size, d) of the unknowns, whose places in the reference cell are (k, d)."""
        result = np.empty((size, self.corners.shape[2]))
        # those of the first cell of an unknown, whatever the order
        places = CellMap(self.kind).pushed(self.corners, reference)
        result[self.unknowns[::-1].ravel()] = places[::-1].reshape(-1, result.shape[1])
        return result

    @property
    def content(self) -> dict[str, object]:
        """What a file holds of it."""
        return {"cell": self.kind, "cells": self.unknowns, "corners": self.corners, "torn": self.torn}

    @classmethod
    def read(cls, content: dict[str, np.ndarray]) -> WholeMesh:
        """The inverse of `content`, on rank 0."""
        return cls(str(content["cell"]), content["cells"], content["corners"], bool(content["torn"]))


# of the fields of a file
CONTENT = {"cell", "cells", "corners", "torn"}


def spread_mesh(comm: MPI.Comm, whole: WholeMesh | None) -> dolfinx_mesh.Mesh:
    """The mesh of rank 0 on all ranks; collective."""
    about = None if whole is None else (whole.kind, whole.corners.shape[1:], whole.torn)
    kind, (count, dim), apart = comm.bcast(about)
    domain = ufl.Mesh(basix.ufl.element("Lagrange", kind, 1, shape=(dim,)))
    cells, x = np.zeros((0, count), dtype=np.int64), np.zeros((0, dim))
    if whole is not None:
        used, numbers = np.unique(whole.unknowns[:, :count], return_inverse=True)
        cells, x = numbers.reshape(-1, count).astype(np.int64), np.empty((len(used), dim))
        x[cells.ravel()] = whole.corners.reshape(-1, dim)
    mesh = create_mesh(comm, cells, x, domain)
    if not apart:
        return mesh
    wanted, parts = comm.gather(np.asarray(mesh.topology.original_cell_index)), None
    if wanted is not None and whole is not None:
        parts = [whole.corners[numbers] for numbers in wanted]
    corners = comm.scatter(parts)
    return replace_geometry(mesh, corners, ufl.Mesh(basix.ufl.element("Lagrange", kind, 1, shape=(dim,))))
