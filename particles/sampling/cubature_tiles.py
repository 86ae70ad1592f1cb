"""Discrete noise for tiles of members: two numbers with the moments of normal ones, by a cubature formula.

    z = r (cos theta, sin theta),    theta = (2 k + 1) pi/16, k = 0, .., 15,
    r^2/2 = 1 - sqrt((1 - q)/q) with the probability q,    1 + sqrt(q/(1 - q)) otherwise,    q = 3496/4096.

Up to the degree 15 only the moments of r count. Of two normal numbers r^2/2 has the exponential law, with the moments
1, 2 and 6; here they are 1, 2 and 6 but for 4e-4, since q = (2 + sqrt(2))/4, of the Gauss-Laguerre rule, is rounded to
what 12 bits can draw. So all moments of z up to the degree 5 are those of normal numbers, those of degree 6 to 7e-5 of
themselves, and those of degree 7 again: enough for weak order 2, and for nearly the same constants. Sixteen bits make a
point: one block of Philox serves eight members.

Source: Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992), section 14.2, for discrete
variables in weak schemes; Stroud, Approximate Calculation of Multiple Integrals (1971), chapter 8, for such formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from .philox import COMPILED, MASK, philox
from .simd_math import bits_of_float, float_of_bits

# points that one block of Philox makes
POINTS = 8
NEAR_COUNT = 3496
Q = NEAR_COUNT / 4096
NEAR = math.sqrt(2.0 * (1.0 - math.sqrt((1.0 - Q) / Q)))
FAR = math.sqrt(2.0 * (1.0 + math.sqrt(Q / (1.0 - Q))))
C1, S1 = math.cos(math.pi / 16), math.sin(math.pi / 16)
C3, S3 = math.cos(3 * math.pi / 16), math.sin(3 * math.pi / 16)
SIGN = np.int64(-(2**63))


@njit(inline="always")
def point(bits):  # type: ignore[no-untyped-def]
    """The point of sixteen bits: two signs, which of both is the larger coordinate, one of two angles; twelve for r."""
    steep, swapped = (bits & 8) != 0, (bits & 1) != 0
    c = C3 if steep else C1
    s = S3 if steep else S1
    r = NEAR if bits < (NEAR_COUNT << 4) else FAR
    return _signed(r * (s if swapped else c), bits << 62), _signed(r * (c if swapped else s), bits << 61)


@njit(inline="always")
def _signed(size, bits):  # type: ignore[no-untyped-def]
    """The number of this size whose sign is the first of 64 bits."""
    return float_of_bits(bits_of_float(size) ^ (bits & SIGN))


@njit(cache=True, **COMPILED)
def _fill_bits(bits, step, site, member, purpose, k0, k1):  # type: ignore[no-untyped-def]
    """Fill bits (n,) with sixteen random ones each, of one site for the members from `member` on.

    n and `member` are multiples of POINTS. Of the n/8 blocks the counters are (step, site, number of the block,
    purpose); member i of the tile takes the part i // (n/8) of the block i % (n/8).
    """
    low = np.uint64(step) & MASK
    last = purpose | ((np.uint64(step) >> np.uint64(32)) << np.uint64(8))
    half, blocks = bits.shape[0] // 2, bits.shape[0] // POINTS
    first = np.uint64(member) // np.uint64(POINTS)
    for b in range(blocks):
        c0, c1, c2, c3 = philox(low, np.uint64(site), first + np.uint64(b), last, k0, k1)
        bits[b] = np.int64(c0)
        bits[blocks + b] = np.int64(c1)
        bits[2 * blocks + b] = np.int64(c2)
        bits[3 * blocks + b] = np.int64(c3)
    for i in range(half):
        word = bits[i]
        bits[i] = word & 0xFFFF
        bits[half + i] = word >> 16


@njit(cache=True, **COMPILED)
def fill_site_with_points(x, y, step, site, member, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill x and y (n,) with the noise of one site for the members from `member` on; as `fill_site`.

    n and `member` are multiples of POINTS; uniform (n,) is work space.
    """
    bits = uniform.view(np.int64)
    _fill_bits(bits, step, site, member, purpose, k0, k1)
    for i in range(x.shape[0]):
        x[i], y[i] = point(bits[i])


@lru_cache(maxsize=32)
def driving_points(act: Callable[..., Any]) -> Callable[..., Any]:
    """drive(state, step, some, site, member, purpose, k0, k1, work): as `driving_pairs`, and no noise comes to memory.

    work (4, n): n and `member` are multiples of POINTS.
    """

    @njit(**COMPILED)
    def drive(state, step, some, site, member, purpose, k0, k1, work):  # type: ignore[no-untyped-def]
        bits = work[0].view(np.int64)
        for k in range(step, step + some):
            _fill_bits(bits, k, site, member, purpose, k0, k1)
            for i in range(bits.shape[0]):
                z, w = point(bits[i])
                act(i, z, w, state)

    return drive
