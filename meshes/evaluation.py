"""Values of finite element functions at points, on whatever ranks their cells are."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from dolfinx import fem, geometry
from dolfinx.mesh import Mesh
from mpi4py import MPI
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument

# of the extent of a mesh, by which a point may miss it
ROUNDING = 1e-12


class Places:
    """Where points are in a mesh; collective.

    Args:
        mesh: on all ranks.
        points: x (P, d), the same on all ranks.

    Attributes:
        cells: a cell of this rank for each point (P,), -1 where it has none.

    Raises:
        InvalidArgument: a point outside of the mesh.
    """

    def __init__(self, mesh: Mesh, points: ArrayLike) -> None:
        places = np.asarray(points, dtype=np.float64)
        self._mesh, self._padded = mesh, np.zeros((len(places), 3))
        self._padded[:, : places.shape[1]] = places
        self.cells = self._found()
        found = (self.cells >= 0).astype(np.int8)
        mesh.comm.Allreduce(MPI.IN_PLACE, found, MPI.MAX)
        if not found.all():
            missing = places[found == 0][0]
            raise InvalidArgument("points", f"must be in the mesh; {missing.tolist()} is not")

    def _found(self) -> NDArray[np.int32]:
        """A cell of this rank for each point, -1 where there is none."""
        mesh, padded = self._mesh, self._padded
        extent = float(np.abs(mesh.geometry.x).max(initial=1.0))
        tree = geometry.bb_tree(mesh, mesh.topology.dim, padding=ROUNDING * extent)
        candidates = geometry.compute_collisions_points(tree, padded)
        colliding = geometry.compute_colliding_cells(mesh, candidates, padded)
        offsets, cells = np.asarray(colliding.offsets), np.asarray(colliding.array)
        some = np.diff(offsets) > 0
        result = np.full(len(padded), -1, dtype=np.int32)
        result[some] = cells[offsets[:-1][some]]
        return result

    @cached_property
    def _here(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.cells >= 0)

    def own(self, function: fem.Function) -> NDArray[np.float64]:
        """The components of a function at points in cells of this rank (P, components), -inf elsewhere."""
        size = int(function.function_space.dofmap.bs)
        values = np.full((len(self._padded), size), -np.inf)
        if self._here.size:
            found = function.eval(self._padded[self._here], self.cells[self._here])
            values[self._here] = np.reshape(found, (len(self._here), size))
        return values

    def values(self, function: fem.Function) -> NDArray[np.float64]:
        """The values (P,) of a scalar function, or (P, components) of others, on all ranks; collective."""
        # those of other ranks are below every value
        result = self.own(function)
        self._mesh.comm.Allreduce(MPI.IN_PLACE, result, MPI.MAX)
        return np.asarray(result[:, 0] if result.shape[1] == 1 else result)


def evaluate(function: fem.Function, points: ArrayLike) -> NDArray[np.float64]:
    """Evaluate a scalar function at points; collective, with one reduction for all points.

    Args:
        function: u.
        points: x (P, d), the same on all ranks.

    Returns:
        u (P,), on all ranks.

    Raises:
        InvalidArgument: a point outside of the mesh.
    """
    return Places(function.function_space.mesh, points).values(function)
