"""Transitions between two sets on a mesh: frequency, rates, duration, density and current, by the committor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import flag, mask

from ...output.quantities import BACKWARD, COMMITTOR, reactive_in
from ...output.together import ShownTransition, estimates
from ...storage.grid_files import damaged
from ..problem import DiffusionOnMesh
from ..storage.answers import load_answer
from ..storage.archives import AnyEquation
from .boundary_gap import BoundaryGap
from .current import MeshVectorField, in_cells
from .dirichlet import DirichletProblem, Solved
from .fields import MeshField, read_fields, save_fields
from .hitting import DEGREES, difference
from .sets import GivenSet, Indicator, MeshSet, SetsOnMesh, resolved

# relative error of the numbers from which a warning says so
SAID = 0.02
# relative difference of what leaves a, what enters b and the energy, from which rounding leaves nothing
BALANCED = 0.02
# in files
NUMBERS = ("frequency", "rate", "backward_rate", "mean_duration")
POSITIVE = (0.0, np.inf)


@dataclass(frozen=True, eq=False, repr=False)
class MeshTransition(ShownTransition):
    """Transitions from a set A to a set B in equilibrium.

    Args:
        forward: q, the probability to reach B before A.
        backward: 1 - q.
        density: mu q (1 - q), normalised: where paths are on their way.
        frequency: nu, in units of 1/time.
        rate: k_AB, likewise.
        backward_rate: k_BA, likewise.
        mean_duration: of a transition, in units of time.
        errors: the estimated errors of these four numbers, by their names.
        problem: that q solves.
    """

    forward: MeshField
    backward: MeshField
    density: MeshField
    frequency: float
    rate: float
    backward_rate: float
    mean_duration: float
    errors: dict[str, float]
    problem: DirichletProblem

    @property
    def lower(self) -> None:
        """Bounds are to be had with box and cells."""
        return None

    @property
    def upper(self) -> None:
        """Bounds are to be had with box and cells."""
        return None

    @property
    def error(self) -> float:
        """The estimated error of the frequency, in units of 1/time."""
        return self.errors["frequency"]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write committors, density and numbers with their mesh to an .npz file; collective. The current is made again.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        content = {
            "numbers": np.array([getattr(self, name) for name in NUMBERS]),
            "errors": np.array([self.errors[name] for name in NUMBERS]),
        }  # fmt: skip
        fields = list(self._fields().values())
        save_fields(path, "MeshTransition", fields, content, (self.problem.equation, self.problem.place))

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: AnyEquation) -> Self:
        """Read what `save` wrote, on any number of ranks; collective. Sets are known by their nodes only from then on:
        beside curved boundaries fields are what the elements hold.

        Args:
            path: the file, on a disk of rank 0; it holds the mesh.
            equation: the one that was solved.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        comm = getattr(equation, "comm", MPI.COMM_WORLD)
        found = load_answer(path, "MeshTransition", {"numbers", "errors"}, comm, equation, nodal=True)
        numbers, errors = found.content["numbers"], found.content["errors"]
        if not numbers.shape == errors.shape == (len(NUMBERS),) or len(found.functions) != 6:
            raise damaged(path)
        on_mesh, place = found.known_by(path, equation)
        forward, backward, density = read_fields(
            on_mesh, found, [((0.0, 1.0), COMMITTOR), ((0.0, 1.0), BACKWARD), (POSITIVE, reactive_in(equation.dim))],
        )  # fmt: skip
        values, spread = ({name: float(x) for name, x in zip(NUMBERS, part)} for part in (numbers, errors))
        problem = DirichletProblem(on_mesh, place, DEGREES[0])
        return cls(forward, backward, density, **values, errors=spread, problem=problem)

    def _fields(self) -> dict[str, Any]:
        # the current has nodes of its own
        return {name: getattr(self, name) for name in ("forward", "backward", "density")}

    def _numbers(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in (*self.errors, "error")}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        return "MeshTransition", estimates(self, self.errors)

    @cached_property
    def current(self) -> MeshVectorField:
        """J = sigma mu M grad q, in units of 1/(time volume) times length; collective the first time."""
        problem, forms = self.problem, self.problem.forms
        q, back = self.forward.function, self.backward.function
        # where q is near 1, 1 - q has the digits
        slope = ufl.conditional(ufl.lt(q, 0.5), ufl.grad(q), -ufl.grad(back))
        function = in_cells(forms, forms.weights[1] * slope / problem.total, "J")
        return MeshVectorField(problem.equation, function, self.forward.sets)

    def flux(self, region: Indicator) -> float:
        """The current out of a region that holds A and nothing of B, given by its nodes; collective.

        Raises:
            InvalidArgument: it does not hold A, or meets B.
        """
        equation, place, q = self.problem.equation, self.problem.place, self.forward.function
        within = on_all_ranks(equation.comm, lambda: mask("region", region, equation.all_nodes))
        wrong = bool((~within[place == 0]).any() or within[place == 1].any())
        if equation.comm.allreduce(int(wrong)):
            raise InvalidArgument("region", "must hold all of a and nothing of b")
        # minus the gradient of a function that falls from 1 to 0 around the region
        step = equation.function(within[: equation.own].astype(float), "region")
        forms = self.problem.forms
        return -forms.integral(forms.energy(q, step)) / self.problem.total


def transition(equation: DiffusionOnMesh, a: GivenSet, b: GivenSet, bounds: bool) -> MeshTransition:
    """The transitions from a to b; see `FokkerPlanck.transition`."""
    if on_all_ranks(equation.comm, lambda: flag("bounds", bounds)):
        raise InvalidArgument("bounds", "must be False on a mesh; bounds are to be had with box and cells")
    found = resolved(equation, MeshSet("a", a, 0.0), MeshSet("b", b, 1.0))
    problems = [DirichletProblem(found.equation, found.place, degree) for degree in DEGREES]
    pairs = [_both(problem) for problem in problems]
    (numbers, lost), (other, _) = (_numbers(problem, *pair) for problem, pair in zip(problems, pairs))
    # numbers that are made of others may agree by chance
    gap = BoundaryGap(found)
    least = abs(other["frequency"] / numbers["frequency"] - 1.0) + pairs[0][0].rounding + lost
    moved = gap.of_energy(problems[0].forms, pairs[0][0].function) / problems[0].total / numbers["frequency"]
    errors = {
        name: max(abs(numbers[name] - other[name]), least * numbers[name]) + moved * numbers[name] for name in numbers
    }
    worst = max(errors[name] / numbers[name] for name in numbers)
    if worst > max(SAID, equation.rtol) and equation.comm.rank == 0 and not equation.quiet:
        warn(f"rates and durations of the transition are known to about {worst:.0e} only; refine the mesh", Unresolved)
    return _result(found, problems[0], pairs, numbers, errors, gap.of_field(pairs[0][0].function))


def _both(problem: DirichletProblem) -> tuple[Solved, Solved]:
    """q and 1 - q, each with its own digits."""
    zero = np.zeros(len(problem.free))
    return (
        problem.solve(zero, (0.0, 1.0), "the committor"),
        problem.solve(zero, (1.0, 0.0), "the committor"),
    )


def _numbers(problem: DirichletProblem, q: Solved, p: Solved) -> tuple[dict[str, float], float]:
    """Frequency, rates and duration, and the relative difference of currents that are the same but for rounding."""
    forms = problem.forms
    pi, total = forms.weights[0], problem.total
    into = problem.reaction(q.function, 1) / total
    out = problem.reaction(p.function, 0) / total
    energy = forms.integral(forms.energy(q.function, q.function)) / total
    lost = max(abs(into / energy - 1.0), abs(out / energy - 1.0))
    if not lost <= BALANCED:
        raise NotConverged(
            "a transition", f"{out:.6e} leaves a, {into:.6e} enters b, and the energy is {energy:.6e}",
            "take a higher temperature, or refine the mesh",
        )  # fmt: skip
    from_a, from_b = (forms.integral(pi * one.function * forms.dx) / total for one in (p, q))
    between = forms.integral(pi * q.function * p.function * forms.dx) / total
    numbers = {
        "frequency": energy, "rate": energy / from_a, "backward_rate": energy / from_b,
        "mean_duration": between / energy,
    }  # fmt: skip
    return numbers, lost


def _result(
    found: SetsOnMesh, problem: DirichletProblem, pairs: list[tuple[Solved, Solved]], numbers: dict[str, float],
    errors: dict[str, float], gap: float,
) -> MeshTransition:  # fmt: skip
    equation, (fine, coarse), limits = found.equation, pairs, (0.0, 1.0)
    forward = MeshField(
        equation, fine[0].function, difference(fine[0], coarse[0], limits, gap), found.sets, limits, COMMITTOR
    )
    turned = tuple(MeshSet(one.name, one.given, 1.0 - one.value) for one in found.sets)
    backward = MeshField(
        equation, fine[1].function, difference(fine[1], coarse[1], limits, gap), turned, limits, BACKWARD
    )
    total = problem.total
    between = numbers["mean_duration"] * numbers["frequency"]
    values = fem.Function(problem.forms.space, name="density")
    x = problem.forms.space.tabulate_dof_coordinates()[:, : equation.dim]
    pi = on_all_ranks(equation.comm, lambda: equation.pi_at(x)) / (total * between)
    q, p = (np.clip(one.function.x.array, 0.0, 1.0) for one in fine)
    values.x.array[:] = pi * q * p
    empty = tuple(MeshSet(one.name, one.given, 0.0) for one in found.sets)
    errors_of = fem.Function(problem.forms.space, name="error")
    both = (one.errors.x.array for one in (forward, backward) if one.errors is not None)
    relative = errors["mean_duration"] / numbers["mean_duration"]
    errors_of.x.array[:] = pi * sum(both) + relative * values.x.array
    density = MeshField(equation, values, errors_of, empty, (0.0, np.inf), reactive_in(equation.dim))
    return MeshTransition(forward, backward, density, **numbers, errors=errors, problem=problem)
