"""Steps in entropy variables, which keep mass, sign and equilibrium and lower the free energy on every mesh.

With w = log u, u = rho/pi at the nodes, the nonlinear form of `lumped`

    d_t r_i = -f_i(u),    f_i = int sigma pi u_h c <M grad w_h, grad phi_i>,    c = (1 + |J^T grad w_h|^2/6)^(-1/2),

has the same mass and equilibrium, r > 0 by its form, and sum_i f_i w_i >= 0, whatever M and the mesh are: H falls in
continuous time, and in steps of implicit Euler of any length, by convexity. u_h and w_h have degree 1; c, with the map
J of the cell, is 1 up to second order, and lets u_h c |grad w_h| stay below the differences of u where w falls steeply
(in one dimension c u_h is close to the logarithmic mean).
Steps are those of L-stable, stiffly accurate diagonally implicit Runge-Kutta methods, whose stages are solved by
Newton's method in u with u > 0. Source: Hairer and Wanner, Solving Ordinary Differential Equations II, (IV.6.16), for
the method of order 4; Cances and Guichard, Numerical analysis of a robust free energy diminishing finite volume scheme,
Found. Comput. Math. 17 (2017) 1525, for the form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.meshes.backend.petsc_solvers import configured, general_options

from .problem import DiffusionOnMesh


@dataclass(frozen=True)
class DiagonallyImplicit:
    """A stiffly accurate diagonally implicit Runge-Kutta method.

    Args:
        name: of the method.
        order: of convergence.
        rows: a_ij for j <= i, with the same a_ii; the last row has the weights.
        estimate: b_i less the weights of an embedded method of one order less.
    """

    name: str
    order: int
    rows: tuple[tuple[float, ...], ...]
    estimate: tuple[float, ...]


EULER = DiagonallyImplicit("implicit Euler", 1, ((1.0,),), (0.0,))
_G = 1.0 - 0.5**0.5
SDIRK2 = DiagonallyImplicit("two implicit stages", 2, ((_G,), (1.0 - _G, _G)), (0.5 - _G, _G - 0.5))
SDIRK4 = DiagonallyImplicit(
    "five implicit stages", 4,
    (
        (1 / 4,), (1 / 2, 1 / 4), (17 / 50, -1 / 25, 1 / 4), (371 / 1360, -137 / 2720, 15 / 544, 1 / 4),
        (25 / 24, -49 / 48, 125 / 16, -85 / 12, 1 / 4),
    ),
    (25 / 24 - 59 / 48, -49 / 48 + 17 / 96, 125 / 16 - 225 / 32, 0.0, 1 / 4),
)  # fmt: skip


@dataclass(frozen=True)
class NewtonSettings:
    """How stages are solved.

    Args:
        most: iterations of a stage.
        rate: of convergence above which the matrix is made anew.
        least: part of its value to which u may fall in an iteration.
        floor: least u, relative to the largest; it has next to no mass.
        rounding: part of the mass that a residual may be.
    """

    most: int = 40
    rate: float = 0.1
    least: float = 0.05
    floor: float = 1e-40
    rounding: float = 2e-14


SETTINGS = NewtonSettings()


class EntropySteps:
    """Steps of d_t r = -f(r/r_eq).

    Args:
        equation: on its mesh.
    """

    def __init__(self, equation: DiffusionOnMesh) -> None:
        self._equation = equation
        self._share = equation.pi / equation.partition
        self._u, self._w = (fem.Function(equation.space) for _ in range(2))
        # u where the matrix at hand was made
        self._at: np.ndarray | None = None
        self._scale = np.ones(0)
        self.factorisations = self.evaluations = 0

    @cached_property
    def _forms(self) -> tuple[fem.Form, fem.Form, fem.Form]:
        """f, and its derivatives by u and by w."""
        equation, forms = self._equation, self._equation.forms
        test = ufl.TestFunction(equation.space)
        slope = ufl.grad(self._w)
        reference = ufl.dot(ufl.transpose(ufl.Jacobian(equation.mesh)), slope)
        mean = self._u / ufl.sqrt(1.0 + ufl.inner(reference, reference) / 6.0)
        flux = mean * ufl.inner(forms.weights[1] * slope, ufl.grad(test)) / equation.partition * forms.dx
        return fem.form(flux), fem.form(ufl.derivative(flux, self._u)), fem.form(ufl.derivative(flux, self._w))

    @cached_property
    def _matrices(self) -> tuple[PETSc.Mat, PETSc.Mat]:
        by_u, by_w = (fem_petsc.create_matrix(form) for form in self._forms[1:])
        return by_u, by_w

    @cached_property
    def _solver(self) -> PETSc.KSP:
        matrix, comm = self._matrices[1], self._equation.comm
        options = general_options(comm, self._equation.dim, self._equation.size)
        return configured(matrix, "fokker_planck_entropy_", options, None)

    def _set(self, u: np.ndarray) -> None:
        own = self._equation.own
        self._u.x.array[:own], self._w.x.array[:own] = u, np.log(u)
        self._u.x.scatter_forward()
        self._w.x.scatter_forward()

    def rate(self, u: np.ndarray) -> np.ndarray:
        """f(u) (m,) on this rank; collective."""
        self._set(u)
        self.evaluations += 1
        return self._equation.added(fem_petsc.assemble_vector(self._forms[0]))

    def _factor(self, u: np.ndarray, step: float) -> None:
        """Factor the derivative of r + step f by log u, at u, each row divided by r or by the flux through it."""
        self._set(u)
        by_u, by_w = self._matrices
        for matrix, form in zip((by_u, by_w), self._forms[1:]):
            matrix.zeroEntries()
            fem_petsc.assemble_matrix(matrix, form)
            matrix.assemble()
        values = by_w.createVecRight()
        values.array[:] = u
        by_u.diagonalScale(None, values)
        by_w.axpy(1.0, by_u, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        by_w.scale(step)
        values.array[:] = self._share * u
        by_w.setDiagonal(values, PETSc.InsertMode.ADD_VALUES)
        self._scale = 1.0 / np.maximum(np.abs(by_w.getDiagonal().array), 1e-290)
        values.array[:] = self._scale
        by_w.diagonalScale(values, None)
        self._solver.setOperators(by_w)
        self._solver.setUp()
        self._at = u
        self.factorisations += 1

    def _change(self, residual: np.ndarray) -> np.ndarray:
        """The change of u by the matrix at hand, relative to the u where it was made."""
        right, left = self._matrices[1].createVecs()
        right.array[:] = -self._scale * residual
        self._solver.solve(right, left)
        return np.array(left.array) if self._solver.getConvergedReason() > 0 else np.full(len(residual), np.nan)

    def _stage(self, known: np.ndarray, u: np.ndarray, step: float, allowed: float) -> tuple[np.ndarray, str]:
        """Solve r + step f(u) = known for u, from a guess; and why that failed, or an empty text."""
        before = np.inf
        for _ in range(SETTINGS.most):
            residual = self._share * u + step * self.rate(u) - known
            left = self._equation.total(np.abs(residual))
            if not np.isfinite(left):
                return u, "Newton's method leaves the range of doubles"
            if left <= allowed:
                return u, ""
            if self._at is None or left > SETTINGS.rate * before:
                self._factor(u, step)
            before = left
            assert self._at is not None
            u = np.maximum(u + self._at * self._change(residual), SETTINGS.least * u)
        return u, "Newton's method does not converge"

    def step(
        self, method: DiagonallyImplicit, probabilities: np.ndarray, h: float, allowed: float
    ) -> tuple[np.ndarray, np.ndarray, str]:
        """The probabilities (m,) after a step, the estimate of their error, and why it failed (empty if not).

        Args:
            method: of the step.
            probabilities: before it, not negative.
            h: the step.
            allowed: what Newton's method may leave of the mass.
        """
        self._at = None
        top = self._equation.comm.allreduce(float((probabilities / self._share).max(initial=0.0)), MPI.MAX)
        u = np.maximum(probabilities / self._share, SETTINGS.floor * top)
        rates: list[np.ndarray] = []
        for row in method.rows:
            known = probabilities - h * sum((a * f for a, f in zip(row, rates)), np.zeros_like(u))
            u, reason = self._stage(known, u, row[-1] * h, max(allowed, SETTINGS.rounding))
            if reason:
                return probabilities, np.zeros_like(u), reason
            rates.append((known - self._share * u) / (row[-1] * h))
        error = h * sum((e * f for e, f in zip(method.estimate, rates)), np.zeros_like(u))
        return self._share * u, error, ""
