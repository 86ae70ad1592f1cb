"""What pictures show of a function on a mesh: a curve, the plane, or in space a cut across the third axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.shapes import Curve, Shape, Triangles
from scaling_limits.particles.support.checks import number

from .frames import Frames

if TYPE_CHECKING:
    from mpi4py import MPI

# how finely curved elements are drawn
SUBDIVISION = 2


def mesh_shape(comm: MPI.Comm, frames: Frames, index: int, level: float | None) -> Shape | None:
    """A function of the frames on its mesh, on rank 0; collective.

    Args:
        comm: its ranks.
        frames: the functions.
        index: of the one that is drawn.
        level: of the cut in space; None for the middle.
    """
    from .pyvista_grids import pyvista_grids

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
        middle[2] = level_in(level, *whole.bounds[4:])
        whole, note = whole.slice(normal="z", origin=middle), f"z = {round(middle[2], 6):.3g}"
    return _triangles(whole, name, note)


def _triangles(whole: Any, name: str, note: str) -> Triangles:
    surface = whole if note else whole.extract_surface(nonlinear_subdivision=SUBDIVISION)
    surface = surface.triangulate()
    values = np.array(surface.point_data[name])
    corners = np.asarray(surface.faces).reshape(-1, 4)[:, 1:]
    return Triangles(np.array(surface.points[:, :2]), corners, values[:, :2] if values.ndim == 2 else values, note=note)


def level_in(level: float | None, low: float, high: float) -> float:
    """The place of a cut between two ends; None for the middle.

    Raises:
        InvalidArgument: it is not between them.
    """
    if level is None:
        return 0.5 * (low + high)
    place = number("level", level)
    if not low <= place <= high:
        raise InvalidArgument("level", f"must be in [{low:g}, {high:g}], not {place:g}")
    return place
