"""Compiled loops that take paths of one tile to the first of several targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numba import njit

from ...sampling.normal_tiles import TILE, fill_paths
from ...sampling.philox import COMPILED, Key, Purpose
from ..steppers.platen import platen_step
from .judges import GOING, judge_of, lone_judge, one_indicator
from .targets import Target, functions_of
from .tiles import Advance, Tile

SIGNS = np.uint64(Purpose.SIGNS)


@njit(cache=True, **COMPILED)
def constant_noise(dim, count, sigma):  # type: ignore[no-untyped-def]
    """Rows (d + d (d + 1)/2, n) that hold S = sqrt(2 sigma) I from d on, the lower triangle row by row."""
    here = np.zeros((dim + dim * (dim + 1) // 2, count))
    for i in range(dim):
        here[dim + i * (i + 1) // 2 + i] = math.sqrt(2.0 * sigma)
    return here


@lru_cache(maxsize=32)
def heun_mover(gradient: Callable[..., None]) -> Callable[..., None]:
    """move(x, here, work, paths, count, step, h, sigma, scales, purpose, k0, k1): a step of stochastic Heun, in place.

    x (d, n) holds the positions of the first `count` of the paths; here (d + d (d + 1)/2, n), whose rows from d on hold
    S = sqrt(2 sigma) I, is left as it is; work are six arrays of its shape.
    """

    @njit(forceinline=True, **COMPILED)
    def move(x, here, work, paths, count, step, h, sigma, scales, purpose, k0, k1):  # type: ignore[no-untyped-def]
        dim = x.shape[0]
        z, ahead, slope, slope_ahead, rest = work[0], work[1], work[2], work[3], work[4]
        a = math.sqrt(2.0 * sigma * h)
        gradient(x, slope, count, scales)
        for i in range(dim):
            fill_paths(z[i], paths, count, step, i, purpose, k0, k1, rest[0], rest[1])
            for j in range(count):
                x[i, j] += a * z[i, j]
                ahead[i, j] = x[i, j] - h * slope[i, j]
        gradient(ahead, slope_ahead, count, scales)
        for i in range(dim):
            for j in range(count):
                x[i, j] -= 0.5 * h * (slope[i, j] + slope_ahead[i, j])

    return move


@lru_cache(maxsize=32)
def platen_mover(fields: Callable[..., None]) -> Callable[..., None]:
    """move(...) as `heun_mover`, by Platen's scheme: `here` receives Cholesky's factor S of 2 sigma B at x."""
    one = platen_step(fields)

    @njit(forceinline=True, **COMPILED)
    def move(x, here, work, paths, count, step, h, sigma, scales, purpose, k0, k1):  # type: ignore[no-untyped-def]
        dim = x.shape[0]
        z, signs, there, new, ahead, rest = work
        for i in range(dim):
            fill_paths(z[i], paths, count, step, i, purpose, k0, k1, rest[0], rest[1])
        for i in range(dim * (dim - 1) // 2):
            fill_paths(signs[i], paths, count, step, i, SIGNS, k0, k1, rest[0], rest[1])
        one(x, z, signs, count, h, sigma, scales, here, there, new, ahead)

    return move


@njit(cache=True, forceinline=True, **COMPILED)
def still_going(hits, x, levels, paths, count, taken, hit, first_place, step):  # type: ignore[no-untyped-def]
    """How many of the first `count` paths have hit no target; they move to the front, in place and in their order.

    For the others `taken` and `hit` receive the number of steps and the target, by place in the tile.
    """
    arrived, going = 0, 0
    for j in range(count):
        arrived += hits[j] != GOING
    if arrived == 0:
        return count
    for j in range(count):
        # a path that has left the domain is NaN, and has hit nothing
        if hits[j] != GOING and not math.isnan(x[0, j]):
            taken[paths[j] - first_place] = step + 1
            hit[paths[j] - first_place] = hits[j]
        else:
            if going < j:
                paths[going] = paths[j]
                for i in range(x.shape[0]):
                    x[i, going] = x[i, j]
                for k in range(levels.shape[0]):
                    levels[k, going] = levels[k, j]
            going += 1
    return going


@lru_cache(maxsize=32)
def passage_kernel(move: Callable[..., None], judge: Callable[..., None], alone: bool) -> Callable[..., int]:
    """reach(x, levels, paths, count, taken, hit, first_place, first, steps, h, sigma, scales, purpose, k0, k1).

    x (d, n) holds positions, levels (K, n) those of the targets, paths (n,) the numbers of the paths, of which the
    first `count` are on their way; how many of them are left is returned. taken and hit, by place in the tile that
    begins with the path `first_place`, receive the numbers of steps and of targets. The judge of an indicator that is
    alone needs neither the positions before the step nor hits and scores to compare with.
    """

    @njit(**COMPILED)
    def reach(x, levels, paths, count, taken, hit, first_place, first, steps, h, sigma, scales, purpose, k0, k1):  # type: ignore[no-untyped-def]
        dim, room = x.shape
        here, hits, scores = constant_noise(dim, room, sigma), np.empty(room, dtype=np.int64), np.empty(room)
        shape = here.shape
        work = (np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape))
        before, slopes, shifted = np.empty((dim, room)), np.empty((dim, room)), np.empty((dim, room))
        for step in range(first, first + steps):
            if count == 0:
                break
            if not alone:
                for i in range(dim):
                    for j in range(count):
                        before[i, j] = x[i, j]
                for j in range(count):
                    hits[j], scores[j] = GOING, math.inf
            move(x, here, work, paths, count, step, h, sigma, scales, purpose, k0, k1)
            judge(before, x, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1)
            count = still_going(hits, x, levels, paths, count, taken, hit, first_place, step)
        return count

    return reach


@dataclass(frozen=True)
class CompiledSteps:
    """Compiled steps of the full dynamics; a `Kernel`.

    Args:
        move: of `heun_mover` or `platen_mover`.
        temperature: sigma.
        scales: 1/epsilon^k (N,).
        key: of the random numbers.
    """

    move: Callable[..., None]
    temperature: float
    scales: tuple[float, ...]
    key: Key
    width: ClassVar[int] = TILE
    slice_steps: ClassVar[int] = 1024

    def advance(self, targets: tuple[Target, ...], step: float) -> Advance:
        """What takes the paths of a tile through steps, until they hit one of the targets.

        Args:
            targets: compiled (K,).
            step: h, of time.
        """
        alone = one_indicator(targets)
        reach = passage_kernel(self.move, lone_judge(targets[0].function) if alone else judge_of(targets), alone)
        model = (step, self.temperature, self.scales, np.uint64(Purpose.LANGEVIN), *self.key)

        def some(tile: Tile, count: int, first: int, steps: int) -> int:
            with functions_of(targets):
                return reach(
                    tile.x, tile.levels, tile.paths, count, tile.taken, tile.hit, tile.first, first, steps, *model
                )

        return some
