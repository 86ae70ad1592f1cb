"""The linear equation with elements of degree 2, by whose difference the errors of densities are estimated."""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from scaling_limits.meshes.backend.petsc_solvers import configured, symmetric_options
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...time.density_integrator import DensityIntegrator, IntegratorState, StepChoice
from ...time.resolvents import Resolvents
from ..coefficients import function_at
from ..density import FLOOR
from .elliptic.held_unknowns import held_unknowns
from .forms import MeshForms
from .initial import AtPoint, Initial, probabilities_of
from .problem import DiffusionOnMesh

DEGREE = 2
# the least error of a step; the estimate needs no more
RTOL = 1e-5


class QuadraticSystem:
    """B d_t u = -A u with elements of degree 2 and the whole mass matrix (a `density_integrator.DensitySystem`).

    Args:
        equation: on its mesh.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,); None kills no path.
    """

    def __init__(self, equation: DiffusionOnMesh, place: np.ndarray | None) -> None:
        self.equation, self.forms = equation, equation.forms_of(DEGREE, 2 * DEGREE + 2)
        space = self.forms.space
        self.held = [] if place is None else held_unknowns(equation, space, place)
        zero = fem.Function(space)
        bcs = [fem.dirichletbc(zero, unknowns) for unknowns in self.held]
        self.product = self.forms.matrix(self.forms.mass, bcs)
        energy = self.forms.matrix(self.forms.stiffness, bcs)
        # a mode that decays at once
        self.size = space.dofmap.index_map.size_local
        near = np.ones(self.size)
        self.resolvents = Resolvents(
            energy, near, equation.dim, "fokker_planck_reference_", None, product=self.product, allowed=None
        )
        self._left, self._right = self.product.createVecs()
        self._norm = equation.partition

    def norm(self, state: np.ndarray) -> float:
        """Return sqrt(int pi u^2/int pi), above the total variation."""
        self._right.array[:] = state
        self.product.mult(self._right, self._left)
        square = self.equation.total(state * self._left.array)
        return float(np.sqrt(max(square, 0.0) * self._norm))

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state."""
        return new, 0.0, ""

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return u."""
        return old.state, 0.0

    def start(self, initial: Initial) -> np.ndarray:
        """u at time 0, with int pi u v = int rho v for all v; collective."""
        equation, test = self.equation, ufl.TestFunction(self.forms.space)
        if isinstance(initial, AtPoint):
            linear = equation.function(probabilities_of(equation, initial) / equation.volumes, "rho")
            values: fem.Function = linear
            total = 1.0
        else:
            points = self.forms.rule.points
            density = on_all_ranks(equation.comm, lambda: function_at("initial", initial, points, nonnegative=True))
            values = self.forms.rule.function((), density)
            total = self.forms.integral(values * self.forms.dx)
        load = fem_petsc.assemble_vector(fem.form(values * test * self.forms.dx))
        self._right.array[:] = equation.added(load) / total
        for unknowns in self.held:
            self._right.array[unknowns[unknowns < self.size]] = 0.0
        options = symmetric_options(equation.comm, equation.dim, self.product.getSize()[0])
        self.product.setOption(PETSc.Mat.Option.SPD, True)
        solver = configured(self.product, "fokker_planck_reference_mass_", options, None)
        solver.solve(self._right, self._left)
        result = np.array(self._left.array)
        solver.destroy()
        return result


class DistanceInCells:
    """int |rho - pi f|, with rho between the nodes as `MeshDensity.at` has it: log u is linear, beside sets u is.

    Args:
        equation: on its mesh.
        forms: of the elements of f, with the points at which both are compared.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,); None kills no path.
    """

    def __init__(self, equation: DiffusionOnMesh, forms: MeshForms, place: np.ndarray | None) -> None:
        self.equation = equation
        self.other = fem.Function(forms.space)
        self.logarithm, self.linear = fem.Function(equation.space), fem.Function(equation.space)
        beside = fem.Function(fem.functionspace(equation.mesh, ("DG", 0)))
        if place is not None:
            # a cell has one number of its own
            dead = (place[equation.space.dofmap.list] >= 0).any(axis=1)
            beside.x.array[beside.function_space.dofmap.list[:, 0]] = dead
        u = ufl.conditional(ufl.gt(beside, 0.5), self.linear, ufl.exp(self.logarithm))
        self.form = fem.form(abs(u - self.other) * forms.weights[0] * forms.dx)

    def of(self, probabilities: np.ndarray) -> float:
        """The distance of the density of probabilities (m,) at the nodes from pi times `other`; collective."""
        equation = self.equation
        with np.errstate(divide="ignore"):
            logarithms = np.maximum(np.log(probabilities / equation.volumes), FLOOR)
        logarithms += equation.exponents - equation.lowest
        linear = np.where(probabilities > 0, np.exp(logarithms), 0.0)
        for function, values in ((self.logarithm, logarithms), (self.linear, linear)):
            function.x.array[: equation.own] = values
            function.x.scatter_forward()
        return float(equation.comm.allreduce(fem.assemble_scalar(self.form)))


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
        between: whether densities are compared between the nodes too; else at the nodes only, which is what counts for
            integrals such as the survival.
    """
    system = QuadraticSystem(equation, place)
    cheaper = StepChoice.of(choice.scheme, None, max(RTOL, equation.rtol))
    integrator = DensityIntegrator(system, cheaper)
    end = integrator.integrated(IntegratorState(state=system.start(initial)), times, None, False)
    in_cells = DistanceInCells(equation, system.forms, place)
    quadratic, linear = in_cells.other, fem.Function(equation.space)
    result = []
    for state, other in zip(end.snapshots, probabilities):
        quadratic.x.array[: system.size] = state
        quadratic.x.scatter_forward()
        linear.interpolate(quadratic)
        at_nodes = equation.total(np.abs(linear.x.array[: equation.own] * equation.pi - other))
        distance = max(at_nodes, in_cells.of(other)) if between else at_nodes
        result.append(distance / max(equation.total(other), 1e-300))
    return np.array(result) + max(RTOL, equation.rtol)
