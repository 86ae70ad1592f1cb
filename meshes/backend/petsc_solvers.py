"""PETSc solvers with options of their own (a prefix, nothing left in the global database), and direct solves."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.logs import say

FACTORING = (71, 76, 81)  # PETSc: zero pivots of LU and Cholesky, and what external packages say of them
# unknowns; the factors of larger three-dimensional matrices fill up
LARGEST_LU_3D, LARGEST_CHOLESKY_3D = 60_000, 20_000


def configured(
    matrix: PETSc.Mat, prefix: str, options: Mapping[str, object], petsc_options: Mapping[str, object] | None
) -> PETSc.KSP:
    """Make a solver for a matrix and set it up: factors and the like are made here.

    Args:
        matrix: the operator, with its values.
        prefix: of the options.
        options: defaults, without the prefix.
        petsc_options: options that take precedence, likewise.

    Raises:
        InvalidArgument: petsc_options are no dictionary by names, have a value that PETSc refuses, or a name that no
            part of the solver has asked for.
        NotConverged: the matrix cannot be factored.
    """
    overrides = checked_options(petsc_options)
    if overrides.get("pc_type", options.get("pc_type")) != options.get("pc_type"):
        # what goes with the default preconditioner, such as a package for factors, does not go with another
        options = {name: value for name, value in options.items() if not name.startswith("pc_")}
    solver = PETSc.KSP().create(matrix.getComm())
    solver.setOptionsPrefix(prefix)
    database = PETSc.Options(prefix)
    chosen = {**options, **overrides}
    for name, value in chosen.items():
        database[name] = value
    solver.setOperators(matrix)
    say(None, "PETSc %s: %s, %d unknowns", prefix.rstrip("_"), chosen, matrix.getSize()[0], level=logging.DEBUG)
    try:
        solver.setFromOptions()
        solver.setUp()
        solver.setUpOnBlocks()
        unknown = [name for name in overrides if not _used(prefix + name)]
    except PETSc.Error as error:
        last = str(error).splitlines()[-1].rpartition("] ")[2]
        if overrides and error.ierr not in FACTORING:
            raise InvalidArgument("petsc_options", f"PETSc refuses {overrides}: {last} (error {error.ierr})") from error
        raise NotConverged(
            f"the set-up of the linear solver {prefix.rstrip('_')}", f"{last} (PETSc error {error.ierr})",
            "the matrix is singular to rounding: let coefficients vary less, or try petsc_options of another solver",
        ) from error  # fmt: skip
    finally:
        for name in chosen:
            del database[name]
    if unknown:
        raise InvalidArgument("petsc_options", f"{unknown[0]!r} is no option of the solver that {overrides} asks for")
    return solver


def lu_options(matrix: PETSc.Mat, **serial: str) -> dict[str, object]:
    """Options of an LU factorisation: by MUMPS on several ranks, else by PETSc itself with the options `serial`."""
    parallel = {"pc_factor_mat_solver_type": "mumps"}
    return {"ksp_type": "preonly", "pc_type": "lu", **(parallel if matrix.getComm().size > 1 else serial)}


def symmetric_options(comm: MPI.Comm, dim: int, size: int) -> dict[str, object]:
    """Options for positive definite matrices: factors where they are cheap, else CG with algebraic multigrid.

    Args:
        comm: the ranks.
        dim: dimension of space.
        size: number of unknowns.
    """
    if dim == 3 and size > LARGEST_CHOLESKY_3D:
        return {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-13, "ksp_norm_type": "natural", "ksp_max_it": 300}
    package = "mumps" if comm.size > 1 else "cholmod" if PETSc.Sys.hasExternalPackage("cholmod") else "petsc"
    options: dict[str, object] = {"ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": package}
    # the last front as the others: to share it out by ScaLAPACK costs more than it saves (docs/cost.md)
    return options | ({"mat_mumps_icntl_13": 1} if package == "mumps" else {})


def general_options(comm: MPI.Comm, dim: int, size: int) -> dict[str, object]:
    """Options for matrices that are not symmetric, as `symmetric_options`: LU, else GMRES with algebraic multigrid."""
    if dim == 3 and size > LARGEST_LU_3D:
        hypre = PETSc.Sys.hasExternalPackage("hypre")
        multigrid = {"pc_type": "hypre", "pc_hypre_type": "boomeramg"} if hypre else {"pc_type": "gamg"}
        return {"ksp_type": "gmres", "ksp_rtol": 1e-11, "ksp_max_it": 300, "ksp_gmres_restart": 60, **multigrid}
    package = "mumps" if PETSc.Sys.hasExternalPackage("mumps") else "petsc"
    return {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": package}


def _used(option: str) -> bool:
    """Whether PETSc has asked for an option of its global database; petsc4py has no word for that before 3.23."""
    answer = ctypes.c_int(1)
    ctypes.CDLL(PETSc.__file__).PetscOptionsUsed(None, option.encode(), ctypes.byref(answer))
    return bool(answer.value & 0xFF)  # PetscBool is an enum or, in newer versions, a C bool


def checked_options(petsc_options: object) -> dict[str, object]:
    """Return options by their names; none where there are none.

    Raises:
        InvalidArgument: no dictionary, or names that are no texts.
    """
    if petsc_options is None:
        return {}
    if not isinstance(petsc_options, Mapping) or not all(isinstance(name, str) and name for name in petsc_options):
        raise InvalidArgument(
            "petsc_options", f"must be a dictionary such as {{'ksp_type': 'cg'}}, not {petsc_options!r}"
        )
    return dict(petsc_options)


class DirectSolver:
    """A matrix that is assembled again and again from one form, and its factors.

    Args:
        form: the compiled bilinear form.
        prefix: of the PETSc options of this solver.
        petsc_options: options that take precedence, without the prefix.
    """

    def __init__(self, form: fem.Form, prefix: str, petsc_options: Mapping[str, object] | None = None) -> None:
        self._form = form
        self.matrix = fem_petsc.create_matrix(form)
        self.matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_ALLOCATION_ERR, True)
        self._right, self._left = self.matrix.createVecs()
        self._prefix, self._options = prefix, checked_options(petsc_options)

    @cached_property
    def ksp(self) -> PETSc.KSP:
        """The solver, made when the matrix has values."""
        # matrices of an interval have a narrow band in their natural order, and no ordering is better
        options = lu_options(self.matrix, pc_factor_mat_ordering_type="natural", pc_factor_shift_type="none")
        return configured(self.matrix, self._prefix, options, self._options)

    def assemble(self) -> None:
        """Assemble the matrix anew."""
        self.matrix.zeroEntries()
        fem_petsc.assemble_matrix(self.matrix, self._form)
        self.matrix.assemble()

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution on the rows of this rank; NaN where the solver failed.

        Args:
            right_hand_side: on the rows of this rank.
        """
        self._right.array[:] = right_hand_side
        self.ksp.solve(self._right, self._left)
        if self.ksp.getConvergedReason() < 0:
            return np.full(right_hand_side.shape, np.nan)
        return self._left.array.copy()

    def row(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns (numbered over all ranks) and the values of a row of this rank."""
        columns, values = self.matrix.getRow(row + self.matrix.getOwnershipRange()[0])
        return columns.copy(), values.copy()

    def replace_rows(self, rows: list[int], values: list[np.ndarray]) -> None:
        """Put new values on the pattern of some rows of this rank; collective, with none on most ranks."""
        patterns = [self.row(row)[0] for row in rows]
        for row, pattern, new in zip(rows, patterns, values):
            self.matrix.setValues(row + self.matrix.getOwnershipRange()[0], pattern, new)
        self.matrix.assemble()
