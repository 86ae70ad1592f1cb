"""What a relative tolerance of the tensor allows on each level, and the sizes that steer the choices."""

from __future__ import annotations

from dataclasses import dataclass

# numbers of samples in a sampled component of y_k, odd
SAMPLE_COUNTS = (5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97, 129, 193, 257, 385, 513, 1025)
# the largest of them, by the number of components that are sampled
MOST_SAMPLES = {1: 1025, 2: 129, 3: 33}


# how the tolerance is shared where there are slower levels: their samples are by far the most cells
FOR_SAMPLES, FOR_SPACES, FOR_FASTEST = 0.6, 0.1, 0.3
MARGIN = 0.9  # the rest is for rounding


@dataclass(frozen=True)
class Allowances:
    """How the tolerance is shared: most of it for samples of y_k, a third for the fastest level, little for the others.

    Args:
        rtol: relative error of the tensor that is asked for.
        levels: N.
        bounds: whether bounds are wanted; then these are parts of the distance between them.
    """

    rtol: float
    levels: int
    bounds: bool

    def space(self, *, fastest: bool, sampled: bool) -> float:
        """Relative error that the space of a level may add in a cell."""
        if self.levels == 1:
            return MARGIN * self.rtol
        if fastest:
            return MARGIN * FOR_FASTEST * self.rtol
        return self._of_slower_level(FOR_SPACES if sampled else FOR_SPACES + FOR_SAMPLES)

    @property
    def samples(self) -> float:
        """Relative error that the interpolation between samples of y_k may add in a cell, on either side of bounds."""
        return self._of_slower_level(0.5 * FOR_SAMPLES if self.bounds else FOR_SAMPLES)

    def _of_slower_level(self, part: float) -> float:
        return MARGIN * part * self.rtol / max(1, self.levels - 1)
