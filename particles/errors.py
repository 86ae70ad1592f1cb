"""Errors and warnings of the whole package: each names the argument or the solve that is at fault, and the remedy."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

# whose frames no user wrote
BETWEEN = {"scaling_limits", "contextlib", "concurrent", "dataclasses", "functools", "threading", "tqdm"}

# categories that `warn` keeps back in this thread
_kept_back: ContextVar[tuple[type[Warning], ...]] = ContextVar("kept_back", default=())


@contextmanager
def keeping_back(*categories: type[Warning]) -> Iterator[None]:
    """Inside, `warn` gives no warnings of these categories: of this thread alone.

    `warnings.catch_warnings` changes the filters of all threads, and may put back old ones while others need theirs.
    """
    before = _kept_back.set(_kept_back.get() + categories)
    try:
        yield
    finally:
        _kept_back.reset(before)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line outside of this package from which it was called, however deep the call is inside.

    Args:
        message: what is not known, and the remedy.
        category: one of the warnings here.
    """
    if issubclass(category, _kept_back.get()):
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class InvalidArgument(ValueError):
    """A value that the mathematics does not allow, with the name of the argument that carries it.

    Args:
        argument: the name of the argument, as the caller wrote it.
        reason: what is wrong with it, and what would be right.
    """

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{argument}: {reason}")
        self.argument = argument
        self.reason = reason

    def __reduce__(self) -> tuple[type[InvalidArgument], tuple[str, str]]:
        return type(self), (self.argument, self.reason)


class NotConverged(RuntimeError):
    """A solve that did not reach its tolerance; the message names the place, the reason and the remedy.

    Args:
        what: the solve that failed.
        reason: why.
        remedy: what to change.
        time: time that was reached, in the unit of the equation, where the solve is in time.
        step: the last step size tried, likewise.
        partial: what was reached, where a part of what was asked is good; None where nothing is.
    """

    def __init__(
        self, what: str, reason: str, remedy: str, *, time: float | None = None, step: float | None = None,
        partial: object = None,
    ) -> None:  # fmt: skip
        place = "" if time is None else f" at t = {time:.6g}"
        size = "" if step is None else f" with step {step:.3g}"
        super().__init__(f"{what} failed{place}{size}: {reason}. Remedy: {remedy}.")
        self.what, self.reason, self.remedy, self.time, self.step = what, reason, remedy, time, step
        self.partial = partial

    def __reduce__(self) -> tuple[partial[NotConverged], tuple[str, str, str]]:
        again = partial(type(self), time=self.time, step=self.step, partial=self.partial)
        return again, (self.what, self.reason, self.remedy)


class MissingFEniCSx(ImportError):
    """Something was asked for that needs FEniCSx, which is missing or too old; the message says how to get it."""


class Unstable(RuntimeError):
    """A path has left all bounds, because the time step was too large where it went."""


class RankEnded(RuntimeError):
    """Another rank has left a common computation by what is no error, such as Ctrl-C or sys.exit(); it is named."""


class Unresolved(UserWarning):
    """The mesh is too coarse, or samples too few, for what was asked: the error is above the tolerance or unknown."""


class AssumptionWarning(UserWarning):
    """An assumption of the theorems seems to be violated: the limit may be another one, or none."""


class LongRun(UserWarning):
    """A call that will take very long, judged by the number of its steps; it can be interrupted."""


class NoDisplay(UserWarning):
    """There is no way to draw with pyvista here; the message has the remedy."""
