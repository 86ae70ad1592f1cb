"""Gaussian elimination with partial pivoting for the matrices of elements on an interval, in the order of x.

It is LAPACK's dgbtf2 (the same pivots, and so the same growth) but for zeros: every row knows where it ends, and every
column how far down it goes, which inside a cell is half of the band. LAPACK takes the whole band with calls of BLAS for
a few numbers: measured for degrees 1, 2 and 4, its factors take 2 to 3.5 times and its solves twice as long. A matrix
with `below` diagonals on either side is kept in one array, row after row, entry
(i, j) at i (3 below) + below + j: the pivots bring rows up by at most `below`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .numba_options import COMPILED


def last_rows(cells: int, degree: int) -> np.ndarray:
    """The last row that is not 0 of every column: the end of the last cell that its node belongs to."""
    node = np.repeat(np.arange(cells * degree + 1), 2)
    return 2 * degree * np.minimum(node // degree + 1, cells) + 1


def band_size(cells: int, degree: int) -> tuple[int, int]:
    """Return the number of diagonals below the main one, and of the entries of the array that is kept."""
    below = 2 * degree + 1
    return below, 2 * (cells * degree + 1) * (3 * below + 1)


@njit(**COMPILED)
def factor(band, below, last, reach, pivots, lower):  # type: ignore[no-untyped-def]
    """Factor in place; False where there is no pivot that is not 0, or where an entry is not finite.

    Args:
        band: the matrix, as in the header.
        below: diagonals below the main one.
        last: last row of every column (n,).
        reach: (n,), to be filled with the last column of every row of the upper factor.
        pivots: (n,), to be filled.
        lower: (n below,), to be filled with the multipliers of every column; the diagonal keeps the inverse pivots.
    """
    # unsigned numbers: no index is looked at for being negative
    one, below = np.uint64(1), np.uint64(below)
    n, stride = np.uint64(last.size), np.uint64(3) * below
    for j in range(n):
        reach[j] = last[j]
    for j in range(n):
        at, end = j * stride + below, np.uint64(last[j]) + one
        chosen, largest = j, abs(band[at + j])
        for r in range(j + one, end):
            size = abs(band[r * stride + below + j])
            if size > largest:
                chosen, largest = r, size
        pivots[j] = chosen
        if not (largest > 0.0 and largest < np.inf):
            return False
        if chosen != j:
            reach[j], reach[chosen] = reach[chosen], reach[j]
            other = chosen * stride + below
            for c in range(j, np.uint64(max(reach[j], reach[chosen])) + one):
                band[at + c], band[other + c] = band[other + c], band[at + c]
        inverse = 1.0 / band[at + j]
        band[at + j] = inverse
        stop = np.uint64(reach[j]) + one
        for r in range(j + one, end):
            here = r * stride + below
            part = band[here + j] * inverse
            lower[j * below + r - j - one] = part
            if part != 0.0:
                for c in range(j + one, stop):
                    band[here + c] -= part * band[at + c]
                reach[r] = max(reach[r], reach[j])
    return True


@njit(**COMPILED)
def solve(band, below, last, reach, pivots, lower, x):  # type: ignore[no-untyped-def]
    """Solve in place, x (n,) from the right-hand side to the solution."""
    one, below, n = np.uint64(1), np.uint64(below), np.uint64(last.size)
    stride = np.uint64(3) * below
    for j in range(n):
        chosen = np.uint64(pivots[j])
        value = x[chosen]
        x[chosen] = x[j]
        x[j] = value
        at = j * below - j - one
        for r in range(j + one, np.uint64(last[j]) + one):
            x[r] -= lower[at + r] * value
    for i in range(n):
        row = n - one - i
        start, value = row * stride + below, x[row]
        end = np.uint64(reach[row])
        # the last column first: of all products only the last one waits for the row below
        for k in range(end - row):
            value -= band[start + end - k] * x[end - k]
        x[row] = value * band[start + row]
