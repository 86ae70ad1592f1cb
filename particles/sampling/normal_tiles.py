"""Normal numbers for tiles of paths: the layout by which every path has a stream of its own.

One block of Philox gives two numbers (Box and Muller), with the counter (step, component, number of the pair, purpose).
For rotators they are the real and the imaginary part of the noise of a site (the component) of a member (the pair).
A tile of positions holds 2 PAIRS paths; the two numbers go to the paths j and j + PAIRS. So a number depends on the
seed, the path, the step and the component, and on nothing else.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .philox import FAST, MASK, half_circle, philox

PAIRS = 256
TILE = 2 * PAIRS
SQRT_HALF_BITS = (
    0x3FE6A09E667F3BCD  # of sqrt(1/2): mantissas are taken from there to sqrt(2), where the logarithm is small
)
LN2 = 0.6931471805599453


@njit(inline="always")
def _logarithm(f):  # type: ignore[no-untyped-def]
    """log(1 + f) for 1 + f between sqrt(1/2) and sqrt(2), to 1e-16; the polynomial of fdlibm."""
    s = f / (2.0 + f)
    z = s * s
    r = z * (
        6.666666666666735130e-01
        + z
        * (
            3.999999999940941908e-01
            + z
            * (
                2.857142874366239149e-01
                + z
                * (
                    2.222219843214978396e-01
                    + z * (1.818357216161805012e-01 + z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))
                )
            )
        )
    )
    half = 0.5 * f * f
    return f - (half - s * (half + r))


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy", boundscheck=False)
def fill_pairs(x, y, low, high, first, last, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill x and y (n,) with the two numbers of each of the pairs first, first + 1, ...

    The counter of a pair is (low, high, pair, last), words of 32 bits; uniform, exponent (n,) are work space.
    """
    n = x.shape[0]
    bits = uniform.view(np.int64)
    for j in range(n):
        c0, c1, c2, c3 = philox(low, high, np.uint64(first) + np.uint64(j), last, k0, k1)
        c, s = half_circle(np.float64(np.int64((c2 << np.uint64(32)) | c3)) * 2.0**-64)
        sign = 1.0 - 2.0 * np.float64(np.int64(c1 & np.uint64(1)))
        x[j] = c * sign
        y[j] = s * sign
        uniform[j] = (np.float64(np.int64((c0 << np.uint64(20)) | (c1 >> np.uint64(12)))) + 0.5) * 2.0**-52
    for j in range(n):
        b = bits[j]
        e = (b - SQRT_HALF_BITS) >> 52
        bits[j] = b - (e << 52)
        exponent[j] = np.float64(e)
    for j in range(n):
        radius = math.sqrt(-2.0 * (exponent[j] * LN2 + _logarithm(uniform[j] - 1.0)))
        x[j] *= radius
        y[j] *= radius


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy", boundscheck=False)
def fill_tile(z, step, component, tile, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill z (TILE,) with the numbers of a tile at a step; uniform, exponent (PAIRS,) are work space."""
    low = np.uint64(step) & MASK
    high = (np.uint64(step) >> np.uint64(32)) | (np.uint64(component) << np.uint64(28))
    first = np.uint64(tile) * np.uint64(PAIRS)
    fill_pairs(z[:PAIRS], z[PAIRS:], low, high, first, purpose, k0, k1, uniform, exponent)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy", boundscheck=False)
def fill_site(x, y, step, site, member, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill x and y (n,) with the noise of one site for the members from `member` on; uniform, exponent (n,) are work
    space.
    """
    low = np.uint64(step) & MASK
    last = purpose | ((np.uint64(step) >> np.uint64(32)) << np.uint64(8))
    fill_pairs(x, y, low, np.uint64(site), member, last, k0, k1, uniform, exponent)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy", boundscheck=False)
def fill_paths(z, paths, count, step, component, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill z with the same numbers for the first `count` of some paths, wherever they are."""
    bits = uniform.view(np.int64)
    low = np.uint64(step) & MASK
    high = (np.uint64(step) >> np.uint64(32)) | (np.uint64(component) << np.uint64(28))
    for i in range(count):
        place = paths[i] % TILE
        pair = (paths[i] // TILE) * PAIRS + place % PAIRS
        c0, c1, c2, c3 = philox(low, high, np.uint64(pair), purpose, k0, k1)
        c, s = half_circle(np.float64(np.int64((c2 << np.uint64(32)) | c3)) * 2.0**-64)
        sign = 1.0 - 2.0 * np.float64(np.int64(c1 & np.uint64(1)))
        z[i] = (c if place < PAIRS else s) * sign
        uniform[i] = (np.float64(np.int64((c0 << np.uint64(20)) | (c1 >> np.uint64(12)))) + 0.5) * 2.0**-52
    for i in range(count):
        b = bits[i]
        e = (b - SQRT_HALF_BITS) >> 52
        bits[i] = b - (e << 52)
        exponent[i] = np.float64(e)
    for i in range(count):
        z[i] *= math.sqrt(-2.0 * (exponent[i] * LN2 + _logarithm(uniform[i] - 1.0)))
