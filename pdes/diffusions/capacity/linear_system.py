"""Sums of cell matrices: products, and solves of the matrix scaled to the diagonal 1."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix, csr_array, csr_matrix

from scaling_limits.meshes.linear_algebra.sparse_matrix import Solver, SolverChoice, SparseMatrix
from scaling_limits.particles.errors import NotConverged

if TYPE_CHECKING:
    from mpi4py import MPI

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
        library: that solves.
        index: places of the cells (n, d).
    """

    matrices: np.ndarray
    numbers: np.ndarray
    size: int
    comm: MPI.Comm
    library: type[SparseMatrix]
    index: np.ndarray

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

    def places(self) -> np.ndarray:
        """The place (size, d) of the first cell of this rank that each unknown is in."""
        result = np.zeros((self.size, self.index.shape[1]), dtype=np.int64)
        # of several assignments the last one holds
        result[self.numbers.ravel()[::-1]] = np.repeat(self.index, self.numbers.shape[1], axis=0)[::-1]
        return result

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
        numbers = np.full(cells.size, -1)
        numbers[self._free] = np.arange(len(self._free))
        inverse = np.zeros(cells.size)
        inverse[self._free] = 1.0 / self.roots
        scale = inverse[cells.numbers]
        values = cells.matrices * scale[:, :, None] * scale[:, None, :]
        places = numbers[cells.numbers]
        rows, columns = np.broadcast_arrays(places[:, :, None], places[:, None, :])
        kept = (rows >= 0) & (columns >= 0)
        own = coo_matrix((values[kept], (rows[kept], columns[kept])), shape=(len(self._free),) * 2).tocsr()
        self._comm = cells.comm
        places = cells.places()[self._free] if cells.comm.size == 1 else None
        self._matrix = cells.library.of_rows(cells.comm, _distributed(own, cells.comm), places)
        self._solver: Solver | None = None
        self._shift = 0

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution (size,), 0 for unknowns that are not free, of a right-hand side (size,); collective."""
        result = np.zeros_like(right)
        if not len(self._free):
            return result
        first, last = (len(self._free) * rank // self._comm.size for rank in (self._comm.rank, self._comm.rank + 1))
        given = (right[self._free] / self.roots)[first:last]
        while True:
            if self._solver is None:
                self._factor()
            assert self._solver is not None
            solution, reason = self._solver.solution(given)
            if not reason:
                result[self._free] = np.concatenate(self._comm.allgather(solution)) / self.roots
                return result
            self._next(reason)

    def _factor(self) -> None:
        # factors in space too: there are few unknowns
        choice = SolverChoice("transition_bounds_", 2, definite=False)
        while self._solver is None:
            try:
                self._solver = self._matrix.solver(choice)
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
        self._matrix.add_to_diagonal(SHIFTS[self._shift] - SHIFTS[self._shift - 1])

    def destroy(self) -> None:
        """Give the memory of the factors back."""
        if self._solver is not None:
            self._solver.destroy()
        self._matrix.destroy()


def _distributed(share: csr_matrix, comm: MPI.Comm) -> csr_array:
    """The rows of this rank (m, size) of the sum of matrices that each rank has a share of."""
    size = share.shape[0]
    ends = [size * rank // comm.size for rank in range(comm.size + 1)]
    own = sum(comm.alltoall([share[low:high] for low, high in pairwise(ends)]))
    own.sort_indices()
    return csr_array(own)
