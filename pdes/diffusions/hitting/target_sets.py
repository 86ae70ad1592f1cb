"""The sets of hitting problems: as intervals of a line, as nodes of a grid, and whether the cells resolve them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import mask, shown

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True)
class SetSettings:
    """How finely sets are looked at.

    Args:
        bisections: halvings of a way that ends in a set: to rounding.
        looks: points in each cell of a line at which a set is looked for: at least, and where cells are few.
        most_looks: such points in all, beside the least.
        tiny: part of a cell of a line below which two points are one.
        point: part of a cell of a line below which a set is a point.
        compared: nodes at which the sets of all ranks are compared.
        across: nodes that a set must have in all directions but one.
    """

    bisections: int = 50
    looks: tuple[int, int] = (8, 1024)
    most_looks: int = 2**16
    tiny: float = 1e-6
    point: float = 1e-9
    across: int = 3
    compared: int = 4096


SETTINGS = SetSettings()
# from points (P, d) to truth values (P,)
Indicator = Callable[[np.ndarray], np.ndarray]


def indicator(name: str, given: object, comm: MPI.Comm) -> Indicator:
    """Return what a user gave as a set of a box: from points (P, d) to truth values (P,); collective.

    Raises:
        InvalidArgument: on all ranks; it is not callable.
    """

    def checked() -> Indicator:
        if not callable(given):
            message = "must be a callable from points (P, d) to truth values (P,)"
            raise InvalidArgument(name, f"{message}, not {shown(given)}; tags of entities are for meshes")
        return given

    return on_all_ranks(comm, checked)


@dataclass(frozen=True, eq=False)
class TargetSet:
    """A set on which the solution is given.

    Args:
        name: of the argument that it was given by.
        function: from points (P, d) to truth values (P,), of the user's.
        value: of the solution in it.
    """

    name: str
    function: Indicator
    value: float

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Whether points (P, d) are in the set (P,).

        Raises:
            InvalidArgument: no such callable.
        """
        return mask(self.name, self.function, points)


def bisected(holds: Callable[[np.ndarray], np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts (count,) of ways of length 1 that are outside of a set, and the ends of what is within, to rounding.

    Args:
        holds: from a part of each way (count,) to whether the set is there (count,).
        count: of ways; each begins outside of the set and ends in it.
    """
    outside: np.ndarray = np.zeros(count)
    within: np.ndarray = np.ones(count)
    for _ in range(SETTINGS.bisections if count else 0):
        middle = 0.5 * (outside + within)
        hits = holds(middle)
        outside, within = np.where(hits, outside, middle), np.where(hits, middle, within)
    return outside, within


# --- on a line ---------------------------------------------------------------------------------------------


def intervals(grid: Grid, sets: tuple[TargetSet, ...]) -> list[np.ndarray]:
    """Each set as closed intervals (n, 2) of a line, in order; those of a point have twice the same end. Collective.

    Raises:
        InvalidArgument: a set that is empty, or covers the box; sets that meet or touch.
    """
    intervals_of_sets = on_all_ranks(grid.comm, lambda: [_intervals_of(grid, one) for one in sets])
    _same_on_all_ranks(grid, sets)
    low, high = grid.box[0]
    tiny = SETTINGS.tiny * grid.spacing[0]
    for one, parts in zip(sets, intervals_of_sets):
        if not len(parts):
            count = _looks(grid).size
            text = f"has none of {count} points of the box in it; a set may be a single point only where that is a node"
            raise InvalidArgument(one.name, f"{text}, or take an interval, or more cells")
        if np.diff(parts).sum() >= high - low - tiny:
            raise InvalidArgument(one.name, "covers the whole box")
    shifts = (0.0, high - low, low - high) if grid.periodic[0] else (0.0,)
    if len(sets) == 2:
        for (a, b), shift in itertools.product(itertools.product(*intervals_of_sets), shifts):
            if a[0] - tiny <= b[1] + shift and b[0] + shift - tiny <= a[1]:
                place = grid.shown(np.array([max(a[0], b[0] + shift)]))[0]
                raise InvalidArgument(sets[1].name, f"must not meet {sets[0].name}, but both reach x = {place}")
    return intervals_of_sets


def _intervals_of(grid: Grid, one: TargetSet) -> np.ndarray:
    low, high = grid.box[0]
    h, looks = float(grid.spacing[0]), _looks(grid)
    held = one.holds(looks[:, None])
    changes = np.flatnonzero(held[1:] != held[:-1])
    enters = held[changes + 1]
    # outside of the set
    start = np.where(enters, looks[changes], looks[changes + 1])
    way = np.where(enters, 1.0, -1.0) * (looks[1] - looks[0])
    outside, within = bisected(lambda part: one.holds((start + part * way)[:, None]), len(changes))
    ends = np.clip(start + 0.5 * (outside + within) * way, low, high)
    starts, stops = ends[enters], ends[~enters]
    parts = np.stack([np.append([low] * int(held[0]), starts), np.append(stops, [high] * int(held[-1]))], axis=1)
    parts = _joined(parts, SETTINGS.tiny * h)
    parts[(parts - low <= SETTINGS.tiny * h) & (np.diff(parts) >= 0)] = low
    parts[high - parts <= SETTINGS.tiny * h] = high
    thin = (np.diff(parts) < SETTINGS.point * h)[:, 0]
    parts[thin] = parts[thin].mean(axis=1, keepdims=True)
    return parts


def _looks(grid: Grid) -> np.ndarray:
    """The points of a line at which a set is looked for; the nodes are among them."""
    low, high = grid.box[0]
    in_a_cell = int(np.clip(SETTINGS.most_looks // grid.cells[0], *SETTINGS.looks))
    return np.linspace(low, high, grid.cells[0] * in_a_cell + 1)


def _joined(parts: np.ndarray, tiny: float) -> np.ndarray:
    """Intervals in order, without the gaps that are tiny."""
    if len(parts) < 2:
        return parts
    apart = parts[1:, 0] - parts[:-1, 1] > tiny
    return np.stack([parts[np.append(True, apart), 0], parts[np.append(apart, True), 1]], axis=1)


# --- on a grid ------------------------------------------------------------------------------------------


def nodes_of(grid: Grid, alive: np.ndarray, sets: tuple[TargetSet, ...], quiet: bool = False) -> list[np.ndarray]:
    """Whether each node is in each set (size,); collective.

    Args:
        grid: the nodes.
        alive: whether paths go to a node (size,).
        sets: one, or two that must not meet.
        quiet: whether nothing is said of sets that are not resolved.

    Raises:
        InvalidArgument: a set without a node, or without one that paths reach; one that covers the box; sets that meet.

    Warns:
        Unresolved: a set, or a part of it, is smaller than the cells can tell.
    """
    own = on_all_ranks(grid.comm, lambda: [one.holds(grid.points) for one in sets])
    _same_on_all_ranks(grid, sets)
    masks = [grid.whole(held) for held in own]
    for one, held in zip(sets, masks):
        if not held.any():
            raise InvalidArgument(one.name, "has no node in the box; take more cells, or a larger set")
        if not (held & alive).any():
            raise InvalidArgument(one.name, "is where exp(-Psi/sigma) is 0 in double precision: no path gets there")
        if held.all():
            raise InvalidArgument(one.name, "covers the whole box")
    if len(sets) == 2 and (masks[0] & masks[1]).any():
        raise InvalidArgument(sets[1].name, f"must not meet {sets[0].name}")
    if sets and np.logical_or.reduce(masks).all():
        raise InvalidArgument(sets[1].name, f"touches {sets[0].name} everywhere: no node is outside of both")
    for one, held in zip(sets, masks if not quiet else ()):
        place = _too_small(grid, held)
        if place is not None:
            size = f"less than {SETTINGS.across} nodes across"
            _warn(grid, f"{one.name} is {size} near x = {place}: its size is not resolved")
        place = _missed(grid, one, held)
        if place is not None:
            _warn(grid, f"{one.name} has a part near x = {place} that is smaller than a cell and is left out")
    return masks


def _same_on_all_ranks(grid: Grid, sets: tuple[TargetSet, ...]) -> None:
    """Compare the sets of all ranks at some nodes; collective.

    Raises:
        InvalidArgument: they are not the same.
    """
    if grid.comm.size == 1 or not sets:
        return
    some = grid.coordinates(np.unique(np.linspace(0, grid.size - 1, SETTINGS.compared).astype(np.int64)))
    held = on_all_ranks(grid.comm, lambda: {one.name: one.holds(some) for one in sets})
    same_on_all_ranks(grid.comm, **held)


def wrapped(grid: Grid, points: np.ndarray) -> np.ndarray:
    """Points of the grid's neighbourhood, taken back into the box: by periods, else to the wall."""
    low, high = grid.box.T
    return np.where(grid.periodic, low + (points - low) % (high - low), np.clip(points, low, high))


def _warn(grid: Grid, message: str) -> None:
    if grid.comm.rank == 0:
        warn(f"{message}; take more cells", Unresolved)


def _too_small(grid: Grid, held: np.ndarray) -> list[float] | None:
    """A place where a connected part of a set has fewer nodes across than it needs; a wall doubles what is at it.

    A part that is thin in one direction only is seen by its edges; in all directions but one it must be wide.
    """
    if grid.dim == 1:
        return None
    parts, count = ndimage.label(held.reshape(grid.shape), np.ones((3,) * grid.dim))
    names = np.arange(count + 1)
    for axis in np.flatnonzero(grid.periodic):
        for one, other in zip(np.take(parts, 0, axis).ravel(), np.take(parts, -1, axis).ravel()):
            if one and other and names[one] != names[other]:
                names[names == names[other]] = names[one]
    places = np.stack(np.nonzero(parts), axis=1)
    own = names[parts[tuple(places.T)]]
    order = np.argsort(own, kind="stable")
    for part in np.split(places[order], np.flatnonzero(np.diff(own[order])) + 1):
        widths = [len(np.unique(column)) for column in part.T]
        for i, column in enumerate(part.T):
            at_wall = not grid.periodic[i] and (column.min() == 0 or column.max() == grid.shape[i] - 1)
            widths[i] += (widths[i] - 1) * at_wall
        if sorted(widths)[1] < SETTINGS.across:
            return _place(grid, part.mean(axis=0))
    return None


def _missed(grid: Grid, one: TargetSet, held: np.ndarray) -> list[float] | None:
    """A place in the set that is more than a cell from all of its nodes; collective."""
    near = held.reshape(grid.shape)
    for axis, wraps in enumerate(grid.periodic):
        edge = [(int(i == axis),) * 2 for i in range(grid.dim)]
        near = np.pad(near, edge, mode="wrap" if wraps else "edge")
    near = ndimage.binary_dilation(near, np.ones((3,) * grid.dim))[(slice(1, -1),) * grid.dim]
    index = grid.index[(grid.periodic | (grid.index < np.array(grid.shape) - 1)).all(axis=1)]
    corners = [(index + corner) % grid.shape for corner in itertools.product((0, 1), repeat=grid.dim)]
    alone = ~np.logical_or.reduce([near[tuple(corner.T)] for corner in corners])
    offsets = [*itertools.product((0.25, 0.75), repeat=grid.dim), (0.5,) * grid.dim]

    def look() -> list[float] | None:
        for offset in offsets if alone.any() else ():
            hits = one.holds(grid.box[:, 0] + (index[alone] + offset) * grid.spacing)
            if hits.any():
                return _place(grid, index[alone][hits.argmax()] + np.array(offset))
        return None

    places = grid.comm.allgather(on_all_ranks(grid.comm, look))
    return next((place for place in places if place is not None), None)


def _place(grid: Grid, index: np.ndarray) -> list[float]:
    return grid.shown(grid.box[:, 0] + index * grid.spacing)
