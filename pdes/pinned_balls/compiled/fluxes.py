"""Form (C) with closed ends, written out: its fluxes are taken at the nodes, which are the points of its quadrature.

With u = (mu, E), g = (sigma, mu sigma) at the nodes, and for cells of length H the matrices of the reference cell
S_ik = sum_q w_q l_i'(x_q) l_k'(x_q) and B_ik = w_k l_i'(x_k), a cell gives the rates

    f_i = - (d/H) sum_k S_ik u_k + lambda sum_k B_ik g_k = sum_q w_q l_i'(x_q) (lambda g - d u')(x_q),

which is what the kernel of the form in UFL computes. Loops run over the cells, of which the
processor takes several at once: nodes that have the same place in their cells lie side by side.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numba import njit

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points, lobatto_weights

from .numba_options import FAST

# cells that loops go through at once: what they read stays in the cache
AT_ONCE = 64


class Fluxes(NamedTuple):
    """The form on a mesh.

    Of the reference cell, for degree p: gradient (p+1, p+1) is (d/H) l_k'(x_q), weighted w_q l_i'(x_q), stiffness
    (d/H) S, and transport lambda B; weights (p+1,) are those of a cell's nodes. floor bounds sigma^2 from below in
    derivatives; g (2, n), slopes (3, n) and flux are room for g, for what its derivatives need, and for fluxes.
    Nodes are in p rows by their place in a cell, of cells + 1 each; rows after the first end in one that is not there,
    where all is 0.
    """

    cells: int
    degree: int
    speed: float
    gradient: np.ndarray
    weighted: np.ndarray
    stiffness: np.ndarray
    transport: np.ndarray
    weights: np.ndarray
    floor: float
    g: np.ndarray
    slopes: np.ndarray
    flux: np.ndarray


def fluxes(cells: int, degree: int, speed: float, diffusion: float, floor: float) -> Fluxes:
    """Return the form on a mesh, for a problem.

    Args:
        cells: number of equal cells.
        degree: p.
        speed: lambda.
        diffusion: d.
        floor: of sigma^2 in the derivatives.
    """
    weights, slopes = _reference(degree)
    weighted = weights[:, None] * slopes
    n = degree * (cells + 1)
    return Fluxes(
        cells, degree, speed, diffusion * cells * slopes, weighted, diffusion * cells * (slopes.T @ weighted),
        speed * weighted.T.copy(), weights / cells, floor, np.empty((2, n)), np.empty((3, n)), np.empty(AT_ONCE),
    )  # fmt: skip


@functools.lru_cache(maxsize=16)
def _reference(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (p+1,) of the reference cell, and l_k'(x_q) in row q and column k."""
    return lobatto_weights(degree), lagrange_basis(degree, lobatto_points(degree), 1)


def places(cells: int, degree: int) -> np.ndarray:
    """Where the nodes are that are met from left to right, (cells degree + 1,)."""
    node = np.arange(cells * degree + 1)
    return node % degree * (cells + 1) + node // degree


@njit(**FAST)
def _add_divergence(form, first, count, u, g, f):  # type: ignore[no-untyped-def]
    """Add to the rates f of one unknown, at the nodes of some cells, what its fluxes lambda g - (d/H) u' bring.

    The flux is formed first: where it vanishes, in a frozen state, only its rounding is left. Values are taken without
    that of the first node of a cell, so that a constant has no flux at all.
    """
    p, stride, flux = form.degree, form.cells + 1, form.flux
    base = u[first : first + count]
    for q in range(p + 1):
        # the last node of a cell is the first one of the next
        here = q * stride + first if q < p else first + 1
        carried = g[here : here + count]
        for c in range(count):
            flux[c] = form.speed * carried[c]
        for k in range(1, p + 1):
            at = k * stride + first if k < p else first + 1
            values, slope = u[at : at + count], form.gradient[q, k]
            for c in range(count):
                flux[c] -= slope * (values[c] - base[c])
        for i in range(p + 1):
            to = i * stride + first if i < p else first + 1
            rates, weight = f[to : to + count], form.weighted[q, i]
            for c in range(count):
                rates[c] += weight * flux[c]


@njit(**FAST)
def rate(form, y, f):  # type: ignore[no-untyped-def]
    """Fill the rates f of a state y, both (2 n,): mu at all nodes, then E."""
    n = form.g.shape[1]
    mu, energy, sigma, both = y[:n], y[n:], form.g[0], form.g[1]
    for k in range(n):
        sigma[k] = np.sqrt(max(2.0 * energy[k] - mu[k] * mu[k], 0.0))
        both[k] = mu[k] * sigma[k]
    f[:] = 0.0
    for first in range(0, form.cells, AT_ONCE):
        count = min(AT_ONCE, form.cells - first)
        _add_divergence(form, first, count, mu, sigma, f[:n])
        _add_divergence(form, first, count, energy, both, f[n:])


@njit(**FAST)
def differentiate(form, y):  # type: ignore[no-untyped-def]
    """Keep of a state, for its derivatives: mu, sigma and 1/sigma, which is 0 where the floor holds sigma."""
    n = form.g.shape[1]
    energy, mu, sigma, inverse = y[n:], form.slopes[0], form.slopes[1], form.slopes[2]
    for k in range(n):
        mu[k] = y[k]
        variance = 2.0 * energy[k] - y[k] * y[k]
        sigma[k] = np.sqrt(max(variance, form.floor))
        inverse[k] = 1.0 / sigma[k] if variance > form.floor else 0.0


@njit(**FAST)
def put_matrices(form, shift, first, count, local):  # type: ignore[no-untyped-def]
    """Fill the matrices (2p+2, 2p+2, count) of shift M - df/du of some cells: nodes inside first, then both ends.

    Where sigma is small beside mu, dg/du has huge entries that cancel. Unknowns are therefore (dmu, dE - mu dmu) at
    each node, with its own mu, and equations are combined likewise.
    """
    p, stride = form.degree, form.cells + 1
    for i in range(p + 1):
        row = 2 * (i - 1 if 0 < i < p else p - 1 if i == 0 else p)
        of_row = i * stride + first if i < p else first + 1
        here = form.slopes[0, of_row : of_row + count]
        for k in range(p + 1):
            column = 2 * (k - 1 if 0 < k < p else p - 1 if k == 0 else p)
            at = k * stride + first if k < p else first + 1
            own = form.stiffness[i, k] + (shift * form.weights[i] if i == k else 0.0)
            transport = form.transport[i, k]
            there, sigma = form.slopes[0, at : at + count], form.slopes[1, at : at + count]
            inverse = form.slopes[2, at : at + count]
            a, b, c, d = local[row, column], local[row, column + 1], local[row + 1, column], local[row + 1, column + 1]
            for w in range(count):
                a[w] = own
                b[w] = -transport * inverse[w]
            for w in range(count):
                change = there[w] - here[w]
                c[w] = own * change - transport * sigma[w]
                d[w] = own - transport * change * inverse[w]


@njit(**FAST)
def solved(form, shift, right, x, part, room):  # type: ignore[no-untyped-def]
    """Whether x solves a system with shift M - df/du but for changes of its entries by this part of each of them.

    That is the backward error of Oettli and Prager; False where x is not finite. Room (4, n) is filled.
    """
    n = form.g.shape[1]
    mu, sigma, inverse = form.slopes[0], form.slopes[1], form.slopes[2]
    flux, product, flux_size, size = room[0], room[1], room[2], room[3]
    one, two, wrong = x[:n], x[n:], 0
    for a in range(2):
        own, values = x[a * n : (a + 1) * n], right[a * n : (a + 1) * n]
        for k in range(n):
            by_mu = -mu[k] * inverse[k] if a == 0 else sigma[k] - mu[k] * mu[k] * inverse[k]
            by_energy = inverse[k] if a == 0 else mu[k] * inverse[k]
            flux[k] = by_mu * one[k] + by_energy * two[k]
            flux_size[k] = abs(by_mu * one[k]) + abs(by_energy * two[k])
            product[k], size[k] = -values[k], abs(values[k])
        for first in range(0, form.cells, AT_ONCE):
            count = min(AT_ONCE, form.cells - first)
            _add_residuals(form, shift, first, count, own, flux, flux_size, product, size)
        for k in range(n):
            # not <= where one of them is not finite
            wrong += 0 if (abs(product[k]) <= part * size[k]) & (size[k] < np.inf) else 1
    return wrong == 0


@njit(**FAST)
def _add_residuals(form, shift, first, count, u, flux, flux_size, product, size):  # type: ignore[no-untyped-def]
    """Add (shift M + (d/H) S) u - lambda B g, and the sums of the sizes of its terms, at the nodes of some cells."""
    p, stride = form.degree, form.cells + 1
    for i in range(p + 1):
        to = i * stride + first if i < p else first + 1
        sums, sizes = product[to : to + count], size[to : to + count]
        for k in range(p + 1):
            at = k * stride + first if k < p else first + 1
            own = form.stiffness[i, k] + (shift * form.weights[i] if i == k else 0.0)
            transport = form.transport[i, k]
            own_size, transport_size = abs(own), abs(transport)
            values, g, g_size = u[at : at + count], flux[at : at + count], flux_size[at : at + count]
            for c in range(count):
                sums[c] += own * values[c] - transport * g[c]
            for c in range(count):
                sizes[c] += own_size * abs(values[c]) + transport_size * g_size[c]
