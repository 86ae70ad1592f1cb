"""What is measured: a call, the sizes it is made with, and the exponents that are expected of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A call whose work grows with one number.

    Args:
        title: of its picture, and of its row.
        against: what grows, as the axis names it.
        sizes: from small to large; a decade or more.
        made: from a size to a call without arguments, which alone is measured.
        time: the exponent expected of time, and
        memory: that of memory above the process's own; None where there is next to none, or it is not the call's.
        reason: of both, in one sentence.
        unit: from a size to what stands on the axis (unknowns for cells along an edge).
    """

    title: str
    against: str
    sizes: tuple[float, ...]
    made: Callable[[float], Callable[[], object]]
    time: float
    memory: float | None
    reason: str
    unit: Callable[[float], float] = float


def power(exponent: int) -> Callable[[float], float]:
    """Unknowns of a box from cells along its edge."""
    return lambda cells: float(cells) ** exponent
