"""Quadrature on an interval, and polynomials through its points."""

from __future__ import annotations

from functools import lru_cache

import basix
import numpy as np


@lru_cache(maxsize=32)
def _element(degree: int) -> tuple[basix.finite_element.FiniteElement, np.ndarray]:
    """The element and the order from left to right of its degrees of freedom (basix puts the ends first)."""
    family, cell, nodes = basix.ElementFamily.P, basix.CellType.interval, basix.LagrangeVariant.gll_warped
    element = basix.create_element(family, cell, degree, nodes)
    return element, np.argsort(element.points[:, 0])


def lobatto_points(degree: int) -> np.ndarray:
    """The degree + 1 Gauss-Lobatto-Legendre points on [0, 1], increasing."""
    element, order = _element(degree)
    return element.points[order, 0]


@lru_cache(maxsize=32)
def lobatto_weights(degree: int) -> np.ndarray:
    """The weights (degree + 1,) of the Gauss-Lobatto-Legendre points on [0, 1]; not to be written into."""
    points, weights = basix.make_quadrature(basix.CellType.interval, 2 * degree - 1, basix.QuadratureType.gll)
    weights = weights[np.argsort(points[:, 0])]
    weights.flags.writeable = False
    return weights


def lagrange_basis(degree: int, points: np.ndarray, derivative: int = 0) -> np.ndarray:
    """The Lagrange polynomials of the Gauss-Lobatto-Legendre points, or a derivative of them, at points.

    Args:
        degree: k of the polynomials.
        points: in [0, 1], shape (P,).
        derivative: order of the derivative.

    Returns:
        Values, shape (P, k + 1).
    """
    if not points.size:  # basix aborts the process
        return np.empty((0, degree + 1))
    element, order = _element(degree)
    return element.tabulate(derivative, points[:, None])[derivative, :, :, 0][:, order]


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
