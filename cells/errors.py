"""What a solver says when it cannot do what it was asked."""

from __future__ import annotations

from functools import partial
from typing import Any


class Unresolved(UserWarning):
    """The mesh is too coarse for what was asked; there is a result, and its error is above the tolerance or unknown."""


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
