"""The generator in UFL: int sigma pi <M grad f, grad g> and int pi f g, with elements of any degree.

pi is evaluated at quadrature points, relative to its largest value; cells in which it is below 1e-30 of that are taken
out, as behind a wall without flux.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from dolfinx.mesh import Mesh
from petsc4py import PETSc
from ufl.core.expr import Expr

from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature
from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.meshes.linear_algebra.sparse_matrix import scale_to_unit_diagonal
from scaling_limits.particles.sampling.ranks import on_all_ranks

from .coefficients import Coefficients, exponent_at, mobility_at
from .elements.box_elements import NEGLIGIBLE


@dataclass(frozen=True, eq=False)
class GeneratorForms:
    """The forms of -L, L f = (1/pi) div(sigma pi M grad f), on a mesh.

    Args:
        mesh: of the box.
        coefficients: M, Psi, sigma.
        lowest: the least Psi/sigma, or about it.
        degree: of the elements.
    """

    mesh: Mesh
    coefficients: Coefficients
    lowest: float
    degree: int

    @cached_property
    def space(self) -> fem.FunctionSpace:
        """Continuous Lagrange elements."""
        return fem.functionspace(self.mesh, ("Lagrange", self.degree))

    @cached_property
    def _quadrature(self) -> MeshQuadrature:
        """A rule that leaves room for pi."""
        return MeshQuadrature(self.mesh, 2 * self.degree + 4)

    @property
    def dx(self) -> ufl.Measure:
        """The measure of this rule."""
        return self._quadrature.dx

    @cached_property
    def weights(self) -> tuple[fem.Function, fem.Function]:
        """Equilibrium pi and conductivity sigma pi M as functions on the quadrature points."""
        rule, dim = self._quadrature, self.mesh.topology.dim
        points = rule.points
        sigma = float(self.coefficients.temperature)
        exponent, tensors = on_all_ranks(
            self.mesh.comm, lambda: (exponent_at(self.coefficients, points), mobility_at(self.coefficients, points))
        )
        pi = np.exp(self.lowest - exponent)
        pi = pi.reshape(-1, rule.per_cell)
        pi = np.where(pi.max(axis=1, keepdims=True) > NEGLIGIBLE, pi, 0.0).ravel()
        return rule.function((), pi), rule.function((dim, dim), sigma * pi[:, None, None] * tensors)

    def energy(self, f: Expr, g: Expr) -> ufl.Form:
        """int sigma pi <M grad f, grad g>."""
        return ufl.inner(self.weights[1] * ufl.grad(f), ufl.grad(g)) * self.dx

    def product(self, f: Expr, g: Expr) -> ufl.Form:
        """int pi f g."""
        return self.weights[0] * f * g * self.dx

    def matrices(self) -> tuple[PETSc.Mat, PETSc.Mat, PETSc.Vec]:
        """The matrices of energy and product, and the roots of the diagonal of the second; both are divided by it from
        both sides, so that their entries are of order one wherever pi is. Roots are infinite where pi is negligible.
        """
        f, g = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        energy, product = (fem_petsc.assemble_matrix(fem.form(form(f, g))) for form in (self.energy, self.product))
        energy.assemble()
        product.assemble()
        return energy, product, scaled(energy, product)

    def integral(self, form: ufl.Form) -> float:
        """The value of a form without arguments, over all ranks."""
        return float(self.mesh.comm.allreduce(np.real(fem.assemble_scalar(fem.form(form)))))


def scaled(energy: PETSc.Mat, product: PETSc.Mat) -> PETSc.Vec:
    """Divide both matrices from both sides by the roots of the diagonal of the second, and return these; collective.

    Rows where the diagonal is 0 become those of the largest diagonal and of 1, and their roots infinite.
    """
    roots = product.createVecRight()
    roots.array[:] = scale_to_unit_diagonal(PetscMatrix(energy), PetscMatrix(product))
    for matrix in (energy, product):
        matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        matrix.setOption(PETSc.Mat.Option.SYMMETRY_ETERNAL, True)
    return roots
