"""Datasets of xarray, which is imported when one is asked for: what all of them say."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .quantities import Quantity

Variable = tuple[Quantity, tuple[str, ...], Any]


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


def dataset(
    kind: str, variables: Sequence[Variable], coordinates: Sequence[Variable], said: Mapping[str, Any] | None = None
) -> Any:
    """A `xarray.Dataset` of arrays with named dimensions; each rank by itself.

    Args:
        kind: of the result.
        variables: what they are, their dimensions, and their values.
        coordinates: likewise.
        said: other attributes: numbers and texts; None is left out.

    Raises:
        ImportError: xarray is not here.
    """
    made = [
        {one.name: (dimensions, np.asarray(values), about(one)) for one, dimensions, values in part}
        for part in (variables, coordinates)
    ]
    extra = {name: value for name, value in (said or {}).items() if value is not None}
    return xarray().Dataset(*made, attributes(kind) | extra)
