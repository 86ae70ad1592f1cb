"""Compiled loops over steps, one tile of paths at a time; made once for each gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ..sampling.normal_tiles import PAIRS, TILE, fill_paths, fill_tile
from ..sampling.philox import FAST

COMPILED = {"nogil": True, "fastmath": FAST, "error_model": "numpy", "boundscheck": False}


@lru_cache(maxsize=32)
def tile_stepper(gradient: Callable[..., Any]) -> Callable[..., Any]:
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
                for i in range(dim):
                    fill_tile(z[i], step + 1, i, tile, purpose, k0, k1, uniform, exponent)
                    for j in range(TILE):
                        x[i, j] += 0.5 * a * (old[i, j] + z[i, j]) - h * slope[i, j]
                        old[i, j] = z[i, j]
            else:
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
def passage_stepper(gradient: Callable[..., Any], target: Callable[..., Any]) -> Callable[..., Any]:
    """reach(x, paths, count, taken, first, steps, h, sigma, scales, purpose, k0, k1) for some paths of one tile.

    Paths that have entered the target leave the front of the arrays: x (d, n) and paths (n,) hold the rest, whose
    number is returned. `taken` (TILE,), by place in the tile, receives the number of steps.
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
            left = 0
            for j in range(count):
                if hits[j]:
                    taken[paths[j] % TILE] = step + 1
                else:
                    if left < j:
                        paths[left] = paths[j]
                        for i in range(dim):
                            x[i, left] = x[i, j]
                    left += 1
            count = left
        return count

    return reach
