"""The law of the time to reach a set: mean, variance, and the part of the paths that has not reached it yet."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import real_array, shown
from scaling_limits.particles.support.not_pickled import NotPickled

from ...time.resolvents import RESOLVENT4
from ..coefficients import mobility_at
from ..density_evolution import DensityEvolution
from ..evolution import evolve
from ..hitting.between_nodes import BetweenNodes
from ..hitting.chain_solver import added
from ..hitting.coarser_grids import GIVEN, richardson, say_relative, solved
from ..hitting.fields import NAMES, OPTIONAL, ScalarField
from ..hitting.line import Line, moments
from ..hitting.on_grid import GridProblem
from ..hitting.target_sets import Indicator, TargetSet
from ..interpolation import inside
from ..output.quantities import TIME, VARIANCE
from ..output.together import ShownField
from ..problem import ReversibleDiffusion
from ..starts.density_start import Initial
from ..starts.point_start import PointStart
from ..storage.grid_files import check_equation, check_has_box, load_on_grid, part_of, save_on_grid, with_prefix
from ..storage.target_places import check_target, places

# part of the error of the law of those that are left that the error of their number has at least
SHARED = 0.3
# twice the variance of a start between two nodes, over that of the paths in the time in which they cross a cell
EARLY = 1.0 / 8.0
FIELDS = ("mean", "variance")


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassage(NotPickled, ShownField):
    """The time tau(x) to reach a set from x.

    Args:
        equation: of the paths.
        target: the set.
        mean: E tau(x), -L T = 1.
        variance: of tau(x), -L v = 2 sigma <M grad T, grad T>.
    """

    equation: ReversibleDiffusion = field(repr=False)
    target: Indicator
    mean: ScalarField
    variance: ScalarField
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path, equation, target) reads it"

    def _fields(self) -> dict[str, Any]:
        return {"mean": self.mean, "variance": self.variance}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        return type(self).__name__, {"largest mean": float(np.nanmax(self.mean.nodal)), "error": self.mean.error}

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
            Unresolved: the cells leave a relative error of more than 2 %, or one that is not known.
        """
        return self.survival_and_error(times, initial)[0]

    def survival_and_error(
        self, times: ArrayLike, initial: Callable[[np.ndarray], ArrayLike] | ArrayLike
    ) -> tuple[np.ndarray, np.ndarray]:
        """P(tau > t), and the estimated error (T,) that the cells leave, by larger ones; see `survival`. Infinite where
        these do not resolve the set.
        """
        start = self._start(initial)
        runs = solved(self.equation, lambda equation: self._run(equation, start, times))
        values = [run.survival for run in runs]
        shapes = [one.distances(other) for one, other in pairwise(runs)]
        result, errors = values[0].copy(), self._known(values, shapes)
        if isinstance(start, PointStart):
            errors = np.maximum(errors, self._early(start, runs[0]))
            # known exactly
            result[runs[0].times == 0], errors[runs[0].times == 0] = float(not start.dead), 0.0
        some = result > 0
        relative = float((errors[some] / result[some]).max(initial=0.0))
        say_relative(self.equation.grid, "the survival at late or very early times is", relative, self.equation.rtol)
        return result, errors

    def _known(self, values: list[np.ndarray], shapes: list[np.ndarray]) -> np.ndarray:
        """The errors (T,) of survivals, finer grids first, with the distances of the densities on these."""
        left = values[0]
        if not shapes:
            return np.full(len(left), np.inf)
        errors = richardson([np.abs(one - other) for one, other in pairwise(values)])
        # grids may agree by chance on how many are left, but not on where these are
        errors = np.maximum(errors, SHARED * np.minimum(left, 1.0 - left) * richardson(shapes))
        # the survival is like exp(-rate t)
        exponent = np.where(left > 0, -np.log(np.maximum(left, 1e-300)), 0.0)
        given = self.equation.rtol + GIVEN * self.equation.error_of_coefficients * np.maximum(exponent, 1.0)
        return np.asarray(errors + given * left)

    def _run(self, equation: ReversibleDiffusion, start: Initial, times: ArrayLike) -> DensityEvolution:
        return evolve(equation, start, times, RESOLVENT4, None, None, 60.0, False, self.target)

    def _early(self, start: PointStart, run: DensityEvolution) -> np.ndarray:
        """The error (T,) of putting the paths on nodes: it is forgotten in the time in which they cross some cells.

        Those of a point in a cell that the set cuts are killed at once in part; of the others, those have a smaller
        share of errors that are killed so early.
        """
        equation, grid = self.equation, self.equation.grid
        alive = equation.generator.alive

        def placed() -> float:
            return float(start.probabilities(grid, alive & ~self._set.holds(grid.nodes)).sum())

        lost = float(not start.dead) - on_all_ranks(grid.comm, placed)
        mobility = on_all_ranks(grid.comm, lambda: mobility_at(equation.coefficients, start.point[None]))[0]
        crossing = float((grid.spacing**2 / np.diag(mobility)).max()) / float(equation.coefficients.temperature)
        left, times = run.survival, np.maximum(run.times, 1e-300)
        beside = max(lost, 0.0) * np.where(times > crossing, left * crossing / times, 1.0)
        return np.asarray(np.maximum(beside, left * (1.0 - left) * np.minimum(1.0, EARLY * crossing / times)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write mean and variance to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        grid = self.equation.grid

        def content() -> dict[str, Any]:
            looks = places(grid, self.mean.breaks)
            result: dict[str, Any] = {"exponent": self.equation.exponent(grid.nodes), "held": self._set.holds(looks)}
            for name in FIELDS:
                result |= with_prefix(name, getattr(self, name).content)
            return result

        save_on_grid(grid, path, "FirstPassage", content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: ReversibleDiffusion, target: Indicator) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0.
            equation: the one that was solved, for `survival`.
            target: the set, likewise, as it was given; no file has it.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation or set.
        """
        check_has_box(equation, path)
        names = {f"{field}.{name}" for field in FIELDS for name in NAMES} | {"exponent", "held"}
        optional = {f"{field}.{name}" for field in FIELDS for name in OPTIONAL}
        grid, content = load_on_grid(equation.comm, path, "FirstPassage", names, optional)
        check_equation(path, grid, content["exponent"], equation)
        mean, variance = (ScalarField.read(grid, part_of(content, name), path, equation) for name in FIELDS)
        check_target(path, grid, mean.breaks, content["held"], target)
        return cls(equation, target, mean, variance)

    @property
    def _set(self) -> TargetSet:
        return TargetSet("target", self.target, 0.0)

    @cached_property
    def _second_moment(self) -> Callable[[np.ndarray], np.ndarray]:
        """E tau^2 (P,) of points (P, d); in the plane and in space linear towards the set, as it is there."""
        if self.equation.dim == 1:
            return lambda x: np.asarray(self.mean.interpolant(x) ** 2 + self.variance.interpolant(x))
        held = (self._set.holds, 0.0)
        return BetweenNodes(self.mean.grid, self.mean.nodal**2 + self.variance.nodal, (held,))

    def _start(self, initial: Callable[[np.ndarray], ArrayLike] | ArrayLike) -> Initial:
        """The density as it was given, or the point where paths start; collective."""
        grid = self.equation.grid

        def checked() -> Initial:
            if callable(initial):
                return initial
            x = real_array("initial", initial)
            if x.shape != (grid.dim,):
                raise InvalidArgument("initial", f"must be a callable, or a point ({grid.dim},), not {shown(initial)}")
            place = inside(grid, x[None], "initial")
            return PointStart(place[0], bool(self._set.holds(place)[0]), self._second_moment)

        start = on_all_ranks(grid.comm, checked)
        same_on_all_ranks(grid.comm, initial=start.point if isinstance(start, PointStart) else "a density")
        return start


def first_passage(equation: ReversibleDiffusion, target: Indicator) -> FirstPassage:
    """The law of the time to reach a set; see `FokkerPlanck.first_passage`."""
    sets = (TargetSet("target", target, 0.0),)
    if equation.dim == 1:
        mean, variance = moments(Line(equation, sets))
    else:
        problem = GridProblem(equation, sets)
        mean = problem.field(added(problem.time), lambda other: added(other.time), (0.0,))
        variance = problem.field(problem.variance, lambda other: other.variance, (0.0,), 2 * GIVEN)
    named = replace(mean, quantity=TIME), replace(variance, quantity=VARIANCE)
    return FirstPassage(equation, target, *named)
