"""What a process by itself needs of mpi4py's `MPI`, with the same names: a communicator of one rank, operations, files.

Objects that are sent come back as copies, as those of mpi4py do, so that who changes them changes nothing else.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np


@dataclass(frozen=True)
class Op:
    """An operation that makes one value of those of all ranks; of one rank it is that value.

    Args:
        name: as in MPI.
    """

    name: str


SUM, MAX, MIN, PROD = Op("SUM"), Op("MAX"), Op("MIN"), Op("PROD")
LAND, LOR, MAXLOC, MINLOC = Op("LAND"), Op("LOR"), Op("MAXLOC"), Op("MINLOC")
# in place of an array that is sent: it is in the one that receives
IN_PLACE = None
# for reading and writing a file that is there
MODE_RDWR = 2


class Comm:
    """A communicator of one rank: what mpi4py's have of collective calls.

    Args:
        name: for its repr.
    """

    rank, size = 0, 1

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name} of one process, without mpi4py>"

    def allreduce(self, value: Any, op: Op = SUM) -> Any:
        """A copy of the value."""
        return _copy(value)

    def reduce(self, value: Any, op: Op = SUM, root: int = 0) -> Any:
        """A copy of the value."""
        return _copy(value, root)

    def bcast(self, value: Any = None, root: int = 0) -> Any:
        """A copy of the value."""
        return _copy(value, root)

    def allgather(self, value: Any) -> list[Any]:
        """A list of one copy of the value."""
        return [_copy(value)]

    def gather(self, value: Any, root: int = 0) -> list[Any]:
        """A list of one copy of the value."""
        return [_copy(value, root)]

    def scatter(self, values: Sequence[Any], root: int = 0) -> Any:
        """A copy of the only value."""
        (value,) = values
        return _copy(value, root)

    def alltoall(self, values: Sequence[Any]) -> list[Any]:
        """A list of one copy of the only value."""
        (value,) = values
        return [_copy(value)]

    def Allreduce(self, send: np.ndarray | None, receive: np.ndarray, op: Op = SUM) -> None:
        """Write the array that is sent into the one that receives; nothing for `IN_PLACE`."""
        if send is not IN_PLACE:
            receive[...] = send

    def Barrier(self) -> None:
        """Nothing: all ranks are here."""

    barrier = Barrier


def _copy(value: Any, root: int = 0) -> Any:
    if root != 0:
        raise ValueError(f"rank {root} is not there: a process by itself is rank 0")
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return value.copy(order="A")
    if isinstance(value, bool | int | float | np.generic | None) and type(value).__module__ in ("builtins", "numpy"):
        return value
    return pickle.loads(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))


class File:
    """A file of which parts are written in place.

    Args:
        file: opened without a buffer.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @classmethod
    def Open(cls, comm: Comm, path: str | os.PathLike[str], amode: int = MODE_RDWR) -> File:
        """Open a file that is there, for reading and writing."""
        assert amode == MODE_RDWR
        return cls(open(path, "r+b", buffering=0))

    def Write_at(self, offset: int, values: np.ndarray) -> None:
        """Write the bytes of an array behind so many others."""
        left = np.ascontiguousarray(values).tobytes()
        self._file.seek(offset)
        while left:
            # the system may take less than all
            left = left[self._file.write(left) :]

    Write_at_all = Write_at

    def Close(self) -> None:
        """Close it."""
        self._file.close()


COMM_WORLD, COMM_SELF = Comm("COMM_WORLD"), Comm("COMM_SELF")
