"""FEniCSx, where it is needed: what is asked of it says so, and how to get it, if it is missing or too old."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from scaling_limits.particles.errors import MissingFEniCSx

OLDEST = (0, 9)
LIBRARIES = ("dolfinx", "ufl", "petsc4py", "mpi4py", "slepc4py")
REMEDY = (
    "It needs FEniCSx: dolfinx >= 0.9 with petsc4py and slepc4py, of real numbers, and mpi4py. "
    "That is not on the Python package index; install it with\n"
    "  apt install python3-dolfinx-real python3-slepc4py-real     (Debian 13 or newer, for the Python of the system)\n"
    "  conda install -c conda-forge fenics-dolfinx slepc4py 'petsc=*=real*'\n"
    "or run ./in-env python in a checkout of scaling-limits, which sets it up.\n"
    "Samplers, effective tensors and coefficients, averaged dissipations, and FokkerPlanck in a box work without it."
)


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """A context in which modules that need FEniCSx are imported.

    Args:
        what: the name of what is asked for, for the message.

    Raises:
        MissingFEniCSx: an import failed because a library of FEniCSx is missing, or dolfinx is older than 0.9.
    """
    try:
        yield
    except MissingFEniCSx:
        raise
    except ImportError as error:
        fault = _fault()
        if fault is None:
            raise
        raise _missing(what, fault) from error
    if (fault := _too_old()) is not None:
        raise _missing(what, fault)
    if sys.modules.get("dolfinx") is not None:
        # what its import has done is put right there
        import_module(f"{__package__}.compat")


def is_there() -> bool:
    """Whether some dolfinx is installed; nothing is imported."""
    # a module that is loaded already need not have what `find_spec` looks for
    return sys.modules.get("dolfinx") is not None or find_spec("dolfinx") is not None


def _missing(what: str, fault: str) -> MissingFEniCSx:
    return MissingFEniCSx(f"{what}: {fault}. {REMEDY}", name="dolfinx")


def _fault() -> str | None:
    """What is wrong with the first library that is not as it must be; None where all are."""
    for name in LIBRARIES:
        try:
            import_module(name)
        except ImportError as error:
            return str(error)
        if (fault := _too_old()) is not None:
            return fault
    return None


def _too_old() -> str | None:
    version = getattr(sys.modules.get("dolfinx"), "__version__", None)
    if version is None or tuple(int(part) for part in version.split(".")[:2]) >= OLDEST:
        return None
    return f"dolfinx is {version} here"
