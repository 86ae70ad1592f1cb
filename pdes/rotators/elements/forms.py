"""The Fokker-Planck equation of actions in UFL, in the form of fluxes.

    d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p)

With p = w u, tested with q, the flux -sum_j (R_j p - T_j I_j d_j p) d_j q becomes

    a(u, q) = sum_j int w I_j (T_j d_j u + (T_j s_j - r_j) u) d_j q,    s_j = (log w)_j',  r_j = R_j/I_j,

and vanishes at I_j = 0 by itself. With q = 1 it is 0: mass is conserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from .space import ActionSpace, each_once
from .weights import SingleSiteWeights

# seconds: coarse problems are compiled by every rank alone, and one waits for the other's file
PATIENT = {"timeout": 60}


@dataclass(frozen=True, eq=False)
class TransportForms:
    """The forms a(u, q) and int w u q.

    Args:
        space: of u and q.
        weights: w_j, s_j, R and T.
    """

    space: ActionSpace
    weights: SingleSiteWeights

    @property
    def _order(self) -> int:
        return 2 * self.space.degree + 2

    @cached_property
    def dx(self) -> ufl.Measure:
        """Gauss quadrature that leaves room for w."""
        metadata = {"quadrature_degree": self._order, "quadrature_rule": "default"}
        return ufl.Measure("dx", domain=self.space.space.mesh, metadata=metadata)

    @cached_property
    def coefficients(self) -> tuple[fem.Function, fem.Function]:
        """The weight w, and the vector T_j s_j - r_j, at the quadrature points."""
        mesh, dim = self.space.space.mesh, self.space.dim
        cell = mesh.basix_cell()
        scalar = basix.ufl.quadrature_element(cell, degree=self._order, scheme="default")
        vector = basix.ufl.quadrature_element(cell, value_shape=(dim,), degree=self._order, scheme="default")
        weight, excess = (fem.Function(fem.functionspace(mesh, element)) for element in (scalar, vector))
        points = self._quadrature_points()
        weight.x.array[:] = self.space.weight(points)
        rates = self.weights.dissipation.rate(points)
        for j, temperature in enumerate(self.weights.temperature):
            slope = each_once(partial(self.weights.slope, j), points[:, j])
            excess.x.array[j::dim] = temperature * slope - rates[:, j]
        return weight, excess

    def _quadrature_points(self) -> np.ndarray:
        mesh = self.space.space.mesh
        cells = mesh.topology.index_map(mesh.topology.dim)
        rule = basix.make_quadrature(mesh.basix_cell(), self._order)[0]
        x = fem.Expression(ufl.SpatialCoordinate(mesh), rule, jit_options=PATIENT)
        found = x.eval(mesh, np.arange(cells.size_local + cells.num_ghosts, dtype=np.int32))
        return np.maximum(np.asarray(found).reshape(-1, self.space.dim), 0.0)

    def outflow(self, u: Any, q: Any) -> ufl.Form:
        """The form a(u, q) of the fluxes."""
        mesh = self.space.space.mesh
        actions = ufl.SpatialCoordinate(mesh)
        weight, excess = self.coefficients
        flux = ufl.as_vector(
            [
                actions[j] * (fem.Constant(mesh, float(temperature)) * u.dx(j) + excess[j] * u)
                for j, temperature in enumerate(self.weights.temperature)
            ]
        )
        return weight * ufl.inner(flux, ufl.grad(q)) * self.dx

    def product(self, u: Any, q: Any) -> ufl.Form:
        """The form int w u q."""
        return self.coefficients[0] * u * q * self.dx

    def matrices(self) -> tuple[PETSc.Mat, PETSc.Mat, np.ndarray]:
        """The matrices of both forms, divided from both sides by the roots of the diagonal of the second, and these
        roots, for the degrees of freedom of this rank.
        """
        u, q = ufl.TrialFunction(self.space.space), ufl.TestFunction(self.space.space)
        outflow, product = (
            fem_petsc.assemble_matrix(fem.form(form(u, q), jit_options=PATIENT))
            for form in (self.outflow, self.product)
        )
        outflow.assemble()
        product.assemble()
        roots = product.getDiagonal()
        roots.sqrtabs()
        values = roots.array.copy()
        roots.reciprocal()
        outflow.diagonalScale(roots, roots)
        product.diagonalScale(roots, roots)
        return outflow, product, values
