"""Threads and ranks that share a list of tasks, in order, and that end soon after an error or an interrupt."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

from ..errors import LongRun, warn
from ..support import checks
from ..support.logs import timed
from ..support.progress import watched
from .normal_tiles import TILE
from .ranks import Looks, communicator, on_all_ranks

if TYPE_CHECKING:
    from mpi4py import MPI

Item = TypeVar("Item")
Result = TypeVar("Result")

# seconds; what takes longer is said beforehand
LONG = 600.0


class Stopped(Exception):
    """The task is to end, since another has failed or the user has interrupted."""


class Stop:
    """A signal to all tasks of one list that they are to end.

    A task asks for it between pieces of its work that take well below a second.
    """

    def __init__(self, event: threading.Event | None = None) -> None:
        self._event = event or threading.Event()

    def set(self) -> None:
        """From now on every task that looks ends."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped, if the signal is set."""
        if self._event.is_set():
            raise Stopped

    def slices(self, count: int, size: int) -> Iterator[tuple[int, int]]:
        """Yield (first, number) of slices that make up 0 .. count-1, none longer than `size`.

        Raises:
            Stopped: between two slices, if the signal is set.
        """
        for first in range(0, count, size):
            self.check()
            yield first, min(size, count - first)


class _FirstStop(Stop):
    """The signal as the first task sees it; `begun` is set when that task has done a piece of its work.

    Numba ends the process (an assertion of its table of types) where two threads are the first to call compiled
    functions with arguments of a type. The other threads begin when one has been through them.
    """

    def __init__(self, event: threading.Event, begun: threading.Event) -> None:
        super().__init__(event)
        self._begun, self._looked = begun, False

    def check(self) -> None:
        super().check()
        if self._looked:
            self._begun.set()
        self._looked = True


def in_order(
    make: Callable[[Item, Stop], Result],
    items: Iterable[Item],
    workers: int,
    ahead: int | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Generator[Result, None, None]:
    """Yield make(item, stop) in the order of the items, made by threads.

    The others begin when the first one has called `stop.check()` twice or has ended. When a task fails, or the one who
    takes the results is interrupted (Ctrl-C), the others are told to stop and no new one is begun.

    Args:
        make: the task; it calls `stop.check()` or goes by `stop.slices()` at least every half second.
        items: one for each task.
        workers: number of threads.
        ahead: most results that wait to be taken or are under way; None for one more than there are threads.
        meanwhile: called twice a second by the one who takes the results, while there is none.
    """
    event, begun = threading.Event(), threading.Event()
    stop, first = Stop(event), _FirstStop(event, begun)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for index, item in enumerate(items):
            waiting.append(pool.submit(make, item, stop if index else first))
            if index == 0 and workers > 1:
                waiting[0].add_done_callback(lambda _: begun.set())
                while not begun.wait(0.5):
                    if meanwhile is not None:
                        meanwhile()
            if len(waiting) >= (workers + 1 if ahead is None else ahead):
                yield _awaited(waiting.popleft(), meanwhile)
        while waiting:
            yield _awaited(waiting.popleft(), meanwhile)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _awaited(result: Future[Result], meanwhile: Callable[[], None] | None) -> Result:
    while meanwhile is not None and not result.done():
        with suppress(TimeoutError):
            result.exception(timeout=0.5)
        if not result.done():
            meanwhile()
    return result.result()


def in_order_on_all_ranks(
    make: Callable[[Item, Stop], Result], items: Sequence[Item], workers: int, comm: MPI.Comm | None
) -> Generator[Result, None, None]:
    """Yield make(item, stop) in the order of the items, on all ranks, which share their making; collective.

    An error on one rank is raised on all of them. At any time a rank holds the results of one item of each rank.

    Args:
        make: as for `in_order`, without communication; not None.
        items: the same on all ranks.
        workers: number of threads.
        comm: communicator, or None.
    """
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    looks = looks_of(comm)
    with closing(in_order(make, items[rank::size], workers, meanwhile=None if looks is None else looks.look)) as mine:
        for _ in range(0, len(items), size):
            result = on_all_ranks(comm, lambda: next(mine, None), looks)
            parts = [result] if comm is None else comm.allgather(result)
            yield from (part for part in parts if part is not None)


def looks_of(comm: MPI.Comm | None) -> Looks | None:
    """Looks at whether other ranks have failed, where there are others."""
    return None if comm is None or comm.size == 1 else Looks(comm)


def warn_if_long(what: str, seconds: float, workers: int, remedy: str, comm: MPI.Comm | None = None) -> None:
    """Warn of a call that will take more than ten minutes; of several ranks the first one does, and nobody waits.

    Args:
        what: the number of steps, and of what.
        seconds: what they take on one core, roughly.
        workers: threads that share them, on each rank.
        remedy: what makes it shorter.
        comm: the ranks that share them, or None.
    """
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    cores = workers * size
    hours = seconds / cores / 3600
    if rank == 0 and hours * 3600 > LONG:
        on = "1 core" if cores == 1 else f"{cores} cores"
        warn(f"{what} take about {hours:.2g} hours on {on}; {remedy}, or stop it with Ctrl-C", LongRun)


def warn_together_if_long(what: str, seconds: float, workers: int, remedy: str, comm: MPI.Comm | None) -> None:
    """As `warn_if_long`, where all ranks come; collective. Where the warning is made an error, all of them raise it."""
    on_all_ranks(comm, lambda: warn_if_long(what, seconds, workers, remedy, comm))


def default_workers(comm: MPI.Comm | None = None) -> int:
    """Return the cores that this process may use, shared among the ranks of a communicator."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    return max(1, cores // (1 if comm is None else comm.size))


def thread_count(workers: int | None, comm: MPI.Comm | None) -> int:
    """The threads that a user asked for; None takes `default_workers`.

    Raises:
        InvalidArgument: not a positive integer.
    """
    return default_workers(comm) if workers is None else checks.integer("workers", workers, 1)


def over_tiles(
    work: Callable[[int, Stop], Result], paths: int, workers: int | None, progress: bool, comm: MPI.Comm | None,
    width: int = TILE,
) -> list[Result]:  # fmt: skip
    """Do the tiles of all paths, shared by threads and ranks, and return what they give in the order of the tiles.

    An error on one rank is raised on all of them; Ctrl-C ends all threads.

    Args:
        work: from the number of a tile and a signal to stop, which it looks at often, to the results of the tile.
        paths: in all.
        workers: threads, or None.
        progress: whether to show a progress bar.
        comm: the ranks that share the tiles, or None.
        width: paths in a tile.
    """
    communicator(comm, optional=True)

    def checked() -> int:
        checks.flag("progress", progress)
        return thread_count(workers, comm)

    threads = on_all_ranks(comm, checked)
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    tiles = range(-(-paths // width))
    mine, looks = tiles[rank::size], looks_of(comm)

    def done() -> list[Result]:
        found = []
        with closing(in_order(work, mine, threads, meanwhile=None if looks is None else looks.look)) as results:
            for result in watched(results, len(mine), progress, comm, "tile"):
                found.append(result)
                if looks is not None:
                    looks.look()
        return found

    with timed(comm, "samples") as said:
        results = on_all_ranks(comm, done, looks)
        said |= {"paths": paths, "threads": threads, "ranks": size}
    if comm is None:
        return results
    parts = comm.allgather(results)
    return [parts[tile % size][tile // size] for tile in tiles]
