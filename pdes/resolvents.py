"""Solves with 1 + c S for a few values of c, whose factors are kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from ..cells.errors import NotConverged
from ..cells.krylov import configured

KEPT = 6  # factored matrices
LARGEST_DIRECT_3D = 20_000  # unknowns; the factors of larger three-dimensional matrices fill up


def default_options(comm: MPI.Comm, dim: int, size: int) -> dict[str, Any]:
    """A direct solver where factors are cheap, else conjugate gradients with algebraic multigrid.

    Args:
        comm: the ranks.
        dim: dimension of space.
        size: number of unknowns.
    """
    if dim == 3 and size > LARGEST_DIRECT_3D:
        return {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-13, "ksp_norm_type": "natural", "ksp_max_it": 300}
    if comm.size > 1:
        return {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"}
    package = "cholmod" if PETSc.Sys.hasExternalPackage("cholmod") else "petsc"
    return {"ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": package}


class Resolvents:
    """(1 + c S)^-1.

    Args:
        matrix: S, symmetric and positive semidefinite.
        near_kernel: what S (nearly) takes to 0, on the rows of this rank.
        dim: dimension of space, which decides on the solver.
        prefix: of the PETSc options.
        petsc_options: options that take precedence, without the prefix.
    """

    def __init__(
        self, matrix: PETSc.Mat, near_kernel: np.ndarray, dim: int, prefix: str, petsc_options: dict[str, Any] | None
    ) -> None:
        self._matrix, self._near_kernel = matrix, near_kernel
        self._dim, self._prefix, self._options = dim, prefix, petsc_options
        self._solvers: OrderedDict[float, PETSc.KSP] = OrderedDict()
        self._right, self._left = matrix.createVecs()
        self.factorisations = 0

    def solve(self, c: float, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of (1 + c S) x = b, on the rows of this rank.

        Args:
            c: not negative; values that agree to 1e-12 count as one.
            right_hand_side: b, on the rows of this rank.

        Raises:
            NotConverged: the solver failed.
        """
        solver = self._solver(c)
        self._right.array[:] = right_hand_side
        solver.solve(self._right, self._left)
        result = self._left.array.copy()
        finite = self._matrix.getComm().tompi4py().allreduce(bool(np.isfinite(result).all()), MPI.LAND)
        if solver.getConvergedReason() < 0 or not finite:
            raise NotConverged(
                "a linear solve of the Fokker-Planck equation",
                f"PETSc reason {solver.getConvergedReason()} after {solver.getIterationNumber()} iterations",
                "try petsc_options of a direct solver",
            )
        return result

    def applied(self, state: np.ndarray) -> np.ndarray:
        """Return S x, on the rows of this rank."""
        self._right.array[:] = state
        self._matrix.mult(self._right, self._left)
        return self._left.array.copy()

    def _solver(self, c: float) -> PETSc.KSP:
        for kept in self._solvers:
            if abs(kept - c) <= 1e-12 * c:
                self._solvers.move_to_end(kept)
                return self._solvers[kept]
        matrix = self._matrix.copy()
        matrix.scale(c)
        diagonal = matrix.getDiagonal()
        diagonal.shift(1.0)
        matrix.setDiagonal(diagonal)
        matrix.setOption(PETSc.Mat.Option.SPD, True)
        near_kernel = matrix.createVecRight()
        near_kernel.array[:] = self._near_kernel
        near_kernel.normalize()
        matrix.setNearNullSpace(PETSc.NullSpace().create(vectors=[near_kernel], comm=matrix.getComm()))
        options = default_options(matrix.getComm().tompi4py(), self._dim, matrix.getSize()[0])
        solver = configured(matrix, self._prefix, options, self._options)
        solver.setUp()
        self.factorisations += 1
        while len(self._solvers) >= KEPT:
            self._solvers.popitem(last=False)[1].destroy()
        self._solvers[c] = solver
        return solver
