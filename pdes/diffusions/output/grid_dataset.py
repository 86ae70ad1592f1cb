"""Datasets of xarray of results on a grid: a dimension for each direction, and one for time."""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.datasets import AXES, TIME, axis, directions
from scaling_limits.particles.showing.datasets import about, attributes, xarray
from scaling_limits.particles.showing.quantities import Quantity


def grid_dataset(
    grid: Grid, quantity: Quantity, values: np.ndarray, kind: str, times: np.ndarray | None = None,
    series: dict[Quantity, np.ndarray] | None = None,
) -> Any:  # fmt: skip
    """The dataset of values at the nodes; each rank by itself.

    Args:
        grid: the nodes.
        quantity: what the values are.
        values: in the shape of the grid, with the times before it where there are some, and the components of vectors
            after it.
        kind: of the result.
        times: (T,), or None.
        series: other quantities at the times (T,), or numbers where there are none.

    Returns:
        A `xarray.Dataset`.

    Raises:
        ImportError: xarray is not here.
    """
    names = AXES[: grid.dim]
    coordinates: dict[str, Any] = {}
    for k, name in enumerate(names):
        low, high = grid.box[k]
        places = np.where(
            np.arange(grid.shape[k]) == grid.cells[k], high, low + np.arange(grid.shape[k]) * grid.spacing[k]
        )
        coordinates[name] = ((name,), places, axis(k) | {"periodic": int(grid.periodic[k])})
    before: tuple[str, ...] = ()
    if times is not None:
        coordinates["time"] = (("time",), np.asarray(times), TIME)
        before = ("time",)
    after: tuple[str, ...] = ()
    if values.ndim > len(before) + grid.dim:
        coordinates["direction"] = directions(grid.dim)
        after = ("direction",)
    variables: dict[str, Any] = {quantity.name: ((*before, *names, *after), values, about(quantity))}
    for other, numbers in (series or {}).items():
        variables[other.name] = (before, numbers, about(other))
    return xarray().Dataset(variables, coordinates, attributes(kind))
