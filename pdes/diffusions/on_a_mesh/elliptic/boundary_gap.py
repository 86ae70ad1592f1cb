"""What the polygon of held nodes misses of the boundary of a set, and what that does to solutions.

A boundary that is off by d along its normal changes a solution that is constant on it by |df/dn| d there, and by no
more elsewhere (maximum principle); it changes a capacity or a rate by int sigma pi <M grad f, grad f> d over the
boundary (Hadamard's formula). Source: Henrot and Pierre, Shape Variation and Optimization (2018), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import basix
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI

from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...hitting.target_sets import bisected
from ..forms import MeshForms
from .sets import MeshSet, SetsOnMesh

# part of the way into the free part of a cell that is looked at on the other side of a facet
BEYOND = 0.5


@dataclass(frozen=True, eq=False)
class BoundaryGap:
    """The distances of the facets of sets from the boundaries of these.

    Args:
        found: the sets on their mesh.
    """

    found: SetsOnMesh

    @cached_property
    def _facets(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells of this rank with a facet in a set (F,), its area and its distance from the boundary; collective."""
        parts = []
        for number, one in enumerate(self.found.sets):
            parts += on_all_ranks(self.found.equation.comm, lambda n=number, s=one: self._of_set(n, s))  # type: ignore[misc]
        return tuple(np.concatenate(part) for part in zip(*parts))  # type: ignore[return-value]

    def _of_set(self, number: int, one: MeshSet) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The same of one set, for each facet of the reference cell; each rank by itself."""
        equation, place = self.found.equation, self.found.place
        topology, dim = equation.mesh.topology, equation.dim
        corners = equation.space.dofmap.list[: topology.index_map(dim).size_local]
        x = equation.all_nodes[corners]
        free, result = place[corners] < 0, []
        reference = basix.topology(equation.space.element.basix_element.cell_type)
        for of_facet in reference[dim - 1]:
            cells = np.flatnonzero((place[corners[:, of_facet]] == number).all(axis=1) & free.any(axis=1))
            middle = x[cells][:, of_facet].mean(axis=1)
            weight = free[cells] / np.maximum(free[cells].sum(axis=1), 1)[:, None]
            way = (x[cells] * weight[:, :, None]).sum(axis=1) - middle
            result.append((cells, _areas(x[cells][:, of_facet]), _distances(one, middle, way)))
        return result

    def of_field(self, function: fem.Function) -> float:
        """How much a solution may change; collective."""
        cells, _, distances = self._facets
        slopes = np.sqrt(self._mean(ufl.inner(ufl.grad(function), ufl.grad(function)), ufl.dx))
        largest = float((slopes[cells] * distances).max(initial=0.0))
        return float(self.found.equation.comm.allreduce(largest, MPI.MAX))

    def of_energy(self, forms: MeshForms, function: fem.Function) -> float:
        """How much int sigma pi <M grad f, grad f> may change; collective."""
        cells, areas, distances = self._facets
        densities = self._mean(forms.energy_density(function, function), forms.dx)
        return float(self.found.equation.comm.allreduce(float((densities[cells] * areas * distances).sum())))

    def _mean(self, density: ufl.core.expr.Expr, dx: ufl.Measure) -> np.ndarray:
        """The means of an expression in the cells of this rank."""
        mesh = self.found.equation.mesh
        space = fem.functionspace(mesh, ("DG", 0))
        test = ufl.TestFunction(space)
        sums = self.found.equation.added(fem_petsc.assemble_vector(fem.form(density * test * dx)))
        volumes = self.found.equation.added(fem_petsc.assemble_vector(fem.form(test * dx(domain=mesh))))
        count = mesh.topology.index_map(mesh.topology.dim).size_local
        unknowns = space.dofmap.list[:count, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.nan_to_num(sums / volumes, posinf=0.0, neginf=0.0)[unknowns]


def _areas(corners: np.ndarray) -> np.ndarray:
    """The areas (F,) of facets with corners (F, k, d); 1 of points."""
    count, dim = corners.shape[1:]
    if dim == 1:
        return np.ones(len(corners))
    along = corners[:, 1] - corners[:, 0]
    if dim == 2:
        return np.linalg.norm(along, axis=1)
    across = np.cross(along, corners[:, 2] - corners[:, 0])
    return np.linalg.norm(across, axis=1) * (0.5 if count == 3 else 1.0)


def _distances(one: MeshSet, middle: np.ndarray, way: np.ndarray) -> np.ndarray:
    """From the middles of facets (F, d) to the boundary, along ways (F, d) into the free parts of cells."""
    if one.indicator is None or not len(middle):
        return np.zeros(len(middle))
    inside, length = one.holds(middle), np.linalg.norm(way, axis=1)
    result: np.ndarray = np.zeros(len(middle))
    # from the free end back to the facet, or from the facet to the other side, where the set may begin
    start, along = (middle + way)[inside], -way[inside]
    outside = bisected(lambda t: one.holds(start + t[:, None] * along), int(inside.sum()))[0]
    result[inside] = (1.0 - outside) * length[inside]
    behind = ~inside
    # what is behind the facet may be outside of the mesh, where a function of the user's need not have values
    behind[behind] = one.holds((middle - BEYOND * way)[behind]) if behind.any() else False
    begin, on = middle[behind], -BEYOND * way[behind]
    outside = bisected(lambda t: one.holds(begin + t[:, None] * on), int(behind.sum()))[0]
    result[behind] = outside * BEYOND * length[behind]
    return result
