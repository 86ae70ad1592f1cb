"""Which library holds the matrices of an equation: PETSc where it is, else scipy; or the one that is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import has_mpi
from scaling_limits.particles.support.checks import shown

from .scipy_matrix import ScipyMatrix
from .sparse_matrix import SparseMatrix

if TYPE_CHECKING:
    from mpi4py import MPI

LIBRARIES = ("petsc", "scipy")
# of the Python packages
PETSC = ("petsc4py.PETSc", "slepc4py.SLEPc")


def missing() -> str:
    """What PETSc lacks here to be used, in words; empty where it is there, with SLEPc, mpi4py and real numbers."""
    if not has_mpi():
        return "mpi4py is not here"
    try:
        petsc, _ = (import_module(name) for name in PETSC)
    except ImportError as error:
        return str(error)
    kind = petsc.ScalarType().dtype
    return "" if kind.kind == "f" else f"PETSc has numbers of type {kind} here"


def check_library(library: object, comm: MPI.Comm, petsc_options: object) -> None:
    """Check that what is asked for is there; each rank by itself.

    Args:
        library: "petsc", "scipy", or None for PETSc where it is.
        comm: the ranks that share the matrices.
        petsc_options: of the user's.

    Raises:
        InvalidArgument: another name; PETSc, or several ranks, where it is missing; scipy on several ranks, or with
            options of PETSc.
    """
    if library is not None and library not in LIBRARIES:
        raise InvalidArgument("linear_algebra", f"must be 'petsc', 'scipy' or None, not {shown(library)}")
    if library == "scipy":
        if comm.size > 1:
            reason = (
                f"cannot be 'scipy' on {comm.size} ranks, which is for one; leave it out, or give comm=MPI.COMM_SELF"
            )
            raise InvalidArgument("linear_algebra", reason)
        if petsc_options:
            raise InvalidArgument("petsc_options", "are for PETSc; leave them out with linear_algebra='scipy'")
        return
    if (library == "petsc" or petsc_options or comm.size > 1) and (lacks := missing()):
        name = "petsc_options" if petsc_options else "linear_algebra" if library else "comm"
        instead = "leave it out" if petsc_options or library else "give one rank, as in comm=MPI.COMM_SELF"
        remedy = "or install FEniCSx with PETSc and SLEPc (apt install python3-dolfinx-real, or conda)"
        raise InvalidArgument(name, f"needs PETSc, and {lacks}; {instead}, {remedy}")


def matrix_type(library: str | None) -> type[SparseMatrix]:
    """The matrices of the library that is asked for, by what `check_library` allows."""
    if library == "scipy" or (library is None and missing()):
        return ScipyMatrix
    return import_module(f"{__package__}.petsc_matrix").PetscMatrix
