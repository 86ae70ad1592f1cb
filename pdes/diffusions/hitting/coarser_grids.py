"""The error that the cells of a grid leave, by the same problem on coarser grids.

With d_1 the change of a result from cells twice as large, d_2 that of these from cells four times as large, and so on,
the order is p = log_2(d_2/d_1), and the error d_1/(2^p - 1). An order above 2 is believed only where d_2/d_1 and
d_3/d_2 agree on it, since two grids may agree by chance; without d_2 it is taken to be 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn


@dataclass(frozen=True)
class ErrorSettings:
    """How errors of the cells are estimated, and when they are said.

    Args:
        least: order that is believed at least, and where there is one coarser grid only.
        most: order that is believed at most, with two of them, and with three that agree.
        agree: difference of two orders that agree.
        chance: a change that is smaller than the next one by the largest order and this factor is put down to chance.
        cells: along each direction, that the third and the fourth grid must have.
        safety: of the estimate.
        around: part of the nodes along each direction in which the largest estimate counts for a node.
        said: relative error from which a warning says so.
        rare: Psi/sigma above its minimum from which a warning says how rarely paths are at the place.
    """

    least: float = 1.0
    most: tuple[float, float] = (2.0, 3.0)
    agree: float = 0.5
    chance: float = 1.5
    cells: tuple[int, int] = (6, 10)
    safety: float = 1.5
    around: float = 1.0 / 24.0
    said: float = 0.02
    rare: float = 5.0


SETTINGS = ErrorSettings()
TINY = 1e-300
# relative errors of fields and numbers over that of M and exp(-Psi/sigma), of which they are products and quotients
GIVEN = 4.0


class OnGrid(Protocol):
    """A problem on a grid."""

    @property
    def grid(self) -> Grid:
        """The nodes."""

    @property
    def coarser(self) -> Self | None:
        """The same on cells twice as large, or None where they are too few."""


Problem = TypeVar("Problem", bound=OnGrid)
Result = TypeVar("Result")


def solved(problem: Problem, solve: Callable[[Problem], Result], first: Result | None = None) -> list[Result]:
    """The results on a grid and on coarser ones, as far as these tell the error; collective.

    Args:
        problem: on the finest grid.
        solve: the result of a problem.
        first: that of the finest grid, where it is known already.

    Returns:
        One to four results; the list ends where a coarser problem is refused.
    """
    results = [solve(problem) if first is None else first]
    coarser = problem.coarser
    while coarser is not None and telling(coarser.grid, len(results)):
        try:
            results.append(solve(coarser))
        except (NotConverged, InvalidArgument):
            break
        coarser = coarser.coarser
    return results


def telling(grid: Grid, number: int) -> bool:
    """Whether a grid has cells enough to be the coarser one with this number, 1, 2 or 3."""
    return number == 1 or (number < 4 and min(grid.cells) >= SETTINGS.cells[number - 2])


def observed_order(changes: Sequence[ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    """The orders (...) that d_1, d_2, d_3 (...) tell, as far as known, and the largest that is believed of them."""
    arrays = [np.maximum(np.asarray(change, dtype=float), TINY) for change in changes]
    orders = [np.log2(old) - np.log2(new) for new, old in pairwise(arrays)]
    if not orders:
        return (np.full(arrays[0].shape, SETTINGS.least),) * 2
    least, most, order = SETTINGS.least, np.full(arrays[0].shape, SETTINGS.most[0]), orders[0]
    if len(orders) > 1:
        agreed = np.abs(orders[0] - orders[1]) <= SETTINGS.agree
        most = np.where(agreed, SETTINGS.most[1], most)
        order = np.where(agreed, np.minimum(orders[0], orders[1]), order)
    return np.clip(order, least, most), most


def richardson(changes: Sequence[ArrayLike], finer: float = 2.0) -> np.ndarray:
    """The errors (...) of numbers on the finest of grids, infinite where no coarser grid tells them.

    Args:
        changes: d_1, d_2, d_3 (...), as far as known.
        finer: the ratio of the cells of the first two grids.
    """
    if not len(changes):
        return np.array(np.inf)
    order, most = observed_order(changes)
    change = np.asarray(changes[0], dtype=float)
    if len(changes) > 1:
        change = np.maximum(change, np.asarray(changes[1]) / (SETTINGS.chance * 2.0**most))
    return np.asarray(SETTINGS.safety * change / (finer**order - 1.0))


def error_of(values: Sequence[float]) -> float:
    """The error of the first of numbers, which belong to finer grids first; infinite where it is the only one."""
    return float(richardson([abs(one - other) for one, other in pairwise(values)]))


def around(grid: Grid, errors: np.ndarray) -> np.ndarray:
    """The largest of errors (size,) in the neighbourhood of each node: where differences change sign they are 0."""
    widths = [2 * max(1, int(np.ceil(SETTINGS.around * n))) + 1 for n in grid.shape]
    modes = ["wrap" if wraps else "nearest" for wraps in grid.periodic]
    known = np.nan_to_num(errors, nan=0.0, posinf=0.0)
    spread = ndimage.maximum_filter(known.reshape(grid.shape), size=widths, mode=modes).ravel()
    return np.where(np.isnan(errors), np.nan, spread)


def say(grid: Grid, errors: np.ndarray | None, size: float, rtol: float, exponent: np.ndarray | None = None) -> None:
    """Warn of an error of a field that is large or not known, on rank 0.

    Args:
        grid: the nodes.
        errors: at the nodes (size,), or None.
        size: of the field.
        rtol: relative error that was asked for.
        exponent: Psi/sigma at the nodes (size,), or None: with it the warning tells how rarely paths are at the place.
    """
    if grid.comm.rank > 0:
        return
    if errors is None or np.isnan(errors).all():
        message = "the error that the cells leave is not known: cells twice as large do not resolve the sets"
        warn(f"{message}; take more cells", Unresolved)
    elif not (worst := float(np.nanmax(errors)) / max(size, TINY)) <= max(SETTINGS.said, rtol):
        node = int(np.nanargmax(errors))
        place = grid.shown(grid.coordinates(np.array([node]))[0])
        known = f"known to about {worst:.0e} of its largest value only" if worst < 1 else "not known"
        message = f"the solution is {known} near x = {place}"
        depth = 0.0 if exponent is None else float(exponent[node] - exponent.min())
        if depth > SETTINGS.rare:
            message += f", where the equilibrium is e^-{depth:.0f} of its largest value (error_at tells other places)"
        warn(f"{message}; take more cells", Unresolved)


def say_relative(grid: Grid, what: str, relative: float, rtol: float) -> None:
    """Warn of a relative error that is large or not known, on rank 0.

    Args:
        grid: of the ranks.
        what: is known so badly, with its verb.
        relative: its error.
        rtol: relative error that was asked for.
    """
    if not relative <= max(SETTINGS.said, rtol) and grid.comm.rank == 0:
        known = f"known to about {relative:.0e} of itself only" if relative < 1 else "not known"
        warn(f"{what} {known}; take more cells", Unresolved)
