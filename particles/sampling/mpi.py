"""MPI where mpi4py is installed, and what one process needs of it where it is not.

    from scaling_limits.particles.sampling.mpi import MPI

is for modules that need `MPI.COMM_WORLD`, `MPI.MAX`, ... when they run and neither dolfinx nor PETSc: `MPI` is the one
of mpi4py, or the module `one_process` beside this one, with the same names. Modules that write `MPI.Comm` in their
annotations alone import it from mpi4py under `if TYPE_CHECKING:`; those that need dolfinx or PETSc from mpi4py itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import warn

if TYPE_CHECKING:
    from mpi4py import MPI
else:
    try:
        from mpi4py import MPI
    # the latter where mpi4py is there, and no MPI library
    except (ImportError, RuntimeError):
        from . import one_process as MPI

__all__ = ["MPI", "has_mpi", "warn_of_other_processes"]

# by which those who start processes tell each its number and how many there are: Open MPI, MPICH and Intel MPI
STARTERS = (("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"))


def has_mpi() -> bool:
    """Whether `MPI` is the one of mpi4py."""
    return str(MPI.__name__) == "mpi4py.MPI"


def warn_of_other_processes() -> None:
    """Say, in the first of several processes that mpirun has started, that without mpi4py each is alone.

    Warns:
        UserWarning: there are several of them; each computes everything and writes the same files.
    """
    for rank, size in STARTERS:
        if os.environ.get(rank) == "0" and os.environ.get(size, "1") not in ("", "0", "1"):
            warn(
                f"mpirun has started {os.environ[size]} processes, and mpi4py is not here, or without an MPI library: "
                "each computes everything by itself. Install mpi4py for the same MPI, or start one process"
            )
            return


if not has_mpi():
    warn_of_other_processes()
