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

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from scaling_limits.meshes.backend.quadrature import MeshQuadrature

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

    @cached_property
    def _quadrature(self) -> MeshQuadrature:
        """A rule that leaves room for w."""
        return MeshQuadrature(self.space.space.mesh, 2 * self.space.degree + 2, PATIENT)

    @property
    def dx(self) -> ufl.Measure:
        """The measure of this rule."""
        return self._quadrature.dx

    @cached_property
    def coefficients(self) -> tuple[fem.Function, fem.Function]:
        """The weight w, and the vector T_j s_j - r_j, at the quadrature points."""
        points = np.maximum(self._quadrature.points, 0.0)
        excess = -self.weights.dissipation.rate(points)
        for j, temperature in enumerate(self.weights.temperature):
            excess[:, j] += temperature * each_once(partial(self.weights.slope, j), points[:, j])
        weight = self._quadrature.function((), self.space.weight(points))
        return weight, self._quadrature.function((self.space.dim,), excess)

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
