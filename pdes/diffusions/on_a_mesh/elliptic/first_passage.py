"""The law of the time to reach a set, and the quasi-stationary law of paths that have not, on a mesh."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ....time.density_integrator import StepChoice
from ....time.resolvents import RESOLVENT4
from ...output.quantities import TIME, VARIANCE
from ...output.together import ShownField, estimates
from ...storage.grid_files import damaged
from ..density import MeshDensity, density_read
from ..density_evolution import MeshDensityEvolution, density_of
from ..evolution import chosen, evolved
from ..initial import AtPoint, Initial, crossing_time, probabilities_of
from ..lumped import LumpedEquation
from ..problem import DiffusionOnMesh
from ..reference import BetweenNodes, differences
from ..storage.answers import load_answer
from ..storage.archives import AnyEquation, SavedDensity
from ..storage.checkpoints import Saving
from .boundary_gap import BoundaryGap
from .dirichlet import DirichletProblem, Solved
from .fields import MeshField, read_fields, save_fields
from .hitting import field_of, mean_time
from .sets import GivenSet, MeshSet, SetsOnMesh, check_held, resolved
from .spectrum import degrees, slow_modes

# relative errors from which a warning says so; relative distance of two rates that are almost the same
SAID, CLOSE = 0.02, 1e-6
# twice the variance of a start between two nodes, over that of the paths in the time in which they cross a cell
EARLY = 1.0 / 8.0


def density_evolution(
    equation: DiffusionOnMesh, initial: Initial, times: np.ndarray, choice: StepChoice, found: SetsOnMesh | None,
    shown: bool, saving: Saving | None = None, *, between: bool = True,
) -> MeshDensityEvolution:  # fmt: skip
    """The densities at times, with what estimates their errors; collective.

    Args:
        equation: on its mesh, or that of the sets.
        initial: the density at time 0, or a point.
        times: snapshots (T,).
        choice: of the steps.
        found: a set in which paths are killed, or None.
        shown: whether a progress bar is shown.
        saving: where it is saved as it goes on, or None.
        between: whether errors are those of densities between the nodes too, not only of probabilities.
    """
    held = None if found is None else found.held
    run = evolved(equation, initial, times, choice, held, shown, saving)

    def errors() -> np.ndarray:
        if found is None:
            return differences(equation, initial, times, choice, None, run.probabilities, between=between)
        # a boundary that is off changes times by a part, and what survives with them
        survival = equation.comm.allreduce(run.probabilities.sum(axis=1))
        late = np.abs(np.log(np.clip(survival, 1e-290, 1.0)))
        cells = differences(equation, initial, times, choice, found.place, run.probabilities, between=between)
        return cells + relative_gap(found) * np.maximum(late, 1.0 / np.e)

    return MeshDensityEvolution.of(
        LumpedEquation(equation, held), times, run.probabilities, run.relative_entropy, run.end.statistics,
        run.limited_steps, errors if choice.rtol is not None else None,
    )  # fmt: skip


def relative_gap(found: SetsOnMesh) -> float:
    """The part of mean first passage times that the boundaries of sets may be off by; collective."""
    time = mean_time(DirichletProblem(found.equation, found.place, 1)).function
    largest = found.equation.comm.allreduce(float(time.x.array.max(initial=0.0)), MPI.MAX)
    return BoundaryGap(found).of_field(time) / largest


@dataclass(frozen=True, eq=False, repr=False)
class MeshFirstPassage(ShownField):
    """The time tau(x) to reach a set from x.

    Args:
        found: the set, and the mesh that fits it.
        mean: E tau(x), -L T = 1.
        variance: of tau(x), -L v = 2 sigma <M grad T, grad T>.
    """

    found: SetsOnMesh = field(repr=False)
    mean: MeshField
    variance: MeshField

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write mean and variance with their mesh to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        nodes = self.found.equation, self.found.place
        save_fields(path, "MeshFirstPassage", [self.mean, self.variance], {"cut": self.found.cut}, nodes)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: AnyEquation, target: GivenSet) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0; it holds the mesh.
            equation: the one that was solved.
            target: the set, as it was given.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation or set.
        """
        comm = getattr(equation, "comm", MPI.COMM_WORLD)
        found = load_answer(path, "MeshFirstPassage", {"cut"}, comm, equation, nodal=True)
        if len(found.functions) != 4:
            raise damaged(path)
        on_mesh, place = found.known_by(path, equation)
        sets = (MeshSet("target", target, 0.0),)
        check_held(path, on_mesh, place, sets[0])
        mean, variance = read_fields(on_mesh, found, [((0.0, np.inf), TIME), ((0.0, np.inf), VARIANCE)], sets)
        return cls(SetsOnMesh(on_mesh, sets, place, int(found.content["cut"])), mean, variance)

    def _fields(self) -> dict[str, Any]:
        return {"mean": self.mean, "variance": self.variance}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        return type(self).__name__, {"nodes": self.found.equation.size}

    def survival(self, times: ArrayLike, initial: Callable[[np.ndarray], ArrayLike] | ArrayLike) -> np.ndarray:
        """P(tau > t), by the evolution of the density with paths killed in the set; collective.

        Args:
            times: t (T,), not negative, not decreasing.
            initial: the density at time 0, from points (P, d) to values (P,) >= 0, normalised for you; or a point (d,).

        Returns:
            The probabilities (T,); `survival_and_error` has their errors too.

        Raises:
            InvalidArgument: an argument out of range.
            NotConverged: no step is small enough.

        Warns:
            Unresolved: the cells leave a relative error of more than 2 %.
        """
        return self.survival_and_error(times, initial)[0]

    def survival_and_error(
        self, times: ArrayLike, initial: Callable[[np.ndarray], ArrayLike] | ArrayLike
    ) -> tuple[np.ndarray, np.ndarray]:
        """P(tau > t), and the estimated error (T,) by elements of degree 2; see `survival`."""
        equation = self.found.equation
        snapshots, choice, _ = chosen(equation, times, RESOLVENT4, None, False)
        start = initial if callable(initial) else AtPoint(self._point(initial))
        run = density_evolution(equation, start, snapshots, choice, self.found, False, between=False)
        assert run.error is not None
        errors = run.error * run.survival
        if isinstance(start, AtPoint):
            errors = errors + self._early(start, run)
        errors = np.minimum(errors, 1.0)
        worst = float((errors / np.maximum(run.survival, 1e-290)).max(initial=0.0, where=run.survival > 0))
        if worst > max(SAID, equation.rtol) and equation.comm.rank == 0:
            known = f"known to about {worst:.0e} of itself only" if worst < 1 else "not known"
            warn(f"the survival at late or very early times is {known}; refine the mesh", Unresolved)
        return run.survival, errors

    def _early(self, start: AtPoint, run: MeshDensityEvolution) -> np.ndarray:
        """The error (T,) of putting the paths on nodes, which is forgotten in the time in which they cross some cells;
        collective. Those on nodes of the set are killed at once.
        """
        equation = self.found.equation
        placed = equation.total(np.where(self.found.held, 0.0, probabilities_of(equation, start)))
        left, times = run.survival, np.maximum(run.times, 1e-300)
        part = np.minimum(1.0, crossing_time(equation, start.point) / times)
        lost = 0.0 if placed == 0.0 else max(1.0 - placed, 0.0)
        return np.asarray(np.maximum(lost * part, left * (1.0 - left) * np.minimum(1.0, EARLY * part)))

    def _point(self, point: ArrayLike) -> np.ndarray:
        equation = self.found.equation

        def checked() -> np.ndarray:
            x = np.asarray(point, dtype=float)
            if x.shape != (equation.dim,) or not np.isfinite(x).all():
                message = f"must be a callable, or a point ({equation.dim},), not {point!r}"
                raise InvalidArgument("initial", message)
            return x

        return on_all_ranks(equation.comm, checked)


def first_passage(equation: DiffusionOnMesh, target: GivenSet) -> MeshFirstPassage:
    """The law of the time to reach a set; see `FokkerPlanck.first_passage`."""
    found = resolved(equation, MeshSet("target", target, 0.0))
    mean = field_of(found, mean_time, (0.0, np.inf), "the mean first passage time", TIME)
    variance = field_of(found, _variance, (0.0, np.inf), "the variance of the first passage time", VARIANCE)
    return MeshFirstPassage(found, mean, variance)


def _variance(problem: DirichletProblem) -> Solved:
    mean, forms = mean_time(problem), problem.forms
    load = problem.load(2.0 * forms.energy_density(mean.function, mean.function) * problem.test * forms.dx)
    found = problem.solve(load, (0.0,), "the variance of the first passage time")
    return Solved(found.function, found.rounding + mean.rounding)


@dataclass(frozen=True, eq=False, repr=False)
class MeshQuasiStationary(SavedDensity, ShownField):
    """The quasi-stationary law: the survival of paths that start by it is exp(-rate t).

    Args:
        density: rho = pi f, normalised.
        rate: lambda, in units of 1/time.
        error: the estimated error of the rate, likewise.
    """

    density: MeshDensity
    rate: float
    error: float
    NODAL: ClassVar[str] = MeshDensity.NODAL
    NUMBERS: ClassVar[set[str]] = {*MeshDensity.NUMBERS, "rate", "error", "far"}

    @property
    def _lumped(self) -> LumpedEquation:
        return self.density.lumped

    def _content(self) -> dict[str, object]:
        numbers = {name: getattr(self.density, name) for name in MeshDensity.NUMBERS}
        return {**numbers, "rate": self.rate, "error": self.error, "far": self._far}

    def _nodal(self) -> np.ndarray:
        # while all ranks are here
        _ = self._far
        return self.density.log_ratio

    @property
    def _far(self) -> float:
        assert self.density.error is not None
        return self.density.error

    @classmethod
    def _of(cls, lumped: LumpedEquation, nodal: np.ndarray, content: dict[str, np.ndarray]) -> Self:
        rate, error, far = (float(content[name]) for name in ("rate", "error", "far"))
        numbers = {name: content[name] for name in MeshDensity.NUMBERS}
        density = density_read(lumped, nodal, numbers)
        return cls(replace(density, estimate=lambda: far), rate, error)

    def _fields(self) -> dict[str, Any]:
        return {"density": self.density}

    def _numbers(self) -> dict[str, float | None]:
        return {"rate": self.rate, "error": self.error}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        return "MeshQuasiStationary", estimates(self, {"rate": self.error})


def quasi_stationary(equation: DiffusionOnMesh, target: GivenSet) -> MeshQuasiStationary:
    """The quasi-stationary law; see `FokkerPlanck.quasi_stationary`."""
    found = resolved(equation, MeshSet("target", target, 0.0))
    on_mesh = found.equation
    fine, coarse = (slow_modes(on_mesh, 2, degree, found.place) for degree in degrees(on_mesh))
    rate = float(fine.rates[0])
    forms = on_mesh.forms_of(degrees(on_mesh)[0], 2 * degrees(on_mesh)[0] + 2)
    norm = forms.integral(forms.product(fine.functions[0], fine.functions[0]))
    moved = BoundaryGap(found).of_energy(forms, fine.functions[0]) / norm
    error = float(abs(rate - coarse.rates[0]) + fine.rounding[0]) + moved
    if not rate > 0 or error > rate:
        reason = f"its rate is {rate:.1e} +- {error:.1e}: rounding or the cells leave nothing of it"
        raise NotConverged("the quasi-stationary law", reason, "refine the mesh, or take a higher temperature")
    if on_mesh.comm.rank == 0 and not on_mesh.quiet:
        if error > max(SAID, on_mesh.rtol) * rate:
            message = f"the rate of the quasi-stationary law is known to about {error / rate:.0e} only"
            warn(f"{message}; refine the mesh", Unresolved)
        if fine.rates[1] - rate <= CLOSE * rate:
            message = f"two rates, {rate:.6g} and {fine.rates[1]:.6g}, are almost the same"
            warn(f"{message}: which law paths come to depends on where they start", Unresolved)
    lumped = LumpedEquation(on_mesh, found.held)
    values = [_at_nodes(on_mesh, one.functions[0]) for one in (fine, coarse)]
    densities = [value / on_mesh.total(value) for value in values]
    mass = forms.integral(abs(fine.functions[0]) * forms.weights[0] * forms.dx)
    other = fem.Function(forms.space)
    other.x.array[:] = np.abs(fine.functions[0].x.array) / mass
    inside = BetweenNodes(on_mesh, forms, found.place, other).distance(densities[0], None)
    distance = on_mesh.total(np.abs(densities[0] - densities[1])) + inside
    return MeshQuasiStationary(density_of(lumped, densities[0], lambda: distance), rate, error)


def _at_nodes(equation: DiffusionOnMesh, function: fem.Function) -> np.ndarray:
    """The probabilities (m,) of pi |f| at the nodes of this rank; collective."""
    linear = fem.Function(equation.space)
    linear.interpolate(function)
    return np.asarray(np.abs(linear.x.array[: equation.own]) * equation.pi)
