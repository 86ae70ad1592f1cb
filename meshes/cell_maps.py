"""From points to the reference cell, for many cells at a time: of simplices, quadrilaterals and hexahedra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Newton's iterations, and the change of reference coordinates that ends them
ROUNDS, ENOUGH = 30, 1e-14
# reference coordinates beyond which a point is not in the cell, and the iteration need not go on
FAR = 4.0


@dataclass(frozen=True)
class CellMap:
    """The map x = sum_k N_k(xi) x_k of the corners x_k of a cell.

    Args:
        kind: its name in dolfinx.
    """

    kind: str

    @property
    def simplex(self) -> bool:
        """Whether N_k is linear."""
        return self.kind in ("interval", "triangle", "tetrahedron")

    def shapes(self, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """N (P, k) and its derivatives (P, k, d) at places (P, d)."""
        count, dim = reference.shape
        if self.simplex:
            values = np.concatenate([1.0 - reference.sum(axis=1)[:, None], reference], axis=1)
            slopes = np.concatenate([-np.ones((1, dim)), np.eye(dim)])
            return values, np.broadcast_to(slopes, (count, dim + 1, dim))
        # the k-th corner is at the bits of k
        bits = (np.arange(2**dim)[:, None] >> np.arange(dim)) & 1
        factors = np.where(bits, reference[:, None], 1.0 - reference[:, None])
        values, slopes = factors.prod(axis=2), np.empty((count, 2**dim, dim))
        for axis in range(dim):
            others = np.delete(factors, axis, axis=2).prod(axis=2)
            slopes[:, :, axis] = others * np.where(bits[:, axis], 1.0, -1.0)
        return values, slopes

    def pushed(self, corners: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Points x (C, Q, d) of cells with corners (C, k, d), from places (Q, d) in the reference cell."""
        return np.einsum("qk,ckd->cqd", self.shapes(reference)[0], corners)

    def pulled_back(self, corners: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places xi (P, d) of points (P, d) in cells with corners (P, k, d), and how far outside they are (P,).

        The distance is that from the plane of a facet, negative inside; infinite for flat cells.
        """
        dim = points.shape[1]
        reference = np.full_like(points, 1.0 / (dim + 1) if self.simplex else 0.5)
        inverse = np.zeros((len(points), dim, dim))
        with np.errstate(all="ignore"):
            for _ in range(1 if self.simplex else ROUNDS):
                values, slopes = self.shapes(reference)
                inverse = _inverse(np.einsum("pki,pkj->pij", corners, slopes))
                change = np.einsum("pij,pj->pi", inverse, points - np.einsum("pk,pki->pi", values, corners))
                reference = reference + change
                near = np.abs(reference - 0.5).max(axis=1, initial=0.0) < FAR
                if not (near & (np.abs(change).max(axis=1, initial=0.0) > ENOUGH)).any():
                    break
            away = self._outside(reference, inverse)
        return reference, np.where(np.isfinite(away), away, np.inf)

    def _outside(self, reference: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        """By how far places (P, d) are outside (P,), from the inverse of the map's derivative (P, d, d)."""
        lengths = np.linalg.norm(inverse, axis=2)
        if not self.simplex:
            return np.asarray((np.maximum(-reference, reference - 1.0) / lengths).max(axis=1))
        last = np.linalg.norm(inverse.sum(axis=1), axis=1)
        slanted = (reference.sum(axis=1) - 1.0) / last
        return np.maximum((-reference / lengths).max(axis=1), slanted)


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Inverses (P, d, d), by cofactors: infinite or not a number where there is none."""
    dim = matrices.shape[1]
    if dim == 1:
        return 1.0 / matrices
    if dim == 2:
        (a, b), (c, d) = matrices[:, 0].T, matrices[:, 1].T
        turned = np.stack([np.stack([d, -b], 1), np.stack([-c, a], 1)], 1)
        return np.asarray(turned / (a * d - b * c)[:, None, None])
    x, y, z = (matrices[:, :, k] for k in range(3))
    rows = np.stack([np.cross(y, z), np.cross(z, x), np.cross(x, y)], axis=1)
    return np.asarray(rows / (x * rows[:, 0]).sum(axis=1)[:, None, None])
