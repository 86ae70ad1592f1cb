"""Wells of a cell: the basins of attraction of the maxima of K."""

from __future__ import annotations

import itertools

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
    numbers = np.arange(local.size).reshape(local.shape)
    best, pointer = local, numbers
    for axis, step in itertools.product(range(local.ndim), (-1, 1)):
        moved = np.roll(local, step, axis)
        higher = moved > best
        best, pointer = np.where(higher, moved, best), np.where(higher, np.roll(numbers, step, axis), pointer)
    target: np.ndarray = pointer.ravel()
    while (target[target] != target).any():
        target = target[target]
    roots, labels = np.unique(target, return_inverse=True)
    if roots.size == 1:
        return None
    order = np.argsort(-local.ravel()[roots], kind="stable")[1:MOST]
    return (labels.reshape(1, *local.shape) == order.reshape(-1, *[1] * local.ndim)).astype(np.float64)
