"""Reduced bases: thousands of cells of one family, solved in the span of the correctors (snapshots) of a few of them.

The energy of a field that is a combination of r given ones is a quadratic form with a small matrix, which is linear in
K: one matrix product gives it for many cells. What comes out is never below the energy that the full space would give,
and above it by the square of the distance of the corrector to the span.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..spaces.tensor_space import TensorSpace
from .cell_problem import Field
from .symmetric import components

LARGEST = 160  # fields in a basis
MEMORY = 40_000_000  # numbers in the table of products
SINGLE = 2e-7  # accuracy of fields that single precision gives


@dataclass(frozen=True, eq=False)
class ReducedBasis:
    """Reduced cell problem: min over v in a span of int (e_j + v) . K (e_j + v), for many K.

    Args:
        dim: d.
        scalar: whether K is a scalar.
        products: integrals of K times products of two of (v_1, ..., v_r, e_1, ..., e_d) are K (B, Q) times this table.
        fields: v_1, ..., v_r at the points of another, richer quadrature (r, d, q, ...).
        single: whether minimisers are computed in single precision.
    """

    dim: int
    scalar: bool
    products: np.ndarray
    fields: np.ndarray
    single: bool = False

    @property
    def size(self) -> int:
        """Dimension r of the span."""
        return len(self.fields)

    def minimised(self, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minimise the energies.

        Args:
            tensor: K at the quadrature points, (B, q, ...) or (B, d, d, q, ...).

        Returns:
            The energies (B, d, d), and the coefficients (B, r, d) of the minimising fields.
        """
        form, r = self._form(tensor), self.size
        # the energies are evaluated at what comes out, and change with the square of its error
        kind = np.float32 if self.single else np.float64
        parts = -_solved(form[:, :r, :r].astype(kind), form[:, :r, r:].astype(kind)).astype(np.float64)
        return self._energies(form, parts), parts

    def energies(self, tensor: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Energies (B, d, d) of the fields with coefficients (B, r, d), with any symmetric tensor in the place of K."""
        return self._energies(self._form(tensor), parts)

    def _energies(self, form: np.ndarray, parts: np.ndarray) -> np.ndarray:
        trial = np.concatenate([parts, np.broadcast_to(np.eye(self.dim), (len(parts), self.dim, self.dim))], axis=1)
        energies = trial.swapaxes(1, 2) @ form @ trial
        return 0.5 * (energies + energies.swapaxes(1, 2))

    def combined(self, parts: np.ndarray) -> Field:
        """The fields with coefficients (B, r, d) at points of the richer quadrature, by components (B, d, q, ...)."""
        rows = parts.swapaxes(1, 2).reshape(-1, self.size)
        shape = (len(parts), self.dim, *self.fields.shape[2:])
        return [(rows @ self.fields[:, i].reshape(self.size, -1)).reshape(shape) for i in range(self.dim)]

    def _form(self, tensor: np.ndarray) -> np.ndarray:
        """Matrices of the quadratic forms (B, r + d, r + d)."""
        cells = len(tensor)
        if self.scalar:
            flat = tensor.reshape(cells, -1)
        else:
            flat = np.concatenate([tensor[:, i, j].reshape(cells, -1) for i, j in components(self.dim)], axis=1)
        return np.ascontiguousarray((flat @ self.products)[:, _places(self.size + self.dim)])


@dataclass(frozen=True, eq=False)
class LevelBasis:
    """Spans for the cells of a level, and for their duals where bounds are wanted."""

    primal: ReducedBasis
    dual: ReducedBasis | None


def reduced_basis(
    fields: np.ndarray, richer: np.ndarray, space: TensorSpace, *, scalar: bool, accuracy: float
) -> ReducedBasis | None:
    """Make a basis by proper orthogonal decomposition of snapshots.

    Args:
        fields: gradients or curls at the quadrature points (F, d, q, ...).
        richer: the same fields at the points of a richer quadrature.
        space: gives the weights.
        scalar: whether K is a scalar.
        accuracy: singular values below this part of the largest are left out.

    Returns:
        The basis, or None where it would not fit into memory.
    """
    dim = space.dim
    flat = fields.reshape(len(fields), dim, -1) * np.sqrt(space.weights.ravel())
    values, vectors = np.linalg.eigh(np.einsum("adq,bdq->ab", flat, flat, optimize=True))
    keep = np.flatnonzero(values > accuracy**2 * values[-1])[::-1][:LARGEST]
    if not keep.size:
        return None
    total = keep.size + dim
    if total * (total + 1) // 2 * space.weights.size * (1 if scalar else dim * (dim + 1) // 2) > MEMORY:
        return None
    combine = (vectors[:, keep] / np.sqrt(values[keep])).T
    table = _table(np.tensordot(combine, fields, axes=1), space, scalar)
    return ReducedBasis(dim, scalar, table, np.tensordot(combine, richer, axes=1), accuracy > SINGLE)


def _table(fields: np.ndarray, space: TensorSpace, scalar: bool) -> np.ndarray:
    """Weighted products of two fields at each point (Q or Q for each pair of components, pairs of fields)."""
    dim = space.dim
    units = np.zeros((dim, dim, *space.weights.shape))
    for i in range(dim):
        units[i, i] = 1.0
    both = np.concatenate([fields, units]).reshape(len(fields) + dim, dim, -1)
    first, second = np.tril_indices(len(both))
    rows = []
    for i, j in components(dim):
        product = both[first, i] * both[second, j]
        if i != j:
            product = product + both[first, j] * both[second, i]
        if i == j or not scalar:
            rows.append(product * space.weights.ravel())
    return np.ascontiguousarray(sum(rows).T if scalar else np.concatenate([row.T for row in rows]))


def _solved(matrices: np.ndarray, right_hand_sides: np.ndarray) -> np.ndarray:
    """Solutions of linear systems (B, r, r), 0 where one is singular: the energy is then larger, and so the error."""
    try:
        return np.linalg.solve(matrices, right_hand_sides)
    except np.linalg.LinAlgError:
        regular = np.linalg.matrix_rank(matrices) == matrices.shape[-1]
        result = np.zeros_like(right_hand_sides)
        result[regular] = np.linalg.solve(matrices[regular], right_hand_sides[regular])
        return result


@lru_cache(maxsize=16)
def _places(size: int) -> np.ndarray:
    """Where the entries of a symmetric matrix are in the list of its lower triangle (size, size)."""
    rows, columns = np.tril_indices(size)
    places = np.zeros((size, size), dtype=np.intp)
    places[rows, columns] = places[columns, rows] = np.arange(rows.size)
    return places
