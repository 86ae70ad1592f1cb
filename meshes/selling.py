"""Selling's decomposition of symmetric positive definite tensors over the steps of a lattice.

A superbase of the integers Z^d is d + 1 vectors that add up to 0, d of which are a basis. It is obtuse for a tensor M
where <b_i, M b_j> <= 0 for i /= j, and then

    M = sum_{i < j} lambda_ij e_ij e_ij^T,    lambda_ij = -<b_i, M b_j> >= 0,

with integer vectors e_ij that are normal to all others of the superbase. Source: Selling, J. reine angew. Math. 77
(1874) 143; Fehrenbach and Mirebeau, J. Math. Imaging Vis. 49 (2014) 123.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

# of Selling's algorithm; each makes a superbase shorter, and their number grows with the log of the anisotropy
STEPS = 500


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
    base = np.broadcast_to(
        np.vstack([np.eye(dim, dtype=np.int64), -np.ones(dim, dtype=np.int64)]), (count, dim + 1, dim)
    )
    base = _obtuse(tensors, base.copy())
    weights, steps = [], []
    for i, j in combinations(range(dim + 1), 2):
        rest = [base[:, k] for k in range(dim + 1) if k not in (i, j)]
        product = np.einsum("pa,pab,pb->p", base[:, i], tensors, base[:, j])
        weights.append(np.maximum(-product, 0.0))
        steps.append(np.stack([-rest[0][:, 1], rest[0][:, 0]], axis=1) if dim == 2 else np.cross(rest[0], rest[1]))
    return np.stack(weights, axis=1), np.stack(steps, axis=1)


def _obtuse(tensors: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Turn superbases (P, d + 1, d), whose vectors add up to 0, until no two vectors are at an acute angle."""
    active = np.arange(len(tensors))
    scale = np.trace(tensors, axis1=1, axis2=2)
    for _ in range(STEPS):
        turned = np.zeros(len(active), dtype=bool)
        for i, j in combinations(range(base.shape[1]), 2):
            current = base[active]
            product = np.einsum("pa,pab,pb->p", current[:, i], tensors[active], current[:, j])
            acute = (product > 1e-14 * scale[active]) & ~turned
            if acute.any():
                some = active[acute]
                chosen = base[some]
                turn = chosen[:, i].copy()
                others = [k for k in range(base.shape[1]) if k not in (i, j)]
                chosen[:, i] = -turn
                # so that they still add up to 0
                chosen[:, others] += (2 // len(others)) * turn[:, None]
                base[some] = chosen
                turned |= acute
        active = active[turned]
        if not active.size:
            break
    return base
