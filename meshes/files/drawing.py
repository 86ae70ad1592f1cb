"""Functions in spaces that can be drawn: on a torus with a value on each side of the seam."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dolfinx import fem
from dolfinx.mesh import Mesh
from mpi4py import MPI

from ..backend.compat import geometry_dofmap
from .frames import Frames


def drawn(frames: Frames, kind: str = "") -> Iterator[fem.Function]:
    """The functions one by one, in one that is overwritten, of a space that can be drawn; collective.

    Args:
        frames: the functions.
        kind: "vertices" for one of degree 1, or of degree 0 where the functions jump between cells.
    """
    result = None
    for index in range(frames.count):
        function = frames.function(index)
        if result is None:
            result = fem.Function(_space(function.function_space, kind), name=frames.quantity.name)
        if result.function_space is function.function_space:
            result.x.array[:] = function.x.array
        else:
            result.interpolate(function)
        yield result


def torn(mesh: Mesh) -> bool:
    """Whether each cell has nodes of its own, as cells of a torus have."""
    nodes = geometry_dofmap(mesh)
    return (
        len(mesh.geometry.x) == nodes.size
        and mesh.topology.index_map(0).size_global < mesh.geometry.index_map().size_global
    )


def _space(space: fem.FunctionSpace, kind: str) -> fem.FunctionSpace:
    """The space itself, or one of the same mesh that can be drawn."""
    mesh, element = space.mesh, space.ufl_element()
    jumps, degree = bool(element.discontinuous), int(element.degree)
    shape = tuple(element.reference_value_shape)
    if kind == "vertices":
        if jumps:
            return space if degree == 0 else fem.functionspace(mesh, ("Discontinuous Lagrange", 0, shape))
        return space if degree == 1 else fem.functionspace(mesh, ("Lagrange", 1, shape))
    # a value is drawn on each side of a seam
    if jumps or not torn(mesh) or not _has_seam(space):
        return space
    return fem.functionspace(mesh, ("Discontinuous Lagrange", max(degree, 1), shape))


def _has_seam(space: fem.FunctionSpace) -> bool:
    """Whether an unknown of a continuous space has several places, as at the seam of a torus; collective."""
    mesh, places = space.mesh, space.tabulate_dof_coordinates()
    corners = mesh.geometry.x[geometry_dofmap(mesh)]
    away = np.abs(places[np.asarray(space.dofmap.list)[:, : corners.shape[1]]] - corners).max(initial=0.0)
    extent = np.abs(corners).max(initial=0.0)
    return bool(mesh.comm.allreduce(bool(away > 1e-9 * extent), MPI.LOR))
