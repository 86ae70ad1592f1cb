"""What equations ask of a sparse matrix whose rows are shared by ranks, whatever library holds it.

`petsc_matrix` holds it in PETSc, on any number of ranks; `scipy_matrix` in scipy, on one. What is made of it, such as
residuals, refinement, deflation and errors, is written above this interface, once for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy.sparse

from scaling_limits.particles.sampling.mpi import MPI

if TYPE_CHECKING:
    from ..backend.lowest_modes import LowestModes

# of libraries that take no options
OTHER_REMEDY = "take fewer cells or a higher temperature, or linear_algebra='petsc' where PETSc is"


# of `ModeSearch`
APART = 1e-10


@dataclass(frozen=True, eq=False)
class SolverChoice:
    """What decides on a solver.

    Args:
        prefix: of the options of PETSc, and the name of the solver in messages.
        dim: dimension of space.
        petsc_options: options that take precedence, without the prefix; None has none.
        definite: whether the matrix is positive definite, rounding included.
        order: of elimination, the numbers of the rows (m,), for factors on one rank; None leaves it to the solver.
        many: whether there are so many solves with one matrix that factors may take longer to make.
    """

    prefix: str
    dim: int
    petsc_options: Mapping[str, object] | None = None
    definite: bool = True
    order: np.ndarray | None = None
    many: bool = False


@dataclass(frozen=True, eq=False)
class ModeSearch:
    """What is asked of an eigensolver that shifts and inverts: the s of the least lambda in A s = lambda B s.

    Args:
        count: how many are asked for.
        shift: the solver inverts A + shift B, shift > 0.
        tolerance: relative, of the eigenvalues of the inverse.
        most: iterations.
        prefix: of the options of SLEPc.
        what: is solved, for messages.
        remedy: for them.
        known: a mode (m,) of this rank that is known, and not looked for; None where there is none.
        apart: by how much, relative, lambda + shift tells modes apart.
    """

    count: int
    shift: float
    tolerance: float
    most: int
    prefix: str
    what: str
    remedy: str
    known: np.ndarray | None = None
    apart: float = APART


class Solver(ABC):
    """Solves with one matrix; `direct` says whether it is meant to be exact."""

    direct: bool

    @abstractmethod
    def solution(self, right: np.ndarray) -> tuple[np.ndarray, str]:
        """The solution (m,), and why it is none (empty where it is one), the same on all ranks; collective.

        Args:
            right: the right-hand side, on the rows of this rank (m,).
        """

    @abstractmethod
    def destroy(self) -> None:
        """Give the memory of the factors back."""


class SparseMatrix(ABC):
    """A square matrix A; each rank has a run of its rows. All methods are collective."""

    name: ClassVar[str]
    comm: MPI.Comm

    def remedy(self, options: str) -> str:
        """What a message recommends where solves are not exact enough.

        Args:
            options: what is recommended where the solver takes options of PETSc.
        """
        return options if self.name == "petsc" else OTHER_REMEDY

    @classmethod
    @abstractmethod
    def of_rows(cls, comm: MPI.Comm, rows: scipy.sparse.csr_array, places: np.ndarray | None = None) -> SparseMatrix:
        """The symmetric matrix with these rows, each with an entry on the diagonal.

        Args:
            comm: the ranks.
            rows: of this rank (m, size).
            places: where its unknowns are in space, in steps of a grid (m, d), by which an order of elimination may be
                found; None where that is not known.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """Rows over all ranks."""

    @abstractmethod
    def diagonal(self) -> np.ndarray:
        """The diagonal of the rows of this rank (m,)."""

    @abstractmethod
    def applied(self, values: np.ndarray) -> np.ndarray:
        """A x on the rows of this rank (m,), for x there (m,)."""

    @abstractmethod
    def add_to_diagonal(self, value: float) -> None:
        """A becomes A + c, for a number c."""

    @abstractmethod
    def scale_both(self, values: np.ndarray) -> None:
        """A becomes D A D, for the diagonal of D on the rows of this rank (m,)."""

    @abstractmethod
    def isolate(self, rows: np.ndarray, diagonal: float) -> None:
        """Rows of this rank, by their numbers there (n,), and their columns become 0, but for the diagonal."""

    @abstractmethod
    def solver(self, choice: SolverChoice) -> Solver:
        """A solver for A, symmetric.

        Raises:
            InvalidArgument: petsc_options that PETSc refuses.
            NotConverged: the matrix cannot be factored.
        """

    @abstractmethod
    def resolvent(
        self, c: float, product: SparseMatrix | None, near_kernel: np.ndarray, choice: SolverChoice
    ) -> Solver:
        """A solver for 1 + c A, where A is symmetric and semidefinite, or for B + c A; A is left as it is.

        Args:
            c: not negative.
            product: B, of the same library; None for 1.
            near_kernel: what A (nearly) takes to 0, on the rows of this rank (m,).
            choice: as for `solver`, which raises the same.
        """

    @abstractmethod
    def modes(self, product: SparseMatrix | None, search: ModeSearch) -> np.ndarray:
        """Modes (m, k), the lowest first, of norm 1 up to rounding; k may be other than what is asked for.

        Args:
            product: B, of the same library; None for 1.
            search: what is asked for.

        Raises:
            NotConverged: the eigensolver failed.
        """

    @abstractmethod
    def modes_by_multigrid(self, product: SparseMatrix, kernel: np.ndarray, count: int, scale: float) -> LowestModes:
        """Modes without factors; see `backend.lowest_modes.preconditioned`. A is another matrix afterwards.

        Raises:
            NotConverged: residuals do not become small enough, or the library has no multigrid.
        """

    @abstractmethod
    def destroy(self) -> None:
        """Give the memory back."""

    @property
    def fastest(self) -> float:
        """The largest size of an entry of the diagonal, over all ranks."""
        return float(self.comm.allreduce(float(np.abs(self.diagonal()).max(initial=0.0)), MPI.MAX))


def scale_to_unit_diagonal(energy: SparseMatrix, product: SparseMatrix) -> np.ndarray:
    """Divide both matrices from both sides by the roots (m,) of the diagonal of the second, and return these;
    collective.

    Rows where the diagonal is 0 become those of the largest diagonal and of 1, and their roots infinite.
    """
    diagonal = product.diagonal()
    empty = np.flatnonzero(~(diagonal > 0))
    roots = np.sqrt(np.maximum(diagonal, 0.0))
    roots[empty] = np.inf
    for matrix in (energy, product):
        matrix.scale_both(1.0 / roots)
    if energy.comm.allreduce(empty.size):
        top = energy.fastest
        energy.isolate(empty, top)
        product.isolate(empty, 1.0)
    return roots
