"""Errors of effective tensors, cell by cell: what a richer quadrature and a richer space still change.

theta minimises the energy J over a space with a quadrature. Its energy J' by a richer quadrature differs from J by what
the quadrature errs; its residual r in the richer space says how far J' is above the minimum there, which is
r . A^-1 r. For a scalar K the preconditioner P of conjugate gradients stands for A^-1: the cost is that of half an
iteration. Where that is nearly as much as is allowed, and where a tensor K is anisotropic, so that P may be smaller
than A^-1 by orders of magnitude, r . A^-1 r is computed by conjugate gradients. Both are symmetric matrices (d, d), and
are compared with K_eff in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..spaces.tensor_space import LineSpace, TensorSpace
from .cell_problem import CellProblem, Field, flux, products
from .conjugate_gradients import minimise
from .sparse_factorisation import can_be_factorised

STEPS = 200  # of conjugate gradients, at most, for a residual
IN_SPAN = 2  # steps of conjugate gradients for what a span misses of a corrector, where its size is wanted
FEW_STEPS = 12  # of them where only the size of A^-1 r is wanted
DOUBTFUL = 0.1  # part of the allowed error from which one step is doubted: in a deep, narrow well it may give a tenth


@dataclass(frozen=True, eq=False)
class RicherSpace:
    """Where the error of a space is measured.

    Args:
        trial: the functions of the space at the points of a richer quadrature.
        test: a richer space with that quadrature, in which residuals are tested.
        safety: factor on the measured error: the least that holds for potentials whose exact tensors are known.
        tolerance: of the energies, where conjugate gradients compute them.
        allowed: relative error that is allowed; one step is doubted where it gives nearly as much.
        single: whether residuals of a scalar K are computed in single precision, whose rounding is a relative 1e-12 of
            the energy.
        of_span: whether the cells were solved in a span: what that misses of their correctors are no directions in
            which conjugate gradients are slow, and one step is enough.
    """

    trial: TensorSpace
    test: TensorSpace
    safety: float
    tolerance: float = 1e-12
    allowed: float = 0.0
    single: bool = False
    of_span: bool = False

    def error(self, coefficient: np.ndarray, field: Field, effective: np.ndarray) -> np.ndarray:
        """Relative errors (B,) of effective tensors.

        Args:
            coefficient: K at the richer quadrature points, (B, q, ...) or (B, d, d, q, ...).
            field: e_j + grad theta_j at these points, by components (B, d, q, ...).
            effective: K_eff by the quadrature of the space (B, d, d).
        """
        weighted = coefficient * self.test.weights
        fluxes = flux(weighted, field)
        of_quadrature = relative_size(products(fluxes, field) - effective, effective)
        if coefficient.ndim > self.test.dim + 1:
            missed = relative_size(self._gained(coefficient, fluxes, effective), effective)
            return self.safety * (of_quadrature + missed)
        missed = relative_size(self._one_step(coefficient, fluxes), effective)
        doubtful = np.flatnonzero((missed > DOUBTFUL * self.allowed) & (missed <= self.allowed))
        if doubtful.size and not self.of_span:
            gained = self._gained(coefficient[doubtful], [flux[doubtful] for flux in fluxes], effective[doubtful])
            missed[doubtful] = np.maximum(missed[doubtful], relative_size(gained, effective[doubtful]))
        return self.safety * (of_quadrature + missed)

    def _one_step(self, coefficient: np.ndarray, fluxes: Field) -> np.ndarray:
        """r . P r (B, d, d)."""
        space = in_single_precision(self.test) if self.single else self.test
        kind = np.float32 if self.single else np.float64
        residual = space.divergence([part.astype(kind, copy=False) for part in fluxes])
        return CellProblem(space, coefficient.astype(kind, copy=False)).dual_products(residual)

    def correction(self, coefficient: np.ndarray, field: Field, effective: np.ndarray) -> np.ndarray:
        """An approximation of A^-1 r (B, d, n, ...) by a few steps of conjugate gradients.

        By so much, about, theta is off its minimum in the richer space.
        """
        problem = CellProblem(self.test, coefficient)
        residual = self.test.divergence(flux(coefficient * self.test.weights, field))
        start = np.einsum("bii->bi", effective)
        return minimise(
            problem.apply, problem.precondition, residual, lambda u: np.full(u.shape[:2], np.inf), start,
            self.tolerance, IN_SPAN if self.of_span else FEW_STEPS,
        ).minimisers  # fmt: skip

    def _gained(self, coefficient: np.ndarray, fluxes: Field, effective: np.ndarray) -> np.ndarray:
        """r . A^-1 r (B, d, d), to the tolerance."""
        problem, residual = CellProblem(self.test, coefficient), self.test.divergence(fluxes)
        start = np.einsum("bii->bi", effective)
        minimum = minimise(
            problem.apply, problem.precondition, residual, lambda u: np.full(u.shape[:2], np.inf), start,
            self.tolerance, STEPS,
        )  # fmt: skip
        if can_be_factorised(self.test):
            minimum = problem.factorised_where_needed(minimum, residual, start, self.tolerance)
        rows = *residual.shape[:2], -1
        gained = residual.reshape(rows) @ minimum.minimisers.reshape(rows).swapaxes(1, 2)
        gained[~minimum.converged] = np.inf
        return 0.5 * (gained + gained.swapaxes(1, 2))


@lru_cache(maxsize=128)
def in_single_precision(space: TensorSpace) -> TensorSpace:
    """The same space with numbers of half the size."""
    return TensorSpace(_smaller(space.line), space.dim, tuple(_smaller(line) for line in space.moved))


def _smaller(line: LineSpace) -> LineSpace:
    fields: dict[str, Any] = vars(line)
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    smaller: dict[str, Any] = {name: value.astype(np.float32) for name, value in arrays.items()}
    return replace(line, **smaller)


def relative_size(change: np.ndarray, tensor: np.ndarray) -> np.ndarray:
    """Frobenius norms (B,) of K^-1/2 A K^-1/2 for symmetric A (B, d, d): at least their largest eigenvalues."""
    relative = np.linalg.solve(tensor, change)
    return np.sqrt(np.maximum(np.einsum("bij,bji->b", relative, relative), 0.0))
