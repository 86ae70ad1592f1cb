"""Steps of the effective equation in a box, in numpy, that take paths to the first of several targets.

A step goes from x to x', and is reflected at the walls to y. A target has been hit at y; or by the Brownian bridge
between x and y, as in `judges`; or where the straight way from x to x' meets a wall, so that sets which touch walls, or
are parts of them, are hit. Near a wall the bridge, mirrored there, is one between x and y if the boundary of the target
meets the wall along M n; where it does not, the probability is wrong within sqrt(h) of the edge, which costs O(h).

Source: of the bridges, Gobet (2000), see `judges`; of the mirrors, Bossy, Gobet and Talay (2004), see `reflection`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import InvalidArgument, Unstable
from ...sampling.normal_tiles import TILE, fill_paths
from ...sampling.philox import Key, Purpose
from ...sampling.steps import check_bounded
from ..reflection import Field, Walls
from .judges import GOING, INSIDE, NOT_A_NUMBER, judge_of
from .kernels import still_going
from .targets import Target, functions_of
from .tiles import Advance, Tile

# from positions (n, d), the random numbers of `numbers_of` and the number of a step to the positions after it, before
# reflection (n, d), and B before it (n, d, d)
Move = Callable[[np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
# largest difference of a level at both ends of a period, relative to its size
SEAM = 1e-6


@dataclass(frozen=True, eq=False)
class EffectiveSteps:
    """Steps of dX = b dt + B dW, reflected at walls; a `Kernel`.

    Args:
        move: a step before it is reflected.
        walls: of the box.
        noise: B, from points (P, d) to values (P, d, d).
        key: of the random numbers.
    """

    move: Move
    walls: Walls
    noise: Field
    key: Key
    width: ClassVar[int] = 8 * TILE
    slice_steps: ClassVar[int] = 64

    def advance(self, targets: tuple[Target, ...], step: float) -> Advance:
        """What takes the paths of a tile through steps, until they hit one of the targets.

        Args:
            targets: compiled (K,).
            step: h, of time.
        """
        judge = judge_of(targets)

        def some(tile: Tile, count: int, first: int, steps: int) -> int:
            dim, room = tile.x.shape
            here, hits, scores = np.empty((dim + dim * (dim + 1) // 2, room)), np.empty(room, np.int64), np.empty(room)
            before, slopes, shifted = np.empty((3, dim, room))
            for n in range(first, first + steps):
                if count == 0:
                    break
                x = np.ascontiguousarray(tile.x[:, :count].T)
                new, noise = self._moved(x, tile.paths[:count], step, n)
                hits[:], scores[:] = GOING, math.inf
                with functions_of(targets):
                    self._check_seams(targets, tile.levels, x, new)
                    self._touch(targets, tile.levels, x, new, hits, scores)
                before[:, :count] = x.T
                tile.x[:, :count] = self.walls.reflected(new, self.noise).T
                # a noise that is not finite at a wall
                check_bounded(tile.x[:, :count], step)
                here[dim:, :count] = _factors(noise)
                with functions_of(targets):
                    judge(
                        before, tile.x, here, tile.levels, slopes, shifted, tile.paths, count, hits, scores, step, n,
                        *self.key,
                    )  # fmt: skip
                count = still_going(
                    hits, tile.x, tile.levels, tile.paths, count, tile.taken, tile.hit, tile.first, n
                )  # fmt: skip
            return count

        return some

    def _moved(self, x: np.ndarray, paths: np.ndarray, h: float, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions after a step, before reflection (n, d), and B before it (n, d, d).

        Raises:
            Unstable: a position is not finite, or a way is so long that it meets walls several times.
        """
        new, noise = self.move(x, *numbers_of(paths, step, x.shape[1], self.key), step)
        check_bounded(new, h)
        if self.walls.beyond_mirrors(x, new).any():
            raise Unstable(f"a step of {h:.3g} is longer than the box. Remedy: take a smaller step.")
        return new, noise

    def _touch(
        self, targets: tuple[Target, ...], levels: np.ndarray, x: np.ndarray, new: np.ndarray, hits: np.ndarray,
        scores: np.ndarray,
    ) -> None:  # fmt: skip
        """Hits and scores (n,), see `judges.decide`, of ways that are in a target where they meet a wall."""
        for rows, parts, points in self.walls.crossed(x, new):
            for k, target in enumerate(targets):
                values = target.function(_for_kernels(points))
                if target.has_level:
                    hits[rows[~np.isfinite(values)]] = NOT_A_NUMBER
                    inside, before = values <= 0.0, levels[k, rows]
                    score = parts * before / (before - np.where(inside, values, 0.0)) - 1.0
                else:
                    inside, score = values, np.full(len(rows), INSIDE)
                better = rows[inside & (score < scores[rows]) & (hits[rows] != NOT_A_NUMBER)]
                hits[better], scores[rows[inside]] = k, np.minimum(score, scores[rows])[inside]

    def _check_seams(self, targets: tuple[Target, ...], levels: np.ndarray, x: np.ndarray, new: np.ndarray) -> None:
        """Refuse levels that are not periodic where a path has gone around, as no bridge leads across their jump."""
        for _, lower, upper in self.walls.seams(x, new):
            for k, target in enumerate(targets):
                if target.has_level:
                    ends = np.stack([target.function(_for_kernels(points)) for points in (lower, upper)])
                    size = max(np.nanmax(np.abs(ends)), np.nanmax(np.abs(levels[k])))
                    if (np.abs(ends[0] - ends[1]) > SEAM * size).any():
                        raise InvalidArgument(target.argument, "must have levels that are periodic as the box is")


def numbers_of(paths: np.ndarray, step: int, dim: int, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """The random numbers of some paths at a step, those of `EffectiveLangevin.sample`.

    Args:
        paths: their numbers (n,).
        step: its number.
        dim: d.
        key: of the seed.

    Returns:
        Standard normal numbers (n, d), and for each pair of noises a number +-1 (n, d (d - 1)/2).
    """
    count, pairs = len(paths), dim * (dim - 1) // 2
    z, extra, work = np.empty((dim, count)), np.empty((pairs, count)), np.empty((2, count))
    for i in range(dim):
        fill_paths(z[i], paths, count, step, i, np.uint64(Purpose.EFFECTIVE_LANGEVIN), *key, *work)
    for i in range(pairs):
        fill_paths(extra[i], paths, count, step, i, np.uint64(Purpose.SIGNS), *key, *work)
    return z.T, np.where(extra > 0, 1.0, -1.0).T


def _for_kernels(points: np.ndarray) -> np.ndarray:
    """Points (P, d) in the order in memory for which targets are compiled."""
    return np.ascontiguousarray(points.T).T


def _factors(noise: np.ndarray) -> np.ndarray:
    """Lower triangular S with S S^T = B B^T, row by row (d (d + 1)/2, n), for B (n, d, d), which may be singular."""
    rows, columns = np.tril_indices(noise.shape[1])
    if np.triu(noise, 1).any():
        noise = np.asarray(np.linalg.qr(noise.swapaxes(1, 2), mode="r")).swapaxes(1, 2)
    return noise[:, rows, columns].T
