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

MASK = np.uint64(0xFFFFFFFF)
FAST = {"contract", "nsz"}  # fused multiply-add, but never another order of summation


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
def half_circle(t):  # type: ignore[no-untyped-def]
    """Return (cos, sin) of pi t for t in [-1/2, 1/2], by polynomials of the half angle; errors below 6e-16."""
    y = t * 1.57079632679489661923
    z = y * y
    s = y + y * z * (
        -1.66666666666666324348e-01
        + z
        * (
            8.33333333332248946124e-03
            + z
            * (
                -1.98412698298579493134e-04
                + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10))
            )
        )
    )
    c = (
        1.0
        - 0.5 * z
        + z
        * z
        * (
            4.16666666666666019037e-02
            + z
            * (
                -1.38888888888741095749e-03
                + z
                * (
                    2.48015872894767294178e-05
                    + z
                    * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))
                )
            )
        )
    )
    return 1.0 - 2.0 * s * s, 2.0 * s * c


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def fill_normals(values, run, purpose, k0, k1):  # type: ignore[no-untyped-def]
    """Fill values (n,) with independent standard normal numbers of a run (Box and Muller).

    The angle is uniform on a half circle, and a further bit takes it to the other half.
    """
    n = values.shape[0]
    for j in range((n + 1) // 2):
        c0, c1, c2, c3 = philox(np.uint64(j), np.uint64(0), run, purpose, k0, k1)
        uniform = (np.float64((c0 << np.uint64(20)) | (c1 >> np.uint64(12))) + 0.5) * 2.0**-52
        c, s = half_circle(np.float64(np.int64((c2 << np.uint64(32)) | c3)) * 2.0**-64)
        radius = math.sqrt(-2.0 * math.log(uniform)) * (1.0 - 2.0 * np.float64(c1 & np.uint64(1)))
        values[2 * j] = radius * c
        if 2 * j + 1 < n:
            values[2 * j + 1] = radius * s


def key_words(seed: int) -> tuple[np.uint64, np.uint64]:
    """Return the key of a seed: its low and its high 32 bits."""
    return np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
