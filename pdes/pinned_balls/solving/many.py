"""Many problems shared by threads, of which those that fail are told at the end, with the solutions of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.workers import Stop, Stopped, in_order, thread_count
from scaling_limits.particles.support.checks import shown
from scaling_limits.particles.support.progress import watched

from ..solution import BilliardSolution

Problem = TypeVar("Problem")
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
    solve: Callable[[Problem, Callable[[], None]], BilliardSolution],
    problems: Sequence[Problem],
    workers: int | None,
    progress: bool,
) -> list[BilliardSolution]:
    """Return the solutions of all problems, in their order.

    Args:
        solve: one of them; it calls its second argument several times a second.
        problems: in any number.
        workers: threads, or None.
        progress: whether to show a progress bar.

    Raises:
        NotConverged: some failed; see `BilliardEquations.solve_all`.
    """

    def attempted(problem: Problem, stop: Stop) -> BilliardSolution | Exception:
        try:
            return solve(problem, stop.check)
        except Stopped:
            raise
        except Exception as error:
            return error

    with closing(in_order(attempted, problems, thread_count(workers, None))) as results:
        found = list(watched(results, len(problems), progress, None, "problem"))
    good = [one if isinstance(one, BilliardSolution) else None for one in found]
    failures = [(number, one) for number, one in enumerate(found) if isinstance(one, Exception)]
    if failures:
        raise _failed(failures, len(problems), good)
    return [one for one in good if one is not None]


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
        worst = max(float(solutions[number].error.max()) for number in numbers)
        warn(
            f"{len(numbers)} of {len(solutions)} problems are not resolved to rtol = {rtol:.1g} (numbers {named}; "
            f"errors up to about {worst:.1g}): `error` of each solution says by how much, `solve` of the problem why; "
            "take more cells or a larger rtol",
            Unresolved,
        )
