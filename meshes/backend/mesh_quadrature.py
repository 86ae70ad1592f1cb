"""Quadrature on a mesh, with functions that are given by their values at its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import basix
import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import Mesh


@dataclass(frozen=True, eq=False)
class MeshQuadrature:
    """The default quadrature rule of a degree on all cells of a mesh, and functions that have values at its points.

    The degrees of freedom of such a function are these values. Their numbers are taken from the dofmap: that they
    follow the order of the cells is true today, but no promise of dolfinx.

    Args:
        mesh: of cells of one kind.
        degree: of the polynomials that are integrated exactly on a cell.
        jit_options: of the compiler of the expression for the points.
    """

    mesh: Mesh
    degree: int
    jit_options: Mapping[str, object] | None = None

    @cached_property
    def dx(self) -> ufl.Measure:
        """The measure of this rule in UFL."""
        metadata = {"quadrature_degree": self.degree, "quadrature_rule": "default"}
        return ufl.Measure("dx", domain=self.mesh, metadata=metadata)

    @cached_property
    def per_cell(self) -> int:
        """Number of points in a cell."""
        return len(self.reference)

    @cached_property
    def points(self) -> np.ndarray:
        """Points x (P, d), cell by cell, those of this rank and of its ghosts."""
        cells = self.mesh.topology.index_map(self.mesh.topology.dim)
        x = fem.Expression(ufl.SpatialCoordinate(self.mesh), self.reference, jit_options=self.jit_options)
        numbers = np.arange(cells.size_local + cells.num_ghosts, dtype=np.int32)
        return np.asarray(x.eval(self.mesh, numbers)).reshape(-1, self.mesh.geometry.dim)

    def function(self, shape: tuple[int, ...] = (), values: np.ndarray | float = 0.0) -> fem.Function:
        """Make a function with values (P, *shape) at the points; `assign` gives it others."""
        element = basix.ufl.quadrature_element(self.mesh.basix_cell(), value_shape=shape, degree=self.degree)
        result = fem.Function(fem.functionspace(self.mesh, element))
        self.assign(result, np.broadcast_to(values, (len(self.points), *shape)))
        return result

    def assign(self, function: fem.Function, values: np.ndarray) -> None:
        """Set the values (P, ...) of a function that `function` has made, in the order of `points`."""
        dofmap = function.function_space.dofmap
        function.x.array.reshape(-1, dofmap.bs)[dofmap.list.ravel()] = values.reshape(-1, dofmap.bs)

    @cached_property
    def reference(self) -> np.ndarray:
        """The points (Q, d) in the reference cell."""
        return basix.make_quadrature(self.mesh.basix_cell(), self.degree)[0]
