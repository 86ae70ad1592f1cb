"""An order of the unknowns of elements of Lagrange type that does not depend on the ranks, for files.

Unknowns are told apart by their places, and by the middles of the cells around them where places are the same (at a
slit, or at the seam of a torus). Rank 0 sorts them; the others know the numbers of their own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.particles import InvalidArgument

from .backend.compat import geometry_dofmap
from .spread_functions import SpreadSpace

# of the largest coordinate, by which places must differ; no fraction of simple numbers, so that none is just between
QUANTUM = 1e-10 * np.pi


@dataclass(frozen=True, eq=False)
class NodeOrder:
    """The order.

    Args:
        comm: the ranks.
        size: unknowns in all.
        own: the numbers of the unknowns of this rank (m,).
        digest: a text that tells sets of unknowns apart.
    """

    comm: MPI.Comm
    size: int
    own: np.ndarray
    digest: str

    @classmethod
    def of(cls, spread: SpreadSpace) -> NodeOrder:
        """That of a space of scalars; collective.

        Raises:
            InvalidArgument: unknowns cannot be told apart.
        """
        comm, keys = spread.search.comm, _keys(spread)
        parts, order, digest, distinct = comm.gather(keys), None, "", True
        if parts is not None:
            every = np.concatenate(parts)
            first = np.lexsort(every.T[::-1])
            distinct = not (np.diff(every[first], axis=0) == 0).all(axis=1).any()
            digest = hashlib.sha256(np.ascontiguousarray(every[first]).tobytes()).hexdigest()
            numbers = np.empty(len(every), dtype=np.int64)
            numbers[first] = np.arange(len(every))
            order = np.split(numbers, np.cumsum([len(part) for part in parts])[:-1])
        own = comm.scatter(order)
        digest, distinct = comm.bcast((digest, distinct))
        if not distinct:
            raise InvalidArgument("mesh", "has nodes that cannot be told apart, at the same place with the same cells")
        return cls(comm, spread.runs.size, own, digest)

    def gathered(self, values: np.ndarray) -> np.ndarray | None:
        """Values (..., m) at the unknowns of each rank in this order (..., size), on rank 0; collective."""
        parts = self.comm.gather((self.own, values))
        if parts is None:
            return None
        result = np.empty((*values.shape[:-1], self.size), dtype=values.dtype)
        for numbers, part in parts:
            result[..., numbers] = part
        return result

    def scattered(self, values: np.ndarray | None) -> np.ndarray:
        """The inverse: values (..., size) of rank 0 at the unknowns of each rank (..., m); collective."""
        places = self.comm.gather(self.own)
        if places is None or values is None:
            return np.asarray(self.comm.scatter(None))
        return np.asarray(self.comm.scatter([values[..., numbers] for numbers in places]))


def _keys(spread: SpreadSpace) -> np.ndarray:
    """For each unknown of this rank whole numbers (m, 3 d) that tell it apart; collective."""
    search, space = spread.search, spread.space
    # as many as a cell of the mesh has, also on a rank without cells
    each = geometry_dofmap(space.mesh).shape[1]
    corners = search.corners.own.reshape(len(search.order), each, search.dim)
    unknowns = np.asarray(space.dofmap.list)[search.order]
    places = search.map.pushed(corners, spread.points)
    middle = np.broadcast_to(corners.mean(axis=1)[:, None], places.shape)
    scale = QUANTUM * max(search.padding, 1e-300) / 1e-12
    columns = []
    for values, sign in ((places, -1.0), (middle, -1.0), (middle, 1.0)):
        for axis in range(search.dim):
            columns.append(sign * _largest(spread, unknowns, sign * values[..., axis]))
    return np.rint(np.stack(columns, axis=1) / scale).astype(np.int64)


def _largest(spread: SpreadSpace, unknowns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each unknown of this rank the largest of values (C, k) in the cells around it (m,); collective."""
    layout = spread.space.dofmap.index_map
    ghosts = np.asarray(layout.ghosts, dtype=PETSc.IntType)
    sizes = (layout.size_local, layout.size_global)
    vector = PETSc.Vec().createGhost(ghosts, size=sizes, comm=spread.search.comm)
    with vector.localForm() as local:
        local.set(-np.finfo(float).max)
        np.maximum.at(local.array, unknowns.ravel(), values.ravel())
    vector.ghostUpdate(addv=PETSc.InsertMode.MAX_VALUES, mode=PETSc.ScatterMode.REVERSE)
    result = np.array(vector.array)
    vector.destroy()
    return result
