"""Gaussian elimination with partial pivoting for the matrices of elements on an interval, in the order of x.

It is LAPACK's dgbtf2 (the same pivots, and so the same growth), but for zeros: every row knows where it ends, and every
It is LAPACK's dgbtf2 (the same pivots, and so the same growth) but for zeros: every row knows where it ends, and every
are as long as the work. A matrix with `below` diagonals on either side is kept in one array, row after row, entry
(i, j) at i (3 below) + below + j: the pivots bring rows up by at most `below`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import COMPILED


def last_rows(cells: int, degree: int) -> np.ndarray:
    """The last row that is not 0 of every column: the end of the last cell that its node belongs to."""
    node = np.repeat(np.arange(cells * degree + 1), 2)
    return 2 * degree * np.minimum(node // degree + 1, cells) + 1


def band_size(cells: int, degree: int) -> tuple[int, int]:
    """Return the number of diagonals below the main one, and of the entries of the array that is kept."""
    below = 2 * degree + 1
    return below, 2 * (cells * degree + 1) * (3 * below + 1)


@njit(**COMPILED)
def factor(band, below, last, reach, pivots):  # type: ignore[no-untyped-def]
    """Factor in place; False where there is no pivot that is not 0, or where an entry is not finite.

    Args:
        band: the matrix, as in the header.
        below: diagonals below the main one.
        last: last row of every column (n,).
        reach: (n,), to be filled with the last column of every row of the upper factor.
        pivots: (n,), to be filled.
    """
    n = last.size
    stride = 3 * below
    reach[:] = last
    for j in range(n):
        at = j * stride + below
        end, chosen, largest = last[j], j, abs(band[at + j])
        for r in range(j + 1, end + 1):
            size = abs(band[r * stride + below + j])
            if size > largest:
                chosen, largest = r, size
        pivots[j] = chosen
        if not (largest > 0.0 and largest < np.inf):
            return False
        if chosen != j:
            reach[j], reach[chosen] = reach[chosen], reach[j]
            other = chosen * stride + below
            for c in range(j, max(reach[j], reach[chosen]) + 1):
                band[at + c], band[other + c] = band[other + c], band[at + c]
        upper = band[at + j + 1 : at + reach[j] + 1]
        inverse = 1.0 / band[at + j]
        for r in range(j + 1, end + 1):
            here = r * stride + below + j
            part = band[here] * inverse
            band[here] = part
            if part != 0.0:
                row = band[here + 1 : here + 1 + upper.size]
                for c in range(upper.size):
                    row[c] -= part * upper[c]
                reach[r] = max(reach[r], reach[j])
    return True


@njit(**COMPILED)
def solve(band, below, last, reach, pivots, x):  # type: ignore[no-untyped-def]
    """Solve in place, x (n,) from the right-hand side to the solution."""
    n = last.size
    stride = 3 * below
    for j in range(n):
        chosen = pivots[j]
        value = x[chosen]
        x[chosen] = x[j]
        x[j] = value
        for r in range(j + 1, last[j] + 1):
            x[r] -= band[r * stride + below + j] * value
    for j in range(n - 1, -1, -1):
        at = j * stride + below
        value = x[j]
        for c in range(j + 1, reach[j] + 1):
            value -= band[at + c] * x[c]
        x[j] = value / band[at + j]
