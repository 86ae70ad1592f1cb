"""The law of the time to reach a set: mean, variance, and the part of the paths that has not reached it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...time.resolvents import RESOLVENT4
from ..density_evolution import DensityEvolution
from ..evolution import Initial, PointStart, evolve
from ..hitting.chain_solver import added
from ..hitting.fields import ScalarField
from ..hitting.line import Line, moments
from ..hitting.on_grid import GridProblem, richardson, tells_order
from ..hitting.target_sets import Indicator, TargetSet
from ..interpolation import inside
from ..problem import ReversibleDiffusion

# relative error of a survival from which a warning says so
SAID = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassage:
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

    def __repr__(self) -> str:
        return f"<FirstPassage: means up to {np.nanmax(self.mean.nodal):.6g}>"

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
        """P(tau > t), and the estimated error (T,) that the cells leave, by larger ones; see `survival`."""
        start = initial if callable(initial) else self._start(initial)
        runs = [self._run(self.equation, start, times)]
        coarser = self.equation.coarser
        while coarser is not None and len(runs) < 3 and (len(runs) < 2 or tells_order(coarser)):
            try:
                runs.append(self._run(coarser, start, times))
            except (InvalidArgument, NotConverged):
                break
            coarser = coarser.coarser
        values = [run.survival for run in runs]
        changes = [np.abs(one - other) for one, other in pairwise(values)]
        errors = np.array([richardson([float(change[i]) for change in changes]) for i in range(len(values[0]))])
        self._say(values[0], errors)
        return values[0], errors

    def _run(self, equation: ReversibleDiffusion, start: Initial, times: ArrayLike) -> DensityEvolution:
        return evolve(equation, start, times, RESOLVENT4, None, None, 60.0, False, self.target)

    def _say(self, values: np.ndarray, errors: np.ndarray) -> None:
        worst = float((errors / np.maximum(values, 1e-290)).max(initial=0.0, where=values > 0))
        if not worst <= max(SAID, self.equation.rtol) and self.equation.comm.rank == 0:
            known = f"known to about {worst:.0e} of itself only" if worst < 1 else "not known"
            warn(f"the survival at late or very early times is {known}; take more cells", Unresolved)

    def _start(self, point: ArrayLike) -> PointStart:
        grid = self.equation.grid

        def checked() -> PointStart:
            x = np.asarray(point, dtype=float)
            if x.shape != (grid.dim,):
                raise InvalidArgument("initial", f"must be a callable, or a point ({grid.dim},), not {point!r}")
            place = inside(grid, x[None])
            return PointStart(place[0], bool(TargetSet("target", self.target, 0.0).holds(place)[0]))

        return on_all_ranks(grid.comm, checked)


def first_passage(equation: ReversibleDiffusion, target: Indicator) -> FirstPassage:
    """The law of the time to reach a set; see `FokkerPlanck.first_passage`."""
    sets = (TargetSet("target", target, 0.0),)
    if equation.dim == 1:
        return FirstPassage(equation, target, *moments(Line(equation, sets)))
    problem = GridProblem(equation, sets)
    mean = problem.field(added(problem.time), lambda other: added(other.time), (0.0,))
    variance = problem.field(problem.variance, lambda other: other.variance, (0.0,))
    return FirstPassage(equation, target, mean, variance)
