"""Which elements rates are computed with, one after the other: large cells of high degree before the user's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.meshes.box import Grid

# of the elements, by the dimension of space
MOST_UNKNOWNS = {1: 400_000, 2: 200_000, 3: 20_000}
# of a matrix that is taken apart by factors; beyond, modes are iterated with multigrid (`meshes.backend.lowest_modes`)
MOST_FACTORED = {1: 10**7, 2: 600_000, 3: 50_000}
# of one that is factored where the iteration fails
AT_LAST = {1: 10**7, 2: 2_000_000, 3: 130_000}
# of one that is iterated: of degree 2 in space it takes 2.5 GB for a million
MOST_ITERATED = {1: 10**7, 2: 5_000_000, 3: 2_300_000}
# of the user's cells, one after the other; the first is what other elements are compared with
DEGREES = (2, 4, 6, 8)
# of large elements in the plane
HIGH_DEGREE = 8
# of those in space, on cells that are as small as the highest of them allows; factors of degree 8 take a gigabyte
IN_SPACE = ((2, 4, 6), (1, 2, 4))
# powers of the unknowns along a direction with which errors are taken to fall, and how many of them are tried
ORDERS = (0.1, 2.0)
STEPS = 39
# part of the power that is counted on
COUNTED_ON = 0.75
# elements along a direction that is divided by two again and again
LEAST_ELEMENTS = {2: 5, 3: 2}
# unknowns for each mode that is asked for
UNKNOWNS_PER_MODE = 8


@dataclass(frozen=True)
class Member:
    """Elements of 2^level cells along each direction.

    Args:
        levels: for each direction (d,).
        degree: of the elements along each direction.
    """

    levels: tuple[int, ...]
    degree: int

    def elements(self, grid: Grid) -> list[int]:
        """Their numbers along each direction."""
        return [-(-n // 2**level) for n, level in zip(grid.cells, self.levels)]

    def unknowns(self, grid: Grid) -> float:
        """About how many unknowns there are."""
        return float(np.prod([self.degree * n for n in self.elements(grid)], dtype=float))

    def affordable(self, grid: Grid) -> bool:
        """Whether a direct solver may have them, for elements of any degree."""
        return self.unknowns(grid) <= MOST_UNKNOWNS[grid.dim]

    def affordable_by_factors(self, grid: Grid) -> bool:
        """Whether a direct solver is faster, or, for high degrees, for which multigrid is not made, the only one."""
        return self.degree > DEGREES[0] or self.unknowns(grid) <= MOST_FACTORED[grid.dim]

    def affordable_at_last(self, grid: Grid) -> bool:
        """Whether a direct solver fits into memory at all."""
        return self.unknowns(grid) <= AT_LAST[grid.dim]


def growth(grid: Grid, before: Member, after: Member) -> float:
    """How many times as many unknowns there are along a direction, in the mean."""
    return float((after.unknowns(grid) / before.unknowns(grid)) ** (1 / grid.dim))


def left(changes: list[np.ndarray], growths: list[float]) -> np.ndarray:
    """The errors that are left if they fall like a power of the unknowns along a direction, by the last two changes.

    The power is a part of what is observed, between ORDERS, and 1 where there is but one change.

    Args:
        changes: of rates, one (k,) for each step of a sequence.
        growths: how many times as many unknowns there were.
    """
    power = np.ones_like(changes[-1])
    if len(changes) > 1:
        first, last = growths[-2:]
        powers = np.linspace(*ORDERS, STEPS)
        expected = (first**powers - 1) / (1 - last**-powers)
        found = changes[-2] / np.maximum(changes[-1], np.finfo(float).tiny)
        power = powers[np.clip(np.searchsorted(expected, found, side="right") - 1, 0, None)] * COUNTED_ON
    return np.asarray(changes[-1] / (growths[-1] ** power - 1))


def witness(grid: Grid) -> Member:
    """The elements on the user's cells with which others are compared: of degree 2, or 1 where that is too much."""
    quadratic = Member((0,) * grid.dim, DEGREES[0])
    return quadratic if quadratic.affordable(grid) else Member((0,) * grid.dim, 1)


def on_own_cells(grid: Grid) -> list[Member]:
    """Degrees on the user's cells, each space in the next.

    Where the higher degrees would be too expensive, degree 2 on cells twice as large comes before degree 2: it costs no
    more than degree 1, whose error would say little about that of degree 2. Where degree 2 on the user's cells does not
    fit into memory, cells are larger: 2 and 4 times as large, and so on.
    """
    own = [Member((0,) * grid.dim, degree) for degree in DEGREES]
    affordable = [member for member in own if member.affordable(grid)]
    if len(affordable) > 1:
        return affordable
    tops = [_halvings(n, 3 if wraps else 1) for n, wraps in zip(grid.cells, grid.periodic)]
    levels = [tuple(min(level, top) for top in tops) for level in range(max(*tops, 1) + 1)]
    fits = [i for i, each in enumerate(levels) if Member(each, DEGREES[0]).unknowns(grid) <= MOST_ITERATED[grid.dim]]
    finest = min(fits[0], len(levels) - 2) if fits else len(levels) - 2
    return [Member(levels[i], DEGREES[0]) for i in (finest + 1, finest)]


def on_large_cells(grid: Grid, k: int) -> list[list[Member]]:
    """Sequences of elements of high degree on larger cells, each space in the next, for k modes; none on a line.

    In the plane cells are halved from one to the next, and in space, where fewer unknowns are affordable, the degree
    grows on cells of one size.
    """
    if grid.dim == 1:
        return []
    tops = [_top(n, wraps, grid.dim) for n, wraps in zip(grid.cells, grid.periodic)]
    levels = [tuple(min(level, top) for top in tops) for level in range(max(tops), 0, -1)]
    if grid.dim == 2:
        sequences = [[Member(level, HIGH_DEGREE) for level in levels]]
    else:
        sequences = []
        for degrees in IN_SPACE:
            highest = [level for level in levels if Member(level, degrees[-1]).affordable(grid)]
            sequences += [[Member(level, degree) for degree in degrees] for level in highest[-1:]]
    fit = [[m for m in s if m.affordable(grid) and m.unknowns(grid) >= UNKNOWNS_PER_MODE * k] for s in sequences]
    return [sequence for sequence in fit if len(sequence) > 1]


def _top(cells: int, wraps: bool, dim: int) -> int:
    """How often a direction can be halved until there are about as few elements as are of use."""
    return _halvings(cells, max(LEAST_ELEMENTS[dim], 3 if wraps else 1))


def _halvings(cells: int, least: int) -> int:
    """How often a direction can be halved so that so many elements are left."""
    level = 0
    while 2**level < cells and -(-cells // 2 ** (level + 1)) >= least:
        level += 1
    return level
