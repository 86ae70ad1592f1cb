"""What pictures show of values on a grid: a curve, the plane, or in space a cut across the third axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.shapes import level_in
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.shapes import Curve, Plane, Shape


def grid_shape(grid: Grid, values: np.ndarray, level: float | None) -> Shape:
    """Values at the nodes of a grid, in its shape, components of vectors last; each rank by itself.

    Args:
        grid: the nodes.
        values: at them.
        level: of the cut in space; None for the middle.
    """
    axes = []
    for k, (low, high) in enumerate(grid.box):
        if grid.periodic[k]:
            # the first nodes are at the other end too
            values = np.concatenate([values, values.take([0], axis=k)], axis=k)
        axes.append(np.linspace(low, high, values.shape[k]))
    if grid.dim == 1:
        return Curve(axes[0], values.reshape(len(axes[0]), -1)[:, 0])
    note = ""
    if grid.dim == 3:
        nearest = int(np.abs(axes[2] - level_in(level, *grid.box[2])).argmin())
        values, note = values[:, :, nearest], f"z = {round(float(axes[2][nearest]), 6):.3g}"
    return Plane(axes[0], axes[1], values[..., :2] if values.ndim == 3 else values, note=note)


def on_grid(grid: Grid, values: Callable[[], np.ndarray], level: float | None) -> Shape | None:
    """The same on rank 0, which alone has the values computed; collective."""
    return on_all_ranks(grid.comm, lambda: None if grid.comm.rank else grid_shape(grid, values(), level))
