"""Sparse matrices in scipy, on one rank: factors of SuperLU, and ARPACK's modes."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh, splu

from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.mpi import MPI

from .dissection import dissected_graph
from .sparse_matrix import ModeSearch, Solver, SolverChoice, SparseMatrix

if TYPE_CHECKING:
    from ..backend.lowest_modes import LowestModes

# minimum degree on the pattern of A + A^T, and pivots on the diagonal: what symmetric matrices need
SYMMETRIC: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True},
}  # fmt: skip
# unknowns in space from which factors fill gigabytes, and only multigrid helps
LARGEST_3D = 90_000
# of the first vector of an iteration
SEED = 0
# searches beside modes that were found
MOST_BESIDE = 50


class ScipySolver(Solver):
    """Solves with factors.

    Args:
        factors: by SuperLU.
        order: the numbers of the rows of A (m,) in their order in the factors; None where they are the same.
    """

    direct = True

    def __init__(self, factors: Any, order: np.ndarray | None = None) -> None:
        self._factors, self._order = factors, order

    def solution(self, right: np.ndarray) -> tuple[np.ndarray, str]:
        """The solution (m,), and why it is none."""
        if self._order is None:
            result = np.asarray(self._factors.solve(right))
        else:
            result = np.empty_like(right)
            result[self._order] = self._factors.solve(right[self._order])
        return result, "" if np.isfinite(result).all() else "SuperLU gives no finite solution"

    def destroy(self) -> None:
        """Give the memory of the factors back."""
        self._factors = None


def factored(
    matrix: scipy.sparse.csr_array, name: str, dim: int, order: np.ndarray | None = None, symmetric: bool = True
) -> ScipySolver:
    """The factors of a matrix.

    Args:
        matrix: A.
        name: of the solver, in messages.
        dim: dimension of space.
        order: of elimination (m,), of a symmetric matrix; None leaves it to SuperLU.
        symmetric: whether A is.

    Raises:
        NotConverged: A is singular to rounding, or its factors do not fit into memory.
    """
    what, size = f"the set-up of the linear solver {name.rstrip('_')}", matrix.shape[0]
    if dim == 3 and size > LARGEST_3D:
        remedy = "take fewer cells, or install PETSc (docs: installing), which has multigrid"
        raise NotConverged(what, f"factors of {size} unknowns in space are too large, and scipy has no others", remedy)
    options = dict(SYMMETRIC) if symmetric else {}
    if order is not None:
        matrix, options["permc_spec"] = matrix[order][:, order], "NATURAL"
    # a symmetric matrix is the transpose of itself: no copy
    columns = matrix.T if symmetric else matrix.tocsc()
    try:
        return ScipySolver(splu(scipy.sparse.csc_array(columns), **options), order)
    except MemoryError as error:
        raise NotConverged(what, "its factors do not fit into memory", "take fewer cells, or install PETSc") from error
    except RuntimeError as error:
        remedy = "the matrix is singular to rounding: let coefficients vary less"
        raise NotConverged(what, str(error), remedy) from error


class ScipyMatrix(SparseMatrix):
    """A matrix of scipy.

    Args:
        comm: of one rank.
        rows: A.
        places: of its unknowns in space (m, d), or None.
    """

    name = "scipy"

    def __init__(self, comm: MPI.Comm, rows: scipy.sparse.csr_array, places: np.ndarray | None = None) -> None:
        self.comm, self.rows, self._places = comm, rows, places

    @classmethod
    def of_rows(cls, comm: MPI.Comm, rows: scipy.sparse.csr_array, places: np.ndarray | None = None) -> ScipyMatrix:
        """The symmetric matrix with these rows."""
        return cls(comm, rows, places)

    @cached_property
    def _order(self) -> np.ndarray | None:
        """An order of elimination (m,), in space, where minimum degree leaves too much; None leaves it to SuperLU."""
        if self._places is None or self._places.shape[1] < 3:
            return None
        return np.concatenate(dissected_graph(self._places, self.rows))

    @property
    def size(self) -> int:
        """Rows."""
        return int(self.rows.shape[0])

    def diagonal(self) -> np.ndarray:
        """The diagonal."""
        return np.asarray(self.rows.diagonal())

    def applied(self, values: np.ndarray) -> np.ndarray:
        """A x."""
        return np.asarray(self.rows @ values)

    def add_to_diagonal(self, value: float) -> None:
        """A becomes A + c."""
        self.rows = scipy.sparse.csr_array(self.rows + value * scipy.sparse.eye_array(self.size, format="csr"))

    def scale_both(self, values: np.ndarray) -> None:
        """A becomes D A D."""
        rows = np.repeat(np.arange(self.size), np.diff(self.rows.indptr))
        self.rows.data *= values[rows] * values[self.rows.indices]

    def isolate(self, rows: np.ndarray, diagonal: float) -> None:
        """Rows and their columns become 0, but for the diagonal."""
        row = np.repeat(np.arange(self.size), np.diff(self.rows.indptr))
        apart = np.zeros(self.size, dtype=bool)
        apart[rows] = True
        entries = apart[row] | apart[self.rows.indices]
        self.rows.data[entries] = np.where((row == self.rows.indices)[entries], diagonal, 0.0)

    def solver(self, choice: SolverChoice) -> ScipySolver:
        """A solver for A."""
        return factored(self.rows, choice.prefix, choice.dim, self._order)

    def resolvent(
        self, c: float, product: SparseMatrix | None, near_kernel: np.ndarray, choice: SolverChoice
    ) -> ScipySolver:
        """A solver for 1 + c A or B + c A."""
        assert product is None or isinstance(product, ScipyMatrix)
        added = scipy.sparse.eye_array(self.size, format="csr") if product is None else product.rows
        order, symmetric = (self._order, True) if product is None else (None, False)
        return factored(scipy.sparse.csr_array(c * self.rows + added), choice.prefix, choice.dim, order, symmetric)

    def modes(self, product: SparseMatrix | None, search: ModeSearch) -> np.ndarray:
        """The lowest modes, by ARPACK."""
        assert product is None or isinstance(product, ScipyMatrix)
        weight = scipy.sparse.eye_array(self.size, format="csr") if product is None else product.rows
        try:
            factors = factored(scipy.sparse.csr_array(self.rows + search.shift * weight), search.prefix, 0, self._order)
            return _inverse_iteration(self.rows, weight, factors, search)
        except NotConverged as error:
            raise NotConverged(search.what, error.reason, search.remedy) from error
        except ArpackNoConvergence as error:
            return np.asarray(error.eigenvectors)
        except ArpackError as error:
            raise NotConverged(search.what, f"ARPACK gave up: {error}", search.remedy) from error

    def modes_by_multigrid(self, product: SparseMatrix, kernel: np.ndarray, count: int, scale: float) -> LowestModes:
        """Nothing: scipy has no multigrid."""
        remedy = "take fewer cells, so that factors fit, or install PETSc and SLEPc, which have multigrid"
        raise NotConverged("the eigenvalue problem", "scipy has no multigrid", remedy)

    def destroy(self) -> None:
        """Nothing is left to give back."""


def _inverse_iteration(
    energy: scipy.sparse.csr_array, product: scipy.sparse.csr_array, factors: ScipySolver, search: ModeSearch
) -> np.ndarray:
    """Modes (m, k) by Lanczos iteration of (A + shift B)^-1 B, from which the known mode is taken out."""
    taken = [] if search.known is None else [search.known]
    rates, modes = _beside(energy, product, factors, search, taken)
    # one sequence of Krylov vectors sees one mode of each rate but for rounding: those beside the others are looked for
    for _ in range(MOST_BESIDE):
        if rates.size < search.count or energy.shape[0] <= search.count + len(taken) + 2:
            break
        slowest = np.argsort(rates, kind="stable")[: search.count]
        rates, modes = rates[slowest], modes[:, slowest]
        last = rates[-1] + search.shift
        others, more = _beside(energy, product, factors, replace(search, count=1), [*taken, *modes.T])
        if not (others + search.shift < last * (1.0 - search.apart)).any():
            break
        rates, modes = np.append(rates, others), np.concatenate([modes, more], axis=1)
    else:
        reason = f"modes of close rates are still found after {MOST_BESIDE} searches"
        raise NotConverged(search.what, reason, "ask for fewer")
    return modes[:, np.argsort(rates, kind="stable")]


def _beside(
    energy: scipy.sparse.csr_array, product: scipy.sparse.csr_array, factors: ScipySolver, search: ModeSearch,
    taken: list[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Rates (k,) and modes (m, k) beside others, which are orthonormal."""
    size = energy.shape[0]
    others = np.stack(taken, axis=1) if taken else np.empty((size, 0))
    of_others = product @ others

    def without(values: np.ndarray) -> np.ndarray:
        return values - others @ (of_others.T @ values)

    def solved(right: np.ndarray) -> np.ndarray:
        values, reason = factors.solution(right - of_others @ (others.T @ right))
        if reason:
            raise NotConverged(search.what, reason, search.remedy)
        return without(values)

    count = min(search.count, size - 2)
    start = without(np.random.Generator(np.random.Philox(key=SEED + len(taken))).standard_normal(size))
    inverse = LinearOperator((size, size), matvec=solved, dtype=np.float64)
    values, vectors = eigsh(
        energy, count, product, sigma=-search.shift, OPinv=inverse, v0=start, tol=search.tolerance,
        maxiter=search.most * 10,
    )  # fmt: skip
    return values, vectors
