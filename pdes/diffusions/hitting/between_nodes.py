"""A field between the nodes of a grid: linear in most cells, of second order up to the boundary of sets in all.

At a node of a cut cell that is in the set, f is continued linearly from outside: from another node x of the cell,
along the way e to the node, which enters the set after the part t. With the value v on the boundary and f(x - e) at the
node before, the continuation is v - (f(x - e) - v) (1 - t)/(1 + t); it never divides by a small part. Then f is
interpolated between the nodes of the cell as anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.meshes.box import Grid

from ..interpolation import corners, interpolated
from .target_sets import Indicator, bisected, wrapped

# weight of a continuation from one node only, whose f(x - e) is not to be had
FAINT = 1e-3
# the least part of such a way
SHORT = 0.25


@dataclass(frozen=True, eq=False)
class BetweenNodes:
    """Interpolation between the nodes, and between them and the boundary of sets, where f is 0 or 1.

    Args:
        grid: the nodes.
        nodal: f at the nodes (size,).
        sets: pairs of an indicator (P, d) -> (P,) and the value there.
    """

    grid: Grid
    nodal: np.ndarray
    sets: tuple[tuple[Indicator, float], ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return f (P,) at points (P, d) of the box."""
        result = interpolated(self.grid, self.nodal, x)
        held = np.zeros(len(x), dtype=bool)
        for indicator, value in self.sets:
            here = indicator(x)
            result[here] = value
            held |= here
        if self.sets and not held.all():
            nodes, cell, weights = corners(self.grid, x)
            count = (self._place[nodes] >= 0).sum(axis=1)
            cut = ~held & (count > 0) & (count < nodes.shape[1])
            result[cut] = self._beside_sets(nodes[cut], cell[cut], weights[cut])
        return result

    @cached_property
    def _place(self) -> np.ndarray:
        """The number of the set that each node is in, else -1 (size,)."""
        place = np.full(self.grid.size, -1)
        for number, (indicator, value) in enumerate(self.sets):
            place[(self.nodal == value) & indicator(self.grid.nodes)] = number
        return place

    def _beside_sets(self, nodes: np.ndarray, cell: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Values (P,) outside of sets, in cells that they cut, from what `corners` gives for the points."""
        values = self._corners(nodes, cell)
        return np.clip((weights * values).sum(axis=1), *self._limits)

    @property
    def _limits(self) -> tuple[float, float]:
        """The least and the largest value in cells that sets cut."""
        bounds = [value for _, value in self.sets]
        return min(bounds, default=-np.inf), max(bounds) if len(bounds) > 1 else np.inf

    def _corners(self, nodes: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Values (P, 2^d) at the corners of cells that sets cut, continued at those in a set."""
        place = self._place[nodes]
        values = np.where(place < 0, self.nodal[nodes], 0.0)
        sums, total = np.zeros(nodes.shape), np.zeros(nodes.shape)
        which = np.array(list(np.ndindex(*(2,) * self.grid.dim)))
        for number, (indicator, value) in enumerate(self.sets):
            # of each point, pairs of a free node k of its cell and a node j in the set
            point, k, j = np.nonzero((place < 0)[:, :, None] & (place == number)[:, None, :])
            if point.size:
                continued, weight = self._continued(indicator, value, cell[point] + which[k], which[j] - which[k])
                np.add.at(sums, (point, j), weight * continued)
                np.add.at(total, (point, j), weight)
        values[place >= 0] = (sums / np.where(total > 0, total, 1.0))[place >= 0]
        return values

    @property
    def content(self) -> dict[str, np.ndarray]:
        """What a file needs besides `nodal`: the cells that sets cut, and the values at their corners (`InCells`)."""
        grid = self.grid
        held = self._place.reshape(grid.shape) >= 0
        count = np.zeros(grid.cells, dtype=int)
        for corner in np.ndindex(*(2,) * grid.dim):
            count += held[np.ix_(*((np.arange(n) + c) % m for n, c, m in zip(grid.cells, corner, grid.shape)))]
        cell = np.argwhere((count > 0) & (count < 2**grid.dim))
        which = np.array(list(np.ndindex(*(2,) * grid.dim)))
        nodes = grid.flat((cell[:, None, :] + which) % grid.shape)
        cut = np.ravel_multi_index(tuple(cell.T), grid.cells)
        return {"cut": cut, "corners": self._corners(nodes, cell), "limits": np.array(self._limits)}

    def _continued(
        self, indicator: Indicator, value: float, index: np.ndarray, step: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The continuation of f from nodes at places (P, d) by steps into a set, and how much it counts (P,), (P,)."""
        grid = self.grid
        x, along = grid.box[:, 0] + index * grid.spacing, step * grid.spacing
        _, part = bisected(lambda t: indicator(wrapped(grid, x + t[:, None] * along)), len(x))
        before = index - step
        within = (grid.periodic | ((before >= 0) & (before < grid.shape))).all(axis=1)
        flat = grid.flat(np.where(within[:, None], before, index) % grid.shape)
        own, other = self.nodal[grid.flat(index % grid.shape)] - value, self.nodal[flat] - value
        known = within & (self._place[flat] < 0) & np.isfinite(other)
        slope = np.where(known, other / (1.0 + part), own / np.maximum(part, SHORT))
        return value - slope * (1.0 - part), np.where(known, 1.0, FAINT) / (step**2).sum(axis=1)
