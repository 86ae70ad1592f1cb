"""Rows of a sparse matrix from entries in any order, which are added up where they have one place."""

from __future__ import annotations

import numba
import numpy as np


def table_of(
    rows: np.ndarray, columns: np.ndarray, entries: np.ndarray, diagonal: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entries, columns and ends of the rows of a table, as `scipy.sparse.csr_array` takes them; columns increase.

    Args:
        rows: of the entries (n,), 0 to m - 1.
        columns: of the entries (n,), none of them on the diagonal.
        entries: (n,); those of one row and column are added up.
        diagonal: another entry for each row (m,).
        start: the column of the entry on the diagonal of the first row.
    """
    count, size = len(diagonal), len(entries) + len(diagonal)
    ends, places, values = np.zeros(count + 1, dtype=np.int64), np.empty(size, dtype=np.int64), np.empty(size)
    used = _fill(rows, columns, entries, diagonal, start, ends, places, values)
    return values[:used], places[:used], ends


@numba.njit(cache=True)
def _fill(rows, columns, entries, diagonal, start, ends, places, values):  # type: ignore[no-untyped-def]
    """See `table_of`; return the number of entries that are left."""
    count = len(diagonal)
    filled = np.empty(count, dtype=np.int64)
    ends[1:] = 1
    for row in rows:
        ends[row + 1] += 1
    for row in range(count):
        ends[row + 1] += ends[row]
        # the first entry of each row is that on the diagonal
        places[ends[row]], values[ends[row]], filled[row] = start + row, diagonal[row], ends[row] + 1
    for e in range(len(rows)):
        row, column = rows[e], columns[e]
        at, first = filled[row], ends[row]
        while at > first and places[at - 1] > column:
            at -= 1
        if at > first and places[at - 1] == column:
            values[at - 1] += entries[e]
            continue
        for k in range(filled[row], at, -1):
            places[k], values[k] = places[k - 1], values[k - 1]
        places[at], values[at] = column, entries[e]
        filled[row] += 1
    used = 0
    for row in range(count):
        first, last = ends[row], filled[row]
        ends[row] = used
        for k in range(first, last):
            places[used], values[used] = places[k], values[k]
            used += 1
    ends[count] = used
    return used
