"""Scans: whether a space, or the samples of a level, see what V1 does between their points.

U_k is evaluated at quasi-random points of each cell and compared with what the values at the quadrature points
interpolate there. A wave that the quadrature takes for a slower one, or a well between its points, is far off.
The distance between the points of a scan is the width of what may stay unseen.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..spaces.interpolation import from_nodes, grid, interpolate, interpolate_at, on_grid
from ..spaces.tensor_space import TensorSpace
from .fields import LevelFields
from .scale_splitting import ScaleSplitting

IN_ONE_CELL = {1: 1024, 2: 4096, 3: 32768}  # points of a scan of a single cell, by dimension
MOST_VALUES = 400_000  # numbers that are held at once: their arrays stay in the cache
LEAST = 16  # points in each of many cells
FASTER = 4  # positions of the faster scales at which their dependence on y_k is looked at
# irrational steps whose multiples fill the unit cube evenly: powers of 1/g with g^(d+1) = g + 1
STEPS = {
    d: g ** -np.arange(1.0, d + 1) for d, g in ((1, 1.618033988749895), (2, 1.324717957244746), (3, 1.220744084605760))
}


def scan_points(count: int, dim: int, start: int = 0) -> np.ndarray:
    """The points number start, ..., start + count - 1 of a quasi-random sequence in the unit cube (count, d)."""
    return (0.5 + np.arange(start + 1, start + count + 1)[:, None] * STEPS[dim]) % 1.0


def points_in_each(cells: int, dim: int) -> int:
    """Number of points in each of so many cells."""
    return max(LEAST, IN_ONE_CELL[dim] // cells)


def unseen(fields: LevelFields, rows: np.ndarray, space: TensorSpace, start: int = 0) -> np.ndarray:
    """The largest difference (B,) between log K_k and what its values at the quadrature points interpolate.

    Of the diagonal entries of log K_k, and of log Z_k.

    Args:
        fields: log K_k.
        rows: numbers of the cells.
        space: whose quadrature it is.
        start: number of the first point; other cells are best scanned elsewhere.
    """
    splitting, slow = fields.splitting, fields.slow[rows]
    if not splitting.has_terms(fields.level) and not fields.samples.axes:
        return np.zeros(len(rows))
    count = points_in_each(len(rows), splitting.dim)
    points, matrices = _scan_of(space, count, start % (1 << 20))
    own, values = (splitting.exponent(fields.level, slow, x) for x in (tuple(points.T), space.nodes))
    own = np.broadcast_to(own, (len(own), count))
    if not fields.samples.axes:
        return np.broadcast_to(_missed(values, own, matrices), len(rows))
    sampled = fields.table[rows][:, [*np.flatnonzero(fields.identity), -1]]
    tables, there = interpolate(sampled, space.nodes), interpolate_at(sampled, points)
    missed = [_missed(values + tables[:, i], own + there[:, i], matrices) for i in range(sampled.shape[1])]
    return np.max(missed, axis=0)


def _missed(values: np.ndarray, there: np.ndarray, matrices: tuple[np.ndarray, ...]) -> np.ndarray:
    """The largest difference (B,) between true values (B, P) and the interpolation of values at quadrature points."""
    size = max(1, MOST_VALUES // (values.size // values.shape[-1]))
    parts = [slice(i, i + size) for i in range(0, there.shape[1], size)]
    missed = [np.abs(_interpolated(values, matrices, part) - there[:, part]).max(axis=1) for part in parts]
    return np.max(missed, axis=0)


def _interpolated(values: np.ndarray, matrices: tuple[np.ndarray, ...], part: slice) -> np.ndarray:
    """Interpolate values (B, q or 1, ...) at some scattered points: (B, P)."""
    last = matrices[-1][part]
    result = values @ last.T if values.shape[-1] > 1 else np.broadcast_to(values, (*values.shape[:-1], len(last)))
    for matrix in matrices[-2::-1]:
        result = (result * matrix[part].T).sum(axis=-2) if result.shape[-2] > 1 else result[..., 0, :]
    return result


@lru_cache(maxsize=128)
def _scan_of(space: TensorSpace, count: int, start: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    points = scan_points(count, space.dim, start)
    return points, tuple(from_nodes(space.line, points[:, axis]) for axis in range(space.dim))


def unseen_by_samples(
    splitting: ScaleSplitting, level: int, slow: np.ndarray, count: int, axes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The largest difference between (U_{k+1} + ... + U_N)/sigma and its interpolation between samples of y_k.

    At a few positions of the faster variables; the tensor K_k depends on y_k through these functions.

    Args:
        splitting: the potential.
        level: k.
        slow: x, y_1, ..., y_{k-1} of the cells (B, k d).
        count: number of samples in each sampled component.
        axes: these components.

    Returns:
        The differences (B,), and where they are, y_k (B, d).
    """
    dim, worst, places = splitting.dim, np.zeros(len(slow)), np.zeros((len(slow), splitting.dim))
    fast = np.random.Generator(np.random.Philox(key=[level, FASTER])).random((FASTER, (splitting.levels - level) * dim))
    points = np.zeros((points_in_each(len(slow) * FASTER, len(axes)), dim))
    points[:, list(axes)] = scan_points(len(points), len(axes))
    ticks = grid(count, axes, dim)
    for position in fast:
        at = lambda y: _faster_terms(splitting, level, slow, y, position)  # noqa: B023, E731 - called at once
        table = on_grid(at(ticks)[:, :, None], count, axes, dim)
        missed = np.abs(interpolate_at(table, points)[:, 0] - at(points))
        largest = missed.max(axis=1)
        larger = ~(largest <= worst)
        worst[larger], places[larger] = largest[larger], points[missed[larger].argmax(axis=1)]
    return worst, places


def _faster_terms(
    splitting: ScaleSplitting, level: int, slow: np.ndarray, points: np.ndarray, fast: np.ndarray
) -> np.ndarray:
    """(U_{k+1} + ... + U_N)/sigma at y_k = points (P, d) of each cell, and one position of the faster variables."""
    rows = np.concatenate([np.repeat(slow, len(points), axis=0), np.tile(points, (len(slow), 1))], axis=1)
    total = np.zeros(len(rows))
    for faster in range(level + 1, splitting.levels + 1):
        if splitting.has_terms(faster):
            some = np.broadcast_to(
                fast[: (faster - level) * splitting.dim], (len(rows), (faster - level) * splitting.dim)
            )
            total += splitting.exponent(faster, np.concatenate([rows, some], axis=1), ())
    return total.reshape(len(slow), len(points))


def strengths(splitting: ScaleSplitting, level: int, slow: np.ndarray) -> np.ndarray:
    """How much U_k/sigma, ..., U_N/sigma vary together in each cell (B,), at some points."""
    total = np.zeros(len(slow))
    for faster in range(level, splitting.levels + 1):
        if splitting.has_terms(faster):
            points = scan_points(LEAST, splitting.dim, faster)
            fast = np.random.Generator(np.random.Philox(key=[faster, LEAST])).random(
                (LEAST, (faster - level) * splitting.dim)
            )
            rows = np.concatenate([np.repeat(slow, LEAST, axis=0), np.tile(fast, (len(slow), 1))], axis=1)
            values = splitting.exponent(faster, rows, tuple(points.T))
            values = np.broadcast_to(values, (len(rows), LEAST)).reshape(len(slow), -1)
            total += np.ptp(values, axis=1)
    return total
