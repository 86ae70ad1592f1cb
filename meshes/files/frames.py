"""A quantity at one time or at several, as finite element functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from dolfinx import fem
from dolfinx.mesh import Mesh
from mpi4py import MPI

from scaling_limits.particles.showing.quantities import Quantity

from ..backend.compat import geometry_dofmap


@dataclass(frozen=True, eq=False)
class Frames:
    """A quantity as functions of one space.

    Args:
        quantity: what they are.
        times: (T,), or None for one function without a time.
        function: the one of an index; collective.
    """

    quantity: Quantity
    times: np.ndarray | None
    function: Callable[[int], fem.Function]

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 if self.times is None else len(self.times)

    def drawn(self, kind: str = "") -> Iterator[fem.Function]:
        """The functions one by one, in one that is overwritten, of a space that can be drawn; collective.

        Args:
            kind: "vertices" for one of degree 1, or of degree 0 where the functions jump between cells.
        """
        result = None
        for index in range(self.count):
            function = self.function(index)
            if result is None:
                result = fem.Function(_space(function.function_space, kind), name=self.quantity.name)
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
