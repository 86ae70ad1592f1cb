"""Elements on equal cells of an interval: nodes, weights, polynomials, and how far they are from smoother ones."""

from __future__ import annotations

import functools

import numpy as np
from numba import njit
from numpy.polynomial.legendre import leggauss, legvander

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points


def at_points(values: np.ndarray, degree: int, points: np.ndarray) -> np.ndarray:
    """Return the piecewise polynomials (T, P) of nodal values (T, m), in the order of the nodes, at points (P,)."""
    cells = (values.shape[1] - 1) // degree
    cell = np.minimum((points * cells).astype(int), cells - 1)
    basis = lagrange_basis(degree, points * cells - cell)
    return np.einsum("pk,tpk->tp", basis, values[:, cell[:, None] * degree + np.arange(degree + 1)])


@functools.lru_cache(maxsize=16)
def _pairs_of_cells(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for the 2 degree + 1 nodes of two cells, the values at points of the piecewise polynomials and of the one
    polynomial of twice the degree, both (2 degree + 1, P), and the weights (P,) in units of a cell.
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
    return own.T.copy(), smoother.T.copy(), np.tile(weights, 2)


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
    error = np.empty(len(mean))
    mean, w = np.ascontiguousarray(mean), np.ascontiguousarray(w)
    _compare_pairs(mean, w, degree, own, smoother, weights, round_off, error)
    return error


def energy_error(nodes: np.ndarray, mean: np.ndarray, w: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Estimate how far sigma is off, relative to its size, because linear elements sum mu^2 over nodes, shape (T,).

    On a straight piece that is too much by (h/6) times its squared rise, which sigma lacks: mu of the state of rest is
    straight, and nothing else tells how far that state is off.

    Args:
        nodes: shape (m,).
        mean: mu there (T, m).
        w: sigma^2/2 there, likewise.
        first: the initial mu there (m,).
    """
    spacing = np.diff(nodes) / 12.0
    lacking = np.diff(mean) ** 2 @ spacing - np.diff(first) ** 2 @ spacing
    found = np.trapezoid(w, nodes)
    true = np.maximum(found + lacking, 0.0)
    return np.abs(np.sqrt(true) - np.sqrt(found)) / np.sqrt(found + np.finfo(float).tiny)


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"nsz", "arcp", "contract", "reassoc"})
def _compare_pairs(mean, w, degree, own, smoother, weights, round_off, error):  # type: ignore[no-untyped-def]
    """Fill the errors (T,) of `interpolation_error`; own and smoother (2 degree + 1, P)."""
    nodes, points = own.shape
    cells, tiny = (mean.shape[1] - 1) // degree, np.finfo(np.float64).tiny
    u, v, a, b, parts = np.empty(points), np.empty(points), np.empty(points), np.empty(points), np.empty(points)
    for t in range(mean.shape[0]):
        low = high = mean[t, 0]
        for k in range(mean.shape[1]):
            low, high = min(low, mean[t, k]), max(high, mean[t, k])
        middle, of_mean, of_std, size_mean, size_std = 0.5 * (low + high), 0.0, 0.0, 0.0, 0.0
        for pair in range((cells + 1) // 2):
            first = min(2 * pair, cells - 2)
            # the last pair may have its first cell in common with the one before
            begin = points // 2 if first < 2 * pair else 0
            at = first * degree
            u[:], v[:], a[:], b[:] = 0.0, 0.0, 0.0, 0.0
            for j in range(nodes):
                mu, second = mean[t, at + j] - middle, w[t, at + j]
                for q in range(points):
                    u[q] += own[j, q] * mu
                    v[q] += smoother[j, q] * mu
                    a[q] += own[j, q] * second
                    b[q] += smoother[j, q] * second
            for q in range(points):
                one, other = max(a[q], 0.0), max(b[q], 0.0)
                lower, noise = min(one, other), round_off * (u[q] * u[q] + one)
                rest = max(abs(one - other) - noise, 0.0)
                parts[q] = np.sqrt(2.0 * (lower + rest)) - np.sqrt(2.0 * lower)
                a[q] = one
            for q in range(begin, points):
                of_mean += weights[q] * (u[q] - v[q]) ** 2
                of_std += weights[q] * parts[q] * parts[q]
                size_mean += weights[q] * u[q] * u[q]
                size_std += weights[q] * 2.0 * a[q]
        # where all velocities are the same
        nothing = cells * ((1e4 * round_off * max(abs(low), abs(high))) ** 2 + tiny)
        error[t] = np.sqrt(of_mean / (size_mean + size_std + nothing) + of_std / (size_std + nothing))
