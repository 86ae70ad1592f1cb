"""Actions that act on one another: the equation in UFL, its stationary law and its slowest rates; no detailed balance.

    d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p)

With p = w u, tested with q, the flux -sum_j (R_j p - T_j I_j d_j p) d_j q becomes

    a(u, q) = sum_j int w I_j (T_j d_j u + (T_j s_j - r_j) u) d_j q,    s_j = (log w_j)',  r_j = R_j/I_j,

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
from slepc4py import SLEPc

from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature
from scaling_limits.meshes.backend.petsc_solvers import configured, general_options
from scaling_limits.particles.errors import NotConverged

from .space import ActionSpace, each_once
from .weights import SingleSiteWeights

# seconds: coarse problems are compiled by every rank alone, and one waits for the other's file
PATIENT = {"timeout": 60}
SHIFT = 1e-8  # of the size of the entries of A
ITERATIONS = 6  # of inverse iteration
ROUNDING = 1e-8  # of the entries of A: where the law of sites alone is stationary, its outflow is rounding
STATIONARY_RTOL = 1e-11  # of the outflow A u, against that of u = 1
COMPLEX = 1e-9  # a rate whose imaginary part is smaller counts as real


@dataclass(frozen=True, eq=False)
class TransportMatrices:
    """The matrices of the equation, divided from both sides by the roots of the diagonal of int w u q.

    Args:
        outflow: A, of the form a(u, q).
        product: B, of int w u q.
        roots: these roots, for the degrees of freedom of this rank.
    """

    outflow: PETSc.Mat
    product: PETSc.Mat
    roots: np.ndarray

    @property
    def largest(self) -> float:
        """The largest sum of the moduli in a row of A."""
        return float(self.outflow.norm(PETSc.NormType.NORM_INFINITY))


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

    def outflow(self, u: ufl.core.expr.Expr, q: ufl.Argument) -> ufl.Form:
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

    def product(self, u: ufl.core.expr.Expr, q: ufl.Argument) -> ufl.Form:
        """The form int w u q."""
        return self.coefficients[0] * u * q * self.dx

    def matrices(self) -> TransportMatrices:
        """The matrices of both forms (collective)."""
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
        return TransportMatrices(outflow, product, values)


def stationary(space: ActionSpace, matrices: TransportMatrices, petsc_options: dict[str, Any] | None) -> np.ndarray:
    """The field u (size,) with A u = 0.

    By inverse iteration where A + delta B can be factored, else u = 1 + d, A d = -A 1.

    Raises:
        NotConverged: the linear solver failed.
    """
    options, outflow = general_options(space.comm, space.dim, space.size), matrices.outflow
    direct = {**options, **(petsc_options or {})}.get("pc_type") == "lu"
    matrix = outflow.copy()
    if direct:
        matrix.axpy(SHIFT * matrices.largest, matrices.product, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
    solver = configured(matrix, "transport_stationary_", options, petsc_options)
    one, flow = outflow.createVecs()
    one.array[:] = matrices.roots
    outflow.mult(one, flow)
    scale = flow.norm() + ROUNDING * matrices.largest * one.norm()
    state = one.copy()
    if direct:
        _iterate(solver, matrices, state, STATIONARY_RTOL * scale)
    else:
        flow.scale(-1.0)
        solver.solve(flow, state)
        state.axpy(1.0, one)
    outflow.mult(state, flow)
    reason = solver.getConvergedReason()
    if reason < 0 or not flow.norm() <= STATIONARY_RTOL * 1e3 * scale or not np.isfinite(state.norm()):
        said = f"outflow {flow.norm() / max(scale, 1e-300):.1e} of that of the product law"
        if reason < 0:
            said += f", PETSc reason {reason} after {solver.getIterationNumber()} iterations"
        remedy = "try petsc_options of a direct solver, or fewer cells"
        if direct or reason > 0:
            remedy = "give an `upper` and wide=True, or check that the dissipation confines the actions (Hg)"
        raise NotConverged("the stationary law of the actions", said, remedy)
    solver.destroy()
    return space.whole(state.array / matrices.roots)


def _iterate(solver: PETSc.KSP, matrices: TransportMatrices, state: PETSc.Vec, allowed: float) -> None:
    """Inverse iteration from a state, in place, until its outflow is allowed."""
    (right, flow), size = matrices.outflow.createVecs(), state.norm()
    for _ in range(ITERATIONS):
        matrices.product.mult(state, right)
        solver.solve(right, state)
        state.scale(size / state.norm())
        matrices.outflow.mult(state, flow)
        if flow.norm() <= allowed:
            return


def rates(space: ActionSpace, matrices: TransportMatrices, count: int) -> np.ndarray:
    """The rates of smallest real part (count,), by shift and invert; complex where some are. Where the last would be
    one of a complex pair, the other is there too (count + 1,).

    Raises:
        NotConverged: SLEPc did not find enough of them.
    """
    values = _eigenvalues(space, matrices, min(2 * count + 4, space.size - 1))
    size = np.abs(values).max(initial=1.0)
    order = np.lexsort((values.imag, np.abs(values.imag), np.round(values.real / size, 9)))  # a pair stays together
    values = values[order]
    half_a_pair = abs(values[:count].imag.sum()) > COMPLEX * size
    if len(values) < count + half_a_pair:
        raise NotConverged("the rates of the actions", f"SLEPc found {len(values)} of {count}", "ask for fewer rates")
    values = values[: count + half_a_pair]
    values[0] = 0.0
    return values.real if (np.abs(values.imag) <= COMPLEX * size).all() else values


def _eigenvalues(space: ActionSpace, matrices: TransportMatrices, asked: int) -> np.ndarray:
    """The eigenvalues of A u = lambda B u next to 0, complex; more or fewer than `asked`."""
    shift = -1e-3 * matrices.largest / space.size ** (2 / space.dim)
    solver = SLEPc.EPS().create(matrices.outflow.getComm())
    solver.setOptionsPrefix("transport_spectrum_")
    solver.setOperators(matrices.outflow, matrices.product)
    solver.setProblemType(SLEPc.EPS.ProblemType.GNHEP)
    solver.setDimensions(asked)
    solver.setTarget(shift)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
    solver.setTolerances(1e-11, 500)
    transform = solver.getST()
    transform.setType(SLEPc.ST.Type.SINVERT)
    transform.setShift(shift)
    ksp = transform.getKSP()
    ksp.setType("preonly")
    ksp.getPC().setType("lu")
    ksp.getPC().setFactorSolverType(general_options(space.comm, 1, 1)["pc_factor_mat_solver_type"])
    try:
        solver.solve()
    except (PETSc.Error, SystemError) as error:
        solver.incRef()  # SLEPc cannot take it apart in this state
        raise NotConverged("the rates of the actions", "SLEPc gave up", "take fewer cells") from error
    values = np.array([solver.getEigenvalue(i) for i in range(solver.getConverged())], dtype=complex)
    solver.destroy()
    return values
