"""Fields at times in one netCDF file that grows by a record for each time: memory does not grow with their number.

The format is netCDF's classic one with 64-bit offsets (CDF-2), which xarray, ParaView and scipy read: a header, and
behind it one record after the other. All ranks write their parts of a record, by MPI-IO; the number of records in the
header is raised when a record is whole, so that the file of an interrupted run can be read too. Source: NetCDF Users
Guide, appendix "File format specifications".
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import target

MAGIC = b"CDF\x02"
DIMENSIONS, VARIABLES, ATTRIBUTES, TEXT, DOUBLE = 10, 11, 12, 2, 6
# sizes beyond are written as this number
LARGEST = 2**32 - 1
# values that a rank writes at a time
AT_ONCE = 2**26


def is_snapshot_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file that begins like one of these."""
    try:
        # not open(path): a number would be taken for a file that is open already, and closed
        with Path(os.fsdecode(path)).open("rb") as file:
            return file.read(4) == MAGIC
    except (OSError, TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Variable:
    """A variable of a file: doubles.

    Args:
        dimensions: names; "time" first for one value per record.
        units: of it.
        meaning: of it, in words.
    """

    dimensions: tuple[str, ...]
    units: str = "1"
    meaning: str = ""


@dataclass(frozen=True)
class Layout:
    """What is in a file, and where.

    Args:
        sizes: of the dimensions but "time".
        variables: by their names; those that have the dimension "time" make up a record, in this order.
        attributes: texts about the whole file.
    """

    sizes: Mapping[str, int]
    variables: Mapping[str, Variable]
    attributes: Mapping[str, str]

    def count(self, name: str) -> int:
        """Values of a variable, in a record where it is in records."""
        return math.prod(self.sizes[each] for each in self.variables[name].dimensions if each != "time")

    def in_records(self, name: str) -> bool:
        """Whether each record has values of a variable."""
        return "time" in self.variables[name].dimensions

    @property
    def record(self) -> int:
        """Bytes of a record."""
        return 8 * sum(self.count(name) for name in self.variables if self.in_records(name))

    def begins(self) -> dict[str, int]:
        """Where each variable begins (that of the first record), in bytes."""
        at, result = len(self.header(dict.fromkeys(self.variables, 0))), {}
        for fixed in (True, False):
            for name in self.variables:
                if self.in_records(name) != fixed:
                    result[name] = at
                    at += 8 * self.count(name)
        return result

    def header(self, begins: Mapping[str, int]) -> bytes:
        """The header of a file without records."""
        dimensions = ["time", *self.sizes]
        listed = b"".join(_named(name) + _integer(self.sizes.get(name, 0)) for name in dimensions)
        parts = [MAGIC, _integer(0), _integer(DIMENSIONS), _integer(len(dimensions)), listed, _texts(self.attributes)]
        parts += [_integer(VARIABLES), _integer(len(self.variables))]
        for name, one in self.variables.items():
            places = b"".join(_integer(dimensions.index(each)) for each in one.dimensions)
            about = _texts({"units": one.units, "long_name": one.meaning})
            size = min(8 * self.count(name), LARGEST)
            parts.append(
                _named(name) + _integer(len(one.dimensions)) + places + about + _integer(DOUBLE) + _integer(size)
            )
            parts.append(struct.pack(">q", begins[name]))
        return b"".join(parts)


def _integer(value: int) -> bytes:
    return struct.pack(">I", value)


def _named(text: str) -> bytes:
    raw = text.encode()
    return _integer(len(raw)) + raw + b"\0" * (-len(raw) % 4)


def _texts(texts: Mapping[str, str]) -> bytes:
    return _integer(ATTRIBUTES) + _integer(len(texts)) + b"".join(
        _named(name) + _integer(TEXT) + _named(text) for name, text in texts.items()
    )  # fmt: skip


class SnapshotWriter:
    """A file that takes records.

    Args:
        argument: that has the path, for messages.
        path: on a disk that all ranks see; an existing file is replaced, unless it goes on.
        comm: the ranks; collective.
        layout: what is in it.
        fixed: the values of the variables that are not in records.

    Raises:
        InvalidArgument: a path that no file can be written to.
    """

    def __init__(
        self, argument: str, path: str | os.PathLike[str], comm: MPI.Comm, layout: Layout,
        fixed: Mapping[str, np.ndarray],
    ) -> None:  # fmt: skip
        self._argument, self._comm, self._layout = argument, comm, layout
        self._path = on_all_ranks(comm, lambda: target(argument, path))
        self._fixed, self._begins = fixed, layout.begins()
        self._file: MPI.File | None = None

    def begin(self, records: int) -> None:
        """Go on after so many records, or begin with none; collective.

        Raises:
            InvalidArgument: the file has not so many records of this layout.
        """

        def made() -> None:
            if self._comm.rank > 0:
                return
            header = self._layout.header(self._begins)
            if records == 0:
                # what an earlier result may still read from the old one stays there
                self._path.unlink(missing_ok=True)
                with open(self._path, "wb") as file:
                    file.write(header)
                    for name, values in self._fixed.items():
                        file.seek(self._begins[name])
                        file.write(np.ascontiguousarray(values, dtype=">f8").tobytes())
            elif not self._goes_on(header, records):
                message = f"{self._path} is not the file of the {records} times that the checkpoint knows"
                raise InvalidArgument(self._argument, f"{message}; put it back, or remove the checkpoint")

        on_all_ranks(self._comm, made)
        self._file = MPI.File.Open(self._comm, os.fspath(self._path), MPI.MODE_RDWR)
        self._count(records)

    def _goes_on(self, header: bytes, records: int) -> bool:
        try:
            with open(self._path, "rb") as file:
                there = file.read(len(header))
        except OSError:
            return False
        return there[8:] == header[8:] and len(there) >= 8 and struct.unpack(">I", there[4:8])[0] >= records

    def write(self, record: int, values: Mapping[str, float | np.ndarray], field: str, first: int,
              own: np.ndarray) -> None:  # fmt: skip
        """Write a record; collective.

        Args:
            record: its number.
            values: of the variables in records but one, on rank 0.
            field: the name of that one, each part of which is on one rank.
            first: the place of this rank's part.
            own: that part.
        """
        assert self._file is not None
        shift = record * self._layout.record
        if self._comm.rank == 0:
            for name, value in values.items():
                self._file.Write_at(self._begins[name] + shift, _bytes(value))
        parts = self._comm.allreduce(-(-own.size // AT_ONCE), MPI.MAX)
        for part in range(parts):
            low = part * AT_ONCE
            self._file.Write_at_all(self._begins[field] + shift + 8 * (first + low), _bytes(own[low : low + AT_ONCE]))
        self._count(record + 1)

    def _count(self, records: int) -> None:
        assert self._file is not None
        self._comm.Barrier()
        if self._comm.rank == 0:
            self._file.Write_at(4, np.frombuffer(_integer(records), dtype=np.uint8))

    def close(self, fixed: Mapping[str, np.ndarray] | None = None) -> None:
        """Close the file, with new values of variables that are not in records; collective."""
        if self._file is None:
            return
        if self._comm.rank == 0:
            for name, values in (fixed or {}).items():
                self._file.Write_at(self._begins[name], _bytes(values))
        self._file.Close()
        self._file = None


def _bytes(values: float | np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=">f8").reshape(-1).view(np.uint8)


def read(path: str | os.PathLike[str], layout: Layout) -> dict[str, np.ndarray]:
    """The variables of a file, in records (T, n) or not (n,), each rank by itself; they stay on disk until used.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not a file of this layout.
    """
    begins = layout.begins()
    header = layout.header(begins)
    with open(path, "rb") as file:
        there = file.read(len(header))
        size = file.seek(0, os.SEEK_END)
    if len(there) < len(header) or there[:4] != MAGIC or there[8:] != header[8:]:
        raise InvalidArgument("path", f"{os.fsdecode(path)} belongs to another equation, or is no stream")
    records = int(struct.unpack(">I", there[4:8])[0])
    first = min(begin for name, begin in begins.items() if layout.in_records(name))
    if size < first + records * layout.record:
        raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: it ends before its {records} records do")
    memory = np.memmap(path, mode="r")
    result: dict[str, np.ndarray] = {}
    for name, begin in begins.items():
        shape, strides = [layout.count(name)], [8]
        if layout.in_records(name):
            shape, strides = [records, *shape], [layout.record, *strides]
        result[name] = np.ndarray(shape, dtype=">f8", buffer=memory, offset=begin, strides=strides)
    return result
