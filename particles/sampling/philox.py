"""Counter-based random numbers: Philox4x32-10, keyed by the seed, with the counter (block, run, purpose).

Every random number of the package is a pure function of (seed, purpose, run, block), so that results do not depend on
the number of threads or ranks, and any step of any run can be computed alone. Source: Salmon, Moraes, Dror, Shaw,
"Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Registry of the purposes: `Purpose`.
"""

from __future__ import annotations

import math
from enum import IntEnum, unique

import numpy as np
from numba import njit

from .simd_math import cos_sin_pi

MASK = np.uint64(0xFFFFFFFF)
# fused multiply-add, but never another order of summation
FAST = {"contract", "nsz"}
# of kernels that are made for a function of the user's, which numba cannot keep on disk
COMPILED = {"nogil": True, "fastmath": FAST, "error_model": "numpy", "boundscheck": False}
# the words of a seed
Key = tuple[np.uint64, np.uint64]


@unique
class Purpose(IntEnum):
    """The last word of the counter: what the numbers of a stream are used for. Values are never given twice."""

    COLLISIONS = 0
    INITIAL_STATE = 1
    LANGEVIN = 2
    EFFECTIVE_LANGEVIN = 3
    SIGNS = 4
    ROTATORS = 5
    TRANSPORT = 6
    PASSAGES = 7
    BRIDGES = 8
    ROTATORS_CUBATURE = 9
    TRANSPORT_CUBATURE = 10
    LANGEVIN_CUBATURE = 11
    EFFECTIVE_LANGEVIN_CUBATURE = 12
    SIGNS_CUBATURE = 13
    PATH_LAWS = 16


@njit(inline="always")
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Return the four 32-bit words (held in uint64) of the counter (c0, c1, c2, c3) under the key (k0, k1)."""
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0 = (p1 >> np.uint64(32)) ^ c1 ^ k0
        c1 = p1 & MASK
        c2 = (p0 >> np.uint64(32)) ^ c3 ^ k1
        c3 = p0 & MASK
        k0 = (k0 + np.uint64(0x9E3779B9)) & MASK
        k1 = (k1 + np.uint64(0xBB67AE85)) & MASK
    return c0, c1, c2, c3


@njit(inline="always")
def direction_and_uniform(c0, c1, c2, c3):  # type: ignore[no-untyped-def]
    """From the words of a counter: a direction (cos, sin), and a number in (0, 1) for the radius.

    The angle is uniform on a half circle, and a further bit takes it to the other half.
    """
    c, s = cos_sin_pi(np.float64(np.int64((c2 << np.uint64(32)) | c3)) * 2.0**-64)
    sign = 1.0 - 2.0 * np.float64(np.int64(c1 & np.uint64(1)))
    uniform = (np.float64(np.int64((c0 << np.uint64(20)) | (c1 >> np.uint64(12)))) + 0.5) * 2.0**-52
    return c * sign, s * sign, uniform


@njit(cache=True, **COMPILED)
def fill_normals(values, run, purpose, k0, k1):  # type: ignore[no-untyped-def]
    """Fill values (n,) with independent standard normal numbers of a run, by the Box-Muller transform."""
    n = values.shape[0]
    for j in range((n + 1) // 2):
        c0, c1, c2, c3 = philox(np.uint64(j), np.uint64(0), run, purpose, k0, k1)
        c, s, uniform = direction_and_uniform(c0, c1, c2, c3)
        radius = math.sqrt(-2.0 * math.log(uniform))
        values[2 * j] = radius * c
        if 2 * j + 1 < n:
            values[2 * j + 1] = radius * s


def key_words(seed: int) -> Key:
    """Return the key of a seed: its low and its high 32 bits."""
    return np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
