"""Slices of steps of about the same time, between which an interrupt is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..sampling.workers import Stop

# seconds between two looks at an interrupt
SLICE = 0.1


class SliceLength:
    """How many steps a thread takes between two looks at an interrupt: about a tenth of a second."""

    def __init__(self) -> None:
        self._size = 1

    def slices(self, count: int, stop: Stop) -> Iterator[tuple[int, int]]:
        """Yield (first, number) of slices that make up 0 .. count-1."""
        first = 0
        while first < count:
            stop.check()
            some, begun = min(self._size, count - first), time.perf_counter()
            yield first, some
            taken, first = time.perf_counter() - begun, first + some
            if taken < 0.5 * SLICE:
                # short ones have few looks before they are long enough
                self._size *= 8 if taken < SLICE / 16 else 2
            elif taken > 2 * SLICE:
                self._size = max(1, self._size // 2)
        stop.check()
