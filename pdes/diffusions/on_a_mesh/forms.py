"""The generator in UFL on a mesh: int sigma pi <M grad f, grad g> and int pi f g, pi = exp(lowest - Psi/sigma)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc
from ufl.core.expr import Expr

from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature
from scaling_limits.meshes.shared_values import check_shared
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import Coefficients, exponent_at, mobility_at


@dataclass(frozen=True, eq=False)
class MeshForms:
    """The forms of -L, L f = (1/pi) div(sigma pi M grad f).

    Args:
        space: continuous Lagrange elements.
        coefficients: M, Psi, sigma.
        lowest: the least Psi/sigma.
        degree: of the quadrature.
    """

    space: fem.FunctionSpace
    coefficients: Coefficients
    lowest: float
    degree: int

    @cached_property
    def rule(self) -> MeshQuadrature:
        """The quadrature."""
        return MeshQuadrature(self.space.mesh, self.degree)

    @property
    def dx(self) -> ufl.Measure:
        """The measure of the quadrature."""
        return self.rule.dx

    @cached_property
    def equilibrium(self) -> fem.Function:
        """pi as a function on the quadrature points; collective the first time."""
        points = self.rule.points
        exponent = on_all_ranks(self.space.mesh.comm, lambda: exponent_at(self.coefficients, points))
        return self.rule.function((), np.exp(self.lowest - exponent))

    @cached_property
    def weights(self) -> tuple[fem.Function, fem.Function]:
        """pi and sigma pi M as functions on the quadrature points; collective the first time.

        Raises:
            InvalidArgument: M or Psi is not what it must be at one of them, or M differs between ranks.
        """
        rule, dim, sigma = self.rule, self.space.mesh.geometry.dim, float(self.coefficients.temperature)
        points = rule.points
        exponent, tensors = on_all_ranks(
            self.space.mesh.comm,
            lambda: (exponent_at(self.coefficients, points), mobility_at(self.coefficients, points)),
        )
        pi = np.exp(self.lowest - exponent)
        weighted = rule.function((dim, dim), tensors)
        check_shared(weighted, "mobility", np.abs(tensors).max(initial=0.0))
        rule.assign(weighted, sigma * pi[:, None, None] * tensors)
        return rule.function((), pi), weighted

    def energy_density(self, f: Expr, g: Expr) -> Expr:
        """sigma pi <M grad f, grad g>."""
        return ufl.inner(self.weights[1] * ufl.grad(f), ufl.grad(g))

    def energy(self, f: Expr, g: Expr) -> ufl.Form:
        """int sigma pi <M grad f, grad g>."""
        return self.energy_density(f, g) * self.dx

    def product(self, f: Expr, g: Expr) -> ufl.Form:
        """int pi f g."""
        return self.weights[0] * f * g * self.dx

    @cached_property
    def stiffness(self) -> fem.Form:
        """The compiled form of `energy`."""
        return fem.form(self.energy(ufl.TrialFunction(self.space), ufl.TestFunction(self.space)))

    @cached_property
    def mass(self) -> fem.Form:
        """The compiled form of `product`."""
        return fem.form(self.product(ufl.TrialFunction(self.space), ufl.TestFunction(self.space)))

    def matrix(self, form: fem.Form, bcs: list[fem.DirichletBC] | None = None, diagonal: float = 1.0) -> PETSc.Mat:
        """The assembled matrix of a form, with a number on the diagonal of rows that are held; collective."""
        result = fem_petsc.create_matrix(form)
        fem_petsc.assemble_matrix(result, form, bcs or [], diagonal)
        result.assemble()
        return result

    def integral(self, form: ufl.Form) -> float:
        """The value of a form without arguments, over all ranks."""
        return float(self.space.mesh.comm.allreduce(fem.assemble_scalar(fem.form(form))))
