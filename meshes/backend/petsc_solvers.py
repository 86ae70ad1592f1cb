"""PETSc solvers with options of their own (a prefix, nothing left in the global database)."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping

from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.logs import say

from .options import checked_options

FACTORING = (71, 76, 81)  # PETSc: zero pivots of LU and Cholesky, and what external packages say of them
# unknowns; the factors of larger three-dimensional matrices fill up
LARGEST_LU_3D, LARGEST_CHOLESKY_3D = 60_000, 20_000
# the last front as the others: to share it out by ScaLAPACK costs more than it saves; approximate minimum fill, on one
# rank: the whole analysis and factorisation take a third of the time of the default order (docs/cost.md)
MUMPS_CHOLESKY: dict[str, object] = {"mat_mumps_icntl_13": 1, "mat_mumps_icntl_28": 1, "mat_mumps_icntl_7": 2}
# CHOLMOD factors by blocks of columns and keeps these column by column, without the zeros that blocks have: a tenth
# more to factor, and a solve takes two thirds to three quarters of the time where blocks are small, as in the plane
CHOLMOD_COLUMNS: dict[str, object] = {
    "mat_cholmod_final_asis": 0, "mat_cholmod_final_super": 0, "mat_cholmod_final_resymbol": 1,
}  # fmt: skip


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
    return options | (MUMPS_CHOLESKY if package == "mumps" else {})


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
