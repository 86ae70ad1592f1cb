"""The points of a sweep, one after the other, by an executor of the standard library's interface, or by all ranks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from ..particles import InvalidArgument
from ..particles.errors import RankEnded
from ..particles.sampling.interrupts import interrupts_heard
from ..particles.sampling.mpi import MPI
from ..particles.sampling.ranks import portable as on_other_ranks
from .grid import Grid
from .points import Outcome, computed, portable
from .records import Record

# points that are handed to an executor and not finished: many for any pool, few for the memory
AHEAD = 1024

ENDED = (
    "A process of the executor has ended in the middle of its work, by os._exit, a crash of compiled code, or for want "
    "of memory; at which point is not known. Make a new executor; points that `path` has are not computed again"
)

Keep = Callable[[int, Outcome], None]
Function = Callable[..., Any]


def one_by_one(function: Function, grid: Grid, numbers: Sequence[int], keep: Keep) -> None:
    """Compute points here.

    Args:
        function: of the user's.
        grid: of the sweep.
        numbers: of the points.
        keep: takes what became of a point; where it raises, that is the end.
    """
    for number in numbers:
        keep(number, computed(function, grid.point(number), os.getpid()))


def on_executor(executor: Executor, function: Function, grid: Grid, numbers: Sequence[int], keep: Keep) -> None:
    """Compute points by an executor; after an error no new one is begun, and those under way are waited for.

    Args:
        executor: with `submit`, as those of concurrent.futures, mpi4py.futures and dask.
        function: of the user's; another process has to be able to read it from a pickle.
        grid: of the sweep.
        numbers: of the points.
        keep: as of `one_by_one`, called by this thread.

    Raises:
        Exception: of several, that of the first point.
        KeyboardInterrupt: at once, with what is finished kept and what has not begun cancelled.
    """
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
    under_way: dict[Future[Outcome], int] = {}
    failures: dict[int, Exception] = {}
    waiting = iter(numbers)
    try:
        while True:
            while not failures and len(under_way) < AHEAD and (number := next(waiting, None)) is not None:
                future = _submitted(executor, function, grid, number)
                under_way[future] = number
                future.add_done_callback(finished.put)
            if not under_way:
                break
            future = finished.get()
            number = under_way.pop(future)
            try:
                keep(number, _result(future, grid.text(number)))
            except CancelledError:
                continue
            except Exception as error:
                failures[number] = error
                _cancel(under_way)
    except BaseException:
        _cancel(under_way)
        _keep_finished(finished, under_way, keep)
        raise
    if failures:
        raise failures[min(failures)]


def _submitted(executor: Executor, function: Function, grid: Grid, number: int) -> Future[Outcome]:
    try:
        return executor.submit(computed, function, grid.point(number), os.getpid())
    except BrokenExecutor as error:
        error.add_note(ENDED)
        raise


def _result(future: Future[Outcome], point: str) -> Outcome:
    """What a future has; what goes wrong on the way there is no error of the function's."""
    try:
        return future.result()
    except CancelledError:
        raise
    except BrokenExecutor as error:
        error.add_note(f"The executor has not computed the point {point}. {ENDED}")
        raise
    except Exception as error:
        error.add_note(
            f"The executor has not computed the point {point}. Other processes need a function, values and results "
            "that can be pickled: a function of a module, no lambda and none from inside of another one"
        )
        raise


def _cancel(under_way: dict[Future[Outcome], int]) -> None:
    for future in list(under_way):
        future.cancel()


def _keep_finished(finished: SimpleQueue[Future[Outcome]], under_way: dict[Future[Outcome], int], keep: Keep) -> None:
    """What was finished when an interrupt came, without waiting."""
    for future in _drained(finished):
        number = under_way.pop(future, None)
        if number is not None and not future.cancelled() and future.exception() is None:
            outcome = future.result()
            if outcome.error is None:
                keep(number, outcome)


def _drained(finished: SimpleQueue[Future[Outcome]]) -> Iterator[Future[Outcome]]:
    while True:
        try:
            yield finished.get_nowait()
        except Empty:
            return


def on_ranks(comm: MPI.Comm, function: Function, grid: Grid, numbers: Sequence[int], keep: Keep) -> None:
    """Compute points one after the other, each by all ranks together; all of them have the results of rank 0.

    Args:
        comm: the ranks.
        function: of the user's, called by all ranks, so that it may be collective.
        grid: of the sweep.
        numbers: of the points, the same on all ranks.
        keep: as of `one_by_one`, called on all ranks.

    Raises:
        InvalidArgument: on all ranks, where they have different results.
        RankEnded: on the others, where the function leaves by KeyboardInterrupt or SystemExit, which this rank raises.
    """

    def heard(**point: Any) -> Any:
        with interrupts_heard():
            return function(**point)

    for number in numbers:
        mine = computed(heard, grid.point(number), os.getpid(), BaseException)
        error = portable(mine.error) if isinstance(mine.error, Exception) else on_other_ranks(mine.error, comm.rank)
        said = comm.allgather((error, mine.trace, mine.record.warned))
        if mine.error is not None and not isinstance(mine.error, Exception):
            raise mine.error
        ended = next((error for error, _, _ in said if isinstance(error, RankEnded)), None)
        if ended is not None:
            ended.add_note(f"This is the point {grid.text(number)} of a sweep")
            raise ended
        warned = tuple(dict.fromkeys(one for _, _, texts in said for one in texts))
        failed = next((rank for rank, (error, _, _) in enumerate(said) if error is not None), None)
        if failed is not None:
            theirs, trace, _ = said[failed]
            own = mine.error if failed == comm.rank else theirs
            keep(number, Outcome(Record((), {}, warned), own, trace))
            continue
        first = comm.bcast(mine.record)
        if not all(comm.allgather(_same(mine.record, first))):
            raise InvalidArgument(
                "function",
                f"returns other numbers on some ranks at {grid.text(number)}: it must return the same on all of them, "
                "such as a sum over all ranks",
            )
        keep(number, Outcome(replace(first, warned=warned)))


def _same(one: Record, other: Record) -> bool:
    """Whether two ranks have the same, up to the order of sums."""
    if [(p.name, p.dims, p.values.shape) for p in one.parts] != [(p.name, p.dims, p.values.shape) for p in other.parts]:
        return False
    return all(_near(a.values, b.values) for a, b in zip(one.parts, other.parts))


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind not in "fc" or other.dtype.kind not in "fc":
        return np.array_equal(one, other)
    finite = np.abs(other[np.isfinite(other)])
    size = float(finite.max()) if finite.size else 0.0
    return np.allclose(one, other, rtol=1e-8, atol=1e-8 * size, equal_nan=True)
