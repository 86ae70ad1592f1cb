"""The law of the time to reach a set: mean, variance, and the part of the paths that has not reached it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...time.resolvents import RESOLVENT4
from ..evolution import evolve
from ..hitting.chain_solver import added
from ..hitting.fields import ScalarField
from ..hitting.line import Line, moments
from ..hitting.on_grid import GridProblem
from ..hitting.target_sets import Indicator, TargetSet
from ..interpolation import corners, inside
from ..problem import ReversibleDiffusion


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
            The probabilities (T,), each known to rtol of itself for every step of the evolution.

        Raises:
            InvalidArgument: an argument out of range.
            NotConverged: no step is small enough.
        """
        start = initial if callable(initial) else self._at_a_point(initial)
        run = evolve(
            self.equation,
            start,
            times,
            RESOLVENT4,
            None,
            None,
            60.0,
            False,
            self.target,
        )
        return run.survival

    def _at_a_point(self, point: ArrayLike) -> np.ndarray:
        """The probabilities (m,) at the nodes of this rank of a path that starts at a point (d,)."""
        grid = self.equation.grid

        def weights() -> np.ndarray:
            x = np.asarray(point, dtype=float)
            if x.shape != (grid.dim,):
                raise InvalidArgument("initial", f"must be a callable, or a point ({grid.dim},), not {point!r}")
            nodes, _, weight = corners(grid, inside(grid, x[None]))
            return np.asarray(np.bincount(nodes[0], weight[0], grid.size)[grid.own])

        return on_all_ranks(grid.comm, weights)


def first_passage(equation: ReversibleDiffusion, target: Indicator) -> FirstPassage:
    """The law of the time to reach a set; see `FokkerPlanck.first_passage`."""
    sets = (TargetSet("target", target, 0.0),)
    if equation.dim == 1:
        return FirstPassage(equation, target, *moments(Line(equation, sets)))
    problem = GridProblem(equation, sets)
    mean = problem.field(added(problem.time), lambda other: added(other.time), (0.0,))
    variance = problem.field(problem.variance, lambda other: other.variance, (0.0,))
    return FirstPassage(equation, target, mean, variance)
