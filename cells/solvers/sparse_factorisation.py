"""Cell problems by a sparse LU factorisation, for single cells where conjugate gradients take too long.

Where K is anisotropic in a direction that turns, or has very many wells, no Laplacian is a good preconditioner. The
stiffness matrix of elements in the plane is then factorised by SuperLU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, diags_array, kron
from scipy.sparse.linalg import splu

from ..spaces.tensor_space import TensorSpace
from .symmetric import components

MOST_ENTRIES = 6_000_000  # of a stiffness matrix: about ten seconds and 2 GB for its factors


def can_be_factorised(space: TensorSpace) -> bool:
    """Whether the stiffness matrix is sparse, of a plane problem, and small enough."""
    line = space.line
    if space.dim != 2 or not line.per_element:
        return False
    degree = np.count_nonzero(line.derivatives[0]) - 1
    return line.unknowns**2 * (2 * degree + 1) ** 2 <= MOST_ENTRIES


def factorised(space: TensorSpace, weighted: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The inverse of the stiffness matrix of one cell, as a function of residuals (1, L, n, n).

    Args:
        space: elements in the plane.
        weighted: K times the weights (q, q), or (2, 2, q, q).
    """
    gradients, matrix = _gradients(space), 0
    for i, j in components(2):
        entry = weighted if weighted.ndim == 2 and i == j else weighted[i, j] if weighted.ndim == 4 else None
        if entry is not None:
            part = gradients[i].T @ diags_array(entry.ravel()) @ gradients[j]
            matrix = matrix + (part if i == j else part + part.T)
    # constants are in the kernel: one unknown is set to 0
    factors = splu(csc_matrix(matrix)[1:, 1:], permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def solve(residual: np.ndarray) -> np.ndarray:
        result = np.zeros((residual.shape[1], space.line.unknowns**2))
        result[:, 1:] = factors.solve(residual.reshape(len(result), -1)[:, 1:].T).T
        return result.reshape(residual.shape)

    return solve


@lru_cache(maxsize=8)
def _gradients(space: TensorSpace) -> tuple[csr_matrix, csr_matrix]:
    """Matrices of the derivatives of the unknowns at the quadrature points."""
    values, slopes = csr_matrix(space.line.values), csr_matrix(space.line.derivatives)
    return kron(slopes, values, "csr"), kron(values, slopes, "csr")
