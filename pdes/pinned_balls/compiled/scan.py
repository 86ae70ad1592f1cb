"""What is seen of initial data in cells: integrals, extremes, and how far they are from their interpolant."""

from __future__ import annotations

import numpy as np
from numba import njit

from .numba_options import COMPILED, FAST

# columns of what is found of a cell: integrals of mu, mu^2 and sigma^2; and of mu and of sigma each the integrals of
# squared and of absolute errors, the least and the largest value, and the largest error
COLUMNS = 13
# points whose values stay in the cache
AT_ONCE = 512


@njit(cache=True, **COMPILED)
def put_places(first, places, cells, points):  # type: ignore[no-untyped-def]
    """Fill the points (C, Q) of cells, from one of them on, of which every one is looked at in the same places (Q,)."""
    for c in range(points.shape[0]):
        start = float(first + c)
        for q in range(places.size):
            points[c, q] = (start + places[q]) / cells


@njit(inline="always", **FAST)
def _fold(pick, values, room):  # type: ignore[no-untyped-def]
    """The least or the largest of values, of which halves are compared entry by entry; room is filled.

    A loop over all of them would wait for its own last result.
    """
    size, half = values.size, (values.size + 1) // 2
    room[half - 1] = values[half - 1]
    one, other = values[:half], values[half:]
    for q in range(size // 2):
        room[q] = pick(one[q], other[q])
    while half > 32:
        size, half = half, (half + 1) // 2
        one, other = room[:half], room[half:]
        for q in range(size // 2):
            one[q] = pick(one[q], other[q])
    result = room[0]
    for q in range(half):
        result = pick(result, room[q])
    return result


@njit(**FAST)
def _least(values, room):  # type: ignore[no-untyped-def]
    return _fold(min, values, room)


@njit(**FAST)
def _largest(values, room):  # type: ignore[no-untyped-def]
    return _fold(max, values, room)


@njit(**FAST)
def _sums(values, shift, off):  # type: ignore[no-untyped-def]
    """Sums of values less a shift, of their squares, of squared errors and of errors."""
    value = square = squared_error = error = 0.0
    for q in range(values.size):
        one = values[q] - shift
        value += one
        square += one * one
        squared_error += off[q] * off[q]
        error += off[q]
    return value, square, squared_error, error


@njit(**FAST)
def _interpolate(mu, sigma, basis, frame, first, of_mu, of_sigma):  # type: ignore[no-untyped-def]
    """Fill what nodal values (p+1,) of mu - frame and of sigma^2 are at some points, from one of them on."""
    nodes, count = basis.shape[0], of_mu.size
    a, b, polynomial = mu[0] - frame, sigma[0] ** 2, basis[0][first : first + count]
    for q in range(count):
        of_mu[q] = polynomial[q] * a
        of_sigma[q] = polynomial[q] * b
    # two at once, for the last one perhaps with a copy of itself that does not count
    for j in range(1, nodes, 2):
        k = min(j + 1, nodes - 1)
        a, b, polynomial = mu[j] - frame, sigma[j] ** 2, basis[j][first : first + count]
        c, d, another = mu[k] - frame, sigma[k] ** 2, basis[k][first : first + count]
        if k == j:
            c = d = 0.0
        for q in range(count):
            of_mu[q] += polynomial[q] * a + another[q] * c
            of_sigma[q] += polynomial[q] * b + another[q] * d


@njit(cache=True, **FAST)
def compare(mu, sigma, basis, frame, found):  # type: ignore[no-untyped-def]
    """Fill the columns found (C, COLUMNS) of cells, with integrals over a cell of length 1.

    What is not finite among the data leaves sums that are not finite.

    Args:
        mu: of every cell, at its p + 1 nodes and then at P points, (C, p+1+P).
        sigma: likewise; sigma^2 is interpolated. Its least value is that of nodes and points.
        basis: the polynomials of the nodes at the points (p+1, P).
        frame: velocity that is taken off mu.
        found: to be filled.
    """
    nodes, points = basis.shape
    of_mu, of_sigma, room = np.empty(points), np.empty(points), np.empty(points)
    for cell in range(mu.shape[0]):
        means, deviations = mu[cell, nodes:], sigma[cell, nodes:]
        for first in range(0, points, AT_ONCE):
            end = min(first + AT_ONCE, points)
            _interpolate(mu[cell], sigma[cell], basis, frame, first, of_mu[first:end], of_sigma[first:end])
        for q in range(points):
            of_mu[q] = abs(of_mu[q] - (means[q] - frame))
            of_sigma[q] = abs(np.sqrt(max(of_sigma[q], 0.0)) - deviations[q])
        value, square, squared_error, error = _sums(means, frame, of_mu)
        found[cell, 0], found[cell, 1] = value / points, square / points
        found[cell, 3], found[cell, 5] = squared_error / points, error / points
        value, square, squared_error, error = _sums(deviations, 0.0, of_sigma)
        found[cell, 2] = square / points
        found[cell, 4], found[cell, 6] = squared_error / points, error / points
        found[cell, 7], found[cell, 9] = _least(means, room) - frame, _largest(means, room) - frame
        found[cell, 8], found[cell, 10] = _least(deviations, room), _largest(deviations, room)
        found[cell, 11], found[cell, 12] = _largest(of_mu, room), _largest(of_sigma, room)
        for j in range(nodes):
            found[cell, 8] = min(found[cell, 8], sigma[cell, j])
