"""What pictures show of values on a grid or on a mesh: a curve, the plane, or in space a cut across the third axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.pyvista_grids import pyvista_grids
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.shapes import Curve, Plane, Shape, Triangles
from scaling_limits.particles.support.checks import number

# how finely curved elements are drawn
SUBDIVISION = 2


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
        nearest = int(np.abs(axes[2] - _level(level, *grid.box[2])).argmin())
        values, note = values[:, :, nearest], f"z = {round(float(axes[2][nearest]), 6):.3g}"
    return Plane(axes[0], axes[1], values[..., :2] if values.ndim == 3 else values, note=note)


def on_grid(grid: Grid, values: Callable[[], np.ndarray], level: float | None) -> Shape | None:
    """The same on rank 0, which alone has the values computed; collective."""
    return on_all_ranks(grid.comm, lambda: None if grid.comm.rank else grid_shape(grid, values(), level))


def mesh_shape(comm: MPI.Comm, frames: Frames, index: int, level: float | None) -> Shape | None:
    """A function of the frames on its mesh, on rank 0; collective.

    Args:
        comm: its ranks.
        frames: the functions.
        index: of the one that is drawn.
        level: of the cut in space; None for the middle.
    """
    function = frames.function(index)
    dim, name = function.function_space.mesh.geometry.dim, frames.quantity.name
    whole = pyvista_grids(comm, Frames(frames.quantity, None, lambda _: function))
    return on_all_ranks(comm, lambda: None if whole is None else _of_whole(whole, dim, name, level))


def _of_whole(whole: Any, dim: int, name: str, level: float | None) -> Shape:
    if dim == 1:
        order = np.argsort(whole.points[:, 0], kind="stable")
        values = np.asarray(whole.point_data[name])
        return Curve(np.array(whole.points[order, 0]), values.reshape(len(values), -1)[order, 0])
    note = ""
    if dim == 3:
        middle = list(whole.center)
        middle[2] = _level(level, *whole.bounds[4:])
        whole, note = whole.slice(normal="z", origin=middle), f"z = {round(middle[2], 6):.3g}"
    return _triangles(whole, name, note)


def _triangles(whole: Any, name: str, note: str) -> Triangles:
    surface = whole if note else whole.extract_surface(nonlinear_subdivision=SUBDIVISION)
    surface = surface.triangulate()
    values = np.array(surface.point_data[name])
    corners = np.asarray(surface.faces).reshape(-1, 4)[:, 1:]
    return Triangles(np.array(surface.points[:, :2]), corners, values[:, :2] if values.ndim == 2 else values, note=note)


def _level(level: float | None, low: float, high: float) -> float:
    if level is None:
        return 0.5 * (low + high)
    place = number("level", level)
    if not low <= place <= high:
        raise InvalidArgument("level", f"must be in [{low:g}, {high:g}], not {place:g}")
    return place
