"""Errors under MPI: what fails on one rank is raised on all of them, so that none waits for ever."""

from __future__ import annotations

import hashlib
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument, RankEnded
from ..support.checks import shown
from .interrupts import FailedElsewhere, Looks, interrupts_heard, interrupts_kept

if TYPE_CHECKING:
    from mpi4py import MPI

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
# seconds that a rank which refuses waits for the others, which may never come
PATIENCE = 30.0


def communicator(value: object, optional: bool = False, together: bool = True) -> MPI.Comm:
    """Return an mpi4py communicator; or None, where there may be none.

    Args:
        value: what a user gave as `comm`.
        optional: whether None is right too.
        together: whether its ranks compute together.

    Raises:
        InvalidArgument: it is something else, or the null communicator; ranks that are to compute together cannot,
            since they are the workers of mpi4py.futures.
    """
    if value is None and optional:
        return None
    if not _is_communicator(value):
        right = "an mpi4py communicator such as MPI.COMM_WORLD" + (", or None" if optional else "")
        raise InvalidArgument("comm", f"must be {right}, not {shown(value)}")
    if together and _has_workers(value):
        raise InvalidArgument(
            "comm",
            "has ranks that wait for tasks of an executor, under `python -m mpi4py.futures`, and would never make this "
            "call: give comm=MPI.COMM_SELF to what one process computes, and an `MPIPoolExecutor()` to what they share",
        )
    return value


def _has_workers(comm: MPI.Comm) -> bool:
    """Whether it joins the process of the script of `python -m mpi4py.futures`, rank 0 of all, and its workers."""
    if comm.size == 1 or getattr(sys.modules.get("mpi4py.futures._core"), "SharedPool", None) is None:
        return False
    from .mpi import MPI

    world, group = MPI.COMM_WORLD.Get_group(), comm.Get_group()
    place = MPI.Group.Translate_ranks(world, [0], group)[0]
    world.Free()
    group.Free()
    return place != MPI.UNDEFINED


def _is_communicator(value: object) -> bool:
    # the null communicator has these names too, but no values of them, and is false
    return all(hasattr(type(value), name) for name in ("allgather", "allreduce", "rank", "size")) and bool(value)


@contextmanager
def ended_together(comm: MPI.Comm | None) -> Iterator[None]:
    """Raise Ctrl-C, in this block, only where `on_all_ranks` can tell the other ranks; collective.

    Args:
        comm: an mpi4py communicator; else there is nothing to do.

    Raises:
        RankEnded: on the others, where one leaves by KeyboardInterrupt; here for one in the last part of the block.
    """
    if not _is_communicator(comm) or comm.size == 1:  # type: ignore[union-attr]
        yield
        return
    with interrupts_kept():
        yield
        on_all_ranks(comm, lambda: None)


def ends_on_all_ranks(call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function with the keyword `comm` one that ends on all ranks by Ctrl-C on any; see `ended_together`."""

    @wraps(call)
    def ending(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        comm: Any = kwargs.get("comm")
        with ended_together(comm):
            return call(*args, **kwargs)

    return ending


def on_all_ranks(comm: MPI.Comm | None, work: Callable[[], Result], looks: Looks | None = None) -> Result:
    """Do what each rank can do alone; if it fails on some of them, all raise the error of the lowest of those ranks.

    Args:
        comm: an mpi4py communicator, collective; or None for a process of its own.
        work: without arguments, and without communication.
        looks: that `work` makes now and then, so that it ends soon when another rank fails; None where it is short.

    Returns:
        What `work` returns on this rank.

    Raises:
        Exception: that of `work`, on all ranks; RuntimeError with its text where it cannot be sent to other ranks.
        RankEnded: on the others, where one leaves by KeyboardInterrupt or SystemExit, which it raises itself. Ctrl-C
            that comes while ranks wait for each other counts only inside of `ended_together`.
    """
    if comm is None or comm.size == 1:
        return work()
    failure: BaseException | None = None
    try:
        with interrupts_heard():
            result = work()
    except FailedElsewhere:
        pass
    except BaseException as error:
        failure = error
    # errors go to all where there are some; else a flag does, in as many rounds as ranks have binary digits
    if looks is None:
        failed = bool(_largest(comm, [failure is not None])[0])
    else:
        failed, failure = looks.end(failure)
    if not failed:
        return result
    failures = [error for error in comm.allgather(portable(failure, comm.rank)) if error is not None]
    if failure is not None and not isinstance(failure, Exception):
        raise failure
    if failure is not None and str(failures[0]) == str(failure):
        # with its own traceback
        raise failure
    raise failures[0]


def _largest(comm: MPI.Comm, values: Sequence[object]) -> NDArray[np.int64]:
    """The largest of integers over all ranks, each by itself; collective."""
    # here, so that MPI begins with the first communicator of several ranks, and not with the package
    from .mpi import MPI

    result = np.array(values, dtype=np.int64)
    comm.Allreduce(MPI.IN_PLACE, result, MPI.MAX)
    return result


def refused_on_all_ranks(comm: MPI.Comm, refusal: Exception | None) -> None:
    """Raise on all ranks what some of them refuse, where each may be alone in calling; collective.

    Args:
        comm: of several ranks.
        refusal: of this rank, or None. With one it waits for the others `PATIENCE` seconds at most, and raises it then.

    Raises:
        Exception: the refusal of this rank, or that of the lowest rank which has one.
    """
    from .mpi import MPI

    # of MPI's own, since it writes there even when nobody waits any more
    memory = MPI.Alloc_mem(16)
    lowest = np.frombuffer(memory, dtype=np.int64)
    lowest[0] = comm.size if refusal is None else comm.rank
    request, deadline = comm.Iallreduce(lowest[:1], lowest[1:], MPI.MIN), time.monotonic() + PATIENCE
    while not request.Test():
        if refusal is not None and time.monotonic() > deadline:
            refusal.add_note(f"Other ranks have not made this call within {PATIENCE:g} seconds; end the program")
            raise refusal
        time.sleep(1e-3)
    first = int(lowest[1])
    MPI.Free_mem(memory)
    if first < comm.size:
        theirs = comm.bcast(portable(refusal, comm.rank), root=first)
        raise theirs if refusal is None else refusal


def portable(error: BaseException | None, rank: int) -> Exception | None:
    """An error that other ranks can read; one that cannot be pickled there and back is replaced by its text.

    Args:
        error: of a rank, or None.
        rank: its number, for what is no error but ends it.
    """
    if error is None:
        return None
    if not isinstance(error, Exception):
        return RankEnded(
            f"rank {rank} was ended by {type(error).__name__}, and with it what all ranks compute together"
        )
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    return error if type(copy) is type(error) else RuntimeError(f"{type(error).__name__}: {error}")


def same_on_all_ranks(comm: MPI.Comm | None, **arguments: object) -> None:
    """Compare arguments that must be the same on all ranks; collective.

    Args:
        comm: an mpi4py communicator, or None.
        arguments: arrays, numbers or texts by the names that the caller knows them by.

    Raises:
        InvalidArgument: on all ranks, with the name of the first argument that differs.
    """
    if comm is None or comm.size == 1:
        return
    digests = {name: hashlib.sha256(_bytes(value)).digest() for name, value in arguments.items()}
    all_ = np.frombuffer(hashlib.sha256(b"".join(digests.values())).digest(), dtype=np.int64)
    # the largest and the smallest: ~x falls where x rises
    largest, smallest = np.split(_largest(comm, [*all_, *~all_]), 2)
    if (largest == ~smallest).all():
        return
    first, *others = comm.allgather(digests)
    for name, digest in first.items():
        if any(other[name] != digest for other in others):
            raise InvalidArgument(name, "must be the same on all ranks; it differs between them")


def over_members(
    comm: MPI.Comm | None, members: int, work: Callable[[slice], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Numbers of all members (R, ...), which the ranks share; collective, and the same on all of them.

    Args:
        comm: an mpi4py communicator, or None for a process of its own.
        members: R.
        work: from a range of members, not empty, to their numbers; without communication.

    Raises:
        Exception: that of `work`, on all ranks.
    """
    if comm is None or comm.size == 1:
        return work(slice(0, members))
    mine = slice(members * comm.rank // comm.size, members * (comm.rank + 1) // comm.size)
    found = on_all_ranks(comm, lambda: work(mine) if mine.stop > mine.start else None)
    return np.concatenate([part for part in comm.allgather(found) if part is not None])


def _bytes(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    return repr(value).encode()
