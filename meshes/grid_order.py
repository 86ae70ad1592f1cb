"""Nested dissection of the nodes of a box: an order of elimination in which factors of its matrices fill up little.

A box is cut in two by a line or plane of nodes across its longest side, and each half likewise; both halves come before
the cut. Source: George, Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10 (1973) 345.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

# nodes of a part that is not cut any more
SMALLEST = 64


def dissected(shape: Sequence[int]) -> np.ndarray:
    """The numbers (size,) of the nodes of a box in C order, in the order of their elimination.

    Args:
        shape: nodes along each direction.
    """
    return np.concatenate(list(_parts(np.arange(int(np.prod(shape)), dtype=np.int32).reshape(tuple(shape)))))


def _parts(numbers: np.ndarray) -> Iterator[np.ndarray]:
    longest = int(np.argmax(numbers.shape))
    middle = numbers.shape[longest] // 2
    if numbers.size <= SMALLEST or numbers.shape[longest] < 3:
        yield numbers.ravel()
        return
    along = np.moveaxis(numbers, longest, 0)
    yield from _parts(along[:middle])
    yield from _parts(along[middle + 1 :])
    yield along[middle].ravel()
