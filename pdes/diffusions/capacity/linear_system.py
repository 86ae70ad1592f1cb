"""Sums of cell matrices: products, and solves of the matrix scaled to the diagonal 1."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc
from scipy.sparse import coo_matrix, csr_matrix

from scaling_limits.meshes.backend.petsc_solvers import configured, symmetric_options
from scaling_limits.particles.errors import NotConverged

# added to the diagonal 1 where rounding has made a matrix indefinite; iterative refinement takes its effect out
SHIFTS = (0.0, 1e-14, 1e-12, 1e-10)


@dataclass(frozen=True, eq=False)
class CellMatrices:
    """A symmetric matrix that is the sum of matrices of cells, each of which maps constants to 0.

    Args:
        matrices: of the cells of this rank (n, k, k).
        numbers: of their unknowns (n, k).
        size: number of unknowns of all cells.
        comm: the ranks.
    """

    matrices: np.ndarray
    numbers: np.ndarray
    size: int
    comm: MPI.Comm

    def local(self, steps: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Values steps + rest (n, k) in each cell, up to a constant: steps that are equal leave no rounding.

        Args:
            steps: values that are equal in most cells (size,).
            rest: small ones (size,).
        """
        own = steps[self.numbers]
        return own - own[:, :1] + rest[self.numbers]

    def product(self, steps: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """The matrix times steps + rest (size,), on all ranks; collective."""
        values = np.einsum("nij,nj->ni", self.matrices, self.local(steps, rest))
        return self._summed(values)

    def energy(self, one: np.ndarray, other: np.ndarray) -> float:
        """The bilinear form of local values (n, k) of two functions; collective."""
        return float(self.comm.allreduce(np.einsum("ni,nij,nj->", one, self.matrices, other, optimize=True)))

    def diagonal(self) -> np.ndarray:
        """The diagonal (size,), on all ranks; collective."""
        return self._summed(np.einsum("nii->ni", self.matrices))

    def _summed(self, values: np.ndarray) -> np.ndarray:
        total = np.bincount(self.numbers.ravel(), values.ravel(), minlength=self.size)
        return np.asarray(self.comm.allreduce(total))


class ScaledSystem:
    """The rows and columns of a matrix that belong to free unknowns, scaled from both sides to the diagonal 1.

    Args:
        cells: the matrix.
        free: which unknowns (size,), each of positive diagonal.

    Raises:
        NotConverged: no factors, for lack of memory or because the matrix is singular.
    """

    def __init__(self, cells: CellMatrices, free: np.ndarray) -> None:
        self._free = np.flatnonzero(free)
        self.roots = np.sqrt(cells.diagonal()[self._free])
        numbers = np.full(cells.size, -1, dtype=PETSc.IntType)
        numbers[self._free] = np.arange(len(self._free))
        inverse = np.zeros(cells.size)
        inverse[self._free] = 1.0 / self.roots
        scale = inverse[cells.numbers]
        values = cells.matrices * scale[:, :, None] * scale[:, None, :]
        places = numbers[cells.numbers]
        rows, columns = np.broadcast_arrays(places[:, :, None], places[:, None, :])
        kept = (rows >= 0) & (columns >= 0)
        own = coo_matrix((values[kept], (rows[kept], columns[kept])), shape=(len(self._free),) * 2).tocsr()
        self._matrix = _distributed(own, cells.comm)
        self._matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self._matrix.setOption(PETSc.Mat.Option.SYMMETRY_ETERNAL, True)
        self._solver: PETSc.KSP | None = None
        self._shift = 0

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution (size,), 0 for unknowns that are not free, of a right-hand side (size,); collective."""
        result = np.zeros_like(right)
        if not len(self._free):
            return result
        solution, given = self._matrix.createVecs()
        given.array[:] = (right[self._free] / self.roots)[slice(*given.getOwnershipRange())]
        while True:
            if self._solver is None:
                self._factor()
            assert self._solver is not None
            self._solver.solve(given, solution)
            whole = np.concatenate(self._matrix.getComm().tompi4py().allgather(solution.array.copy()))
            if self._solver.getConvergedReason() >= 0 and np.isfinite(whole).all():
                result[self._free] = whole / self.roots
                return result
            self._next("PETSc gives no finite solution")

    def _factor(self) -> None:
        comm, size = self._matrix.getComm().tompi4py(), len(self._free)
        # factors in space too: there are few unknowns
        options = symmetric_options(comm, 2, size)
        while self._solver is None:
            try:
                self._solver = configured(self._matrix, "transition_bounds_", options, None)
            except NotConverged as error:
                self._next(error.reason)

    def _next(self, reason: str) -> None:
        self._solver = None
        self._shift += 1
        if self._shift == len(SHIFTS):
            raise NotConverged(
                "the linear solve for bounds of the frequency", reason,
                "take fewer cells or a lower degree, or let coefficients vary less",
            )  # fmt: skip
        self._matrix.shift(SHIFTS[self._shift] - SHIFTS[self._shift - 1])

    def destroy(self) -> None:
        """Give the memory of the factors back."""
        if self._solver is not None:
            self._solver.destroy()
        self._matrix.destroy()


def _distributed(share: csr_matrix, comm: MPI.Comm) -> PETSc.Mat:
    """The sum of matrices that each rank has a share of, by rows."""
    size = share.shape[0]
    ends = [size * rank // comm.size for rank in range(comm.size + 1)]
    own = sum(comm.alltoall([share[low:high] for low, high in pairwise(ends)]))
    own.sort_indices()
    count = ends[comm.rank + 1] - ends[comm.rank]
    pattern = (own.indptr.astype(PETSc.IntType), own.indices.astype(PETSc.IntType), own.data)
    return PETSc.Mat().createAIJ(((count, size), (count, size)), csr=pattern, comm=comm)
