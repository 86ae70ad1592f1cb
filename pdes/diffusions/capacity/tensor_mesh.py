"""Meshes of boxes with break points along each direction: numbers of cells, faces, corners and unknowns."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scaling_limits.meshes.box import Grid

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True, eq=False)
class TensorMesh:
    """The cells between break points t_i along each direction of a box, in C order; each rank has a run of them.

    Args:
        breaks: t_i, increasing, for each direction.
        periodic: for each direction (d,).
        comm: the ranks that share the cells.
    """

    breaks: tuple[np.ndarray, ...]
    periodic: tuple[bool, ...]
    comm: MPI.Comm

    @classmethod
    def of(cls, grid: Grid, planes: list[np.ndarray], divide: int = 1, skip: int = 1) -> TensorMesh:
        """The nodes of a grid and some planes between them.

        Args:
            grid: the nodes.
            planes: x_i of planes, for each direction; a node that is close to one is moved to it.
            divide: into how many parts each cell is cut.
            skip: how many cells are taken together.
        """
        axes = []
        for (low, high), count, own in zip(grid.box, grid.cells, planes):
            parts = count * divide
            nodes = low + (high - low) * np.unique(np.append(np.arange(0, parts, skip), parts)) / parts
            nodes[-1] = high
            if own.size:
                far = np.abs(nodes[:, None] - own).min(axis=1) > CLOSE * (high - low) * skip / parts
                far[[0, -1]] = True
                nodes = np.unique(np.concatenate([nodes[far], own]))
            axes.append(nodes)
        return cls(tuple(axes), grid.periodic, grid.comm)

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return len(self.breaks)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Cells along each direction."""
        return tuple(len(axis) - 1 for axis in self.breaks)

    @property
    def size(self) -> int:
        """Cells in all."""
        return int(np.prod(self.shape))

    @cached_property
    def own(self) -> np.ndarray:
        """The numbers of the cells of this rank."""
        ends = [self.size * rank // self.comm.size for rank in (self.comm.rank, self.comm.rank + 1)]
        return np.arange(*ends)

    def index(self, cells: np.ndarray) -> np.ndarray:
        """Places (n, d) of cells, given by their numbers (n,)."""
        return np.stack(np.unravel_index(cells, self.shape), axis=1)

    def corners(self, cells: np.ndarray) -> np.ndarray:
        """The lowest corner (n, d) of cells."""
        return np.stack([axis[:-1][i] for axis, i in zip(self.breaks, self.index(cells).T)], axis=1)

    def widths(self, cells: np.ndarray) -> np.ndarray:
        """The widths h (n, d) of cells."""
        return np.stack([np.diff(axis)[i] for axis, i in zip(self.breaks, self.index(cells).T)], axis=1)

    def points(self, cells: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        """Points (n Q, d), cell by cell.

        Args:
            cells: their numbers (n,).
            ticks: places in a cell, each coordinate in [0, 1] (Q, d).
        """
        x = self.corners(cells)[:, None] + ticks * self.widths(cells)[:, None]
        low, high = (np.array([axis[end] for axis in self.breaks]) for end in (0, -1))
        return np.clip(x, low, high).reshape(-1, self.dim)

    def whole(self, values: np.ndarray) -> np.ndarray:
        """Values of the cells of each rank as those of all cells, on all ranks."""
        return np.concatenate(self.comm.allgather(values)) if self.comm.size > 1 else values

    # --- unknowns ------------------------------------------------------------------------------------------

    def node_count(self, degree: int) -> int:
        """Number of nodes of continuous elements."""
        return int(np.prod(self._nodes(degree)))

    def _nodes(self, degree: int) -> tuple[int, ...]:
        return tuple(degree * n + (not wraps) for n, wraps in zip(self.shape, self.periodic))

    def nodes(self, cells: np.ndarray, degree: int) -> np.ndarray:
        """The numbers (n, (p + 1)^d) of the nodes of cells, those of a cell in C order."""
        shape = self._nodes(degree)
        local = np.array(list(itertools.product(range(degree + 1), repeat=self.dim)))
        place = (degree * self.index(cells)[:, None] + local) % np.array(shape)
        return np.ravel_multi_index(tuple(np.moveaxis(place, -1, 0)), shape)

    @cached_property
    def _faces(self) -> list[tuple[int, ...]]:
        shapes = []
        for i, wraps in enumerate(self.periodic):
            shapes.append(tuple(n + (k == i and not wraps) for k, n in enumerate(self.shape)))
        return shapes

    @property
    def face_count(self) -> int:
        """Number of faces of all cells."""
        return sum(int(np.prod(shape)) for shape in self._faces)

    def faces(self, cells: np.ndarray) -> np.ndarray:
        """The numbers (n, 2 d) of the faces of cells: for each direction the lower and the upper one."""
        index, columns, first = self.index(cells), [], 0
        for i, shape in enumerate(self._faces):
            for side in (0, 1):
                place = index.copy()
                place[:, i] = (place[:, i] + side) % shape[i]
                columns.append(first + np.ravel_multi_index(tuple(place.T), shape))
            first += int(np.prod(shape))
        return np.stack(columns, axis=1)

    def cells_of_faces(self) -> np.ndarray:
        """The two cells of each face (faces, 2), on the lower and on the upper side; -1 beyond a wall."""
        result = np.full((self.face_count, 2), -1)
        cells = np.arange(self.size)
        faces = self.faces(cells)
        for i in range(self.dim):
            result[faces[:, 2 * i + 1], 0] = cells
            result[faces[:, 2 * i], 1] = cells
        return result


# part of a cell below which a node and a plane are one
CLOSE = 0.3
