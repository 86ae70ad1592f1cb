"""Selling's decomposition of symmetric positive definite tensors over the steps of a lattice.

A superbase of the integers Z^d is d + 1 vectors that add up to 0, d of which are a basis. It is obtuse for a tensor M
where <b_i, M b_j> <= 0 for i /= j, and then

    M = sum_{i < j} lambda_ij e_ij e_ij^T,    lambda_ij = -<b_i, M b_j> >= 0,

with integer vectors e_ij that are normal to all others of the superbase. Source: Selling, J. reine angew. Math. 77
(1874) 143; Fehrenbach and Mirebeau, J. Math. Imaging Vis. 49 (2014) 123.
"""

from __future__ import annotations

from itertools import combinations

import numba
import numpy as np

# of Selling's algorithm; each makes a superbase shorter, and their number grows with the log of the anisotropy
STEPS = 500
# of the trace of M; rounding of a product that is 0
ACUTE = 1e-14


def decomposition(tensors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decompose symmetric positive definite tensors.

    Args:
        tensors: M (P, d, d), d = 1, 2, 3, in units of the lattice.

    Returns:
        The weights lambda (P, m) >= 0 and the steps e (P, m, d), integers; m = 1, 3, 6.
    """
    count, dim, _ = tensors.shape
    if dim == 1:
        return tensors[:, 0], np.ones((count, 1, 1), dtype=np.int64)
    pairs = np.array(list(combinations(range(dim + 1), 2)))
    weights, steps = np.empty((count, len(pairs))), np.empty((count, len(pairs), dim), dtype=np.int64)
    _decompose(tensors, pairs, weights, steps)
    return weights, steps


@numba.njit(cache=True)
def _product(base, i, tensor, j):  # type: ignore[no-untyped-def]
    """<b_i, M b_j>."""
    result = 0.0
    for a in range(base.shape[1]):
        for b in range(base.shape[1]):
            result += base[i, a] * tensor[a, b] * base[j, b]
    return result


@numba.njit(cache=True)
def _make_obtuse(tensor, base, pairs):  # type: ignore[no-untyped-def]
    """Turn a superbase (d + 1, d), whose vectors add up to 0, until no two vectors are at an acute angle."""
    dim, scale = base.shape[1], np.trace(tensor)
    for _ in range(STEPS):
        turned = False
        for i, j in pairs:
            if _product(base, i, tensor, j) > ACUTE * scale:
                for k in range(dim + 1):
                    # so that they still add up to 0
                    if k not in (i, j):
                        base[k] += 2 // (dim - 1) * base[i]
                base[i] = -base[i]
                turned = True
                break
        if not turned:
            break


@numba.njit(cache=True)
def _decompose(tensors, pairs, weights, steps):  # type: ignore[no-untyped-def]
    """See `decomposition`."""
    dim = tensors.shape[1]
    base, rest = np.empty((dim + 1, dim), dtype=np.int64), np.empty(dim - 1, dtype=np.int64)
    for p, tensor in enumerate(tensors):
        base[:] = -1
        for a in range(dim):
            for b in range(dim):
                base[a, b] = a == b
        _make_obtuse(tensor, base, pairs)
        for number, (i, j) in enumerate(pairs):
            weights[p, number] = max(-_product(base, i, tensor, j), 0.0)
            found = 0
            for k in range(dim + 1):
                if k not in (i, j):
                    rest[found] = k
                    found += 1
            u, v, e = base[rest[0]], base[rest[-1]], steps[p, number]
            if dim == 2:
                e[0], e[1] = -u[1], u[0]
            else:
                e[0], e[1], e[2] = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
