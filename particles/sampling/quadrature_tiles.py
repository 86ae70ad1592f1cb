"""Discrete noise for tiles of paths: one number with the moments of a normal one, by a quadrature formula.

    z = -FAR, -NEAR, NEAR, FAR,    NEAR^2 = 1 - sqrt(2 (1 - q)/q),    FAR^2 = 1 + sqrt(2 q/(1 - q)),

with the probability q = 29761/32768 of the two near ones together. Then E z^2 = 1 and E z^4 = 3, and odd moments are
0. The formula of Gauss and Hermite with four points has q = (3 + sqrt(6))/6, which is rounded here to what 15 bits
can draw: E z^6 is 15 but for 6e-5 of itself. Sixteen bits make a number: one block of Philox serves eight paths.

Numbers of different components and steps are independent, so all their joint moments up to the degree 5 are those of
normal numbers: enough for weak order 2, and with the sixth ones, nearly, for errors of the same size.

Source: Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992), sections 14.2 and 15.1.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .philox import COMPILED, MASK, philox

# numbers that one block of Philox makes
NUMBERS = 8
BITS = 15
NEAR_COUNT = 29761
Q = NEAR_COUNT / 2**BITS
NEAR = math.sqrt(1.0 - math.sqrt(2.0 * (1.0 - Q) / Q))
FAR = math.sqrt(1.0 + math.sqrt(2.0 * Q / (1.0 - Q)))


@njit(inline="always")
def number(bits):  # type: ignore[no-untyped-def]
    """The number of the sixteen low bits: fifteen for its modulus, and one for its sign."""
    modulus = NEAR if (bits & 0x7FFF) < NEAR_COUNT else FAR
    return -modulus if (bits & 0x8000) != 0 else modulus


@njit(cache=True, **COMPILED)
def fill_tile_with_points(z, step, component, tile, purpose, k0, k1, uniform, exponent):  # type: ignore[no-untyped-def]
    """Fill z (n,) with the numbers of a tile at a step; as `normal_tiles.fill_tile`.

    n is a multiple of NUMBERS; uniform (n/4,), or more, is work space. Of the n/8 blocks the counters are (step,
    component, number of the block, purpose); path i of the tile takes the part i // (n/8) of the block i % (n/8).
    """
    low = np.uint64(step) & MASK
    high = (np.uint64(step) >> np.uint64(32)) | (np.uint64(component) << np.uint64(28))
    blocks = z.shape[0] // NUMBERS
    first = np.uint64(tile) * np.uint64(blocks)
    bits = uniform.view(np.int64)
    for b in range(blocks):
        c0, c1, c2, c3 = philox(low, high, first + np.uint64(b), purpose, k0, k1)
        bits[b] = np.int64(c0 | (c1 << np.uint64(32)))
        bits[blocks + b] = np.int64(c2 | (c3 << np.uint64(32)))
    for half in range(2):
        for part in range(NUMBERS // 2):
            place, shift = (half * (NUMBERS // 2) + part) * blocks, np.int64(16 * part)
            for b in range(blocks):
                z[place + b] = number(bits[half * blocks + b] >> shift)
