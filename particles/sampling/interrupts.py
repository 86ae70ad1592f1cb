"""Ctrl-C where ranks compute together: it is kept until other ranks can be told, and they look whether there is one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

Handler = Callable[[int, FrameType | None], object]


class _Keeping:
    """A handler of SIGINT that hands it on while this rank works alone, and keeps it at other times.

    An interrupt between two calls of MPI would end this rank, and the others would wait in the next one for ever.

    Args:
        before: the handler that was there, which raises KeyboardInterrupt as a rule.
    """

    def __init__(self, before: Handler) -> None:
        self.before, self.open, self.kept = before, False, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.open:
            self.hand_on(frame)
        else:
            self.kept = True

    def hand_on(self, frame: FrameType | None = None) -> None:
        """Give it to the handler that was there; closed meanwhile, and after it has raised."""
        self.kept = self.open = False
        self.before(signal.SIGINT, frame)
        self.open = True


def _present() -> _Keeping | None:
    handler = signal.getsignal(signal.SIGINT)
    return handler if isinstance(handler, _Keeping) and _in_main_thread() else None


def _in_main_thread() -> bool:
    """Python hears signals in the main thread alone."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Keep Ctrl-C in this block, except in the blocks of `interrupts_heard` in it.

    One that is left at the end is raised there, unless the block has ended by another one.
    """
    outer, before = _present(), signal.getsignal(signal.SIGINT)
    # in a block of `interrupts_heard` of another such block
    if outer is not None:
        was, outer.open = outer.open, False
        try:
            yield
        finally:
            outer.open = was
        if was and outer.kept:
            outer.hand_on()
        return
    # ignored, or not heard by Python
    if not callable(before) or not _in_main_thread():
        yield
        return
    keeping = _Keeping(before)
    signal.signal(signal.SIGINT, keeping)
    try:
        yield
    except KeyboardInterrupt:
        keeping.kept = False
        raise
    finally:
        signal.signal(signal.SIGINT, before)
        if keeping.kept:
            before(signal.SIGINT, None)


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """Let Ctrl-C through in this block of `interrupts_kept`, also one that came before."""
    keeping = _present()
    if keeping is None:
        yield
        return
    was, keeping.open = keeping.open, True
    try:
        if keeping.kept:
            keeping.hand_on()
        yield
    finally:
        keeping.open = was


# seconds between two looks of a rank that works at whether others have failed
LOOK_EVERY = 0.5
# seconds that a rank with nothing to do asks without a pause, and then between two questions
PAUSE = 1e-3


class FailedElsewhere(Exception):
    """Another rank has failed, so that what this one does is of no use."""


class Looks:
    """How ranks that work for long learn of failures of others; for one use of `on_all_ranks` after another.

    A look is a reduction of two numbers: whether some rank has failed, and whether some rank still works. Those who
    work do not wait for it; those who have ended do, and are interrupted between two looks.

    Args:
        comm: of several ranks.
    """

    def __init__(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self._request: MPI.Request | None = None
        self._begin()

    def _begin(self) -> None:
        self._failed, self._working, self._due = False, True, time.monotonic() + LOOK_EVERY

    def look(self) -> None:
        """By a rank that works, often; it is cheap, and never waits.

        Raises:
            FailedElsewhere: for `on_all_ranks`.
        """
        if self._request is None and time.monotonic() < self._due:
            return
        # an interrupt in here would lose a look that others take part in
        with interrupts_kept():
            if self._request is not None and self._request.Test():
                self._heard()
            if self._request is None and not self._failed and time.monotonic() >= self._due:
                self._said(failed=False, working=True)
        if self._failed:
            raise FailedElsewhere

    def end(self, failure: BaseException | None) -> tuple[bool, BaseException | None]:
        """Wait until all ranks have ended their work, or some has failed.

        Args:
            failure: of this rank, or None.

        Returns:
            Whether a rank has failed, and what this one has, which may be an interrupt that came while it waited.
        """
        if self._request is not None:
            self._wait(self._request)
        while self._working and not self._failed:
            failure = failure or _interrupt()
            self._wait(self._said(failure is not None, working=False))
        failed = self._failed
        self._begin()
        return failed, failure

    def _said(self, failed: bool, working: bool) -> MPI.Request:
        from .mpi import MPI

        self._mine, self._all = np.array([failed, working], dtype=np.int64), np.empty(2, dtype=np.int64)
        self._request, self._due = self._comm.Iallreduce(self._mine, self._all, MPI.MAX), time.monotonic() + LOOK_EVERY
        return self._request

    def _heard(self) -> None:
        self._failed, self._working = map(bool, self._all)
        self._request = None

    def _wait(self, request: MPI.Request) -> None:
        begun = time.monotonic()
        while not request.Test():
            if time.monotonic() > begun + PAUSE:
                time.sleep(PAUSE)
        self._heard()


def _interrupt() -> BaseException | None:
    """The interrupt that was kept, if there is one."""
    try:
        with interrupts_heard():
            return None
    except BaseException as error:
        return error
