"""Linear systems of hitting problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.meshes.linear_algebra.sparse_matrix import SolverChoice, SparseMatrix
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.mpi import MPI

from ..problem import ReversibleDiffusion

WHAT = "a hitting problem"


@dataclass(frozen=True)
class SolveSettings:
    """How linear systems are solved, and their solutions judged.

    Args:
        least_root: part of the largest root above which a field counts when its error is measured.
        rounds: solves at most for what an iterative solver has left.
        no_solver: relative error above which a solver that is meant to be direct is none.
        enough: part of rtol that may be left.
    """

    least_root: float = 1e-15
    rounds: int = 12
    no_solver: float = 0.1
    enough: float = 0.1


SETTINGS = SolveSettings()


class RepeatedSolves:
    """Solves with one symmetric positive definite matrix.

    Args:
        matrix: A.
        equation: gives the options and the tolerance.
    """

    def __init__(self, matrix: SparseMatrix, equation: ReversibleDiffusion) -> None:
        choice = SolverChoice("fokker_planck_hitting_", equation.dim, equation.petsc_options)
        self._solver = matrix.solver(choice)
        self._matrix, self._equation, self._comm = matrix, equation, equation.comm

    @property
    def direct(self) -> bool:
        """Whether the solver is meant to be exact."""
        return self._solver.direct

    @property
    def fastest(self) -> float:
        """The largest entry of the diagonal, over all ranks."""
        return self._matrix.fastest

    def solve(self, values: np.ndarray) -> np.ndarray:
        """A^-1 b, on the rows of this rank.

        Raises:
            NotConverged: the solver failed.
        """
        # of size 1, so that an absolute tolerance in the options does not stop a solve whose right-hand side is small
        length = np.sqrt(self._comm.allreduce(float((values**2).sum())))
        if length == 0.0:
            return np.zeros_like(values)
        result, reason = self._solver.solution(values / length)
        if reason:
            raise NotConverged(WHAT, reason, self._matrix.remedy("try petsc_options of a direct solver"))
        return np.asarray(length * result)

    def refined(self, values: np.ndarray, roots: np.ndarray) -> np.ndarray:
        """A^-1 b, on the rows of this rank, with solves for what is left; iterative solvers repeat them until f is
        known to rtol.

        Args:
            values: b.
            roots: sqrt(m), 0 where there is none; f = s/sqrt(m) is what is wanted.

        Raises:
            NotConverged: the solver failed, or leaves more than rtol.
        """
        result = self.solve(values)
        correction = self.solve(values - self._matrix.applied(result))
        error = self._size(correction, roots) / max(self._size(result, roots), 1e-300)
        if self.direct:
            self._check_direct(error)
            return np.asarray(result + correction)
        for _ in range(SETTINGS.rounds):
            if error <= SETTINGS.enough * self._equation.rtol:
                break
            result += correction
            correction = self.solve(values - self._matrix.applied(result))
            before, error = error, self._size(correction, roots) / max(self._size(result, roots), 1e-300)
            if error > 0.5 * before:
                break
        if error > SETTINGS.enough * self._equation.rtol:
            said = f"the linear solver leaves an error of {error:.1e}, and rtol is {self._equation.rtol:g}"
            remedy = "let ksp_rtol (and ksp_atol) in petsc_options be smaller, or take a direct solver"
            raise NotConverged(WHAT, said, self._matrix.remedy(remedy))
        return result

    def _check_direct(self, error: float) -> None:
        options = self._equation.petsc_options
        if options and error > SETTINGS.no_solver:
            raise NotConverged(
                WHAT, f"a solver with {options} leaves an error of {error:.1e}", "leave petsc_options out"
            )

    def _size(self, values: np.ndarray, roots: np.ndarray) -> float:
        """The largest |f|, where it counts."""
        top = self._comm.allreduce(float(roots.max(initial=0.0)), MPI.MAX)
        counts = roots > SETTINGS.least_root * top
        largest = np.abs(values[counts] / roots[counts]).max(initial=0.0)
        return float(self._comm.allreduce(float(largest), MPI.MAX))
