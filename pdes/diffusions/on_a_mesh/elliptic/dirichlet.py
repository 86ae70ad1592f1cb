"""Elliptic problems -div(sigma pi M grad f) = load with f given in sets: factors, and solves that know their rounding.

A solve is repeated for what it has left, with residuals from gradients, which keep the digits that a matrix loses where
f is flat in a deep well: there rows of the matrix add up to 0 only to rounding, which acts like a sink.
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

from scaling_limits.meshes.backend.petsc_solvers import configured, symmetric_options
from scaling_limits.particles.errors import NotConverged

from ..forms import MeshForms
from ..problem import DiffusionOnMesh
from .held_unknowns import held_unknowns

# solves for what is left, at most; the change of a solution, relative, that is enough; and the largest allowed
ROUNDS, ENOUGH, MOST = 12, 1e-12, 0.02


@dataclass(frozen=True, eq=False)
class Solved:
    """A solution.

    Args:
        function: f.
        rounding: how much the last repetition has changed it, relative to its largest value.
    """

    function: fem.Function
    rounding: float


@dataclass(frozen=True, eq=False)
class DirichletProblem:
    """Problems with the same sets.

    Args:
        equation: on its mesh.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,).
        degree: of the elements.
    """

    equation: DiffusionOnMesh
    place: np.ndarray
    degree: int

    @cached_property
    def forms(self) -> MeshForms:
        """int sigma pi <M grad f, grad g> and int pi f g."""
        return self.equation.forms_of(self.degree, 2 * self.degree + 2)

    @cached_property
    def total(self) -> float:
        """int pi."""
        return self.forms.integral(self.forms.weights[0] * self.forms.dx)

    @cached_property
    def held(self) -> list[np.ndarray]:
        """The unknowns in each set, ghosts included."""
        return held_unknowns(self.equation, self.forms.space, self.place)

    @cached_property
    def free(self) -> np.ndarray:
        """Whether each unknown of this rank is in no set."""
        result = np.ones(self.forms.space.dofmap.index_map.size_local, dtype=bool)
        for unknowns in self.held:
            result[unknowns[unknowns < len(result)]] = False
        return result

    @cached_property
    def _solver(self) -> tuple[PETSc.KSP, np.ndarray]:
        """The solver of the scaled matrix, and the roots of its diagonal."""
        zero = fem.Function(self.forms.space)
        bcs = [fem.dirichletbc(zero, unknowns) for unknowns in self.held]
        matrix = self.forms.matrix(self.forms.stiffness, bcs)
        diagonal = matrix.getDiagonal()
        # cells may have no volume between nodes that are held
        root = np.sqrt(np.where(diagonal.array > 0, diagonal.array, 1.0))
        diagonal.array[:] = 1.0 / root
        matrix.diagonalScale(diagonal, diagonal)
        matrix.setOption(PETSc.Mat.Option.SPD, True)
        options = symmetric_options(self.equation.comm, self.equation.dim, matrix.getSize()[0])
        return configured(matrix, "fokker_planck_hitting_", options, self.equation.petsc_options), root

    def load(self, form: ufl.Form) -> np.ndarray:
        """The entries of a linear form on this rank; collective."""
        return self.equation.added(fem_petsc.assemble_vector(fem.form(form)))

    @property
    def test(self) -> ufl.Argument:
        """The test function."""
        return ufl.TestFunction(self.forms.space)

    def solve(self, load: np.ndarray, values: tuple[float, ...], what: str) -> Solved:
        """The solution with values in the sets; collective.

        Args:
            load: on this rank.
            values: of the solution in each set.
            what: is solved, for the message.

        Raises:
            NotConverged: the solver failed, or rounding leaves too little.
        """
        function = fem.Function(self.forms.space)
        for unknowns, value in zip(self.held, values):
            function.x.array[unknowns] = value
        form = fem.form(self.forms.energy(function, self.test))
        own, size = len(self.free), self.forms.space.dofmap.index_map.size_local
        before = np.inf
        for count in range(ROUNDS):
            rest = np.where(self.free, load - self.equation.added(fem_petsc.assemble_vector(form)), 0.0)
            change = self._solved(rest)
            largest = self._largest(function.x.array[:size] + change[:own])
            relative = self._largest(change) / max(largest, 1e-300)
            if count > 1 and not relative <= 0.5 * before:
                break
            function.x.array[:size] += change
            function.x.scatter_forward()
            before = relative if count else np.inf
            if count and relative <= ENOUGH:
                break
        if not before <= MOST:
            raise NotConverged(
                what, f"rounding leaves {before:.1e} of it: the barriers of Psi are too high for elements",
                "take a higher temperature; or, on a box, FokkerPlanck(coefficients, box, cells)",
            )  # fmt: skip
        return Solved(function, before)

    def _largest(self, values: np.ndarray) -> float:
        return float(self.equation.comm.allreduce(float(np.abs(values).max(initial=0.0)), MPI.MAX))

    def _solved(self, rest: np.ndarray) -> np.ndarray:
        solver, root = self._solver
        right, left = solver.getOperators()[0].createVecs()
        right.array[:] = rest / root
        solver.solve(right, left)
        result = np.array(left.array) / root
        finite = self.equation.comm.allreduce(bool(np.isfinite(result).all()), MPI.LAND)
        if solver.getConvergedReason() < 0 or not finite:
            raise NotConverged(
                "a hitting problem", f"the linear solver stopped (PETSc reason {solver.getConvergedReason()})",
                "try petsc_options of a direct solver",
            )  # fmt: skip
        return np.where(self.free, result, 0.0)

    def reaction(self, function: fem.Function, number: int) -> float:
        """The flux int sigma pi <M grad f, n> into a set; collective."""
        flux = self.load(self.forms.energy(function, self.test))
        unknowns = self.held[number]
        return float(self.equation.comm.allreduce(float(flux[unknowns[unknowns < len(flux)]].sum())))
