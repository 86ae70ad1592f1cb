"""Many problems shared by threads, of which those that fail are told at the end, with the solutions of the others."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.workers import LONG, Stop, Stopped, in_order, thread_count, warn_if_long
from scaling_limits.particles.support.checks import shown
from scaling_limits.particles.support.progress import watched

from ..solution import BilliardSolution
from .outlook import FIRST, REMEDY

Problem = TypeVar("Problem")
# told the words for what takes long, and its seconds
Say = Callable[[str, float], None]
# seconds that the compilation of functions takes at most
COMPILING = 60.0
# numbers of problems in a message
NAMED = 5


def check_problems(problems: object, kind: type) -> None:
    """Refuse what is not a sequence of problems.

    Raises:
        InvalidArgument: it is something else, or one of them is.
    """
    if not isinstance(problems, Sequence) or isinstance(problems, str | bytes):
        raise InvalidArgument("problems", f"must be a list of {kind.__name__}, not {shown(problems)}")
    for number, problem in enumerate(problems):
        if not isinstance(problem, kind):
            raise InvalidArgument("problems", f"number {number} must be {kind.__name__}, not {shown(problem)}")


def solved(
    solve: Callable[[Problem, Callable[[], None], Say], BilliardSolution],
    problems: Sequence[Problem],
    workers: int | None,
    progress: bool,
) -> list[BilliardSolution]:
    """Return the solutions of all problems, in their order.

    Args:
        solve: one of them; it calls its second argument several times a second, and the third where it takes long.
        problems: in any number.
        workers: threads, or None.
        progress: whether to show a progress bar.

    Raises:
        NotConverged: some failed; see `BilliardEquations.solve_all`.

    Warns:
        LongRun: once, by the thread that waits for the results.
    """
    threads = thread_count(workers, None)
    outlook = _Outlook(len(problems), threads)

    def attempted(problem: Problem, stop: Stop) -> BilliardSolution | Exception:
        try:
            return solve(problem, stop.check, outlook.hear)
        except Stopped:
            raise
        except Exception as error:
            return error

    with closing(in_order(attempted, problems, threads, meanwhile=outlook.say)) as results:
        found = list(watched(outlook.counted(results), len(problems), progress, None, "problem"))
    good = [one if isinstance(one, BilliardSolution) else None for one in found]
    failures = [(number, one) for number, one in enumerate(found) if isinstance(one, Exception)]
    if failures:
        raise _failed(failures, len(problems), good)
    return [one for one in good if one is not None]


class _Outlook:
    """Says once that a problem, or all of them, will take long.

    Between results may lie the compilation of functions, once for closed and once for absorbing ends: the two longest
    pauses count for nothing, unless they are longer than that takes.

    Args:
        problems: their number.
        threads: that share them.
        clock: of seconds.
    """

    def __init__(self, problems: int, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._problems, self._threads, self._clock = problems, min(threads, max(problems, 1)), clock
        # words, seconds, and the threads that these are of
        self._heard: deque[tuple[str, float, int]] = deque()
        self._longest = [0.0, 0.0]
        self._said = False

    def hear(self, what: str, seconds: float) -> None:
        """Take note, in any thread, of a problem that takes long."""
        self._heard.append((f"of one problem, {what}", seconds, 1))

    def say(self) -> None:
        """Warn of what has been heard, once."""
        if self._heard and not self._said:
            self._said = True
            what, seconds, threads = self._heard.popleft()
            warn_if_long(what, seconds * threads, threads, REMEDY)

    def counted(self, results: Iterable[Problem]) -> Iterator[Problem]:
        """Yield the results, and forecast all of them from those that are there."""
        began = before = self._clock()
        for number, result in enumerate(results, 1):
            now = self._clock()
            if now - before <= COMPILING:
                self._longest = sorted([*self._longest, now - before])[1:]
            whole = now - began + self._each(now - began, number) * (self._problems - number)
            if now - began > FIRST and not self._said and number < self._problems and whole > LONG:
                what = f"{number} of {self._problems} problems took {now - began:.0f} s; all"
                self._heard.append((what, whole, self._threads))
            self.say()
            yield result
            before = self._clock()

    def _each(self, seconds: float, number: int) -> float:
        """Seconds of a problem, of which so many took so long; 0 where that is not known yet."""
        left_out = sum(pause > 0.0 for pause in self._longest)
        if number <= left_out:
            return 0.0
        # those that are left out may be quick ones among others of minutes
        return min((seconds - sum(self._longest)) / (number - left_out), seconds / number)


def _failed(failures: list[tuple[int, Exception]], problems: int, good: list[BilliardSolution | None]) -> NotConverged:
    number, error = failures[0]
    others = f" (and {len(failures) - 1} others of {problems})" if len(failures) > 1 else f" of {problems}"
    remedy = "the solutions of the others are in `partial` of this error"
    if isinstance(error, NotConverged):
        what, reason, remedy = error.what, error.reason, f"{error.remedy}; {remedy}"
        failed = NotConverged(
            f"problem {number}{others}: {what}", reason, remedy, time=error.time, step=error.step, partial=good
        )
    else:
        failed = NotConverged(f"problem {number}{others}", f"{type(error).__name__}: {error}", remedy, partial=good)
    failed.__cause__ = error
    return failed


def warn_of_unresolved(solutions: list[BilliardSolution], rtol: float) -> None:
    """Say which solutions are not resolved, if some are.

    Warns:
        Unresolved: once for all.
    """
    numbers = [number for number, one in enumerate(solutions) if not one.resolved]
    if numbers:
        named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
        worst = np.array([solutions[number].error.max() for number in numbers])
        unknown = int(np.isinf(worst).sum())
        errors = [f"errors up to about {worst[np.isfinite(worst)].max():.1g}"] if unknown < len(numbers) else []
        errors += [f"{unknown} do not resolve 1/lambda: their errors are not known"] if unknown else []
        warn(
            f"{len(numbers)} of {len(solutions)} problems are not resolved to rtol = {rtol:.1g} (numbers {named}; "
            f"{'; '.join(errors)}): `error` of each solution says by how much, inf where it is not known, `solve` of "
            "the problem why; take more cells or a larger rtol",
            Unresolved,
        )
