"""A field on a grid, in cells that the boundary of a set cuts: of second order up to the boundary.

At a node of such a cell that is in the set, f is continued linearly from outside: from another node x of the cell,
along the way e to the node, which enters the set after the part t. With the value v on the boundary and f(x - e) at the
node before, the continuation is v - (f(x - e) - v) (1 - t)/(1 + t); it never divides by a small part. Then f is
interpolated between the nodes of the cell as anywhere else.
"""

from __future__ import annotations

import numpy as np

from scaling_limits.meshes.box import Grid

from .target_sets import Indicator, bisected, wrapped

Sets = tuple[tuple[Indicator, float], ...]
FAINT = 1e-3  # weight of a continuation from one node only, whose f(x - e) is not to be had
SHORT = 0.25  # the least part of such a way


def beside_sets(
    grid: Grid, nodal: np.ndarray, place: np.ndarray, sets: Sets, points: np.ndarray,
    nodes: np.ndarray, cell: np.ndarray, weights: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Values (P,) at points outside of sets, in cells that sets cut.

    Args:
        grid: the nodes.
        nodal: f at the nodes (size,).
        place: for each node the number of the set that it is in, else -1 (size,).
        sets: pairs of an indicator and the value there.
        points: x (P, d).
        nodes: of their cells (P, 2^d).
        cell: the first of these, as places (P, d).
        weights: of linear interpolation (P, 2^d).
    """
    values = np.where(place[nodes] < 0, nodal[nodes], 0.0)
    sums, total = np.zeros(nodes.shape), np.zeros(nodes.shape)
    which = np.array(list(np.ndindex(*(2,) * grid.dim)))
    for k, start in enumerate(which):
        for j, end in enumerate(which):
            for number, (indicator, value) in enumerate(sets):
                some = np.flatnonzero((place[nodes[:, k]] < 0) & (place[nodes[:, j]] == number))
                if some.size:
                    found, weight = _continued(grid, nodal, place, indicator, value, cell[some] + start, end - start)
                    sums[some, j] += weight * found
                    total[some, j] += weight
    inner = place[nodes] >= 0
    values[inner] = (sums / np.where(total > 0, total, 1.0))[inner]
    result = (weights * values).sum(axis=1)
    bounds = [value for _, value in sets]
    return np.clip(result, min(bounds), max(bounds) if len(bounds) > 1 else np.inf)


def _continued(
    grid: Grid, nodal: np.ndarray, place: np.ndarray, indicator: Indicator,
    value: float, index: np.ndarray, step: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The continuation of f from nodes at places (P, d) by a step into a set, and how much it counts (P,), (P,)."""
    x, along = grid.box[:, 0] + index * grid.spacing, step * grid.spacing
    _, part = bisected(lambda t: indicator(wrapped(grid, x + t[:, None] * along)), len(x))
    before = index - step
    within = (grid.periodic | ((before >= 0) & (before < grid.shape))).all(axis=1)
    flat = grid.flat(np.where(within[:, None], before, index) % grid.shape)
    own = nodal[grid.flat(index % grid.shape)] - value
    other = nodal[flat] - value
    known = within & (place[flat] < 0) & np.isfinite(other)
    short = np.maximum(part, SHORT)
    slope = np.where(known, other / (1.0 + part), own / short)
    return value - slope * (1.0 - part), np.where(known, 1.0, FAINT) / (step**2).sum()
