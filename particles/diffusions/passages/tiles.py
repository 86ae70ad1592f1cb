"""Tiles of paths on their way to targets, and what takes them there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .judges import GOING
from .targets import Target


@dataclass(frozen=True, eq=False)
class Tile:
    """Paths with numbers that follow one another; those that are still going are in front.

    Args:
        first: the number of the first path.
        x: positions (d, n) of the paths that go at the start.
        levels: of the targets there (K, n).
        paths: their numbers (n,).
        taken: numbers of steps (m,) of all m paths of the tile, -1 of those that are going.
        hit: the numbers of the targets that they have hit (m,), or GOING.
    """

    first: int
    x: NDArray[np.float64]
    levels: NDArray[np.float64]
    paths: NDArray[np.int64]
    taken: NDArray[np.int64]
    hit: NDArray[np.int64]


# from a tile, how many of its paths are going, the first step and how many steps there are to how many are left
Advance = Callable[[Tile, int, int, int], int]


class Kernel(Protocol):
    """Steps of paths of a diffusion, by which they are taken to targets."""

    @property
    def width(self) -> int:
        """Paths of a tile, a multiple of TILE."""

    @property
    def slice_steps(self) -> int:
        """Steps of a tile between two looks at an interrupt."""

    def advance(self, targets: tuple[Target, ...], step: float) -> Advance:
        """What takes the paths of a tile through steps of this size, until they hit one of the targets.

        Args:
            targets: compiled (K,).
            step: h, of time.
        """


def tile_at(start: NDArray[np.float64], first: int, targets: tuple[Target, ...]) -> Tile:
    """The paths of a tile at their start; those that start in a target, or in several, have hit the first of them.

    Args:
        start: X(0) of the paths (m, d).
        first: the number of the first of them.
        targets: compiled (K,).

    Raises:
        InvalidArgument: a level is not finite there.
    """
    levels = np.stack([target.levels(start) for target in targets])
    inside = levels <= 0.0
    arrived = inside.any(axis=0)
    taken = np.where(arrived, 0, -1).astype(np.int64)
    hit = np.where(arrived, inside.argmax(axis=0), GOING).astype(np.int64)
    paths = first + np.flatnonzero(~arrived)
    x, levels = np.ascontiguousarray(start[~arrived].T), np.ascontiguousarray(levels[:, ~arrived])
    return Tile(first, x, levels, paths, taken, hit)
