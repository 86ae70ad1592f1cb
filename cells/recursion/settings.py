"""What a relative tolerance of the tensor allows on each level, and the sizes that steer the choices."""

from __future__ import annotations

from dataclasses import dataclass

# numbers of samples in a sampled component of y_k, odd
SAMPLE_COUNTS = (5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97, 129, 193, 257, 385, 513, 1025)
# the largest of them, by the number of components that are sampled
MOST_SAMPLES = {1: 1025, 2: 129, 3: 33}


@dataclass(frozen=True)
class Allowances:
    """How the tolerance is shared: each level has an equal part, half of it for its samples of y_k where it has any.

    Args:
        rtol: relative error of the tensor that is asked for.
        levels: N.
        bounds: whether bounds are wanted; then these are parts of the distance between them.
    """

    rtol: float
    levels: int
    bounds: bool

    @property
    def part(self) -> float:
        """Relative error that one level may add, with a margin for rounding."""
        return 0.9 * self.rtol / self.levels

    def space(self, sampled: bool) -> float:
        """Relative error that the space of a level may add in a cell."""
        return 0.5 * self.part if sampled else self.part

    @property
    def samples(self) -> float:
        """Relative error that the interpolation between samples of y_k may add in a cell, on either side of bounds."""
        return 0.25 * self.part if self.bounds else 0.5 * self.part
