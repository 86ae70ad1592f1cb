"""Compiled loops over steps, one tile of paths at a time; made once for each gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit

from ..sampling.normal_tiles import PAIRS, TILE, fill_paths, fill_tile
from ..sampling.philox import COMPILED


@njit(cache=True, **COMPILED)
def going_on(hits, x, paths, count, taken, step):  # type: ignore[no-untyped-def]
    """How many of the first `count` paths have not hit the target; for those that have, `taken` receives step + 1.

    Paths that go on move to the front, in place and in their order: `going` never overtakes j, so that nothing is
    overwritten that is still to be read. Gradients then loop over the front alone.
    """
    going = 0
    for j in range(count):
        # a path that has left the domain is NaN, and has hit nothing
        if hits[j] and not math.isnan(x[0, j]):
            taken[paths[j] % TILE] = step + 1
        else:
            if going < j:
                paths[going] = paths[j]
                for i in range(x.shape[0]):
                    x[i, going] = x[i, j]
            going += 1
    return going


@lru_cache(maxsize=32)
def tile_stepper(gradient: Callable[..., None]) -> Callable[..., None]:
    """advance(x, old, averages_noise, first, steps, h, sigma, scales, tile, purpose, k0, k1) for positions x (d, TILE).

    `old` (d, TILE) holds the noise of the last step where noise is averaged, and is left alone otherwise.
    """

    @njit(**COMPILED)
    def advance(x, old, averages_noise, first, steps, h, sigma, scales, tile, purpose, k0, k1):  # type: ignore[no-untyped-def]
        dim = x.shape[0]
        slope, slope_ahead = np.empty((dim, TILE)), np.empty((dim, TILE))
        z, ahead = np.empty((dim, TILE)), np.empty((dim, TILE))
        uniform, exponent = np.empty(PAIRS), np.empty(PAIRS)
        a = math.sqrt(2.0 * sigma * h)
        for step in range(first, first + steps):
            gradient(x, slope, TILE, scales)
            if averages_noise:
                # Leimkuhler-Matthews: the mean of this step's number and the next one's
                for i in range(dim):
                    fill_tile(z[i], step + 1, i, tile, purpose, k0, k1, uniform, exponent)
                    for j in range(TILE):
                        x[i, j] += 0.5 * a * (old[i, j] + z[i, j]) - h * slope[i, j]
                        old[i, j] = z[i, j]
            else:
                # Heun: the noise is added to x at once, and both slopes afterwards
                for i in range(dim):
                    fill_tile(z[i], step, i, tile, purpose, k0, k1, uniform, exponent)
                    for j in range(TILE):
                        x[i, j] += a * z[i, j]
                        ahead[i, j] = x[i, j] - h * slope[i, j]
                gradient(ahead, slope_ahead, TILE, scales)
                for i in range(dim):
                    for j in range(TILE):
                        x[i, j] -= 0.5 * h * (slope[i, j] + slope_ahead[i, j])

    return advance


@lru_cache(maxsize=32)
def passage_stepper(gradient: Callable[..., None], target: Callable[..., np.ndarray]) -> Callable[..., int]:
    """reach(x, paths, count, taken, first, steps, h, sigma, scales, purpose, k0, k1) for some paths of one tile.

    x (d, n) holds positions and paths (n,) the numbers of the paths, of which the first `count` are still on their way;
    how many of them are left is returned. `taken` (TILE,), by place in the tile, receives the numbers of steps.
    """

    @njit(**COMPILED)
    def reach(x, paths, count, taken, first, steps, h, sigma, scales, purpose, k0, k1):  # type: ignore[no-untyped-def]
        dim, room = x.shape
        slope, slope_ahead = np.empty((dim, room)), np.empty((dim, room))
        z, ahead = np.empty((dim, room)), np.empty((dim, room))
        uniform, exponent = np.empty(room), np.empty(room)
        a = math.sqrt(2.0 * sigma * h)
        for step in range(first, first + steps):
            if count == 0:
                break
            gradient(x, slope, count, scales)
            for i in range(dim):
                fill_paths(z[i], paths, count, step, i, purpose, k0, k1, uniform, exponent)
                for j in range(count):
                    x[i, j] += a * z[i, j]
                    ahead[i, j] = x[i, j] - h * slope[i, j]
            gradient(ahead, slope_ahead, count, scales)
            for i in range(dim):
                for j in range(count):
                    x[i, j] -= 0.5 * h * (slope[i, j] + slope_ahead[i, j])
            hits = target(x[:, :count].T)
            count = going_on(hits, x, paths, count, taken, step)
        return count

    return reach
