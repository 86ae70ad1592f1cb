"""The corrector problem of one cell in UFL, for any mesh of a torus."""

from __future__ import annotations

from dataclasses import dataclass

import ufl


@dataclass(frozen=True, eq=False)
class CorrectorForms:
    """Forms of the corrector problem div( K (grad theta_j + e_j) ) = 0.

    In weak form: find theta_j with int K (grad theta_j + e_j) . grad v = 0 for all v.

    Args:
        tensor: K, a symmetric positive definite tensor (d, d) in UFL.
        measure: dx, with the quadrature of K.

    Source: Duncan, Duong and Pavliotis (2023), (15), (16), (29).
    """

    tensor: ufl.core.expr.Expr
    measure: ufl.Measure

    def energy(self, u: ufl.core.expr.Expr, v: ufl.core.expr.Expr) -> ufl.Form:
        """Energy product int K grad u . grad v."""
        return ufl.inner(self.tensor * ufl.grad(u), ufl.grad(v)) * self.measure

    def load(self, direction: int, v: ufl.core.expr.Expr) -> ufl.Form:
        """Load -int K e_j . grad v, the right-hand side."""
        return -self.pull(direction, v)

    def pull(self, direction: int, v: ufl.core.expr.Expr) -> ufl.Form:
        """int K e_j . grad v: the load with the other sign, under its former name."""
        return ufl.inner(self.tensor[:, direction], ufl.grad(v)) * self.measure

    def effective(self, first: ufl.core.expr.Expr, i: int, second: ufl.core.expr.Expr, j: int) -> ufl.Form:
        """Entry of K_eff, int K (e_i + grad theta_i) . (e_j + grad theta_j), with an error of second order in theta."""
        dim = self.tensor.ufl_shape[0]
        units = [ufl.as_vector([1.0 if k == axis else 0.0 for k in range(dim)]) for axis in (i, j)]
        flux = self.tensor * (units[0] + ufl.grad(first))
        return ufl.inner(flux, units[1] + ufl.grad(second)) * self.measure


def reference_operator(u: ufl.core.expr.Expr, v: ufl.core.expr.Expr, measure: ufl.Measure) -> ufl.Form:
    """Operator of a constant medium, int grad u . grad v + pi^2 u v, shifted to have no kernel."""
    return (ufl.inner(ufl.grad(u), ufl.grad(v)) + ufl.pi**2 * ufl.inner(u, v)) * measure
