"""Compiled steps for paths with a mobility, whose noise depends on the position: Platen's scheme of weak order 2.

    dX = b dt + S dW, b = -B grad V + sigma div B, S S^T = 2 sigma B, S lower triangular.

The definition of a step is `EffectiveLangevin.step`; a test holds the two together.

Source: Kloeden and Platen, Numerical Solution of Stochastic Differential Equations, section 15.1, (1.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit

from ...sampling.noise import GAUSSIAN, Noise
from ...sampling.normal_tiles import PAIRS, TILE
from ...sampling.philox import COMPILED, Purpose


@njit(**COMPILED)
def factorise(rows, count, dim, sigma):  # type: ignore[no-untyped-def]
    """Cholesky's factor of 2 sigma B in place: rows (d + d (d + 1)/2, n) hold -b, then the lower triangle of B."""
    for j in range(count):
        for row in range(dim):
            for column in range(row + 1):
                entry = 2.0 * sigma * rows[dim + row * (row + 1) // 2 + column, j]
                for k in range(column):
                    left = rows[dim + row * (row + 1) // 2 + k, j]
                    entry -= left * rows[dim + column * (column + 1) // 2 + k, j]
                if row == column:
                    rows[dim + row * (row + 1) // 2 + column, j] = math.sqrt(entry)
                else:
                    pivot = rows[dim + column * (column + 1) // 2 + column, j]
                    rows[dim + row * (row + 1) // 2 + column, j] = entry / pivot


@lru_cache(maxsize=32)
def platen_step(fields: Callable[..., None]) -> Callable[..., None]:
    """step(x, z, signs, count, h, sigma, scales, here, there, new, work) for positions x (d, n), in place.

    z (d, n) are normal numbers, signs (d (d - 1)/2, n) numbers whose signs count; the others are work space, here and
    there of the shape (d + d (d + 1)/2, n), new and work of that of x.
    """

    @njit(**COMPILED)
    def step(x, z, signs, count, h, sigma, scales, here, there, new, work):  # type: ignore[no-untyped-def]
        dim, root = x.shape[0], math.sqrt(h)
        fields(x, here, count, scales)
        factorise(here, count, dim, sigma)
        for i in range(dim):
            for j in range(count):
                noise = 0.0
                for k in range(i + 1):
                    noise += here[dim + i * (i + 1) // 2 + k, j] * root * z[k, j]
                work[i, j] = x[i, j] - h * here[i, j] + noise
                new[i, j] = x[i, j] - 0.5 * h * here[i, j] + 0.5 * noise
        fields(work, there, count, scales)
        for i in range(dim):
            for j in range(count):
                new[i, j] -= 0.5 * h * there[i, j]
        for c in range(dim):
            for side in (1.0, -1.0):
                for i in range(dim):
                    for j in range(count):
                        entry = here[dim + i * (i + 1) // 2 + c, j] if c <= i else 0.0
                        work[i, j] = x[i, j] - h * here[i, j] + side * root * entry
                fields(work, there, count, scales)
                factorise(there, count, dim, sigma)
                for i in range(c, dim):
                    for j in range(count):
                        w = root * z[c, j]
                        factor = 0.25 * w + side * 0.25 * (w * w - h) / root
                        new[i, j] += factor * there[dim + i * (i + 1) // 2 + c, j]
        if dim > 1:
            for r in range(dim):
                for side in (1.0, -1.0):
                    for i in range(dim):
                        for j in range(count):
                            entry = here[dim + i * (i + 1) // 2 + r, j] if r <= i else 0.0
                            work[i, j] = x[i, j] + side * root * entry
                    fields(work, there, count, scales)
                    factorise(there, count, dim, sigma)
                    for c in range(dim):
                        if c != r:
                            low, high = min(r, c), max(r, c)
                            pair = low * (2 * dim - low - 1) // 2 + high - low - 1
                            for i in range(c, dim):
                                place = dim + i * (i + 1) // 2 + c
                                for j in range(count):
                                    v = h if (signs[pair, j] > 0.0) == (r < c) else -h
                                    w = root * z[c, j]
                                    mixed = side * 0.25 * (w * root * z[r, j] + v) / root
                                    new[i, j] += (0.25 * w + mixed) * there[place, j] - 0.25 * w * here[place, j]
        for i in range(dim):
            for j in range(count):
                x[i, j] = new[i, j]

    return step


@lru_cache(maxsize=32)
def platen_tile_stepper(fields: Callable[..., None], noise: Noise = GAUSSIAN) -> Callable[..., None]:
    """advance(...) as `heun.tile_stepper`, by Platen's scheme; `old` and `averages_noise` are not used."""
    one, fill, for_signs = platen_step(fields), noise.fill_tile, np.uint64(noise.purpose(Purpose.SIGNS))

    @njit(**COMPILED)
    def advance(x, old, averages_noise, first, steps, h, sigma, scales, tile, purpose, k0, k1):  # type: ignore[no-untyped-def]
        dim = x.shape[0]
        rows = dim + dim * (dim + 1) // 2
        here, there = np.empty((rows, TILE)), np.empty((rows, TILE))
        new, work, z = np.empty((dim, TILE)), np.empty((dim, TILE)), np.empty((dim, TILE))
        signs = np.empty((max(dim * (dim - 1) // 2, 1), TILE))
        uniform, exponent = np.empty(PAIRS), np.empty(PAIRS)
        for step in range(first, first + steps):
            for i in range(dim):
                fill(z[i], step, i, tile, purpose, k0, k1, uniform, exponent)
            for i in range(dim * (dim - 1) // 2):
                fill(signs[i], step, i, tile, for_signs, k0, k1, uniform, exponent)
            one(x, z, signs, TILE, h, sigma, scales, here, there, new, work)

    return advance
