"""Paths that all start at one point, as probabilities at the nodes of a grid.

By linear interpolation, but in a cell that a set cuts: there P(tau > t) is soon like a function f with L f = 0 and
f = 0 at the set. With f = E tau^2, for which L f = -2 E tau is 0 at the set too, the probability at a node is
f(point)/f(node); the rest is killed at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling_limits.meshes.box import Grid

from ..interpolation import corners, inside

# largest distance, in cells, at which a node is looked for
WIDEST = 3


@dataclass(frozen=True)
class PointStart:
    """All paths start at one point.

    Args:
        point: (d,).
        dead: whether it is in the absorbing set.
        profile: f (P,) at points (P, d), up to a factor.
    """

    point: np.ndarray
    dead: bool
    profile: Callable[[np.ndarray], np.ndarray]

    def probabilities(self, grid: Grid, free: np.ndarray) -> np.ndarray:
        """The probabilities (size,) at all nodes; at those that are not free (size,) they are 0."""
        result = np.zeros(grid.size)
        if self.dead:
            return result
        nodes, cell, weights = (part[0] for part in corners(grid, inside(grid, self.point[None])))
        if not free[nodes].all():
            nodes, weights = self._beside_the_set(grid, free, nodes, cell, weights)
        np.add.at(result, nodes, weights)
        return result

    def _beside_the_set(
        self, grid: Grid, free: np.ndarray, nodes: np.ndarray, cell: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Free nodes (n,) and their probabilities (n,), whose mean of f is that of the point."""
        own = float(self.profile(self.point[None])[0])
        some = free[nodes] & (weights > 0)
        nodes, weights = nodes[some], weights[some]
        total = float(weights @ self._profile(grid, nodes)) if some.any() else 0.0
        if total > 0 and own / total * weights.sum() <= 1.0:
            return nodes, own / total * weights
        return self._farther(grid, free, cell, own)

    def _farther(self, grid: Grid, free: np.ndarray, cell: np.ndarray, own: float) -> tuple[np.ndarray, np.ndarray]:
        """The nearest free node where f is at least that of the point, else the one where it is largest."""
        offsets = np.array(list(itertools.product(range(-WIDEST, WIDEST + 2), repeat=grid.dim)))
        index = cell + offsets
        there = (grid.periodic | ((index >= 0) & (index < grid.shape))).all(axis=1)
        away = np.linalg.norm(grid.box[:, 0] + index[there] * grid.spacing - self.point, axis=1)
        near = grid.flat(index[there] % grid.shape)
        away, near = away[free[near]], near[free[near]]
        if not near.size or not own > 0:
            return near[:0], away[:0]
        values = self._profile(grid, near)
        longer = values >= own
        best = int(np.argmin(np.where(longer, away, np.inf)) if longer.any() else np.argmax(values))
        return near[best : best + 1], np.array([min(1.0, own / float(values[best]))]) if values[best] > 0 else away[:0]

    def _profile(self, grid: Grid, nodes: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.asarray(self.profile(grid.coordinates(nodes))))
