"""Gauss quadrature on the parts of an interval."""

from __future__ import annotations

import numpy as np


def composite_gauss(breaks: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """The points and weights of Gauss quadrature on each part of an interval.

    Args:
        breaks: ends of the parts (K + 1,), increasing.
        order: n, points in each part; polynomials of degree 2 n - 1 are integrated exactly.

    Returns:
        Points (K, n) and weights (K, n).
    """
    ticks, weights = np.polynomial.legendre.leggauss(order)
    width = np.diff(breaks)[:, None]
    return breaks[:-1, None] + 0.5 * width * (ticks + 1.0), 0.5 * width * weights
