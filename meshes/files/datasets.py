"""What all datasets of xarray share: names and units of coordinates and quantities, and what made them."""

from __future__ import annotations

import sys
from typing import Any

from .frames import Quantity

AXES = ("x", "y", "z")
TIME = {"long_name": "time", "units": "time"}


def xarray() -> Any:
    """The package.

    Raises:
        ImportError: it is not here, and how to get it.
    """
    try:
        import xarray
    except ImportError as error:
        message = "datasets need it: apt install python3-xarray, or pip install scaling-limits[files]"
        raise ImportError(f"{error}. {message}", name="xarray") from error
    return xarray


def attributes(kind: str) -> dict[str, str]:
    """What is said of a dataset: what it is of, and the version that made it."""
    return {"kind": kind, "source": "scaling-limits", "version": str(sys.modules["scaling_limits"].__version__)}


def about(quantity: Quantity) -> dict[str, str]:
    """What is said of a quantity."""
    return {"long_name": quantity.long_name, "units": quantity.units}


def about_error(quantity: Quantity) -> dict[str, str]:
    """What is said of its estimated error."""
    return {"long_name": f"estimated error of {quantity.name}", "units": quantity.units}


def axis(number: int) -> dict[str, str]:
    """What is said of a coordinate."""
    return {"long_name": f"position along {AXES[number]}", "units": "length"}


def directions(dim: int) -> tuple[tuple[str], list[str], dict[str, str]]:
    """The coordinate of components of vectors."""
    return ("direction",), list(AXES[:dim]), {"long_name": "direction of the component"}
