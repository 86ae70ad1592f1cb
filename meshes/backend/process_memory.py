"""Memory of other processes on the same machine, read without their help (process_vm_readv of Linux)."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

# pieces of memory in a call, of the system
MOST = 1024
# bytes in a call
LARGEST = 2**30
# by which a process is known to be the right one
TOKEN = 32


class ProcessMemory:
    """The ranks whose memory can be read so, and reading it; collective.

    Where the system does not allow it, and on other machines, there are none.

    Args:
        comm: the ranks.
    """

    def __init__(self, comm: MPI.Comm) -> None:
        self._token = np.frombuffer(bytearray(os.urandom(TOKEN)), dtype=np.uint8)
        self._read = getattr(ctypes.CDLL(None), "process_vm_readv", None)
        if self._read is not None:
            self._read.restype = ctypes.c_ssize_t
        every = comm.allgather((os.getpid(), self._token.ctypes.data, self._token.tobytes()))
        self.processes: dict[int, int] = {}
        for rank, (process, address, token) in enumerate(every):
            found = np.zeros(TOKEN, dtype=np.uint8)
            there = rank != comm.rank and self._copied(process, address, np.zeros(1, dtype=np.int64), found)
            if there and found.tobytes() == token:
                self.processes[rank] = process
        # tokens stay where they are until all have looked
        comm.Barrier()

    def read(self, rank: int, address: int, starts: np.ndarray, into: np.ndarray) -> bool:
        """Read pieces of the same length one after the other into an array; whether that could be done.

        Args:
            rank: whose memory it is.
            address: there.
            starts: of the pieces behind the address, in bytes (n,).
            into: contiguous, of n pieces.
        """
        process = self.processes.get(rank)
        if process is None:
            return False
        if self._copied(process, address, starts, into):
            return True
        # not asked again
        del self.processes[rank]
        return False

    def _copied(self, process: int, address: int, starts: np.ndarray, into: np.ndarray) -> bool:
        if self._read is None:
            return False
        width, place = into.nbytes // max(len(starts), 1), into.ctypes.data
        # a long piece is read in parts
        parts = np.arange(0, width, LARGEST)
        for part in parts:
            length = min(LARGEST, width - int(part))
            at_once = max(1, min(MOST, LARGEST // max(length, 1))) if len(parts) == 1 else 1
            for first in range(0, len(starts), at_once):
                some = starts[first : first + at_once]
                there = np.stack([address + int(part) + some, np.full(len(some), length)], axis=1).astype(np.int64)
                here = np.array([[place + first * width + int(part), len(some) * length]], dtype=np.int64)
                if not self._call(process, here, there):
                    return False
        return True

    def _call(self, process: int, here: np.ndarray, there: np.ndarray) -> bool:
        assert self._read is not None
        pointers = (ctypes.c_void_p(pieces.ctypes.data) for pieces in (here, there))
        counts = (ctypes.c_ulong(len(pieces)) for pieces in (here, there))
        (first, second), (one, many) = pointers, counts
        done = self._read(ctypes.c_int(process), first, one, second, many, ctypes.c_ulong(0))
        return int(done) == int(here[0, 1])
