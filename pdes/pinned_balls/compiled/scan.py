"""What is seen of initial data in cells: integrals, extremes, and how far they are from their interpolant."""

from __future__ import annotations

import numpy as np
from numba import njit

from .rules import FAST

# columns of what is found of a cell: integrals of mu, mu^2 and sigma^2; of squared and of absolute errors, the least and
# the largest values, and the largest errors, of mu and of sigma each
COLUMNS = 13
# extremes of what may be no numbers are not asked for: `found` then is not finite
ORDERED = FAST | {"fastmath": FAST["fastmath"] | {"nnan"}}


@njit(**ORDERED)
def _extremes(values, off):  # type: ignore[no-untyped-def]
    """The least and the largest of values and the largest error."""
    low, high, largest = values[0], values[0], 0.0
    for q in range(values.size):
        low, high, largest = min(low, values[q]), max(high, values[q]), max(largest, off[q])
    return low, high, largest


@njit(**FAST)
def _sums(values, shift, off, found):  # type: ignore[no-untyped-def]
    """Fill sums of values less a shift, of their squares, and of squared errors and errors."""
    value = square = squared_error = error = 0.0
    for q in range(values.size):
        one = values[q] - shift
        value += one
        square += one * one
        squared_error += off[q] * off[q]
        error += off[q]
    return value, square, squared_error, error


@njit(cache=True, **FAST)
def compare(mu, sigma, basis, frame, found):  # type: ignore[no-untyped-def]
    """Fill the columns found (C, COLUMNS) of cells, with integrals over a cell of length 1.

    What is not finite among the data leaves sums that are not finite.

    Args:
        mu: of every cell, at its p + 1 nodes and then at P points, (C, p+1+P).
        sigma: likewise; sigma^2 is interpolated.
        basis: the polynomials of the nodes at the points (p+1, P).
        frame: velocity that is taken off mu.
        found: to be filled.
    """
    nodes, points = basis.shape
    of_mu, of_sigma = np.empty(points), np.empty(points)
    for cell in range(mu.shape[0]):
        means, deviations = mu[cell, nodes:], sigma[cell, nodes:]
        of_mu[:], of_sigma[:] = 0.0, 0.0
        for j in range(nodes):
            one, variance, polynomial = mu[cell, j] - frame, sigma[cell, j] ** 2, basis[j]
            for q in range(points):
                of_mu[q] += polynomial[q] * one
                of_sigma[q] += polynomial[q] * variance
        for q in range(points):
            of_mu[q] = abs(of_mu[q] - (means[q] - frame))
            of_sigma[q] = abs(np.sqrt(max(of_sigma[q], 0.0)) - deviations[q])
        value, square, squared_error, error = _sums(means, frame, of_mu, found)
        found[cell, 0], found[cell, 1] = value / points, square / points
        found[cell, 3], found[cell, 5] = squared_error / points, error / points
        value, square, squared_error, error = _sums(deviations, 0.0, of_sigma, found)
        found[cell, 2] = square / points
        found[cell, 4], found[cell, 6] = squared_error / points, error / points
        low, high, largest = _extremes(means, of_mu)
        found[cell, 7], found[cell, 9], found[cell, 11] = low - frame, high - frame, largest
        found[cell, 8], found[cell, 10], found[cell, 12] = _extremes(deviations, of_sigma)
