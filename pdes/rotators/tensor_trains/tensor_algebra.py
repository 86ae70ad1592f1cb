"""Expectations with a density w u, u = sum_a u_a P_a in tensor-train form: contractions of its cores with moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def padded(cores: Sequence[np.ndarray], functions: int) -> list[np.ndarray]:
    """The same function among more polynomials of each site."""
    return [np.pad(core, ((0, 0), (0, functions - core.shape[1]), (0, 0))) for core in cores]


def product_law(size: int, functions: int) -> list[np.ndarray]:
    """u = 1: the law w itself."""
    core = np.zeros((1, functions, 1))
    core[0, 0, 0] = 1.0
    return [core.copy() for _ in range(size)]


class Contractions:
    """Contractions of the cores (a, n, b) of a tensor train, of mass 1.

    Args:
        cores: of u.
    """

    def __init__(self, cores: Sequence[np.ndarray]) -> None:
        self.cores = list(cores)
        size = len(self.cores)
        self.before: list[np.ndarray] = [np.ones(1)] * (size + 1)
        self.after: list[np.ndarray] = [np.ones(1)] * (size + 1)
        for j in range(size):
            row = self.before[j] @ self.cores[j][:, 0, :]
            self.before[j + 1] = row
        self.mass = float(self.before[size][0])
        for j in range(size - 1, -1, -1):
            self.after[j] = self.cores[j][:, 0, :] @ self.after[j + 1]

    def single(self, j: int) -> np.ndarray:
        """The coefficients (n,) of the law of one site, over its w."""
        core = np.tensordot(self.before[j], self.cores[j], (0, 0))
        return (core @ self.after[j + 1]) / self.mass

    def several(self, places: Sequence[int]) -> np.ndarray:
        """The coefficients (n, ..) of the joint law of some sites, in increasing order."""
        first, last = places[0], places[-1]
        result: np.ndarray = self.before[first][None, :]
        for j in range(first, last + 1):
            if j in places:
                result = np.tensordot(result, self.cores[j], (-1, 0))
                result = result.reshape(-1, result.shape[-1])
            else:
                result = result @ self.cores[j][:, 0, :]
        shape = [self.cores[j].shape[1] for j in places]
        return (result @ self.after[last + 1]).reshape(shape) / self.mass

    def product(self, moments: Mapping[int, np.ndarray]) -> float:
        """E prod_j f_j(I_j) from the integrals (n,) of w f_j P_a of some sites."""
        if not moments:
            return 1.0
        first, last = min(moments), max(moments)
        row: np.ndarray = self.before[first]
        for j in range(first, last + 1):
            core = self.cores[j]
            row = row @ (np.tensordot(core, moments[j], (1, 0)) if j in moments else core[:, 0, :])
        return float(row @ self.after[last + 1]) / self.mass

    def pairs(self, moments: Sequence[np.ndarray]) -> np.ndarray:
        """The symmetric matrix E f_j(I_j) f_k(I_k) for j != k, from the integrals (n,) of w f_j P_a; 0 for j = k."""
        size = len(self.cores)
        weighted = [np.tensordot(core, one, (1, 0)) for core, one in zip(self.cores, moments)]
        result = np.zeros((size, size))
        for j in range(size):
            row = self.before[j] @ weighted[j]
            for k in range(j + 1, size):
                result[j, k] = result[k, j] = float(row @ weighted[k] @ self.after[k + 1]) / self.mass
                row = row @ self.cores[k][:, 0, :]
        return result


def rounded(cores: Sequence[np.ndarray], tolerance: float) -> list[np.ndarray]:
    """The same function with the least ranks, but for parts of a tolerance, relative to its norm.

    Args:
        cores: of u, all but the first with orthonormal rows.
        tolerance: of what is cut off.
    """
    result = list(cores)
    for j in range(len(result) - 1):
        a, n, b = result[j].shape
        u, s, v = np.linalg.svd(result[j].reshape(a * n, b), full_matrices=False)
        tails = np.sqrt(np.cumsum(s[::-1] ** 2))[::-1]
        kept = max(1, int((tails > tolerance * tails[0]).sum()))
        result[j] = u[:, :kept].reshape(a, n, kept)
        result[j + 1] = np.tensordot(s[:kept, None] * v[:kept], result[j + 1], (1, 0))
    return result
