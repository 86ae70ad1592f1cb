"""When a checkpoint is written: by the clock, and when the sampling ends, in whatever way."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from .ranks import on_all_ranks

if TYPE_CHECKING:
    from mpi4py import MPI

# sums over runs
Sums = TypeVar("Sums", bound="Growing")

# seconds between two states of a checkpoint, at the least
SAVE_EVERY = 30.0
# the largest part of the time that is spent on writing them
SAVE_SHARE = 0.05


class Growing(Protocol):
    """Sums over the runs made so far."""

    runs: int

    def snapshot(self) -> Self:
        """What is written of them."""


class Saving(Generic[Sums]):
    """Writes a checkpoint on rank 0: by the clock, since its size grows with the runs, and at the end of a `with`.

    Args:
        write: writes sums to the file; None writes nothing.
        growing: the sums.
        comm: the ranks that have these sums, or None.
    """

    def __init__(self, write: Callable[[Sums], None] | None, growing: Sums, comm: MPI.Comm | None) -> None:
        self._write, self._growing, self._comm = write, growing, comm
        self._first_rank = comm is None or comm.rank == 0
        self._due = 0.0
        self._saved = growing.runs

    def now_and_then(self) -> None:
        """Write when it is time; what that raises is raised on all ranks."""
        if self._write is not None:
            on_all_ranks(self._comm, lambda: self._save() if time.monotonic() >= self._due else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Write what is not written yet; where an error or an interrupt goes on, that one counts, not ours."""
        if error is None and self._write is not None:
            on_all_ranks(self._comm, self._save)
        else:
            with suppress(Exception):
                self._save()

    def _save(self) -> None:
        if self._write is None or not self._first_rank or self._growing.runs == self._saved:
            return
        begun = time.monotonic()
        self._write(self._growing.snapshot())
        self._saved = self._growing.runs
        ended = time.monotonic()
        self._due = ended + max(SAVE_EVERY, (ended - begun) / SAVE_SHARE)
