"""Is FEniCSx there? Imported before all else by the packages that need it, so that an error says where to get it."""

from importlib import import_module

REMEDY = (
    "scaling_limits.meshes, .cells and .pdes need FEniCSx: dolfinx >= 0.9, with real numbers, petsc4py and mpi4py. "
    "It is not on the Python package index; install it with\n"
    "  apt install python3-dolfinx-real     (Debian 13 or newer, for the Python of the system)\n"
    "  conda install -c conda-forge fenics-dolfinx 'petsc=*=real*'\n"
    "or run ./in-env python in a checkout of scaling-limits, which sets it up.\n"
    "scaling_limits.particles works without it."
)

try:
    libraries = {name: import_module(name) for name in ("dolfinx", "ufl", "petsc4py", "mpi4py")}
except ImportError as error:
    raise type(error)(f"{error}. {REMEDY}", name=error.name, path=error.path) from error

version = libraries["dolfinx"].__version__
if tuple(int(part) for part in version.split(".")[:2]) < (0, 9):
    raise ImportError(f"dolfinx is {version} here. {REMEDY}", name="dolfinx")
