"""Elementary functions that a compiler turns into vector instructions, which calls of a mathematical library prevent.

Polynomials after a reduction of the argument, with the error bounds that are said (and tested); coefficients of fdlibm.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

# 3/2 of 2^52: numbers of that size are integers
ROUNDING = 6755399441055744.0


@njit(inline="always")
def cos_sin_pi(t):  # type: ignore[no-untyped-def]
    """Return (cos, sin) of pi t for t in [-1/2, 1/2], by polynomials of the half angle; errors below 6e-16."""
    y = t * 1.57079632679489661923
    z = y * y
    s = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10
    s = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * s))
    s = y + y * z * (-1.66666666666666324348e-01 + z * s)
    c = -2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)
    c = 4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * c))
    c = 1.0 - 0.5 * z + z * z * c
    return 1.0 - 2.0 * s * s, 2.0 * s * c


@njit(inline="always")
def cos_sin_2pi(t):  # type: ignore[no-untyped-def]
    """Return (cos, sin) of 2 pi t; errors below 2e-15 after the whole periods are taken off."""
    c, s = cos_sin_pi(t - math.floor(t + 0.5))
    return 1.0 - 2.0 * s * s, 2.0 * s * c


@njit(inline="always")
def half_turn(t):  # type: ignore[no-untyped-def]
    """Return (cos, sin) of pi (t - n), n the integer nearest to t < 2^51: half of a turn; errors below 6e-16.

    With c, s = half_turn(t) a turn by t periods takes a + i b to a - 2 s (s a + c b) + i (b - 2 s (s b - c a)):
    products do not have the sign of the half turn, and one doubling of the angle is left out.
    """
    # the sum has no bits for a fraction
    return cos_sin_pi(t - ((t + ROUNDING) - ROUNDING))


@njit(inline="always")
def _sine(r):  # type: ignore[no-untyped-def]
    """sin(2 pi r), |r| <= 1/4: sin(2 pi r)/r by its interpolant at eight Chebyshev points of r^2, right to 2e-16."""
    z = r * r
    p = 3.817365633469135 + z * -0.6925067010720717
    p = 42.05868995395094 + z * (-15.09450614073429 + z * p)
    p = 81.60524927557977 + z * (-76.70585968962867 + z * p)
    p = 6.283185307179585 + z * (-41.341702240398284 + z * p)
    return r * p


@njit(inline="always")
def cos_2pi(t):  # type: ignore[no-untyped-def]
    """Return cos(2 pi t) alone, at half the cost of `cos_sin_2pi`; errors below 1e-15."""
    return _sine(0.25 - math.fabs(t - math.floor(t + 0.5)))


@njit(inline="always")
def sin_2pi(t):  # type: ignore[no-untyped-def]
    """Return sin(2 pi t) alone, at half the cost of `cos_sin_2pi`; errors below 1e-15, and 0 at 0."""
    r = t - math.floor(t + 0.5)
    # r up to a quarter of a period, and back beyond it
    return _sine(math.fabs(math.fabs(r - 0.25) - 0.5) - 0.25)


@njit(inline="always")
def log_near_one(f):  # type: ignore[no-untyped-def]
    """Return log(1 + f) for 1 + f between sqrt(1/2) and sqrt(2), to 1e-16."""
    s = f / (2.0 + f)
    z = s * s
    r = 2.222219843214978396e-01 + z * (
        1.818357216161805012e-01 + z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01)
    )
    r = z * (6.666666666666735130e-01 + z * (3.999999999940941908e-01 + z * (2.857142874366239149e-01 + z * r)))
    half = 0.5 * f * f
    return f - (half - s * (half + r))


@intrinsic
def bits_of_float(typing_context, number):  # type: ignore[no-untyped-def]
    """The 64 bits of a float64, as an integer."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), generate


@intrinsic
def float_of_bits(typing_context, bits):  # type: ignore[no-untyped-def]
    """The float64 that has these 64 bits."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.int64), generate


@njit(inline="always")
def exponential(x):  # type: ignore[no-untyped-def]
    """exp(x) as 2^k exp(r), |r| <= log(2)/2, with the series up to r^13; 0 below -708, the largest number above 709."""
    x = min(max(x, -708.0), 709.0)
    k = math.floor(x * 1.4426950408889634 + 0.5)
    # log 2 in two parts, of which the first times k is exact
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    series = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0)
    series = 1.0 / 362880.0 + r * (1.0 / 3628800.0 + r * (1.0 / 39916800.0 + r * series))
    series = 1.0 / 720.0 + r * (1.0 / 5040.0 + r * (1.0 / 40320.0 + r * series))
    series = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * series))
    series = 1.0 + r * (1.0 + r * (0.5 + r * series))
    return series * float_of_bits((np.int64(k) + np.int64(1023)) << np.int64(52))
