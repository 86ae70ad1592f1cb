"""Values at the nodes of a grid, each on the rank that owns its node; every rank can read any of them by itself."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .exposed_memory import ExposedMemory

if TYPE_CHECKING:
    from mpi4py import MPI

# values that are read from a rank at a time
AT_ONCE = 2**24


class NodeValues(Protocol):
    """Values at the nodes of a grid, wherever they are."""

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Values (P,) at nodes, given by their numbers (P,); each rank by itself."""

    def whole(self) -> np.ndarray:
        """The values at all nodes (size,); each rank by itself."""


@dataclass(frozen=True, eq=False)
class WholeValues:
    """Values that all ranks have.

    Args:
        values: at all nodes (size,).
    """

    values: np.ndarray

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Values (P,) at nodes."""
        return np.asarray(self.values[numbers])

    def whole(self) -> np.ndarray:
        """The values at all nodes (size,)."""
        return self.values


@dataclass(frozen=True, eq=False)
class Uniform:
    """The same value at all nodes.

    Args:
        value: there.
        size: number of nodes.
    """

    value: float
    size: int

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Values (P,) at nodes."""
        return np.full(len(numbers), self.value)

    def whole(self) -> np.ndarray:
        """The values at all nodes (size,)."""
        return np.full(self.size, self.value)


class Layout(Protocol):
    """Which rank owns which of numbered values."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def size(self) -> int:
        """Values in all."""

    @property
    def ends(self) -> np.ndarray:
        """The first value of each rank, and behind them their number (ranks + 1,)."""

    @property
    def own(self) -> slice:
        """The values of this rank."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Values of which each rank owns a run (a `Layout`).

    Args:
        comm: the ranks.
        ends: the first value of each rank, and behind them their number (ranks + 1,).
    """

    comm: MPI.Comm
    ends: np.ndarray

    @classmethod
    def of(cls, comm: MPI.Comm, count: int) -> Runs:
        """The layout where this rank owns a number of values; collective."""
        return cls(comm, np.concatenate([[0], np.cumsum(comm.allgather(count))]))

    @property
    def size(self) -> int:
        """Values in all."""
        return int(self.ends[-1])

    @property
    def own(self) -> slice:
        """The values of this rank."""
        return slice(int(self.ends[self.comm.rank]), int(self.ends[self.comm.rank + 1]))


@dataclass(frozen=True, eq=False)
class SpreadRows:
    """Rows of values at the nodes of a grid.

    Args:
        grid: the nodes, or the unknowns of a space of elements.
        own: the values at the nodes of this rank (R, m).
        addresses: of these arrays on all ranks.
    """

    grid: Layout
    own: np.ndarray
    addresses: list[int]

    @classmethod
    def of(cls, grid: Layout, own: np.ndarray) -> SpreadRows:
        """Spread rows (R, m); collective."""
        if grid.comm.size == 1:
            return cls(grid, own, [])
        own = np.ascontiguousarray(own, dtype=np.float64)
        memory = ExposedMemory.of(grid.comm)
        number, addresses = memory.expose(own)
        result = cls(grid, own, addresses)
        weakref.finalize(result, memory.dropped.add, number)
        return result

    def row(self, index: int) -> SpreadValues:
        """The row of an index >= 0."""
        return SpreadValues(self, index)

    def table(self) -> np.ndarray:
        """All rows (R, size); this rank by itself, without a copy where it is alone."""
        if self.grid.comm.size == 1:
            return self.own
        return np.array([self.whole(row) for row in range(len(self.own))])

    def _read(self, rank: int, row: int, starts: np.ndarray, into: np.ndarray) -> None:
        held = int(self.grid.ends[rank + 1] - self.grid.ends[rank])
        ExposedMemory.of(self.grid.comm).read(rank, self.addresses[rank], row * held + starts, into)

    def take(self, row: int, numbers: np.ndarray) -> np.ndarray:
        """Values of a row at nodes, given by their numbers (P,); this rank by itself."""
        start, stop = self.grid.own.start, self.grid.own.stop
        result = np.empty(len(numbers))
        here = (numbers >= start) & (numbers < stop)
        result[here] = self.own[row, numbers[here] - start]
        away = np.flatnonzero(~here)
        if not away.size:
            return result
        needed, where = np.unique(numbers[away], return_inverse=True)
        values = np.empty(len(needed))
        owner = np.searchsorted(self.grid.ends, needed, side="right") - 1
        for rank in np.unique(owner):
            some = np.flatnonzero(owner == rank)
            for part in np.split(some, range(AT_ONCE, len(some), AT_ONCE)):
                got = np.empty(len(part))
                self._read(int(rank), row, needed[part] - self.grid.ends[rank], got)
                values[part] = got
        result[away] = values[where]
        return result

    def whole(self, row: int) -> np.ndarray:
        """A whole row (size,); this rank by itself."""
        if self.grid.comm.size == 1:
            return np.asarray(self.own[row])
        result = np.empty(self.grid.size)
        result[self.grid.own] = self.own[row]
        for rank in set(range(self.grid.comm.size)) - {self.grid.comm.rank}:
            first, last = int(self.grid.ends[rank]), int(self.grid.ends[rank + 1])
            for low in range(first, last, AT_ONCE):
                part = result[low : min(low + AT_ONCE, last)]
                self._read(rank, row, np.array([low - first]), part)
        return result


@dataclass(frozen=True, eq=False)
class SpreadValues:
    """One of the rows.

    Args:
        rows: all of them.
        index: of this one.
    """

    rows: SpreadRows
    index: int

    @property
    def own(self) -> np.ndarray:
        """The values at the nodes of this rank (m,)."""
        return np.asarray(self.rows.own[self.index])

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Values (P,) at nodes, given by their numbers (P,); this rank by itself."""
        return self.rows.take(self.index, numbers)

    def whole(self) -> np.ndarray:
        """The values at all nodes (size,); this rank by itself."""
        return self.rows.whole(self.index)
