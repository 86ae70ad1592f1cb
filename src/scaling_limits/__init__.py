"""Effective equations of microscopic random systems: solved with finite elements, validated by samples.

`particles` has the microscopic models and their samplers; `cells` averages over tori; `pdes` has the effective
equations; `meshes` the domains. Importing this package imports none of them: `particles` works without FEniCSx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import cells, meshes, particles, pdes
    from .archives import load
    from .citations import cite
    from .pdes.comparison.compare import compare
    from .sweeping.sweep import sweep
    from .versions import show_versions

__version__ = "0.1.0"
__all__ = ["__version__", "cells", "cite", "compare", "load", "meshes", "particles", "pdes", "show_versions", "sweep"]

_PACKAGES = ("cells", "meshes", "particles", "pdes")
_FUNCTIONS = {
    "cite": "citations",
    "compare": "pdes",
    "load": "archives",
    "show_versions": "versions",
    "sweep": "sweeping.sweep",
}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        return getattr(import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
