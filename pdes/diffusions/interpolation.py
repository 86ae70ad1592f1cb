"""Interpolation between the nodes of a grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points


def interpolated(grid: Grid, field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (P, ...) between the nodes of a field (size, ...), linear along each direction."""
    nodes, _, weights = corners(grid, points)
    return combined((field[node] for node in nodes.T), weights)


def combined(columns: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Sums (P, ...) of the values at the nodes of a cell, columns of (P, ...), with weights (P, 2^d)."""
    return np.asarray(
        sum(weight.reshape(-1, *[1] * (column.ndim - 1)) * column for column, weight in zip(columns, weights.T))
    )


def corners(grid: Grid, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes (P, 2^d) of the cells of points (P, d), the places (P, d) of the first of them, and the weights
    (P, 2^d) of linear interpolation.
    """
    scaled = (points - grid.box[:, 0]) / grid.spacing
    cell = np.clip(np.floor(scaled).astype(np.int64), 0, np.array(grid.cells) - 1)
    offset = (scaled - cell)[:, None, :]
    which = np.array(list(itertools.product((0, 1), repeat=grid.dim)))
    nodes = grid.flat((cell[:, None, :] + which) % grid.shape)
    return nodes, cell, np.prod(np.where(which, offset, 1.0 - offset), axis=2)


def inside(grid: Grid, points: ArrayLike, name: str = "points") -> np.ndarray:
    """Return points (P, d) in the box; those beyond a period are taken back.

    Args:
        grid: gives the box.
        points: (P, d).
        name: of the argument that they were given by.

    Raises:
        InvalidArgument: a wrong shape, or a point outside of the box.
    """
    x = checked_points(name, points, grid.dim)
    low, high = grid.box.T
    slack = 1e-9 * (high - low)
    walls = ~np.array(grid.periodic)
    if (walls & ((x < low - slack) | (x > high + slack))).any():
        raise InvalidArgument(name, f"must be in the box {grid.box.tolist()}")
    return np.where(walls, np.clip(x, low, high), low + (x - low) % (high - low))
