"""Basins of the free energy between two sets: the height of the pass, wells that are deep, and what belongs to whom.

Cells are taken in the order of Psi/sigma, lowest first, and joined with their neighbours (union-find).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# depth in sigma from which a well has a potential of its own, and most such wells
DEEP, MOST_WELLS = 16.0, 24


@dataclass(frozen=True, eq=False)
class Basins:
    """Which cells drain into A (0), into B (1), or into a deep well without either (2, 3, ...).

    Args:
        height: Psi/sigma at the lowest pass from A to B; infinite where there is no way.
        owner: of each cell; -1 where no way leads to it.
        wells: the lowest cell of each deep well (W,).
    """

    height: float
    owner: np.ndarray
    wells: np.ndarray


def basins(exponent: np.ndarray, links: np.ndarray, sources: list[np.ndarray]) -> Basins:
    """Find the basins of two sets and of deep wells.

    Args:
        exponent: Psi/sigma of each cell (n,).
        links: pairs of neighbours (L, 2).
        sources: the cells that are in A or at a face in it, and those of B.
    """
    deep = DEEP
    while True:
        found = _joined(exponent, links, sources, deep)
        if len(found.wells) <= MOST_WELLS:
            return found
        deep *= 1.5


class _Forest:
    """Trees of cells; each root knows the lowest cell of its tree."""

    def __init__(self, exponent: list[float]) -> None:
        self.parent = list(range(len(exponent)))
        self.lowest = list(range(len(exponent)))
        self._exponent = exponent

    def root(self, node: int) -> int:
        """The root of the tree of a node."""
        parent = self.parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, root: int, other: int) -> None:
        """Put the tree of another root below a root."""
        self.parent[other] = root
        if self._exponent[self.lowest[other]] < self._exponent[self.lowest[root]]:
            self.lowest[root] = self.lowest[other]


def _joined(exponent: np.ndarray, links: np.ndarray, sources: list[np.ndarray], deep: float) -> Basins:
    count = len(exponent)
    # two nodes more stand for A and B
    levels = [*exponent.tolist(), np.inf, np.inf]
    pairs = [links, *(np.stack([np.full(len(c), count + k), c], axis=1) for k, c in enumerate(sources))]
    ends = np.concatenate(pairs)
    heights = np.concatenate([exponent[links].max(axis=1), *(exponent[c] for c in sources)])
    basin, way = _Forest(levels), _Forest(levels)
    terminal = {count: 0, count + 1: 1}
    wells: list[int] = []
    height = np.inf
    order = np.argsort(heights, kind="stable")
    for (a, b), level in zip(ends[order].tolist(), heights[order].tolist()):
        if height == np.inf:
            one, other = way.root(a), way.root(b)
            if one != other:
                way.join(one, other)
                if way.root(count) == way.root(count + 1):
                    height = level
        one, other = basin.root(a), basin.root(b)
        if one == other:
            continue
        for root in (one, other):
            alone = root not in terminal and level - levels[basin.lowest[root]] > deep
            partner = other if root == one else one
            # of two wells the deeper one may still grow
            if alone and (partner in terminal or levels[basin.lowest[root]] >= levels[basin.lowest[partner]]):
                terminal[root] = 2 + len(wells)
                wells.append(basin.lowest[root])
        if one in terminal and other in terminal:
            continue
        if one in terminal:
            basin.join(one, other)
        else:
            basin.join(other, one)
    owner = np.array([terminal.get(basin.root(cell), -1) for cell in range(count)], dtype=np.int64)
    return Basins(float(height), owner, np.array(wells, dtype=np.int64))
