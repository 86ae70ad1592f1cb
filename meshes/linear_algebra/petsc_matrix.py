"""Sparse matrices in PETSc, on any number of ranks: factors of CHOLMOD or MUMPS, multigrid, and SLEPc's modes."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse
from mpi4py import MPI
from petsc4py import PETSc

from ..backend.lowest_modes import LowestModes, preconditioned
from ..backend.petsc_solvers import CHOLMOD_COLUMNS, configured, general_options, symmetric_options
from ..backend.shift_and_invert import found_modes
from .sparse_matrix import ModeSearch, Solver, SolverChoice, SparseMatrix


class PetscSolver(Solver):
    """Solves by a KSP.

    Args:
        ksp: with its operator.
        order: the numbers of the rows of A (m,) in their order in the operator; None where they are the same.
    """

    def __init__(self, ksp: PETSc.KSP, order: np.ndarray | None = None) -> None:
        self._ksp, self._order = ksp, None if order is None else order.astype(np.intp)
        # numpy gathers faster than it scatters, and by its own kind of integers
        self._places = None if self._order is None else np.argsort(self._order)
        self._right, self._left = ksp.getOperators()[0].createVecs()
        self.direct = bool(ksp.getType() == "preonly")

    def solution(self, right: np.ndarray) -> tuple[np.ndarray, str]:
        """The solution (m,), and why it is none; collective."""
        self._right.array[:] = right if self._order is None else right[self._order]
        self._ksp.solve(self._right, self._left)
        result = self._left.array.copy() if self._places is None else self._left.array[self._places]
        finite = self._ksp.getComm().tompi4py().allreduce(bool(np.isfinite(result).all()), MPI.LAND)
        reason = self._ksp.getConvergedReason()
        if reason >= 0 and finite:
            return result, ""
        return result, f"PETSc reason {reason} after {self._ksp.getIterationNumber()} iterations"

    def destroy(self) -> None:
        """Give the memory of the factors back."""
        self._ksp.destroy()


class PetscMatrix(SparseMatrix):
    """A matrix of PETSc.

    Args:
        matrix: with its values.
    """

    name = "petsc"

    def __init__(self, matrix: PETSc.Mat) -> None:
        self.matrix, self.comm = matrix, matrix.getComm().tompi4py()

    @classmethod
    def of_rows(cls, comm: MPI.Comm, rows: scipy.sparse.csr_array, places: np.ndarray | None = None) -> PetscMatrix:
        """The symmetric matrix with these rows on this rank."""
        return cls(matrix_of_rows(comm, rows))

    @cached_property
    def _vectors(self) -> tuple[PETSc.Vec, PETSc.Vec]:
        return self.matrix.createVecs()

    @property
    def size(self) -> int:
        """Rows over all ranks."""
        return int(self.matrix.getSize()[0])

    def diagonal(self) -> np.ndarray:
        """The diagonal of the rows of this rank."""
        return np.array(self.matrix.getDiagonal().array)

    def applied(self, values: np.ndarray) -> np.ndarray:
        """A x on the rows of this rank."""
        right, left = self._vectors
        right.array[:] = values
        self.matrix.mult(right, left)
        return np.array(left.array)

    def add_to_diagonal(self, value: float) -> None:
        """A becomes A + c."""
        self.matrix.shift(value)

    def scale_both(self, values: np.ndarray) -> None:
        """A becomes D A D."""
        vector = self._vector(values)
        self.matrix.diagonalScale(vector, vector)

    def isolate(self, rows: np.ndarray, diagonal: float) -> None:
        """Rows of this rank and their columns become 0, but for the diagonal."""
        numbers = rows + self.matrix.getOwnershipRange()[0]
        self.matrix.zeroRowsColumns(numbers.astype(PETSc.IntType), diag=diagonal)

    def solver(self, choice: SolverChoice) -> PetscSolver:
        """A solver for A."""
        if choice.definite:
            self.matrix.setOption(PETSc.Mat.Option.SPD, True)
        options = symmetric_options(self.comm, choice.dim, self.size)
        return PetscSolver(configured(self.matrix, choice.prefix, options, choice.petsc_options))

    def resolvent(
        self, c: float, product: SparseMatrix | None, near_kernel: np.ndarray, choice: SolverChoice
    ) -> PetscSolver:
        """A solver for 1 + c A or B + c A."""
        options = (symmetric_options if product is None else general_options)(self.comm, choice.dim, self.size)
        order = choice.order if options.get("pc_type") == "cholesky" and not choice.petsc_options else None
        if order is None or self.comm.size > 1:
            matrix, order = self.matrix.copy(), None
        else:
            rows = PETSc.IS().createGeneral(order.astype(PETSc.IntType), comm=self.matrix.getComm())
            matrix = self.matrix.permute(rows, rows)
            options["pc_factor_mat_ordering_type"] = "natural"
            if choice.many:
                options["pc_factor_mat_solver_type"] = "petsc"
        matrix.scale(c)
        if product is not None:
            assert isinstance(product, PetscMatrix)
            matrix.axpy(1.0, product.matrix, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        else:
            matrix.shift(1.0)
            matrix.setOption(PETSc.Mat.Option.SPD, True)
            kernel = matrix.createVecRight()
            kernel.array[:] = near_kernel if order is None else near_kernel[order]
            kernel.normalize()
            matrix.setNearNullSpace(PETSc.NullSpace().create(vectors=[kernel], comm=matrix.getComm()))
        if options.get("pc_factor_mat_solver_type") == "cholmod" and choice.dim < 3:
            options |= CHOLMOD_COLUMNS
        return PetscSolver(configured(matrix, choice.prefix, options, choice.petsc_options), order)

    def modes(self, product: SparseMatrix | None, search: ModeSearch) -> np.ndarray:
        """The lowest modes, by SLEPc."""
        assert product is None or isinstance(product, PetscMatrix)
        known = None if search.known is None else self._vector(search.known)
        return found_modes(
            self.matrix, None if product is None else product.matrix, known, search.count, search.shift,
            prefix=search.prefix, tolerance=search.tolerance, most=search.most, what=search.what, remedy=search.remedy,
            apart=search.apart,
        )  # fmt: skip

    def modes_by_multigrid(self, product: SparseMatrix, kernel: np.ndarray, count: int, scale: float) -> LowestModes:
        """Modes without factors, by SLEPc."""
        assert isinstance(product, PetscMatrix)
        return preconditioned(self.matrix, product.matrix, self._vector(kernel), count, scale)

    def _vector(self, values: np.ndarray) -> PETSc.Vec:
        vector = self.matrix.createVecRight()
        vector.array[:] = values
        return vector

    def destroy(self) -> None:
        """Give the memory back."""
        self.matrix.destroy()


def matrix_of_rows(comm: MPI.Comm, rows: scipy.sparse.csr_array) -> PETSc.Mat:
    """The symmetric matrix of PETSc with these rows on this rank (m, size); collective."""
    mine, size = rows.shape
    csr = (rows.indptr.astype(PETSc.IntType), rows.indices.astype(PETSc.IntType), rows.data)
    matrix = PETSc.Mat().createAIJ(((mine, size), (mine, size)), csr=csr, comm=comm)
    matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
    matrix.setOption(PETSc.Mat.Option.SYMMETRY_ETERNAL, True)
    return matrix
