"""Central moments of a tile of runs, compiled: in the order of the runs, so that no bit depends on who adds.

    m_i = 1/P sum_p f_i,    S_ij = sum x_i x_j,    T_ij = sum x_i^2 x_j,    Q_ij = sum x_i^2 x_j^2,    x = f - m,

for all pairs of entries i, j of a value f, or for i = j only. And how those of two sets of runs are joined: each is
moved to the mean of both, which takes no sum of large numbers apart. A mean is a sum of two numbers, m and what is lost
of it in rounding, so that many sets may be joined without losing digits of means that are large beside the spread.

Source: Chan, Golub and LeVeque, The American Statistician 37 (1983) 242; Pebay, Sandia report SAND2008-6212 (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def add_up(f, mean, rest, low, high, second, third, fourth):  # type: ignore[no-untyped-def]
    """Fill mean, its rest, low, high (m,) and second, third, fourth, (m, m) or (1, m) for i = j only, from f (P, m).

    The rest is what the mean loses in rounding.
    Without options for speed that change the order of additions.
    """
    runs, entries = f.shape
    pairs = second.shape[0] == entries
    x = np.empty(entries)
    mean[:] = 0.0
    low[:] = f[0]
    high[:] = f[0]
    for p in range(runs):
        for i in range(entries):
            # from the first run, so that values which are all the same have exactly this mean
            mean[i] += f[p, i] - f[0, i]
            low[i] = min(low[i], f[p, i])
            high[i] = max(high[i], f[p, i])
    for i in range(entries):
        # a part of the whole sum f + way is lost in rounding: it is kept (Knuth's sum of two)
        way = mean[i] / runs
        mean[i] = f[0, i] + way
        taken = mean[i] - f[0, i]
        rest[i] = (f[0, i] - (mean[i] - taken)) + (way - taken)
    second[:] = 0.0
    third[:] = 0.0
    fourth[:] = 0.0
    for p in range(runs):
        for i in range(entries):
            x[i] = (f[p, i] - mean[i]) - rest[i]
        if not pairs:
            for i in range(entries):
                square = x[i] * x[i]
                second[0, i] += square
                third[0, i] += square * x[i]
                fourth[0, i] += square * square
            continue
        for i in range(entries):
            square = x[i] * x[i]
            for j in range(entries):
                second[i, j] += x[i] * x[j]
                third[i, j] += square * x[j]
                fourth[i, j] += square * (x[j] * x[j])


def sum_of_two(a: np.ndarray, b: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """a + b, and what is lost of it in rounding, exactly.

    Source: Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B.
    """
    whole = a + b
    taken = whole - a
    return whole, (a - (whole - taken)) + (b - taken)


Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def moved(moments: Moments, runs: int, way: np.ndarray, pairs: bool) -> Moments:
    """S, T, Q (T, m, m), or (T, 1, m) for i = j only, of x + e instead of x.

    Args:
        moments: of the x of a set of runs, whose sum is 0.
        runs: their number.
        way: e (T, m).
        pairs: whether they are of all pairs.
    """
    s, t, q = moments
    b = way[:, None, :]
    a: Any = way[:, :, None] if pairs else b
    diagonal = s.diagonal(axis1=1, axis2=2) if pairs else s[:, 0]
    sj = diagonal[:, None, :]
    si: Any = diagonal[:, :, None] if pairs else sj
    other = t.swapaxes(1, 2) if pairs else t
    aa, bb, ab = a * a, b * b, a * b
    fourth = q + 2 * b * t + 2 * a * other + bb * si + aa * sj + 4 * ab * s + runs * aa * bb
    return s + runs * ab, t + 2 * a * s + b * si + runs * aa * b, fourth
