"""Wells of a cell: the basins of attraction of the maxima of K."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

MOST = 24  # basins of a cell; of more, only the deepest are kept


def basins(local: np.ndarray) -> np.ndarray | None:
    """Indicators of the basins of attraction of the maxima of K, on the periodic grid of the unknowns.

    At low temperature theta + x is nearly constant in each of them, and what decides on K_eff is how it jumps from one
    to the next: these are the directions in which conjugate gradients are slow, and which a coarse problem solves at
    once.

    Args:
        local: the size of K around each unknown (n, ..., n).

    Returns:
        Indicators (W - 1, n, ..., n), without that of one basin, since all together are constant; None for one basin.
    """
    values = local.ravel()
    best: np.ndarray = values
    target: np.ndarray = np.arange(local.size)
    for near in _neighbours(local.shape):
        moved = values[near]
        higher = moved > best
        best, target = np.where(higher, moved, best), np.where(higher, near, target)
    while (target[target] != target).any():
        target = target[target]
    roots, labels = np.unique(target, return_inverse=True)
    if roots.size == 1:
        return None
    order = np.argsort(-values[roots], kind="stable")[1:MOST]
    return (labels.reshape(1, *local.shape) == order.reshape(-1, *[1] * local.ndim)).astype(np.float64)


@lru_cache(maxsize=32)
def _neighbours(shape: tuple[int, ...]) -> list[np.ndarray]:
    """The numbers of the neighbours of all unknowns (n^d,), one array for each of the 2 d sides."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    return [np.roll(numbers, step, axis).ravel() for axis, step in itertools.product(range(len(shape)), (-1, 1))]
