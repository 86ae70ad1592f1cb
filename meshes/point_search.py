"""The cells that points are in, on whatever ranks the cells are; any rank asks by itself.

The boxes around the cells of a rank, in an order that keeps neighbours together, are joined by fours to larger
boxes, and these again, up to a few. Boxes and corners of cells are exposed to other ranks; what all ranks know is one
box around the cells of each rank. A point goes down through the boxes that hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx.mesh import Mesh
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument

from .backend.compat import geometry_dofmap
from .cell_maps import CellMap
from .exposed_memory import SpreadTable

# boxes that are joined, and points that are looked for at a time
JOINED, AT_ONCE = 4, 2**14
# of the extent of a mesh, by which a point may miss it
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class FoundPoints:
    """Where points are.

    Args:
        rank: that owns the cell (P,).
        cell: its row in the tables of that rank (P,).
        reference: coordinates in the reference cell (P, d).
    """

    rank: np.ndarray
    cell: np.ndarray
    reference: np.ndarray

    def rows(self, table: SpreadTable) -> np.ndarray:
        """The rows (P, w) of a table with a row for each cell; this rank by itself."""
        result = np.empty((len(self.rank), table.own.shape[1]), dtype=table.own.dtype)
        for rank in np.unique(self.rank):
            here = self.rank == rank
            result[here] = table.take(int(rank), self.cell[here])
        return result


class PointSearch:
    """The cells of a mesh, to be searched; collective.

    Args:
        mesh: of cells of one kind with straight edges.
        comm: its ranks.

    Attributes:
        order: the cells of this rank, without ghosts, in the order of the tables (C,).
    """

    def __init__(self, mesh: Mesh, comm: MPI.Comm) -> None:
        self.comm, self.dim, self.map = comm, int(mesh.geometry.dim), CellMap(str(mesh.topology.cell_name()))
        count = mesh.topology.index_map(mesh.topology.dim).size_local
        corners = mesh.geometry.x[geometry_dofmap(mesh)[:count]][:, :, : self.dim]
        self._corners = corners.shape[1]
        largest = comm.allreduce(float(np.abs(corners).max(initial=0.0)), MPI.MAX)
        self.padding = ROUNDING * max(largest, 1e-300)
        boxes = np.concatenate([corners.min(axis=1) - self.padding, corners.max(axis=1) + self.padding], axis=1)
        self.order = _in_order(0.5 * (boxes[:, : self.dim] + boxes[:, self.dim :]))
        levels = [boxes[self.order]]
        while len(levels[-1]) > JOINED:
            levels.append(self._joined(levels[-1]))
        around = self._joined(levels[-1], len(levels[-1])) if count else np.full((1, 2 * self.dim), np.nan)
        self._around = np.concatenate(comm.allgather(around))
        self.corners = SpreadTable.of(comm, corners[self.order].reshape(count, self._corners * self.dim))
        self._boxes = SpreadTable.of(comm, np.concatenate(levels))

    def _joined(self, boxes: np.ndarray, by: int = JOINED) -> np.ndarray:
        first = np.arange(0, len(boxes), by)
        low, high = boxes[:, : self.dim], boxes[:, self.dim :]
        return np.concatenate([np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)], axis=1)

    @cached_property
    def _levels(self) -> list[list[tuple[int, int]]]:
        """For each rank the first box and the number of boxes of each level, from cells upwards."""
        result = []
        for count in self.corners.counts:
            levels, first, size = [], 0, int(count)
            while True:
                levels.append((first, size))
                if size <= JOINED:
                    break
                first, size = first + size, -(-size // JOINED)
            result.append(levels)
        return result

    def find(self, points: np.ndarray) -> FoundPoints:
        """The cells that points (P, d) are in; this rank by itself.

        Raises:
            InvalidArgument: a point outside of the mesh.
        """
        parts = [self._find(points[first : first + AT_ONCE]) for first in range(0, len(points), AT_ONCE)]
        rank, cell, reference = (
            np.concatenate([np.zeros(shape, dtype=kind), *(part[k] for part in parts)])
            for k, (shape, kind) in enumerate([((0,), np.int64), ((0,), np.int64), ((0, self.dim), np.float64)])
        )
        if (rank < 0).any():
            missing = points[rank < 0][0]
            raise InvalidArgument("points", f"must be in the mesh; {missing.tolist()} is not")
        return FoundPoints(rank, cell, reference)

    def _find(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rank, cell = np.full(len(points), -1), np.zeros(len(points), dtype=np.int64)
        reference = np.zeros((len(points), self.dim))
        own = self.comm.rank
        for other in [own, *range(own), *range(own + 1, self.comm.size)]:
            some = np.flatnonzero((rank < 0) & self._within(self._around[other], points))
            if not some.size:
                continue
            found, cells, places = self._on(other, points[some])
            rank[some[found]], cell[some[found]], reference[some[found]] = other, cells[found], places[found]
        return rank, cell, reference

    def _within(self, boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether points (P, d) are in boxes (P, 2 d), or in one (2 d,)."""
        low, high = boxes[..., : self.dim], boxes[..., self.dim :]
        return np.asarray(((points >= low) & (points <= high)).all(axis=1))

    def _on(self, rank: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether points are in cells of a rank (P,), the nearest of these (P,), and where in it (P, d)."""
        levels = self._levels[rank]
        point, box = np.repeat(np.arange(len(points)), levels[-1][1]), np.tile(np.arange(levels[-1][1]), len(points))
        for depth, (first, _) in reversed(list(enumerate(levels))):
            held = self._within(self._boxes.take(rank, first + box), points[point])
            point, box = point[held], box[held]
            if depth:
                below = levels[depth - 1][1]
                point, box = np.repeat(point, JOINED), (box[:, None] * JOINED + np.arange(JOINED)).ravel()
                point, box = point[box < below], box[box < below]
        corners = self.corners.take(rank, box).reshape(len(box), self._corners, self.dim)
        places, away = self.map.pulled_back(corners, points[point])
        # the nearest cell of each point comes first
        order = np.lexsort((away, point))
        point, first = np.unique(point[order], return_index=True)
        best = order[first]
        found, cells, where = (
            np.zeros(len(points), dtype=bool),
            np.zeros(len(points), dtype=np.int64),
            np.zeros_like(points),
        )
        found[point], cells[point], where[point] = away[best] <= self.padding, box[best], places[best]
        return found, cells, where


def _in_order(places: np.ndarray) -> np.ndarray:
    """An order of places (C, d) in which neighbours are near: that of Morton, by the ranks of their coordinates."""
    count, dim = places.shape
    bits = 62 // dim
    ranks = np.argsort(np.argsort(places, axis=0, kind="stable"), axis=0, kind="stable")
    scaled = (ranks * (2.0**bits / max(count, 1))).astype(np.int64)
    keys = np.zeros(count, dtype=np.int64)
    for bit in range(bits):
        for axis in range(dim):
            keys |= ((scaled[:, axis] >> bit) & 1) << (bit * dim + axis)
    return np.argsort(keys, kind="stable")
