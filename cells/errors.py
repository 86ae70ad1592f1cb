"""What a solver says when it cannot do what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from mpi4py import MPI

Result = TypeVar("Result")


class NotConverged(RuntimeError):
    """A solve that did not reach its tolerance; the message names the place, the reason and the remedy.

    Args:
        what: the solve that failed.
        reason: why.
        remedy: what to change.
        time: time that was reached, in the unit of the equation, where the solve is in time.
        step: the last step size tried, likewise.
    """

    def __init__(
        self, what: str, reason: str, remedy: str, *, time: float | None = None, step: float | None = None
    ) -> None:
        place = "" if time is None else f" at t = {time:.6g}"
        size = "" if step is None else f" with step {step:.3g}"
        super().__init__(f"{what} failed{place}{size}: {reason}. Remedy: {remedy}.")
        self.what, self.reason, self.remedy, self.time, self.step = what, reason, remedy, time, step

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), time=self.time, step=self.step), (self.what, self.reason, self.remedy)


def on_all_ranks(comm: MPI.Comm, work: Callable[[], Result]) -> Result:
    """Do what each rank can do alone; if it fails on one of them, the others raise the same error and do not wait.

    Args:
        comm: the ranks; collective.
        work: without arguments, and without communication.
    """
    failure: Exception | None = None
    try:
        result = work()
    except Exception as error:
        failure = error
    failures = [error for error in comm.allgather(failure) if error is not None]
    if failures:
        raise failures[0]
    return result
