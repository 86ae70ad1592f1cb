"""Gauss quadrature on the cells of a box, shared by the ranks."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from scaling_limits.meshes.backend.quadrature import composite_gauss
from scaling_limits.meshes.box import Grid
from scaling_limits.particles.sampling.ranks import on_all_ranks

EVALUATIONS = 4_000_000
MOST_POINTS = 10  # along each direction of a cell
AT_ONCE = 2**18


def points_per_direction(grid: Grid) -> int:
    """How many Gauss points of a cell are affordable along each direction."""
    cells = float(np.prod(grid.cells))
    return int(np.clip((EVALUATIONS / cells) ** (1 / grid.dim), 2, MOST_POINTS))


def integral(grid: Grid, part: Callable[[np.ndarray, np.ndarray], np.ndarray], order: int) -> np.ndarray:
    """The integral over the box, the same on all ranks; collective.

    Args:
        grid: gives the box and its cells.
        part: from points (P, d) and their weights (P,) to the weighted sum of the integrand, of any shape.
        order: Gauss points along each direction of a cell.
    """
    (ticks,), (weights,) = composite_gauss(np.array([0.0, 1.0]), order)
    dim = grid.dim
    offsets = np.array(list(itertools.product(ticks, repeat=dim)))
    shares = np.prod(list(itertools.product(weights, repeat=dim)), axis=1)
    count = int(np.prod(grid.cells))
    first, last = (count * rank // grid.comm.size for rank in (grid.comm.rank, grid.comm.rank + 1))
    at_once = max(1, AT_ONCE // len(shares))

    def own() -> np.ndarray | float:
        total: np.ndarray | float = 0.0
        for start in range(first, last, at_once):
            cells = np.stack(np.unravel_index(np.arange(start, min(start + at_once, last)), grid.cells), axis=1)
            x = (grid.box[:, 0] + (cells[:, None] + offsets) * grid.spacing).reshape(-1, dim)
            total = total + part(x, np.tile(shares, len(cells)))
        return total

    return np.asarray(sum(grid.comm.allgather(on_all_ranks(grid.comm, own))) * np.prod(grid.spacing))
