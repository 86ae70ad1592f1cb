"""Elimination in two parts: inside all cells at once, and then along the ends of the cells from both sides.

The matrices of cells on an interval have blocks of 2 by 2, one for every pair of nodes. Nodes inside a cell are coupled
with that cell alone, and are eliminated by block pivots (static condensation). What is left couples every end of a cell
with its two neighbours, and is eliminated from both ends of the interval to the middle, two chains that do not wait for
one another. There is no exchange of rows: `backward_error` of `fluxes` says of a solution whether that was good.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .fluxes import AT_ONCE
from .numba_options import FAST


class Factors(NamedTuple):
    """What the elimination leaves: of cells (blocks of them, 2p+2, 2p+2, AT_ONCE), and of their ends (cells + 1, 4).

    Of every end: its inverse pivot, the multiplier for the next one on the way to the middle, and what the next one is
    multiplied with on the way back.
    """

    local: np.ndarray
    inverse: np.ndarray
    multiplier: np.ndarray
    back: np.ndarray


def factors(cells: int, degree: int) -> Factors:
    """Return room for the factors of a matrix."""
    size = 2 * degree + 2
    blocks = -(-cells // AT_ONCE)
    width = min(cells, AT_ONCE)
    return Factors(np.empty((blocks, size, size, width)), *np.empty((3, cells + 1, 4)))


@njit(**FAST)
def eliminate_inside(local, count, degree):  # type: ignore[no-untyped-def]
    """Eliminate the nodes inside some cells in place; the diagonal keeps inverse pivots, columns the multipliers."""
    size = 2 * degree + 2
    for q in range(0, 2 * degree - 2, 2):
        a, b, c, d = local[q, q], local[q, q + 1], local[q + 1, q], local[q + 1, q + 1]
        for w in range(count):
            inverse = 1.0 / (a[w] * d[w] - b[w] * c[w])
            of_a = a[w]
            a[w] = d[w] * inverse
            b[w] *= -inverse
            c[w] *= -inverse
            d[w] = of_a * inverse
        for r in range(q + 2, size):
            left, right = local[r, q], local[r, q + 1]
            for w in range(count):
                of_left = left[w]
                left[w] = of_left * a[w] + right[w] * c[w]
                right[w] = of_left * b[w] + right[w] * d[w]
            for s in range(q + 2, size):
                entries, upper, lower = local[r, s], local[q, s], local[q + 1, s]
                for w in range(count):
                    entries[w] -= left[w] * upper[w] + right[w] * lower[w]


@njit(inline="always", **FAST)
def _product(a, b):  # type: ignore[no-untyped-def]
    return (
        a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3],
    )  # fmt: skip


@njit(inline="always", **FAST)
def _inverse(a):  # type: ignore[no-untyped-def]
    one = 1.0 / (a[0] * a[3] - a[1] * a[2])
    return a[3] * one, -a[1] * one, -a[2] * one, a[0] * one


@njit(**FAST)
def _block(factors, degree, cell, row, column):  # type: ignore[no-untyped-def]
    """A block of what is left of a cell: row and column 0 for its left end, 1 for its right end."""
    local, w = factors.local[cell // AT_ONCE], cell % AT_ONCE
    r, s = 2 * (degree - 1 + row), 2 * (degree - 1 + column)
    return local[r, s, w], local[r, s + 1, w], local[r + 1, s, w], local[r + 1, s + 1, w]


@njit(inline="always", **FAST)
def _sum(a, b):  # type: ignore[no-untyped-def]
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


@njit(inline="always", **FAST)
def _difference(a, b):  # type: ignore[no-untyped-def]
    return a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]


@njit(**FAST)
def _keep(factors, end, pivot, onward, upper):  # type: ignore[no-untyped-def]
    """Keep the factors of an end, and return what its elimination takes off the pivot of the next one.

    Args:
        factors: to be filled.
        end: of a cell.
        pivot: of that end.
        onward: the block of the next end's row and this end's column.
        upper: the block of this end's row and the next end's column.
    """
    inverse = _inverse(pivot)
    multiplier, back = _product(onward, inverse), _product(inverse, upper)
    for k in range(4):
        factors.inverse[end, k], factors.multiplier[end, k], factors.back[end, k] = inverse[k], multiplier[k], back[k]
    return _product(multiplier, upper)


@njit(**FAST)
def eliminate_ends(factors, cells, degree):  # type: ignore[no-untyped-def]
    """Eliminate the ends of the cells from both sides."""
    middle = cells // 2
    left = _block(factors, degree, 0, 0, 0)
    right = _block(factors, degree, cells - 1, 1, 1)
    for j in range(cells - middle):
        if j < middle:
            off = _keep(factors, j, left, _block(factors, degree, j, 1, 0), _block(factors, degree, j, 0, 1))
            left = _difference(_block(factors, degree, j, 1, 1), off)
            if j + 1 < middle:
                left = _sum(left, _block(factors, degree, j + 1, 0, 0))
        cell = cells - 1 - j
        off = _keep(factors, cell + 1, right, _block(factors, degree, cell, 0, 1), _block(factors, degree, cell, 1, 0))
        right = _difference(_block(factors, degree, cell, 0, 0), off)
        if cell > middle:
            right = _sum(right, _block(factors, degree, cell - 1, 1, 1))
    inverse = _inverse(_sum(left, right))
    for k in range(4):
        factors.inverse[middle, k] = inverse[k]


@njit(**FAST)
def solve_ends(factors, cells, x, y):  # type: ignore[no-untyped-def]
    """Solve for the ends of the cells in place, x and y (cells + 1,) both unknowns."""
    middle = cells // 2
    multiplier, back, inverse = factors.multiplier, factors.back, factors.inverse
    a, b, c, d = x[0], y[0], x[cells], y[cells]
    for j in range(cells - middle):
        if j < middle:
            m = multiplier[j]
            a, b = x[j + 1] - m[0] * a - m[1] * b, y[j + 1] - m[2] * a - m[3] * b
            x[j + 1], y[j + 1] = a, b
        end = cells - j
        m = multiplier[end]
        c, d = x[end - 1] - m[0] * c - m[1] * d, y[end - 1] - m[2] * c - m[3] * d
        x[end - 1], y[end - 1] = c, d
    for k in range(cells + 1):
        m = inverse[k]
        x[k], y[k] = m[0] * x[k] + m[1] * y[k], m[2] * x[k] + m[3] * y[k]
    a, b = x[middle], y[middle]
    c, d = a, b
    for j in range(cells - middle):
        if j < middle:
            k = middle - 1 - j
            m = back[k]
            a, b = x[k] - m[0] * a - m[1] * b, y[k] - m[2] * a - m[3] * b
            x[k], y[k] = a, b
        k = middle + 1 + j
        m = back[k]
        c, d = x[k] - m[0] * c - m[1] * d, y[k] - m[2] * c - m[3] * d
        x[k], y[k] = c, d


@njit(**FAST)
def _start(row, degree, stride, first):  # type: ignore[no-untyped-def]
    """Where the nodes of some cells are that have a row of blocks in their matrices."""
    if row < degree - 1:
        return (row + 1) * stride + first
    return first if row == degree - 1 else first + 1


@njit(**FAST)
def forward_inside(local, count, degree, first, x, y):  # type: ignore[no-untyped-def]
    """Take the nodes inside some cells out of the equations of the others, right-hand sides x and y (n,) in place."""
    stride = x.size // degree
    for q in range(degree - 1):
        at = _start(q, degree, stride, first)
        u, v = x[at : at + count], y[at : at + count]
        for r in range(q + 1, degree + 1):
            to = _start(r, degree, stride, first)
            for a in range(2):
                values = x[to : to + count] if a == 0 else y[to : to + count]
                left, right = local[2 * r + a, 2 * q], local[2 * r + a, 2 * q + 1]
                for w in range(count):
                    values[w] -= left[w] * u[w] + right[w] * v[w]


@njit(**FAST)
def backward_inside(local, count, degree, first, x, y):  # type: ignore[no-untyped-def]
    """Solve for the nodes inside some cells, of which the ends are known."""
    stride = x.size // degree
    for q in range(degree - 2, -1, -1):
        to = _start(q, degree, stride, first)
        u, v = x[to : to + count], y[to : to + count]
        for s in range(q + 1, degree + 1):
            at = _start(s, degree, stride, first)
            other, another = x[at : at + count], y[at : at + count]
            for a in range(2):
                values = u if a == 0 else v
                left, right = local[2 * q + a, 2 * s], local[2 * q + a, 2 * s + 1]
                for w in range(count):
                    values[w] -= left[w] * other[w] + right[w] * another[w]
        a, b, c, d = local[2 * q, 2 * q], local[2 * q, 2 * q + 1], local[2 * q + 1, 2 * q], local[2 * q + 1, 2 * q + 1]
        for w in range(count):
            of_u = u[w]
            u[w] = a[w] * of_u + b[w] * v[w]
            v[w] = c[w] * of_u + d[w] * v[w]
