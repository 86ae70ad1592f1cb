"""Memory of each rank that any other rank reads by itself.

Reading is one-sided: on one machine the system copies the memory of the other process, between machines it is exposed
in a dynamic window of MPI, and no other rank need take part. (Where the network cannot read memory by itself, MPI
answers while the other rank is in one of its calls.) What is dropped is freed when all ranks have dropped it, at the
next time that memory is exposed.
"""

from __future__ import annotations

import atexit
import contextlib
import weakref
from dataclasses import dataclass
from functools import cache

import numpy as np

from scaling_limits.particles.sampling.mpi import MPI

from .backend.process_memory import ProcessMemory

# bytes; larger arrays are exposed where they are, smaller ones are copied into slabs, of this size at first
LARGE, SLAB = 2**22, 2**20
# arrays that are exposed where they are: Open MPI allows 64 pieces of memory in a window
MOST = 40
# of an array in a slab, bytes
ALIGNED = 64
# bytes that are read from a rank at a time
AT_ONCE = 2**27


class Slabs:
    """Pieces of memory that hold many small arrays; each new one is as large as all before, so that there are few.

    Args:
        window: in which they are exposed.
    """

    def __init__(self, window: MPI.Win) -> None:
        self._window = window
        self._slabs: list[np.ndarray] = []
        # first and last byte of what is free, for each slab, in order
        self._free: list[list[tuple[int, int]]] = []

    def place(self, array: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """A copy of an array, and its place: slab, first and last byte."""
        size = -(-array.nbytes // ALIGNED) * ALIGNED
        for number, free in enumerate(self._free):
            for k, (first, last) in enumerate(free):
                if last - first >= size:
                    free[k : k + 1] = [(first + size, last)] if last - first > size else []
                    return self._copy(array, number, first), (number, first, first + size)
        total = max(SLAB, size, sum(slab.nbytes for slab in self._slabs))
        self._slabs.append(np.empty(total, dtype=np.uint8))
        self._free.append([(0, total)])
        self._window.Attach(self._slabs[-1])
        return self.place(array)

    def _copy(self, array: np.ndarray, number: int, first: int) -> np.ndarray:
        result = self._slabs[number][first : first + array.nbytes].view(array.dtype).reshape(array.shape)
        result[...] = array
        return result

    def free(self, place: tuple[int, int, int]) -> None:
        """Give a place back."""
        number, first, last = place
        merged: list[tuple[int, int]] = []
        for piece in sorted([*self._free[number], (first, last)]):
            if merged and merged[-1][1] == piece[0]:
                merged[-1] = (merged[-1][0], piece[1])
            else:
                merged.append(piece)
        self._free[number] = merged


class ExposedMemory:
    """The window of a communicator, and what is exposed in it; kept as an attribute of the communicator.

    Args:
        comm: the ranks; collective.
    """

    def __init__(self, comm: MPI.Comm) -> None:
        self.comm = comm
        self.window = MPI.Win.Create_dynamic(comm=comm)
        self.neighbours = ProcessMemory(comm)
        self.dropped: set[int] = set()
        # arrays that are exposed where they are, with None; copies of others, with their places in slabs
        self.arrays: dict[int, tuple[np.ndarray, tuple[int, int, int] | None]] = {}
        self._slabs = Slabs(self.window)
        self._next = 0
        atexit.register(self._wait)

    @classmethod
    def of(cls, comm: MPI.Comm) -> ExposedMemory:
        """The one of a communicator; collective the first time."""
        found = comm.Get_attr(_keyval())
        if found is None:
            found = cls(comm)
            comm.Set_attr(_keyval(), found)
        return found

    def expose(self, array: np.ndarray) -> tuple[int, list[int]]:
        """Expose a contiguous array; collective.

        Returns:
            A number by which it is dropped, and its addresses, or those of its copies, on all ranks.
        """
        gone = set.intersection(*self.comm.allgather(self.dropped))
        for number in gone:
            old, place = self.arrays.pop(number)
            if place is not None:
                self._slabs.free(place)
            elif old.nbytes:
                self.window.Detach(old)
        self.dropped -= gone
        number, self._next = self._next, self._next + 1
        few = sum(place is None for _, place in self.arrays.values()) < MOST
        place = None
        if array.nbytes >= LARGE and few:
            self.window.Attach(array)
        elif array.nbytes:
            array, place = self._slabs.place(array)
        self.arrays[number] = array, place
        return number, self.comm.allgather(MPI.Get_address(array) if array.nbytes else 0)

    def read(self, rank: int, address: int, starts: np.ndarray, into: np.ndarray) -> None:
        """Read pieces of the same length from an address on another rank; this rank by itself.

        Args:
            rank: whose memory it is.
            address: there.
            starts: of the pieces behind the address, in numbers of 8 bytes (n,).
            into: contiguous, of doubles or of integers of 64 bits, for n pieces one after the other.
        """
        if self.neighbours.read(rank, address, 8 * starts, into):
            return
        number = MPI.INT64_T if into.dtype == np.int64 else MPI.DOUBLE
        width = into.size // len(starts)
        if len(starts) == 1:
            kind, address = number.Create_contiguous(width).Commit(), address + 8 * int(starts[0])
        else:
            kind = number.Create_indexed_block(width, starts).Commit()
        self.window.Lock(rank, MPI.LOCK_SHARED)
        try:
            self.window.Get([into, into.size, number], rank, target=[address, 1, kind])
        finally:
            self.window.Unlock(rank)
            kind.Free()

    def _wait(self) -> None:
        """At the end of the process: others may still read from here."""
        with contextlib.suppress(MPI.Exception):
            if not MPI.Is_finalized() and self.arrays:
                self.comm.Barrier()


@cache
def _keyval() -> int:
    return MPI.Comm.Create_keyval(nopython=False)


@dataclass(frozen=True, eq=False)
class SpreadTable:
    """A table with rows of a given length on each rank, of doubles or of integers of 64 bits.

    Args:
        comm: the ranks.
        own: the rows of this rank (n, w).
        counts: rows of each rank (ranks,).
        addresses: of the tables on all ranks; none where there is one rank.
    """

    comm: MPI.Comm
    own: np.ndarray
    counts: np.ndarray
    addresses: list[int]

    @classmethod
    def of(cls, comm: MPI.Comm, own: np.ndarray) -> SpreadTable:
        """Spread a table (n, w); collective."""
        own = np.ascontiguousarray(own)
        counts = np.array(comm.allgather(len(own)))
        if comm.size == 1:
            return cls(comm, own, counts, [])
        memory = ExposedMemory.of(comm)
        number, addresses = memory.expose(own)
        result = cls(comm, own, counts, addresses)
        weakref.finalize(result, memory.dropped.add, number)
        return result

    def take(self, rank: int, rows: np.ndarray) -> np.ndarray:
        """Rows (R,) of a rank (R, w); this rank by itself."""
        if rank == self.comm.rank:
            return np.asarray(self.own[rows])
        needed, where = np.unique(rows, return_inverse=True)
        width = self.own.shape[1]
        result = np.empty((len(needed), width), dtype=self.own.dtype)
        at_once = max(1, AT_ONCE // (8 * width))
        for first in range(0, len(needed), at_once):
            part = needed[first : first + at_once]
            ExposedMemory.of(self.comm).read(rank, self.addresses[rank], part * width, result[first : first + at_once])
        return result[where.ravel()]

    def whole(self, rank: int) -> np.ndarray:
        """All rows of a rank; this rank by itself."""
        return self.take(rank, np.arange(self.counts[rank]))
