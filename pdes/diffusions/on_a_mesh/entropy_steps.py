"""Steps in entropy variables, which keep mass, sign and equilibrium and lower the free energy on every mesh.

With w = log u, u = rho/pi at the nodes, the nonlinear form of `lumped`

    d_t r_i = -f_i(w),    f_i = int sigma pi (c u_h + e) <M grad w_h, grad phi_i>,

has the same mass and equilibrium, r > 0 by its form, and sum_i f_i w_i >= 0, whatever M and the mesh are: H falls in
continuous time, and in steps of implicit Euler of any length, by convexity. u_h and w_h have degree 1, and with the map
J of the cell, g = J^T grad w_h,

    c = a + (1 - a) (1 + |g|^2/(6 (1 - a)))^(-1/2)

is 1 up to second order; c u_h is close to the logarithmic mean where w changes by less than 1/a in a cell, so that
fronts are not too fast. Where M drives mass out of next to empty nodes, only a very low w holds it back (u is 0 in
double precision there, w is not): a > 0 makes that possible. e = 1e-14 of the equilibrium density ties w together in a
vacuum.
Steps are those of L-stable, stiffly accurate diagonally implicit Runge-Kutta methods, whose stages are solved by
Newton's method for w. Source: Hairer and Wanner, Solving Ordinary Differential Equations II, (IV.6.16), for the method
of order 4; Cances and Guichard, Numerical analysis of a robust free energy diminishing finite volume scheme, Found.
Comput. Math. 17 (2017) 1525, for the form.
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
        least: part of its value to which u may fall in an iteration, where r counts for more than w.
        lowest: w, relative to the largest, of nodes that are empty at the start.
        longest: changes of w in an iteration, downwards and upwards, where it counts for more.
        above: largest w after an iteration, above the largest one before, likewise.
        rounding: part of the mass that a residual may be, at least.
        exact: with which a stage ends at once.
        mean: a of the module.
        vacuum: e of the module.
    """

    most: int = 25
    rate: float = 0.1
    least: float = 0.05
    lowest: float = -60.0
    longest: tuple[float, float] = (-300.0, 20.0)
    above: float = 1.0
    rounding: float = 2e-14
    exact: float = 1e-12
    mean: float = 0.1
    vacuum: float = 1e-14


SETTINGS = NewtonSettings()


@dataclass(frozen=True)
class _Factored:
    """The matrix at hand: where it was made, and what its rows were multiplied by.

    Args:
        u: at the nodes of this rank (m,).
        scale: of the rows (m,).
        by_mass: whether r counts for more than w in a row (m,).
    """

    u: np.ndarray
    scale: np.ndarray
    by_mass: np.ndarray


class EntropySteps:
    """Steps of d_t r = -f(log(r/r_eq)).

    Args:
        equation: on its mesh.
    """

    def __init__(self, equation: DiffusionOnMesh) -> None:
        self._equation = equation
        self._share = equation.pi / equation.partition
        self._u, self._w = (fem.Function(equation.space) for _ in range(2))
        self._at: _Factored | None = None
        # of the last step, for nodes where u is 0
        self.low: np.ndarray | None = None
        self.factorisations = self.evaluations = 0

    @cached_property
    def _forms(self) -> tuple[fem.Form, fem.Form, fem.Form]:
        """f, and its derivatives by u and by w."""
        equation, forms, a = self._equation, self._equation.forms, SETTINGS.mean
        test = ufl.TestFunction(equation.space)
        slope = ufl.grad(self._w)
        reference = ufl.dot(ufl.transpose(ufl.Jacobian(equation.mesh)), slope)
        square = ufl.inner(reference, reference) / (6.0 * (1.0 - a))
        mean = SETTINGS.vacuum + self._u * (a + (1.0 - a) / ufl.sqrt(1.0 + square))
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

    def _set(self, w: np.ndarray) -> None:
        own = self._equation.own
        self._u.x.array[:own], self._w.x.array[:own] = np.exp(w), w
        self._u.x.scatter_forward()
        self._w.x.scatter_forward()

    def rate(self, w: np.ndarray) -> np.ndarray:
        """f(w) (m,) on this rank; collective."""
        self._set(w)
        self.evaluations += 1
        return self._equation.added(fem_petsc.assemble_vector(self._forms[0]))

    def _factor(self, w: np.ndarray, step: float) -> _Factored:
        """Factor the derivative of r + step f by w, with 1 on its diagonal."""
        self._set(w)
        u, (by_u, by_w) = np.exp(w), self._matrices
        for matrix, form in zip((by_u, by_w), self._forms[1:]):
            matrix.zeroEntries()
            fem_petsc.assemble_matrix(matrix, form)
            matrix.assemble()
        values = by_w.createVecRight()
        values.array[:] = u
        by_u.diagonalScale(None, values)
        through = step * np.abs(by_w.getDiagonal().array)
        by_mass = self._share * u + step * np.abs(by_u.getDiagonal().array) > through
        by_w.axpy(1.0, by_u, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        by_w.scale(step)
        values.array[:] = self._share * u
        by_w.setDiagonal(values, PETSc.InsertMode.ADD_VALUES)
        scale = 1.0 / np.maximum(np.abs(by_w.getDiagonal().array), 1e-290)
        values.array[:] = scale
        by_w.diagonalScale(values, None)
        self._solver.setOperators(by_w)
        self._solver.setUp()
        self.factorisations += 1
        return _Factored(u, scale, by_mass)

    def _changed(self, at: _Factored, w: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """w after an iteration: u changes by as much as it should where r counts for more, else w does."""
        right, left = self._matrices[1].createVecs()
        right.array[:] = -at.scale * residual
        self._solver.solve(right, left)
        change, u = np.array(left.array), np.exp(w)
        # where the solver has failed, a solution that is not finite ends the stage
        top = self._equation.comm.allreduce(float(w.max(initial=-np.inf)), MPI.MAX) + SETTINGS.above
        with np.errstate(divide="ignore"):
            by_u = np.log(np.maximum(u + at.u * change, SETTINGS.least * u))
        by_w = w + np.clip(change, *SETTINGS.longest)
        return np.where(at.by_mass & (u > 0), by_u, np.where(by_w > top, np.maximum(w, top), by_w))

    def _stage(self, known: np.ndarray, w: np.ndarray, step: float, allowed: float) -> tuple[np.ndarray, str]:
        """Solve r + step f(w) = known for w, from a guess; and why that failed, or an empty text."""
        before = np.inf
        for _ in range(SETTINGS.most):
            with np.errstate(over="ignore"):
                residual = self._share * np.exp(w) + step * self.rate(w) - known
            left = self._equation.total(np.abs(residual))
            if not np.isfinite(left):
                return w, "Newton's method leaves the range of doubles"
            # as far as it goes: what is left would have to be made up for by the next stage
            if left <= SETTINGS.exact or (left <= allowed and left > SETTINGS.rate * before):
                return w, ""
            try:
                if self._at is None or left > SETTINGS.rate * before:
                    self._at = self._factor(w, step)
                w = self._changed(self._at, w, residual)
            except PETSc.Error:
                # the package for factors gave up: on all ranks, and another solver is needed
                del self._solver
                return w, "the matrix of Newton's method is singular"
            before = left
        return w, "Newton's method does not converge"

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
        w, rates = self._start(probabilities), list[np.ndarray]()
        allowed, tiny = max(allowed, SETTINGS.rounding), self._share * np.exp(w.max(initial=0.0) - 40)
        for row in method.rows:
            known = probabilities - h * sum((a * f for a, f in zip(row, rates)), np.zeros_like(w))
            # what Newton's method has left of rates at empty nodes would have to flow there in no time
            known = np.where(
                (probabilities < tiny) & (np.abs(known) <= 10.0 * SETTINGS.exact), np.maximum(probabilities, 0.0), known
            )
            w, reason = self._stage(known, w, row[-1] * h, allowed)
            if reason:
                return probabilities, np.zeros_like(w), reason
            rates.append((known - self._share * np.exp(w)) / (row[-1] * h))
        self.low = w
        error = h * sum((e * f for e, f in zip(method.estimate, rates)), np.zeros_like(w))
        return self._share * np.exp(w), error, ""

    def _start(self, probabilities: np.ndarray) -> np.ndarray:
        """log u (m,), and a guess where u is next to 0."""
        u = probabilities / self._share
        top = self._equation.comm.allreduce(float(u.max(initial=0.0)), MPI.MAX)
        lowest = np.log(top) + SETTINGS.lowest
        empty = u < np.exp(lowest)
        low = np.full_like(u, lowest) if self.low is None else np.minimum(self.low, lowest)
        return np.where(empty, low, np.log(np.where(empty, 1.0, u)))
