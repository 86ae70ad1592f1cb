"""Nested dissection of the nodes of a box: an order of elimination in which factors of its matrices fill up little.

A box is cut in two by a line or plane of nodes across its longest side, and each half likewise; both halves come before
the cut. Source: George, Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10 (1973) 345.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

# nodes of a part that is not cut any more
SMALLEST = 20


def dissected(shape: Sequence[int]) -> np.ndarray:
    """The numbers (size,) of the nodes of a box in C order, in the order of their elimination.

    Args:
        shape: nodes along each direction.
    """
    strides = np.cumprod([1, *shape[:0:-1]])[::-1]

    def numbers(part: tuple[int, ...]) -> np.ndarray:
        """Of the nodes of a part whose first node is number 0, in C order."""
        result = np.zeros((), dtype=np.int32)
        for count, stride in zip(part, strides):
            result = np.add.outer(result, np.arange(count, dtype=np.int32) * np.int32(stride))
        return result.ravel()

    # parts of one shape have one order, and there are few shapes
    @cache
    def ordered(part: tuple[int, ...]) -> np.ndarray:
        longest = int(np.argmax(part))
        middle = part[longest] // 2
        if np.prod(part) <= SMALLEST or part[longest] < 3:
            return numbers(part)

        def cut(count: int) -> tuple[int, ...]:
            return (*part[:longest], count, *part[longest + 1 :])

        along = np.int32(strides[longest])
        before, behind = ordered(cut(middle)), ordered(cut(part[longest] - middle - 1))
        return np.concatenate([before, behind + (middle + 1) * along, numbers(cut(1)) + middle * along])

    return ordered(tuple(int(count) for count in shape))
