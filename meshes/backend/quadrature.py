"""Quadrature: on an interval, with polynomials through its points; on a mesh, with functions given by values there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

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


@lru_cache(maxsize=32)
def _element(degree: int) -> tuple[basix.finite_element.FiniteElement, np.ndarray]:
    """The element and the order from left to right of its degrees of freedom (basix puts the ends first)."""
    family, cell, nodes = basix.ElementFamily.P, basix.CellType.interval, basix.LagrangeVariant.gll_warped
    element = basix.create_element(family, cell, degree, nodes)
    return element, np.argsort(element.points[:, 0])


def lobatto_points(degree: int) -> np.ndarray:
    """The degree + 1 Gauss-Lobatto-Legendre points on [0, 1], increasing."""
    element, order = _element(degree)
    return element.points[order, 0]


def lobatto_weights(degree: int) -> np.ndarray:
    """The weights (degree + 1,) of the Gauss-Lobatto-Legendre points on [0, 1]."""
    points, weights = basix.make_quadrature(basix.CellType.interval, 2 * degree - 1, basix.QuadratureType.gll)
    return weights[np.argsort(points[:, 0])]


def lagrange_basis(degree: int, points: np.ndarray, derivative: int = 0) -> np.ndarray:
    """The Lagrange polynomials of the Gauss-Lobatto-Legendre points, or a derivative of them, at points.

    Args:
        degree: k of the polynomials.
        points: in [0, 1], shape (P,).
        derivative: order of the derivative.

    Returns:
        Values, shape (P, k + 1).
    """
    if not points.size:  # basix aborts the process
        return np.empty((0, degree + 1))
    element, order = _element(degree)
    return element.tabulate(derivative, points[:, None])[derivative, :, :, 0][:, order]


def composite_gauss(breaks: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """The points and weights of Gauss quadrature on each part of an interval.

    Args:
        breaks: ends of the parts (K + 1,), increasing.
        order: n, points in each part; polynomials of degree 2 n - 1 are integrated exactly.

    Returns:
        Points (K, n) and weights (K, n).
    """
    ticks, weights = np.polynomial.legendre.leggauss(order)
    width = np.diff(breaks)[:, None]
    return breaks[:-1, None] + 0.5 * width * (ticks + 1.0), 0.5 * width * weights
