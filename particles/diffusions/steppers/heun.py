"""Compiled loops over steps, one tile of paths at a time; made once for each gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit

from ...sampling.noise import GAUSSIAN, Noise
from ...sampling.normal_tiles import PAIRS, TILE
from ...sampling.philox import COMPILED


@lru_cache(maxsize=32)
def tile_stepper(gradient: Callable[..., None], noise: Noise = GAUSSIAN) -> Callable[..., None]:
    """advance(x, old, averages_noise, first, steps, h, sigma, scales, tile, purpose, k0, k1) for positions x (d, TILE).

    `old` (d, TILE) holds the noise of the last step where noise is averaged, and is left alone otherwise.
    """
    fill = noise.fill_tile

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
                    fill(z[i], step + 1, i, tile, purpose, k0, k1, uniform, exponent)
                    for j in range(TILE):
                        x[i, j] += 0.5 * a * (old[i, j] + z[i, j]) - h * slope[i, j]
                        old[i, j] = z[i, j]
            else:
                # Heun: the noise is added to x at once, and both slopes afterwards
                for i in range(dim):
                    fill(z[i], step, i, tile, purpose, k0, k1, uniform, exponent)
                    for j in range(TILE):
                        x[i, j] += a * z[i, j]
                        ahead[i, j] = x[i, j] - h * slope[i, j]
                gradient(ahead, slope_ahead, TILE, scales)
                for i in range(dim):
                    for j in range(TILE):
                        x[i, j] -= 0.5 * h * (slope[i, j] + slope_ahead[i, j])

    return advance
