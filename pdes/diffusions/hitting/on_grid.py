"""Hitting problems in the plane and in space: on the nodes of a grid, with an estimate of what its cells leave.

The difference d_1 from a grid with cells twice as large, and the difference d_2 between that one and a grid with cells
four times as large, tell the order p = log_2(d_2/d_1) and the error d_1/(2^p - 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import function_at
from ..problem import ReversibleDiffusion
from .between_nodes import BetweenNodes
from .chain_solver import ChainSolver, added
from .fields import ScalarField
from .killed_chain import KilledChain
from .target_sets import TargetSet


@dataclass(frozen=True)
class ErrorSettings:
    """How errors of the cells are estimated, and when they are said.

    Args:
        orders: the least and the largest order that is believed, and the one of the scheme, where no third grid tells
            it.
        falls: the ratio of two changes beyond which the smaller one is put down to chance.
        third: cells along each direction that a third grid must have.
        safety: of the estimate.
        around: part of the nodes along each direction in which the largest estimate counts for a node.
        said: relative error of the largest value from which a warning says so.
    """

    orders: tuple[float, float, float] = (1.0, 2.0, 2.0)
    falls: float = 6.0
    third: int = 10
    safety: float = 1.5
    around: float = 1.0 / 24.0
    said: float = 0.02


SETTINGS = ErrorSettings()
# relative error that sums leave
ROUNDING = 1e-11


@dataclass(frozen=True, eq=False)
class GridProblem:
    """Sets on a grid, and the killed chain between them.

    Args:
        equation: gives the generator.
        sets: in which solutions are given.
    """

    equation: ReversibleDiffusion
    sets: tuple[TargetSet, ...]

    @cached_property
    def chain(self) -> KilledChain:
        """The rates between the nodes, and into the sets; collective.

        Warns:
            Unresolved: M or Psi jumps between nodes.
        """
        generator = self.equation.generator
        place = None if generator.quiet else generator.jumps
        if place is not None and self.equation.comm.rank == 0:
            where = (
                f"M or Psi jumps between nodes, as near x = {place}: the error depends on where in a cell, and may be"
            )
            warn(f"{where} several times what is estimated; let M and Psi be smooth", Unresolved)
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
        """The variance of the time to the sets (size,): -L v = 2 sigma <M grad T, grad T>, as it is for the chain."""
        terms, _ = self.solver.solve(self.chain.spread(*self.time)[:, None])
        return added(terms)[:, 0]

    @cached_property
    def shares(self) -> tuple[np.ndarray, ...]:
        """Terms (size, 2) whose sums are the probabilities to reach the second set first, and the first set first."""
        return self.solver.solve(self.chain.killing[:, ::-1])[0]

    def field(
        self, values: np.ndarray, of: Callable[[GridProblem], np.ndarray], held: tuple[float, ...]
    ) -> ScalarField:
        """The field of values at all nodes, with its error; collective.

        Args:
            values: f (size,).
            of: the same of another problem, the coarser one.
            held: the value in each set.

        Warns:
            Unresolved: an error that is large, or not known.
        """
        nodal = values.copy()
        for number, value in enumerate(held):
            nodal[self.chain.place == number] = value
        sets = tuple((one.holds, value) for one, value in zip(self.sets, held))
        between = BetweenNodes(self.equation.grid, nodal, sets)
        errors = self.errors(nodal, of, sets)
        if np.isnan(nodal).all():
            raise NotConverged(
                "a hitting problem", "exp(-Psi/sigma) underflows at all nodes outside of the sets",
                "take more cells, or a higher temperature",
            )  # fmt: skip
        say(self.equation, errors, float(np.nanmax(np.abs(nodal))))
        if errors is None:
            return ScalarField(self.equation.grid, between, nodal)
        return ScalarField(self.equation.grid, between, nodal, BetweenNodes(self.equation.grid, errors, ()))

    def errors(
        self, nodal: np.ndarray, of: Callable[[GridProblem], np.ndarray],
        sets: tuple[tuple[Callable[[np.ndarray], np.ndarray], float], ...],
    ) -> np.ndarray | None:  # fmt: skip
        """The estimated error at all nodes (size,); None where no coarser grid tells it. Collective."""
        coarser, grid = self.coarser, self.equation.grid
        if coarser is None:
            return None
        try:
            difference, values = self._difference(nodal, of, sets)
        except NotConverged:
            return None
        order = SETTINGS.orders[2]
        if coarser.coarser is not None and tells_order(coarser.coarser.equation):
            try:
                before, _ = coarser._difference(values, of, sets)
            except NotConverged:
                before = difference
            ratio = float(np.nanmax(before)) / max(float(np.nanmax(difference)), 1e-300)
            order = float(np.clip(np.log2(max(ratio, 1e-3)), *SETTINGS.orders[:2]))
        finer = float(np.mean(np.array(grid.cells) / np.array(coarser.equation.grid.cells)))
        return _around(grid, SETTINGS.safety / (max(finer, 1.5) ** order - 1.0) * difference)

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
    found = [of(problem)]
    coarser = problem.coarser
    while coarser is not None and len(found) < 3 and (len(found) < 2 or tells_order(coarser.equation)):
        try:
            found.append(of(coarser))
        except (NotConverged, InvalidArgument):
            break
        coarser = coarser.coarser
    result = {}
    for name, value in found[0].items():
        changes = [abs(one[name] - other[name]) for one, other in pairwise(found)]
        result[name] = max(richardson(changes), ROUNDING * abs(value))
    return result


def tells_order(equation: ReversibleDiffusion) -> bool:
    """Whether a third grid is fine enough to tell the order."""
    return min(equation.grid.cells) >= SETTINGS.third


def richardson(changes: list[float]) -> float:
    """The error of a number on the finest of grids, infinite where no coarser one tells it.

    Args:
        changes: its differences from cells twice as large, and of these from cells four times as large, as far as
            known.
    """
    if not changes:
        return np.inf
    least, most, order = SETTINGS.orders
    if len(changes) > 1:
        order = float(np.clip(np.log2(max(changes[1] / max(changes[0], 1e-300), 1e-3)), least, most))
        # a difference that happens to be small says little
        changes = [max(changes[0], changes[1] / SETTINGS.falls)]
    return float(SETTINGS.safety * changes[0] / (2.0**order - 1.0))


def _around(grid: Grid, errors: np.ndarray) -> np.ndarray:
    """The largest of errors (size,) in the neighbourhood of each node: where differences change sign they are 0."""
    widths = [2 * max(1, int(np.ceil(SETTINGS.around * n))) + 1 for n in grid.shape]
    modes = ["wrap" if wraps else "nearest" for wraps in grid.periodic]
    known = np.nan_to_num(errors, nan=0.0, posinf=0.0)
    spread = ndimage.maximum_filter(known.reshape(grid.shape), size=widths, mode=modes).ravel()
    return np.where(np.isnan(errors), np.nan, spread)


def say(equation: ReversibleDiffusion, errors: np.ndarray | None, size: float) -> None:
    """Warn of an error that is large or not known, on rank 0.

    Args:
        equation: gives the tolerance.
        errors: at the nodes (size,), or None.
        size: of the field.
    """
    if equation.comm.rank > 0:
        return
    if errors is None or np.isnan(errors).all():
        message = "the error that the cells leave is not known: cells twice as large do not resolve the sets"
        warn(f"{message}; take more cells", Unresolved)
    elif not (worst := float(np.nanmax(errors)) / max(size, 1e-300)) <= max(SETTINGS.said, equation.rtol):
        node = np.array([int(np.nanargmax(errors))])
        place = [float(f"{c:.4g}") for c in equation.grid.coordinates(node)[0]]
        message = f"the solution is known to about {worst:.0e} of its largest value only near x = {place}"
        warn(f"{message}; take more cells", Unresolved)


def poisson_on_a_grid(equation: ReversibleDiffusion, source: Callable[[np.ndarray], ArrayLike]) -> ScalarField:
    """The solution of -(1/pi) div(sigma pi M grad f) = g - <g>, <f> = 0; collective."""

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

    problem = GridProblem(equation, ())
    return problem.field(solution(problem), solution, ())
