"""Normal numbers for tiles of paths: the layout by which every path has a stream of its own.

One block of Philox gives two numbers by the Box-Muller transform; its counter is (step, component, number of the pair,
purpose). For rotators the two are the real and the imaginary part of the noise of a site (the component) of a member
(the pair).
A tile of positions holds 2 PAIRS paths; the two numbers go to the paths j and j + PAIRS. So a number depends on the
seed, the path, the step and the component, and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from .philox import COMPILED, MASK, direction_and_uniform, philox
from .simd_math import bits_of_float, float_of_bits, log_near_one

PAIRS = 256
TILE = 2 * PAIRS
# of sqrt(1/2): mantissas are taken from there to sqrt(2), where the logarithm is small
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
LN2 = 0.6931471805599453


@njit(inline="always")
def _split_exponents(uniform, exponent, count):  # type: ignore[no-untyped-def]
    """Replace numbers by their mantissas in [sqrt(1/2), sqrt(2)), and fill the binary exponents.

    A loop of its own on integers: mixed with the logarithm, neither is vectorised.
    """
    bits = uniform.view(np.int64)
    for j in range(count):
        b = bits[j]
        e = (b - SQRT_HALF_BITS) >> 52
        bits[j] = b - (e << 52)
        exponent[j] = np.float64(e)


@njit(inline="always")
def _radius(mantissa, exponent):  # type: ignore[no-untyped-def]
    """The radius sqrt(-2 log u) of the Box-Muller transform."""
    return math.sqrt(-2.0 * (exponent * LN2 + log_near_one(mantissa - 1.0)))


@njit(cache=True, **COMPILED)
def fill_pairs(x, y, low, high, first, last, k0, k1):  # type: ignore[no-untyped-def]
    """Fill x and y (n,) with the two numbers of each of the pairs first, first + 1, ...

    The counter of a pair is (low, high, pair, last), words of 32 bits. One loop for all, so that products run while
    square roots and divisions are waited for.
    """
    for j in range(x.shape[0]):
        c0, c1, c2, c3 = philox(low, high, np.uint64(first) + np.uint64(j), last, k0, k1)
        c, s, u = direction_and_uniform(c0, c1, c2, c3)
        bits = bits_of_float(u)
        e = (bits - SQRT_HALF_BITS) >> 52
        radius = _radius(float_of_bits(bits - (e << 52)), np.float64(e))
        x[j], y[j] = c * radius, s * radius


@njit(cache=True, **COMPILED)
def fill_tile(z, step, component, tile, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill z (TILE,) with the numbers of a tile at a step; uniform, exponent are not used: other noise needs them."""
    low = np.uint64(step) & MASK
    high = (np.uint64(step) >> np.uint64(32)) | (np.uint64(component) << np.uint64(28))
    first = np.uint64(tile) * np.uint64(PAIRS)
    fill_pairs(z[:PAIRS], z[PAIRS:], low, high, first, purpose, k0, k1)


@njit(cache=True, **COMPILED)
def fill_site(x, y, step, site, member, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill x and y (n,) with the noise of one site for the members from `member` on.

    uniform, exponent are not used: other kinds of noise need this work space.
    """
    low = np.uint64(step) & MASK
    last = purpose | ((np.uint64(step) >> np.uint64(32)) << np.uint64(8))
    fill_pairs(x, y, low, np.uint64(site), member, last, k0, k1)


@lru_cache(maxsize=32)
def driving_pairs(act: Callable[..., Any]) -> Callable[..., Any]:
    """drive(state, step, some, site, member, purpose, k0, k1, work): act(i, z, w, state) for all members i, some steps.

    (z, w) is the noise of member i at a step and a site, see `fill_site`, of n members from `member` on, and steps from
    `step` on; work (4, n) is work space.
    """

    @njit(**COMPILED)
    def drive(state, step, some, site, member, purpose, k0, k1, work):  # type: ignore[no-untyped-def]
        z, w = work[0], work[1]
        for k in range(step, step + some):
            fill_site(z, w, k, site, member, purpose, k0, k1, work[2], work[3])
            for i in range(z.shape[0]):
                act(i, z[i], w[i], state)

    return drive


@njit(cache=True, **COMPILED)
def fill_paths(z, paths, count, step, component, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill z with the numbers that `fill_tile` gives to the first `count` of some paths, wherever they are."""
    low = np.uint64(step) & MASK
    high = (np.uint64(step) >> np.uint64(32)) | (np.uint64(component) << np.uint64(28))
    for i in range(count):
        place = paths[i] % TILE
        pair = (paths[i] // TILE) * PAIRS + place % PAIRS
        c0, c1, c2, c3 = philox(low, high, np.uint64(pair), purpose, k0, k1)
        c, s, uniform[i] = direction_and_uniform(c0, c1, c2, c3)
        z[i] = c if place < PAIRS else s
    _split_exponents(uniform, exponent, count)
    for i in range(count):
        z[i] *= _radius(uniform[i], exponent[i])
