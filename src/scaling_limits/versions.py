"""What is installed, for a report of a problem or a note on how a number was computed."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from . import __version__

DISTRIBUTIONS = (
    "numpy", "numba", "scipy", "sympy", "tqdm", "fenics-dolfinx", "fenics-ufl", "fenics-basix", "fenics-ffcx",
    "petsc4py", "slepc4py", "mpi4py", "matplotlib", "pyvista", "xarray", "h5py", "gmsh",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of the package, of Python and of what it uses; "missing" for what is not installed."""
    numbers = {"scaling-limits": __version__, "python": sys.version.split()[0], "platform": platform.platform()}
    for name in DISTRIBUTIONS:
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            numbers[name] = "missing"
    return numbers | _of_libraries()


def _of_libraries() -> dict[str, str]:
    """Versions of the MPI and the PETSc that the Python packages were built with."""
    numbers = {}
    try:
        from mpi4py import MPI

        numbers["MPI"] = MPI.Get_library_version().split("\0")[0].splitlines()[0].strip()
        from petsc4py import PETSc

        number = ".".join(str(part) for part in PETSc.Sys.getVersion())
        numbers["PETSc"] = f"{number}, {'complex' if np.dtype(PETSc.ScalarType).kind == 'c' else 'real'} numbers"
    # the latter where mpi4py is here, and no MPI library
    except (ImportError, RuntimeError):
        pass
    return numbers


def show_versions() -> None:
    """Print the versions of the package, of Python and of what it uses; under MPI on rank 0 alone."""
    numbers = versions()
    from .particles.sampling.mpi import MPI

    if MPI.COMM_WORLD.rank == 0:
        width = max(map(len, numbers))
        print("\n".join(f"{name:<{width}}  {value}" for name, value in numbers.items()))  # noqa: T201 - it is what it is for
