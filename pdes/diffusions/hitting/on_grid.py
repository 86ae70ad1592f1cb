"""Hitting problems in the plane and in space: on the nodes of a grid, with the error that its cells leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import exponent_at, function_at
from ..interpolation import interpolated
from ..problem import ReversibleDiffusion, integral
from .between_nodes import BetweenNodes
from .chain_solver import ChainSolver, added
from .coarser_grids import GIVEN, around, error_of, richardson, say, solved, telling
from .fields import ScalarField
from .jumps import jump
from .killed_chain import KilledChain
from .target_sets import TargetSet

# mean times whose squares are doubles, with room for sums
LONGEST = 1e150
# part of T^2 from which the variance is a difference with that square
EXPONENTIAL = 0.1
# relative error that sums leave
ROUNDING = 1e-11
# Gauss points along each direction of a cell, at which a source is compared with its nodes, and the largest difference
BETWEEN, UNSEEN = 3, 0.1


@dataclass(frozen=True, eq=False)
class GridProblem:
    """Sets on a grid, and the killed chain between them.

    Args:
        equation: gives the generator.
        sets: in which solutions are given.
    """

    equation: ReversibleDiffusion
    sets: tuple[TargetSet, ...]

    @property
    def grid(self) -> Grid:
        """The nodes."""
        return self.equation.grid

    @cached_property
    def chain(self) -> KilledChain:
        """The rates between the nodes, and into the sets; collective.

        Warns:
            Unresolved: M or Psi jumps between nodes, or changes as fast.
        """
        generator = self.equation.generator
        place = None if generator.quiet else jump(generator)
        if place is not None and self.equation.comm.rank == 0:
            where = (
                f"M or Psi jumps, or is not resolved, between nodes, as near x = {place}: the error depends on where in"
            )
            remedy = "take more cells, or smooth functions where they jump"
            warn(f"{where} a cell, and may be several times what is estimated; {remedy}", Unresolved)
        return KilledChain.of(self.equation.generator, self.sets)

    @cached_property
    def solver(self) -> ChainSolver:
        """Solves with the chain."""
        return ChainSolver(self.equation, self.chain)

    @cached_property
    def coarser(self) -> GridProblem | None:
        """The problem on cells twice as large; None where they do not resolve the sets. Collective."""
        if self.equation.coarser is None:
            return None
        problem = GridProblem(self.equation.coarser, self.sets)
        try:
            _ = problem.chain
        except InvalidArgument:
            return None
        return problem

    @cached_property
    def time(self) -> tuple[np.ndarray, ...]:
        """Terms (size,) whose sum is the mean time to the sets: -L T = 1."""
        terms, _ = self.solver.solve(np.ones((len(self.chain.free), 1)))
        return tuple(term[:, 0] for term in terms)

    @cached_property
    def variance(self) -> np.ndarray:
        """The variance of the time to the sets (size,): -L v = 2 sigma <M grad T, grad T>, as it is for the chain.

        Behind barriers differences of T in the well are rounding, of which grad T has nothing but that. There the law
        is nearly exponential, and w - T^2 with -L w = 2 T, w = E tau^2, loses no digits.
        """
        time = added(self.time)
        if not np.nanmax(time) < LONGEST:
            reason = "the square of the mean time is no double"
            raise NotConverged("a variance of passage times", reason, "take another unit of time, or lower barriers")
        sources = [self.chain.spread(*self.time), 2.0 * time[self.grid.own]]
        from_slopes, moment = added(self.solver.solve(np.stack(sources, axis=1))[0]).T
        from_moments = moment - time**2
        return np.where(from_moments > EXPONENTIAL * time**2, from_moments, from_slopes)

    @cached_property
    def shares(self) -> tuple[np.ndarray, ...]:
        """Terms (size, 2) whose sums are the probabilities to reach the second set first, and the first set first."""
        return self.solver.solve(self.chain.killing[:, ::-1])[0]

    def field(
        self,
        values: np.ndarray,
        of: Callable[[GridProblem], np.ndarray],
        held: tuple[float, ...],
        given: float = GIVEN,
    ) -> ScalarField:
        """The field of values at all nodes, with its error; collective.

        Args:
            values: f (size,).
            of: the same of another problem, the coarser one.
            held: the value in each set.
            given: the relative error of the field over that of the coefficients.

        Warns:
            Unresolved: an error that is large, or not known.
        """
        nodal = values.copy()
        for number, value in enumerate(held):
            nodal[self.chain.place == number] = value
        sets = tuple((one.holds, value) for one, value in zip(self.sets, held))
        between = BetweenNodes(self.equation.grid, nodal, sets)
        errors = self.errors(nodal, of, sets)
        if errors is not None:
            errors = errors + given * self.equation.error_of_coefficients * np.abs(nodal)
        if np.isnan(nodal).all():
            raise NotConverged(
                "a hitting problem", "exp(-Psi/sigma) underflows at all nodes outside of the sets",
                "take more cells, or a higher temperature",
            )  # fmt: skip
        say(self.grid, errors, float(np.nanmax(np.abs(nodal))), self.equation.rtol, self.chain.generator.exponent)
        if errors is None:
            return ScalarField(self.equation.grid, between, nodal)
        return ScalarField(self.equation.grid, between, nodal, BetweenNodes(self.equation.grid, errors, ()))

    def errors(
        self, nodal: np.ndarray, of: Callable[[GridProblem], np.ndarray],
        sets: tuple[tuple[Callable[[np.ndarray], np.ndarray], float], ...],
    ) -> np.ndarray | None:  # fmt: skip
        """The estimated error at all nodes (size,); None where no coarser grid tells it. Collective."""
        changes: list[np.ndarray] = []
        problem, values = self, nodal
        while problem.coarser is not None and telling(problem.coarser.grid, len(changes) + 1):
            try:
                change, values = problem._difference(values, of, sets)
            except NotConverged:
                break
            change = around(problem.grid, change)
            changes.append(interpolated(problem.grid, change, self.grid.nodes) if changes else change)
            problem = problem.coarser
        if not changes or self.coarser is None:
            return None
        # where a coarser grid knows nothing, the order is 1, or no two of them agree
        for k, factor in ((1, 2.0), (2, 1.0)):
            if len(changes) > k:
                changes[k] = np.where(np.isnan(changes[k]), factor * changes[k - 1], changes[k])
        finer = float(np.mean(np.array(self.grid.cells) / np.array(self.coarser.grid.cells)))
        return richardson(changes, max(finer, 1.5))

    def _difference(
        self, nodal: np.ndarray, of: Callable[[GridProblem], np.ndarray],
        sets: tuple[tuple[Callable[[np.ndarray], np.ndarray], float], ...],
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """|f - g| at all nodes, for the field g of the coarser grid, and g at the nodes of that grid."""
        coarser, grid = self.coarser, self.equation.grid
        assert coarser is not None
        values = of(coarser).copy()
        for number, (_, value) in enumerate(sets):
            values[coarser.chain.place == number] = value
        between = BetweenNodes(coarser.equation.grid, values, sets)
        return np.abs(nodal - on_all_ranks(grid.comm, lambda: between(grid.nodes))), values


def scalar_errors(problem: GridProblem, of: Callable[[GridProblem], dict[str, float]]) -> dict[str, float]:
    """The estimated errors of numbers by their names, infinite where no coarser grid tells them; collective.

    Args:
        problem: on the finest grid.
        of: the numbers of a problem.
    """
    found = solved(problem, of)
    given = max(GIVEN * problem.equation.error_of_coefficients, ROUNDING)
    return {name: error_of([one[name] for one in found]) + given * abs(value) for name, value in found[0].items()}


def poisson_on_a_grid(equation: ReversibleDiffusion, source: Callable[[np.ndarray], ArrayLike]) -> ScalarField:
    """The solution of -(1/pi) div(sigma pi M grad f) = g - <g>, <f> = 0; collective.

    Warns:
        Unresolved: the source varies faster than the cells.
    """

    def solution(problem: GridProblem) -> np.ndarray:
        generator, grid = problem.equation.generator, problem.equation.grid
        values = on_all_ranks(grid.comm, lambda: function_at("source", source, grid.points))
        share = generator.root**2
        total, mean = grid.comm.allreduce(np.array([share.sum(), (share * values).sum()]))
        pinned = int(np.argmax(grid.whole(generator.root)))
        solver = ChainSolver(problem.equation, problem.chain, pinned)
        terms, _ = solver.solve((values - mean / total)[:, None])
        nodal = added(terms)[:, 0]
        away = np.where(share > 0, nodal[grid.own], 0.0)
        return np.asarray(nodal - grid.comm.allreduce(float((share * away).sum())) / total)

    _look_at_source(equation, source)
    problem = GridProblem(equation, ())
    return problem.field(solution(problem), solution, ())


def _look_at_source(equation: ReversibleDiffusion, source: Callable[[np.ndarray], ArrayLike]) -> None:
    """Warn where <|g|> by the nodes is not that by points in the cells; collective."""
    generator, grid = equation.generator, equation.grid
    values = on_all_ranks(grid.comm, lambda: function_at("source", source, grid.points))
    share = generator.root**2
    total, mean = grid.comm.allreduce(np.array([share.sum(), (share * np.abs(values)).sum()]))

    def sums(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        pi = np.exp(generator.lowest - exponent_at(equation.coefficients, x)) * weights
        return np.array([pi.sum(), pi @ np.abs(function_at("source", source, x))])

    whole, in_cells = integral(grid, sums, BETWEEN)
    by_nodes, by_cells = mean / total, in_cells / whole
    if abs(by_nodes - by_cells) > UNSEEN * max(by_nodes, by_cells) and grid.comm.rank == 0:
        message = f"the mean of |source| is {by_cells:.3g} by points in cells, and {by_nodes:.3g} by nodes"
        warn(f"{message}: it varies faster than the cells; take more cells", Unresolved)
