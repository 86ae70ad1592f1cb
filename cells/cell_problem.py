"""One level of the recursion: correctors and effective tensor of many cells at once, on tensor-product spaces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .energy import energy, flux, with_units
from .energy_descent import minimise
from .tensor_space import TensorSpace

ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class CellSolution:
    """Correctors theta (B, d, n, ..., n) of B cells, their effective tensors (B, d, d), and how the solve went."""

    correctors: np.ndarray
    effective: np.ndarray
    converged: bool
    iterations: int


@dataclass(frozen=True, eq=False)
class CellProblem:
    """div( K (grad theta_j + e_j) ) = 0 on T^d, and K_eff = int (I + grad theta)^T K (I + grad theta), for B cells.

    Written as the minimum of the energy int (e_j + grad theta_j) . K (e_j + grad theta_j): its error is the square of
    that of the corrector, and what is returned is never below the exact K_eff of a K integrated exactly.

    Args:
        space: trial functions and quadrature.
        coefficient: K at the quadrature points, a scalar (B, q, ..., q) or a symmetric tensor (B, d, d, q, ..., q).

    Source: Duncan, Duong and Pavliotis (2023), (15), (16), (28) to (30).
    """

    space: TensorSpace
    coefficient: np.ndarray

    def solve(self, tolerance: float, iterations: int = ITERATIONS) -> CellSolution:
        """Minimise the energy of each direction to a relative tolerance."""
        dim, cells = self.space.dim, self.coefficient.shape[0]
        shape = (cells, dim, *self.space.weights.shape)
        unit = flux(self._weighted, with_units([np.zeros(shape) for _ in range(dim)]))
        start = np.stack([unit[i][:, i].reshape(cells, -1).sum(axis=1) for i in range(dim)], axis=1)
        pulls = self.space.divergence(unit)
        descent = minimise(self.apply, self.precondition, -pulls, self._energies, start, tolerance, iterations)
        tensor = self.effective(descent.minimisers)
        return CellSolution(descent.minimisers, tensor, descent.converged, descent.iterations)

    def apply(self, u: np.ndarray) -> np.ndarray:
        """Int grad phi . K grad u for each basis function phi."""
        return self.space.divergence(flux(self._weighted, self.space.gradient(u)))

    def precondition(self, residual: np.ndarray) -> np.ndarray:
        """S A0^+ S r: the Laplacian of the torus, inverted in its modes, between square roots of diagonals."""
        coefficients = self.space.modes_of(self._scaling * residual)
        coefficients *= self.space.inverse_frequencies
        result = self.space.from_modes(coefficients)
        result *= self._scaling
        return result

    def effective(self, correctors: np.ndarray) -> np.ndarray:
        """Int (I + grad theta)^T K (I + grad theta) (B, d, d), for any theta (B, d, n, ..., n)."""
        return energy(self._weighted, with_units(self.space.gradient(correctors)))

    def _energies(self, correctors: np.ndarray) -> np.ndarray:
        return np.einsum("bii->bi", self.effective(correctors))

    @cached_property
    def _weighted(self) -> np.ndarray:
        return self.coefficient * self.space.weights

    @cached_property
    def _scaling(self) -> np.ndarray:
        """S = sqrt(diag A0 / diag A), (B, 1, n, ..., n)."""
        if self.space.line.collocated:
            if self.coefficient.ndim == self.space.dim + 1:
                local = self.coefficient
            else:
                local = np.einsum("bii...->b...", self.coefficient) / self.space.dim
            return 1.0 / np.sqrt(local)[:, None]
        return np.sqrt(self.space.diagonal(self.space.weights[None]) / self.space.diagonal(self._weighted))[:, None]
