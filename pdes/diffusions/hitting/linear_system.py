"""Linear systems of hitting problems, and how well their solutions are known."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.meshes.backend.krylov import configured
from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from ...time.resolvents import default_options
from ..problem import ReversibleDiffusion

LOST = "a higher temperature: barriers cost digits, and double precision has 16"
SEEN = 1e-15  # of the largest root: where fields count when their error is measured
ROUNDS = 12  # solves for what an iterative solver has left
NO_SOLVER = 0.1  # relative error of what is applied once and is no direct solver
ENOUGH = 0.1  # of rtol: what may be left


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
    options = default_options(equation.comm, equation.dim, matrix.getSize()[0])
    matrix.setOption(PETSc.Mat.Option.SPD, True)
    solver = configured(matrix, "fokker_planck_hitting_", options, equation.petsc_options)
    right, left = matrix.createVecs()
    largest = equation.comm.allreduce(float(roots.max(initial=0.0)), MPI.MAX)
    seen = roots > SEEN * largest

    def solve(values: np.ndarray) -> np.ndarray:
        # of size 1, so that an absolute tolerance in the options does not stop a solve whose right-hand side is small
        length = np.sqrt(equation.comm.allreduce(float((values**2).sum())))
        if length == 0.0:
            return np.zeros_like(values)
        right.array[:] = values / length
        solver.solve(right, left)
        finite = all(equation.comm.allgather(bool(np.isfinite(left.array).all())))
        if solver.getConvergedReason() < 0 or not finite:
            raise NotConverged(
                "a hitting problem", f"PETSc reason {solver.getConvergedReason()}",
                "try petsc_options of a direct solver",
            )  # fmt: skip
        return np.asarray(length * left.array)

    def size(values: np.ndarray) -> float:
        found = np.abs(values[seen] / roots[seen]).max(initial=0.0)
        return float(equation.comm.allreduce(float(found), MPI.MAX))

    def rest(values: np.ndarray) -> np.ndarray:
        left.array[:] = values
        matrix.mult(left, right)
        return np.asarray(right_hand_side - right.array)

    result = solve(right_hand_side)
    correction = solve(rest(result))
    error = size(correction) / max(size(result), 1e-300)
    if solver.getType() != "preonly":
        for _ in range(ROUNDS):
            if error <= ENOUGH * equation.rtol:
                break
            result += correction
            correction = solve(rest(result))
            before, error = error, size(correction) / max(size(result), 1e-300)
            if error > 0.5 * before:
                break
        if error > ENOUGH * equation.rtol:
            raise NotConverged(
                "a hitting problem", f"the linear solver leaves an error of {error:.1e}, and rtol is {equation.rtol:g}",
                "let ksp_rtol (and ksp_atol) in petsc_options be smaller, or take a direct solver",
            )  # fmt: skip
    if equation.petsc_options and error > NO_SOLVER:
        raise NotConverged(
            "a hitting problem", f"a solver with {equation.petsc_options} leaves an error of {error:.1e}",
            "leave petsc_options out",
        )  # fmt: skip
    source = np.where(free, roots, 0.0)
    return result, np.inf if _lost(matrix, solve(source), source) else error


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
    time = product / norm  # the mean time to leave, from equilibrium
    return not 0 < np.finfo(float).eps * fastest * time < 1
