"""The linear equation with elements of degree 2, by whose difference the errors of densities are estimated."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc
from ufl.core.expr import Expr

from scaling_limits.meshes.backend.petsc_solvers import configured, symmetric_options
from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...time.density_integrator import DensityIntegrator, IntegratorState, StepChoice
from ...time.resolvents import Resolvents
from ..coefficients import function_at
from .density import density_between, log_ratio_of
from .elliptic.held_unknowns import held_unknowns
from .forms import MeshForms
from .initial import AtPoint, Initial, functions_at, probabilities_of
from .problem import DiffusionOnMesh

DEGREE = 2
# the least error of a step; the estimate needs no more
RTOL = 1e-5
LEAST_MASS = 1e-290


class QuadraticSystem:
    """B d_t u = -A u with elements of degree 2 and the whole mass matrix (a `density_integrator.DensitySystem`).

    Args:
        equation: on its mesh.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,); None kills no path.
    """

    def __init__(self, equation: DiffusionOnMesh, place: np.ndarray | None) -> None:
        self.equation, self.forms = equation, equation.forms_of(DEGREE, 2 * DEGREE + 2)
        space = self.forms.space
        # the density at time 0 where it is a function and no path is killed, known when `start` has been called
        self.given: Expr | None = None
        self.held = [] if place is None else held_unknowns(equation, space, place)
        zero = fem.Function(space)
        bcs = [fem.dirichletbc(zero, unknowns) for unknowns in self.held]
        self.product = self.forms.matrix(self.forms.mass, bcs)
        energy = self.forms.matrix(self.forms.stiffness, bcs)
        # a mode that decays at once
        self.size = space.dofmap.index_map.size_local
        near = np.ones(self.size)
        self.resolvents = Resolvents(
            PetscMatrix(energy), near, equation.dim, "fokker_planck_reference_", None,
            product=PetscMatrix(self.product), allowed=None,
        )  # fmt: skip
        self._left, self._right = self.product.createVecs()
        # a norm of squares would be larger by exp(Psi/sigma) where paths start far from equilibrium
        self._share, self._mass = _row_sums(self.product), 1.0

    def norm(self, state: np.ndarray) -> float:
        """Return sum_i |u_i| sum_j |B_ij|, about the total variation, relative to the mass that is left."""
        return self.equation.total(np.abs(state) * self._share) / self._mass

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state."""
        if self.held:
            self._mass = max(self.mass(old.state), LEAST_MASS)
        return new, 0.0, ""

    def mass(self, state: np.ndarray) -> float:
        """int pi u."""
        self._right.array[:] = state
        self.product.mult(self._right, self._left)
        return self.equation.total(self._left.array)

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return u."""
        return old.state, 0.0

    def start(self, initial: Initial) -> np.ndarray:
        """u at time 0; collective."""
        equation = self.equation
        if isinstance(initial, AtPoint):
            return self._solved(functions_at(equation, self.forms.space, initial.point))
        points = self.forms.rule.points
        density = on_all_ranks(equation.comm, lambda: function_at("initial", initial, points, nonnegative=True))
        values = self.forms.rule.function((), density)
        total = self.forms.integral(values * self.forms.dx)
        if not total > 0:
            # of what is narrower than the cells
            return self._projected(equation.function(probabilities_of(equation, initial) / equation.volumes, "rho"))
        self.given = None if self.held else values / total
        return self._projected(values / total)

    def _projected(self, density: Expr) -> np.ndarray:
        """u with int pi u v = int rho v for all v; collective."""
        load = fem_petsc.assemble_vector(fem.form(density * ufl.TestFunction(self.forms.space) * self.forms.dx))
        return self._solved(self.equation.added(load))

    def _solved(self, load: np.ndarray) -> np.ndarray:
        """u with int pi u v = a load (m,) at each v; collective."""
        self._right.array[:] = load
        for unknowns in self.held:
            self._right.array[unknowns[unknowns < self.size]] = 0.0
        options = symmetric_options(self.equation.comm, self.equation.dim, self.product.getSize()[0])
        self.product.setOption(PETSc.Mat.Option.SPD, True)
        solver = configured(self.product, "fokker_planck_reference_mass_", options, None)
        solver.solve(self._right, self._left)
        result = np.array(self._left.array)
        solver.destroy()
        return result


def _row_sums(matrix: PETSc.Mat) -> np.ndarray:
    """sum_j |B_ij| of the rows of this rank."""
    starts, _, values = matrix.getValuesCSR()
    return np.add.reduceat(np.append(np.abs(values), 0.0), starts[:-1]) if len(starts) > 1 else np.zeros(0)


def differences(
    equation: DiffusionOnMesh, initial: Initial, times: np.ndarray, choice: StepChoice, place: np.ndarray | None,
    probabilities: np.ndarray, *, between: bool,
) -> np.ndarray:  # fmt: skip
    """The total variation (T,) of the differences from densities with elements of degree 2; collective.

    Args:
        equation: on its mesh.
        initial: the density at time 0, or a point.
        times: (T,).
        choice: of the steps.
        place: of the nodes of this rank and of its ghosts, where paths are killed, or None.
        probabilities: what is compared (T, m).
        between: whether densities are compared between the nodes too, and the larger difference counts.
    """
    system = QuadraticSystem(equation, place)
    cheaper = StepChoice.of(choice.scheme, None, max(RTOL, equation.rtol))
    integrator = DensityIntegrator(system, cheaper)
    end = integrator.integrated(IntegratorState(state=system.start(initial)), times, None, False)
    quadratic, linear = fem.Function(system.forms.space), fem.Function(equation.space)
    inside = BetweenNodes(equation, system.forms, place, quadratic) if between else None
    result = []
    for time, state, other in zip(times, end.snapshots, probabilities):
        quadratic.x.array[: system.size] = state
        quadratic.x.scatter_forward()
        linear.interpolate(quadratic)
        density = linear.x.array[: equation.own] * np.exp(equation.lowest - equation.exponents)
        away = equation.total(np.abs(density * equation.volumes - other))
        if inside is not None:
            given = system.given if time == 0 else None
            distance = inside.distance(other, given)
            away = max(away, distance) if given is None else distance
        # sums over nodes miss of the mass about as much as linear elements do
        away = max(away, abs(equation.total(other) - system.mass(state))) if place is not None else away
        mass = max(equation.total(other), LEAST_MASS)
        result.append(away / mass)
    errors = np.array(result) + max(RTOL, equation.rtol)
    # two densities of mass 1 are not farther apart than 2
    return errors if place is not None else np.minimum(errors, 2.0)


class BetweenNodes:
    """Densities as they are evaluated between nodes, and how far they are from others.

    Args:
        equation: on its mesh.
        forms: of the elements of u, with the points at which both are compared.
        place: of the nodes, as `QuadraticSystem` has it.
        other: u, with the values that are looked at.
    """

    def __init__(
        self, equation: DiffusionOnMesh, forms: MeshForms, place: np.ndarray | None, other: fem.Function
    ) -> None:
        self.equation, self.forms, self.other = equation, forms, other
        self.corners = equation.space.dofmap.list
        self.dead = None if place is None else place[self.corners] >= 0
        self.density, self.pi = forms.rule.function(), forms.weights[0]
        element = equation.space.element.basix_element
        self.weights = element.tabulate(0, forms.rule.reference)[0, :, :, 0]

    @cached_property
    def _from_other(self) -> fem.Form:
        """int |rho - pi u|."""
        return fem.form(abs(self.density - self.pi * self.other) * self.forms.dx)

    def distance(self, probabilities: np.ndarray, given: Expr | None) -> float:
        """int |rho - pi u| with rho from probabilities (m,), or int |rho - given|; collective."""
        equation, pi = self.equation, self.pi.x.array
        ratio = log_ratio_of(probabilities, equation.volumes, equation.exponents)
        shifted = equation.function(ratio - equation.lowest, "ratio").x.array[self.corners]
        for place, weights in zip(self.density.function_space.dofmap.list.T, self.weights):
            self.density.x.array[place] = density_between(shifted, weights, self.dead, pi[place])
        if given is not None:
            return self.forms.integral(abs(self.density - given) * self.forms.dx)
        return float(equation.comm.allreduce(fem.assemble_scalar(self._from_other)))
