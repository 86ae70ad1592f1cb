"""Linear systems of hitting problems, and how well their solutions are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.meshes.backend.petsc_solvers import configured, symmetric_options
from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from ..problem import ReversibleDiffusion

WHAT = "a hitting problem"
LOST = "a higher temperature: barriers cost digits, and double precision has 16"


@dataclass(frozen=True)
class SolveSettings:
    """How hitting problems are solved, and their solutions judged.

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


class _RepeatedSolves:
    """Solves with one matrix, and the sizes of fields f = s/sqrt(m)."""

    def __init__(self, matrix: PETSc.Mat, roots: np.ndarray, equation: ReversibleDiffusion) -> None:
        matrix.setOption(PETSc.Mat.Option.SPD, True)
        options = symmetric_options(equation.comm, equation.dim, matrix.getSize()[0])
        self._solver = configured(matrix, "fokker_planck_hitting_", options, equation.petsc_options)
        self._matrix, self._roots, self._comm = matrix, roots, equation.comm
        self._right, self._left = matrix.createVecs()
        self._counts = roots > SETTINGS.least_root * self._comm.allreduce(float(roots.max(initial=0.0)), MPI.MAX)

    @property
    def direct(self) -> bool:
        """Whether the solver is meant to be exact."""
        return bool(self._solver.getType() == "preonly")

    def solve(self, values: np.ndarray) -> np.ndarray:
        """A^-1 b, on the rows of this rank."""
        # of size 1, so that an absolute tolerance in the options does not stop a solve whose right-hand side is small
        length = np.sqrt(self._comm.allreduce(float((values**2).sum())))
        if length == 0.0:
            return np.zeros_like(values)
        self._right.array[:] = values / length
        self._solver.solve(self._right, self._left)
        finite = all(self._comm.allgather(bool(np.isfinite(self._left.array).all())))
        if (reason := self._solver.getConvergedReason()) < 0 or not finite:
            raise NotConverged(WHAT, f"PETSc reason {reason}", "try petsc_options of a direct solver")
        return np.asarray(length * self._left.array)

    def applied(self, values: np.ndarray) -> np.ndarray:
        """A s, on the rows of this rank."""
        self._left.array[:] = values
        self._matrix.mult(self._left, self._right)
        return self._right.array.copy()

    def size(self, values: np.ndarray) -> float:
        """The largest |f|, where it counts."""
        largest = np.abs(values[self._counts] / self._roots[self._counts]).max(initial=0.0)
        return float(self._comm.allreduce(float(largest), MPI.MAX))


def solved(
    matrix: PETSc.Mat, right_hand_side: np.ndarray, roots: np.ndarray, free: np.ndarray, equation: ReversibleDiffusion
) -> tuple[np.ndarray, float]:
    """The solution s = sqrt(m) f of A s = b on the rows of this rank, and the relative error of f that rounding leaves,
    infinite where no digit is sure; collective.

    The error is measured by another solve, for what is left of the right-hand side; iterative solvers repeat that until
    f is known to rtol.

    Args:
        matrix: A, symmetric and positive definite.
        right_hand_side: b.
        roots: sqrt(m), 0 where there is none.
        free: which rows are not given.
        equation: gives the options and the tolerance.

    Raises:
        NotConverged: the solver failed, or leaves more than rtol.
    """
    system = _RepeatedSolves(matrix, roots, equation)
    result = system.solve(right_hand_side)
    correction = system.solve(right_hand_side - system.applied(result))
    error = system.size(correction) / max(system.size(result), 1e-300)
    if not system.direct:
        for _ in range(SETTINGS.rounds):
            if error <= SETTINGS.enough * equation.rtol:
                break
            result += correction
            correction = system.solve(right_hand_side - system.applied(result))
            before, error = error, system.size(correction) / max(system.size(result), 1e-300)
            if error > 0.5 * before:
                break
        if error > SETTINGS.enough * equation.rtol:
            said = f"the linear solver leaves an error of {error:.1e}, and rtol is {equation.rtol:g}"
            remedy = "let ksp_rtol (and ksp_atol) in petsc_options be smaller, or take a direct solver"
            raise NotConverged(WHAT, said, remedy)
    if equation.petsc_options and error > SETTINGS.no_solver:
        said = f"a solver with {equation.petsc_options} leaves an error of {error:.1e}"
        raise NotConverged(WHAT, said, "leave petsc_options out")
    source = np.where(free, roots, 0.0)
    return result, np.inf if _lost(matrix, system.solve(source), source) else error


def warn_of(equation: ReversibleDiffusion, error: float, remedy: str = "") -> None:
    """Warn of an error above rtol, on rank 0.

    Args:
        equation: gives the tolerance.
        error: relative; infinite or NaN where no digit is sure.
        remedy: besides a higher temperature.
    """
    if not error <= equation.rtol and equation.comm.rank == 0:
        known = f"known to about {error:.0e} only" if error < 1 else "not known to any digit"
        warn(f"the solution is {known}; take {remedy}{LOST}", Unresolved)


def _lost(matrix: PETSc.Mat, answer: np.ndarray, root: np.ndarray) -> bool:
    """Whether the slowest rate drowns in the rounding of the fastest.

    Args:
        matrix: A.
        answer: A^-1 sqrt(m), on the free rows of this rank.
        root: sqrt(m) there, else 0.
    """
    comm = matrix.getComm().tompi4py()
    product, norm = comm.allreduce(np.array([(answer * root).sum(), (root**2).sum()]))
    fastest = comm.allreduce(float(matrix.getDiagonal().array.max(initial=0.0)), MPI.MAX)
    # the mean time to leave, from equilibrium
    time = product / norm
    return not 0 < np.finfo(float).eps * fastest * time < 1
