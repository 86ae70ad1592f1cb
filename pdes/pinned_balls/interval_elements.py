"""Elements on equal cells of an interval: nodes, weights, polynomials, and how far they are from smoother ones."""

from __future__ import annotations

import functools

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points

# nodal values that are compared at once
AT_ONCE = 2**18


def at_points(values: np.ndarray, degree: int, points: np.ndarray) -> np.ndarray:
    """Return the piecewise polynomials (T, P) of nodal values (T, m), in the order of the nodes, at points (P,)."""
    cells = (values.shape[1] - 1) // degree
    cell = np.minimum((points * cells).astype(int), cells - 1)
    basis = lagrange_basis(degree, points * cells - cell)
    return np.einsum("pk,tpk->tp", basis, values[:, cell[:, None] * degree + np.arange(degree + 1)])


@functools.lru_cache(maxsize=16)
def _pairs_of_cells(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for the 2 degree + 1 nodes of two cells, the values at points of the piecewise polynomials and of the one
    polynomial of twice the degree, both (P, 2 degree + 1), and the weights (P,) in units of a cell.
    """
    gauss, of_gauss = leggauss(2 * degree + 2)
    points, weights = 0.5 * (gauss + 1.0), 0.5 * of_gauss
    own = np.zeros((2 * points.size, 2 * degree + 1))
    own[: points.size, : degree + 1] = lagrange_basis(degree, points)
    own[points.size :, degree:] = lagrange_basis(degree, points)
    # the two cells are [-1, 0] and [0, 1] here, where Legendre polynomials are a well-conditioned basis
    nodes = lobatto_points(degree)
    nodes, both = np.concatenate([nodes - 1.0, nodes[1:]]), np.concatenate([points - 1.0, points])
    smoother = legvander(both, 2 * degree) @ np.linalg.inv(legvander(nodes, 2 * degree))
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
    if cells % 2:
        # the last pair has its first cell in common with the one before
        each[-1, : weights.size // 2] = 0.0
    at = first[:, None] * degree + np.arange(2 * degree + 1)

    def of_block(mu: np.ndarray, second: np.ndarray) -> np.ndarray:
        largest = np.abs(mu).max(axis=1)
        mu = mu - 0.5 * (mu.max(axis=1) + mu.min(axis=1))[:, None]
        u, v = mu[:, at] @ own.T, mu[:, at] @ smoother.T
        a, b = (np.maximum(second[:, at] @ basis.T, 0.0) for basis in (own, smoother))
        lower = np.minimum(a, b)
        rest = np.maximum(np.abs(a - b) - round_off * (u**2 + a), 0.0)
        parts = ((u - v) ** 2, (np.sqrt(2 * (lower + rest)) - np.sqrt(2 * lower)) ** 2, u**2, 2 * a)
        of_mean, of_std, size_mean, size_std = (np.tensordot(part, each, 2) for part in parts)
        # where all velocities are the same
        nothing = (1e4 * round_off * largest) ** 2 + np.finfo(float).tiny
        return np.sqrt(of_mean / (size_mean + size_std + nothing) + of_std / (size_std + nothing))

    blocks = min(len(mean), 1 + mean.size // AT_ONCE)
    return np.concatenate([of_block(*pair) for pair in zip(np.array_split(mean, blocks), np.array_split(w, blocks))])
