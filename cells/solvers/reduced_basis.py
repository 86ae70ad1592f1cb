"""Reduced bases: thousands of cells of one family, solved in the span of the correctors (snapshots) of a few of them.

The energy of a field that is a combination of r given ones is a quadratic form with a small matrix, which is linear in
K: one matrix product gives it for many cells. What comes out is never below the energy that the full space would give,
and above it by the square of the distance of the corrector to the span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..spaces.tensor_space import TensorSpace
from .symmetric import components

LARGEST = 160  # fields in a basis
MEMORY = 40_000_000  # numbers in the table of products


@dataclass(frozen=True, eq=False)
class ReducedBasis:
    """Reduced cell problem: min over v in a span of int (e_j + v) . K (e_j + v), for many K.

    Args:
        size: r, the dimension of the span.
        dim: d.
        scalar: whether K is a scalar.
        products: integrals of K times products of two of (v_1, ..., v_r, e_1, ..., e_d) are K (B, Q) times this table.
        checking: the same with a better quadrature, or None.
    """

    size: int
    dim: int
    scalar: bool
    products: np.ndarray
    checking: np.ndarray | None

    def energies(self, tensor: np.ndarray, checking: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimal energies (B, d, d), and those of the same fields with the better quadrature.

        Args:
            tensor: K at the quadrature points, (B, q, ...) or (B, d, d, q, ...).
            checking: K at the points of the better quadrature; without it, the same energies are returned twice.
        """
        form = self._form(tensor, self.products)
        r = self.size
        if checking is None or self.checking is None:
            corner = np.linalg.cholesky(form)[:, r:, r:]  # the last block of the factor is that of the Schur complement
            energies = corner @ corner.swapaxes(1, 2)
            return energies, energies
        form = _symmetrised(form)
        parts = -np.linalg.solve(form[:, :r, :r], form[:, :r, r:])
        fields = np.concatenate([parts, np.broadcast_to(np.eye(self.dim), (len(parts), self.dim, self.dim))], axis=1)
        return _congruence(form, fields), _congruence(_symmetrised(self._form(checking, self.checking)), fields)

    def _form(self, tensor: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Lower triangles of the matrices of the quadratic forms (B, r + d, r + d)."""
        cells, total = len(tensor), self.size + self.dim
        if self.scalar:
            flat = tensor.reshape(cells, -1)
        else:
            flat = np.concatenate([tensor[:, i, j].reshape(cells, -1) for i, j in components(self.dim)], axis=1)
        entries = flat @ products
        form = np.zeros((cells, total, total))
        first = 0
        for row in range(total):
            form[:, row, : row + 1] = entries[:, first : first + row + 1]
            first += row + 1
        return form


@dataclass(frozen=True, eq=False)
class LevelBasis:
    """Spans for the cells of a level, and for their duals where bounds are wanted; the relative error they leave."""

    primal: ReducedBasis
    dual: ReducedBasis | None
    error: float


def reduced_basis(
    fields: np.ndarray,
    fields_checking: np.ndarray | None,
    space: TensorSpace,
    checking: TensorSpace | None,
    *,
    scalar: bool,
    accuracy: float,
    largest: int = LARGEST,
) -> ReducedBasis | None:
    """Make a basis by proper orthogonal decomposition of snapshots.

    Args:
        fields: gradients or curls at the quadrature points (F, d, q, ...).
        fields_checking: the same at the points of the better quadrature.
        space: gives the weights.
        checking: likewise.
        scalar: whether K is a scalar.
        accuracy: singular values below this part of the largest are left out.
        largest: size of the basis.

    Returns:
        The basis, or None where it would not fit into memory.
    """
    dim = space.dim
    flat = fields.reshape(len(fields), dim, -1) * np.sqrt(space.weights.ravel())
    values, vectors = np.linalg.eigh(np.einsum("adq,bdq->ab", flat, flat, optimize=True))
    keep = np.flatnonzero(values > accuracy**2 * values[-1])[::-1][:largest]
    if not keep.size:
        return None
    total = keep.size + dim
    if total * (total + 1) // 2 * space.weights.size * (1 if scalar else dim * (dim + 1) // 2) > MEMORY:
        return None
    combine = (vectors[:, keep] / np.sqrt(values[keep])).T
    tables = [
        _table(np.tensordot(combine, part, axes=1), where, scalar)
        for part, where in ((fields, space), (fields_checking, checking))
        if part is not None and where is not None
    ]
    return ReducedBasis(keep.size, dim, scalar, tables[0], tables[1] if len(tables) > 1 else None)


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


def _symmetrised(lower: np.ndarray) -> np.ndarray:
    """Symmetric matrices from their lower triangles."""
    diagonal = np.einsum("bii->bi", lower)
    whole = lower + lower.swapaxes(1, 2)
    np.einsum("bii->bi", whole)[...] = diagonal
    return whole


def _congruence(form: np.ndarray, fields: np.ndarray) -> np.ndarray:
    energies = fields.swapaxes(1, 2) @ form @ fields
    return 0.5 * (energies + energies.swapaxes(1, 2))
