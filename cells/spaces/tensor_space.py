"""Tensor products of line spaces on the torus T^d: gradients and adjoints by sum factorisation, in small matrices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .line_space import LineSpace


def apply_along(matrix: np.ndarray | None, array: np.ndarray, axis: int) -> np.ndarray:
    """Apply a matrix (None: the identity) to an array along one of its last axes, axis = -1, -2, ..."""
    if matrix is None:
        return array
    if axis == -1:
        return array @ matrix.T
    if axis == -2:
        return matrix @ array
    behind = array.shape[axis + 1 :]
    flat = array.reshape(*array.shape[: axis + 1], -1)
    return (matrix @ flat).reshape(*array.shape[:axis], matrix.shape[0], *behind)


def apply_along_all(matrices: list[np.ndarray | None], array: np.ndarray) -> np.ndarray:
    """Apply one matrix along each of the last axes."""
    for i, matrix in enumerate(matrices):
        array = apply_along(matrix, array, i - len(matrices))
    return array


def transpose(matrix: np.ndarray | None) -> np.ndarray | None:
    """The transpose of a matrix, or None for the identity."""
    return None if matrix is None else np.ascontiguousarray(matrix.T)


@dataclass(frozen=True, eq=False)
class TensorSpace:
    """Tensor products of line spaces on T^d: arrays (..., n, ..., n) of unknowns, (..., q, ..., q) of values.

    Args:
        line: the same space in each direction.
        dim: d.
    """

    line: LineSpace
    dim: int

    @cached_property
    def weights(self) -> np.ndarray:
        """Quadrature weights (q, ..., q)."""
        result = self.line.weights
        for _ in range(self.dim - 1):
            result = np.multiply.outer(result, self.line.weights)
        return result

    @cached_property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """The d coordinates of the quadrature points, each of a shape that broadcasts to (q, ..., q)."""
        return tuple(np.meshgrid(*[self.line.points] * self.dim, indexing="ij", sparse=True))

    @property
    def unknowns(self) -> tuple[int, ...]:
        """Shape of the unknowns of one function."""
        return (self.line.unknowns,) * self.dim

    @cached_property
    def _value(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        return self.line.values, transpose(self.line.values)

    @cached_property
    def _slope(self) -> tuple[np.ndarray, np.ndarray]:
        return self.line.derivatives, np.ascontiguousarray(self.line.derivatives.T)

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        return self.line.modes, np.ascontiguousarray(self.line.modes.T)

    def gradient(self, u: np.ndarray) -> list[np.ndarray]:
        """The d components of grad u at the quadrature points."""
        parts: list[np.ndarray] = []
        for axis in range(-1, -self.dim - 1, -1):
            parts = [apply_along(self._value[0], part, axis) for part in parts]
            parts.append(apply_along(self._slope[0], u, axis))
            u = apply_along(self._value[0], u, axis)
        return parts[::-1]

    def divergence(self, flux: list[np.ndarray]) -> np.ndarray:
        """The adjoint of `gradient`: int flux . grad phi for each basis function phi, the weights being in the flux."""
        parts = list(flux)
        result = np.zeros(())
        for axis in range(-self.dim, 0):
            slope = apply_along(self._slope[1], parts[axis], axis)
            result = slope if axis == -self.dim else apply_along(self._value[1], result, axis) + slope
            parts[axis + 1 or len(parts) :] = [
                apply_along(self._value[1], part, axis) for part in parts[axis + 1 or len(parts) :]
            ]
        return result

    def modes_of(self, residual: np.ndarray) -> np.ndarray:
        """Values of a functional on the products of the modes v_i, from those on the basis functions."""
        return apply_along_all([self._modes[1]] * self.dim, residual)

    def from_modes(self, coefficients: np.ndarray) -> np.ndarray:
        """Unknowns of a linear combination of products of the modes v_i."""
        return apply_along_all([self._modes[0]] * self.dim, coefficients)

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Eigenvalues lambda_i + lambda_j + ... of -Laplace (n, ..., n); infinite for the constant."""
        total = np.zeros(self.unknowns)
        for frequencies in np.meshgrid(*[self.line.frequencies] * self.dim, indexing="ij", sparse=True):
            total += frequencies
        total.flat[0] = np.inf
        return total

    def diagonal(self, tensor: np.ndarray) -> np.ndarray:
        """Diagonal of the stiffness matrix, int grad phi . K grad phi for each basis function phi.

        Args:
            tensor: K times the weights (B, d, d, q, ..., q), or a scalar K (B, q, ..., q).
        """
        squares = self._products
        result = np.zeros(())
        for i in range(self.dim):
            for j in range(i, self.dim):
                if tensor.ndim == self.dim + 1:
                    entry = tensor if i == j else None
                else:
                    entry = tensor[:, i, j] if i == j else 2.0 * tensor[:, i, j]
                if entry is not None:
                    kinds = [(axis == i) + (axis == j) for axis in range(self.dim)]
                    result = result + apply_along_all([squares[kind] for kind in kinds], entry)
        return result

    @cached_property
    def _products(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Products phi phi, phi phi' and phi' phi' at the points, transposed."""
        slope = self.line.derivatives
        value = np.eye(*slope.shape) if self.line.values is None else self.line.values
        return tuple(np.ascontiguousarray(product.T) for product in (value**2, value * slope, slope**2))  # type: ignore[return-value]
