"""Elements on equal cells of an interval: nodes, weights, polynomials, and how far they are from smoother ones."""

from __future__ import annotations

import functools

import basix
import numpy as np


@functools.lru_cache(maxsize=16)
def _lobatto(degree: int) -> tuple[np.ndarray, np.ndarray]:
    points, weights = basix.make_quadrature(basix.CellType.interval, 2 * degree - 1, basix.QuadratureType.gll)
    order = np.argsort(points[:, 0])
    inside = points[order, 0]
    inside[[0, -1]] = 0.0, 1.0  # where basix gives -1e-17
    return inside, weights[order]


def lobatto_points(degree: int) -> np.ndarray:
    """Return the degree+1 points of Gauss, Lobatto and Legendre on [0, 1]."""
    return _lobatto(degree)[0]


def lobatto_weights(degree: int) -> np.ndarray:
    """Return the weights of the degree+1 points of Gauss, Lobatto and Legendre on [0, 1]."""
    return _lobatto(degree)[1]


def lagrange(nodes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the values (P, K) of the Lagrange polynomials of the nodes (K,) at the points (P,)."""
    others = [np.delete(nodes, k) for k in range(nodes.size)]
    return np.stack([np.prod((points[:, None] - o) / (nodes[k] - o), axis=1) for k, o in enumerate(others)], axis=1)


def at_points(values: np.ndarray, degree: int, points: np.ndarray) -> np.ndarray:
    """Return the piecewise polynomials (T, P) of nodal values (T, m), in the order of the nodes, at points (P,)."""
    cells = (values.shape[1] - 1) // degree
    cell = np.minimum((points * cells).astype(int), cells - 1)
    basis = lagrange(lobatto_points(degree), points * cells - cell)
    return np.einsum("pk,tpk->tp", basis, values[:, cell[:, None] * degree + np.arange(degree + 1)])


@functools.lru_cache(maxsize=16)
def _pairs_of_cells(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for the 2 degree + 1 nodes of two cells, the values at points of the piecewise polynomials and of the one
    polynomial of twice the degree, both (P, 2 degree + 1), and the weights (P,) in units of a cell.
    """
    gauss, of_gauss = np.polynomial.legendre.leggauss(2 * degree + 2)
    points, weights = 0.5 * (gauss + 1.0), 0.5 * of_gauss
    nodes = lobatto_points(degree)
    both = np.concatenate([points, points + 1.0])
    own = np.zeros((both.size, 2 * degree + 1))
    own[: points.size, : degree + 1] = lagrange(nodes, points)
    own[points.size :, degree:] = lagrange(nodes, points)
    smoother = lagrange(np.concatenate([nodes, nodes[1:] + 1.0]), both)
    return own, smoother, np.tile(weights, 2)


def interpolation_error(mean: np.ndarray, w: np.ndarray, degree: int, round_off: float) -> np.ndarray:
    """Estimate how far the elements are from mu and sigma, in L2 relative to their sizes, shape (T,).

    They are compared, on pairs of cells, with the polynomials of twice the degree through the same nodes.

    Args:
        mean: nodal mu (T, m), in the order of the nodes.
        w: nodal sigma^2/2, likewise.
        degree: of the elements.
        round_off: the part of mu^2/2 + w below which w means nothing.
    """
    own, smoother, weights = _pairs_of_cells(degree)
    cells = (mean.shape[1] - 1) // degree
    first = np.minimum(np.arange(0, cells, 2), cells - 2)
    each = np.tile(weights, (first.size, 1)) / cells
    if cells % 2:  # the last pair has its first cell in common with the one before
        each[-1, : weights.size // 2] = 0.0
    at = first[:, None] * degree + np.arange(2 * degree + 1)
    result = np.empty(mean.shape[0])
    for k, (mu, second) in enumerate(zip(mean, w)):
        largest = float(np.abs(mu).max())
        mu = mu - 0.5 * (mu.max() + mu.min())
        u, v = mu[at] @ own.T, mu[at] @ smoother.T
        a, b = (np.maximum(second[at] @ basis.T, 0.0) for basis in (own, smoother))
        lower = np.minimum(a, b)
        rest = np.maximum(np.abs(a - b) - round_off * (u**2 + a), 0.0)
        parts = ((u - v) ** 2, (np.sqrt(2 * (lower + rest)) - np.sqrt(2 * lower)) ** 2, u**2, 2 * a)
        of_mean, of_std, size_mean, size_std = (float((each * part).sum()) for part in parts)
        nothing = (1e4 * round_off * largest) ** 2 + np.finfo(float).tiny  # where all velocities are the same
        result[k] = np.sqrt(of_mean / (size_mean + size_std + nothing) + of_std / (size_std + nothing))
    return result
