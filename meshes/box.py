"""Meshes of boxes, with walls or periodic, and the grid of their nodes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator
from scaling_limits.particles.support.checks import flag, integer, real_array, shown

from .backend.fenicsx import needed_by
from .signed_sums import signed_sums
from .torus import torus

if TYPE_CHECKING:
    from dolfinx import fem
    from dolfinx.mesh import CellType, Mesh

BYTES = 100  # that a node needs at least on each rank, for what all ranks know of all nodes


def box(
    bounds: ArrayLike,
    cells: Sequence[int | ArrayLike],
    *,
    periodic: bool | Sequence[bool] = False,
    cell_type: CellType | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Mesh:
    """Make a mesh of the box [a_1, b_1] x ... x [a_d, b_d], d = 1, 2, 3; a periodic direction has no walls.

    Args:
        bounds: (a_i, b_i) for each direction (d, 2).
        cells: for each direction the number of cells, or increasing break points from a_i to b_i.
        periodic: True, or for each direction whether it is periodic; see `torus` for what that means of a mesh.
        cell_type: a `dolfinx.mesh.CellType` of dimension d; None takes intervals, quadrilaterals or hexahedra.
        comm: the communicator whose ranks share the mesh.

    Returns:
        A mesh for any use in dolfinx, in parallel too.

    Raises:
        InvalidArgument: an empty box, too few cells, break points that do not lead from a_i to b_i.
        MissingFEniCSx: it is not here.
    """
    limits = checked_bounds("bounds", bounds)
    if not isinstance(cells, list | tuple | np.ndarray) or len(cells) != len(limits):
        raise InvalidArgument("cells", f"must be given for each of {len(limits)} directions, not {cells!r}")
    axes = []
    for i, ((low, high), value) in enumerate(zip(limits, cells)):
        if np.ndim(value) == 0:
            axis = np.linspace(0.0, high - low, integer(f"cells[{i}]", value, 1) + 1)
        else:
            axis = real_array(f"cells[{i}]", value) - low
            if axis.ndim != 1 or axis.size < 2 or not np.allclose(axis[[0, -1]], (0.0, high - low), atol=1e-12):
                raise InvalidArgument(f"cells[{i}]", f"must be break points from {low:g} to {high:g}")
            axis[0] = 0.0
        axes.append(axis)
    mesh = torus(axes, periodic=periodic, cell_type=cell_type, comm=comm)
    mesh.geometry.x[:, : len(limits)] += limits[:, 0]
    return mesh


def checked_bounds(name: str, value: ArrayLike) -> np.ndarray:
    """Return the bounds (d, 2) of a box that is not empty, d = 1, 2, 3."""
    limits = real_array(name, value)
    if limits.ndim != 2 or limits.shape[1:] != (2,) or len(limits) not in (1, 2, 3):
        text = f"must be a list of pairs (a, b), one for each of 1, 2 or 3 directions, as in [(0, 1)]; not {value!r}"
        raise InvalidArgument(name, text)
    if (limits[:, 0] >= limits[:, 1]).any():
        raise InvalidArgument(name, "each pair (a, b) must have a < b")
    return limits


@dataclass(frozen=True, eq=False)
class Grid:
    """The equidistant nodes of a box, numbered in C order; each rank has a run of them.

    Args:
        box: (a_i, b_i) for each direction (d, 2).
        cells: for each direction the number of cells (d,).
        periodic: for each direction (d,).
        comm: the ranks that share the nodes.
    """

    box: np.ndarray
    cells: tuple[int, ...]
    periodic: tuple[bool, ...]
    comm: MPI.Comm

    @classmethod
    def of(cls, box: ArrayLike, cells: int | Sequence[int], periodic: bool | Sequence[bool], comm: MPI.Comm) -> Grid:
        """Check what describes a grid, and make it.

        Args:
            box: (a_i, b_i) for each direction (d, 2), d = 1, 2, 3.
            cells: for each direction the number of cells (d,); one number on a line.
            periodic: True, or for each direction whether it has no walls.
            comm: the ranks that share the nodes.

        Raises:
            InvalidArgument: an empty box, or too few cells.
        """
        limits = checked_bounds("box", box)
        communicator(comm)
        numbers = [cells] if np.ndim(cells) == 0 else list(cells)  # type: ignore[arg-type]
        counts = tuple(integer(f"cells[{i}]", n, 1) for i, n in enumerate(numbers))
        if len(counts) != len(limits):
            raise InvalidArgument("cells", f"must be given for each of {len(limits)} directions, not {cells!r}")
        values = [periodic] * len(limits) if isinstance(periodic, bool | np.bool_) else periodic
        if not isinstance(values, list | tuple | np.ndarray):
            raise InvalidArgument("periodic", f"must be True, False or a list of them, not {shown(periodic)}")
        wraps = tuple(flag("periodic", value) for value in values)
        if len(wraps) != len(limits):
            raise InvalidArgument("periodic", f"must be given for each of {len(limits)} directions, not {periodic!r}")
        if any(wrap and n < 3 for wrap, n in zip(wraps, counts)):
            raise InvalidArgument("cells", f"must be at least 3 in each periodic direction, not {counts}")
        needed = math.prod(n + 1 for n in counts) * BYTES / 2**30
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        if needed > memory:
            raise InvalidArgument(
                "cells", f"{counts} need {needed:.2g} GiB at least, and this machine has {memory:.2g}"
            )
        return cls(limits, counts, wraps, comm)

    bounds = property(attrgetter("box"), doc="`box`, by its former name.")

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return len(self.cells)

    @cached_property
    def spacing(self) -> np.ndarray:
        """Distance h of neighbours along each direction (d,)."""
        return (self.box[:, 1] - self.box[:, 0]) / self.cells

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Nodes along each direction."""
        return tuple(n + (not wraps) for n, wraps in zip(self.cells, self.periodic))

    @property
    def size(self) -> int:
        """Nodes in all."""
        return int(np.prod(self.shape))

    @cached_property
    def ends(self) -> np.ndarray:
        """The first node of each rank, and behind them the number of nodes (ranks + 1,)."""
        return np.arange(self.comm.size + 1) * self.size // self.comm.size

    @property
    def own(self) -> slice:
        """The nodes of this rank."""
        return slice(int(self.ends[self.comm.rank]), int(self.ends[self.comm.rank + 1]))

    @cached_property
    def index(self) -> np.ndarray:
        """The places (m, d) of the nodes of this rank."""
        return np.stack(np.unravel_index(np.arange(self.own.start, self.own.stop), self.shape), axis=1)

    @cached_property
    def points(self) -> np.ndarray:
        """The coordinates (m, d) of the nodes of this rank."""
        return self._places(self.index)

    @cached_property
    def nodes(self) -> np.ndarray:
        """The coordinates (size, d) of all nodes, in C order."""
        return self.coordinates(np.arange(self.size))

    def coordinates(self, numbers: np.ndarray) -> np.ndarray:
        """The coordinates (P, d) of nodes, given by their numbers (P,) in C order."""
        return self._places(np.stack(np.unravel_index(numbers, self.shape), axis=1))

    def _places(self, index: np.ndarray) -> np.ndarray:
        """The coordinates (P, d) of nodes at places (P, d); the last ones are the ends of the box to the last digit."""
        low, high = self.box.T
        return np.where(index == np.array(self.cells), high, low + index * self.spacing)

    def shown(self, x: np.ndarray) -> list[float]:
        """Coordinates (d,) to a hundredth of a spacing, for messages."""
        digits = np.maximum(-np.floor(np.log10(self.spacing)).astype(int) + 2, 0)
        return [round(float(c), int(n)) + 0.0 for c, n in zip(x, digits)]

    @cached_property
    def volumes(self) -> np.ndarray:
        """The volume (m,) that belongs to each node of this rank: the product of h_i, halved for each wall it is on."""
        return self.volumes_at(np.arange(self.own.start, self.own.stop))

    def volumes_at(self, numbers: np.ndarray) -> np.ndarray:
        """The volumes (P,) of nodes, given by their numbers (P,)."""
        return np.asarray(_volumes(numbers, np.prod(self.spacing), self.shape, self.periodic))

    def stepped(self, numbers: np.ndarray, steps: np.ndarray, times: int) -> np.ndarray:
        """The numbers (P,) of the nodes to which `times` steps (P, d) lead from nodes (P,); -1 behind a wall."""
        return np.asarray(_stepped(numbers, steps, times, self.shape, self.periodic))

    def holds(self, index: np.ndarray) -> np.ndarray:
        """Whether places (..., d), beyond walls or not, are in the box; all are along periods."""
        inside = np.ones(index.shape[:-1], dtype=bool)
        for axis in range(self.dim):
            if not self.periodic[axis]:
                along = index[..., axis]
                inside &= (along >= 0) & (along < self.shape[axis])
        return inside

    def flat(self, index: np.ndarray) -> np.ndarray:
        """Places (..., d) as numbers in C order."""
        return np.ravel_multi_index(tuple(np.moveaxis(index, -1, 0)), self.shape)

    def whole(self, values: np.ndarray) -> np.ndarray:
        """Values (m, ...) at the nodes of each rank as the field at all nodes, on all ranks."""
        return np.concatenate(self.comm.allgather(values)) if self.comm.size > 1 else values

    def signed_sums(self, fields: np.ndarray) -> np.ndarray:
        """Sums (SUMS, F) of fields (m, F) over all nodes with random signs, the same for any number of ranks.

        Two fields that differ by about e at n nodes have sums that differ by about e sqrt(n); collective.
        """
        return signed_sums(self.comm, np.arange(self.own.start, self.own.stop), fields)

    def numbers(self, points: np.ndarray) -> np.ndarray:
        """The numbers (P,) of the nodes that are nearest to points (P, d)."""
        return self.flat(np.rint((points - self.box[:, 0]) / self.spacing).astype(np.int64) % self.shape)

    @cached_property
    def space(self) -> fem.FunctionSpace:
        """Continuous elements of degree 1 on the mesh of the box; one degree of freedom for each node.

        Raises:
            MissingFEniCSx: it is not here.
        """
        with needed_by("a function of dolfinx"):
            from dolfinx import fem
        mesh = box(self.box, self.cells, periodic=self.periodic, comm=self.comm)
        return fem.functionspace(mesh, ("Lagrange", 1))

    def function(self, field: np.ndarray | Callable[[np.ndarray], np.ndarray], name: str) -> fem.Function:
        """The finite element function of a field at all nodes, or of a function of their numbers (P,).

        Raises:
            MissingFEniCSx: it is not here.
        """
        with needed_by("a function of dolfinx"):
            from dolfinx import fem
        result = fem.Function(self.space, name=name)
        numbers = self.numbers(self.space.tabulate_dof_coordinates()[:, : self.dim])
        result.x.array[:] = field(numbers) if callable(field) else field[numbers]
        return result


@numba.njit(cache=True)
def _volumes(numbers, inside, shape, periodic):  # type: ignore[no-untyped-def]
    """See `Grid.volumes_at`; `inside` is the volume of a node on no wall."""
    result = np.empty(len(numbers))
    for p, number in enumerate(numbers):
        volume = inside
        for axis in range(len(shape) - 1, -1, -1):
            number, along = divmod(number, shape[axis])
            if not periodic[axis] and (along == 0 or along == shape[axis] - 1):
                volume *= 0.5
        result[p] = volume
    return result


@numba.njit(cache=True)
def _stepped(numbers, steps, times, shape, periodic):  # type: ignore[no-untyped-def]
    """See `Grid.stepped`."""
    result = np.zeros(len(numbers), dtype=np.int64)
    for p, number in enumerate(numbers):
        stride, inside = 1, True
        for axis in range(len(shape) - 1, -1, -1):
            number, along = divmod(number, shape[axis])
            along += times * steps[p, axis]
            if along < 0 or along >= shape[axis]:
                inside = inside and periodic[axis]
                along %= shape[axis]
            result[p] += stride * along
            stride *= shape[axis]
        if not inside:
            result[p] = -1
    return result
