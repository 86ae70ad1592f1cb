"""Finite regions of Z^d, rings and tori: sites, bonds between neighbours, and their colouring into matchings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..support import checks

MOST_SITES = 2**24
FARTHEST = 2**31  # coordinates, so that sums of them are integers too
LEAST_PERIOD = 3  # along a shorter one a site would be its own neighbour, or have one neighbour twice


def _key(site: np.ndarray) -> tuple[int, ...]:
    return tuple(int(x) for x in site)


def _closed(periodic: Any, counts: list[int]) -> list[bool]:
    """Whether each direction of a box is closed.

    Raises:
        InvalidArgument: not one or (d,) of True and False; a closed direction that is too short.
    """
    several = isinstance(periodic, list | tuple) or (isinstance(periodic, np.ndarray) and periodic.ndim == 1)
    given = list(periodic) if several else [periodic] * len(counts)
    if len(given) != len(counts):
        raise InvalidArgument(
            "periodic", f"must be one for all or for each of {len(counts)} directions, not {len(given)}"
        )
    closed = [checks.flag("periodic", one) for one in given]
    for axis, n in enumerate(counts):
        if closed[axis] and n < LEAST_PERIOD:
            why = "a site would be its own neighbour" if n == 1 else "two sites would be neighbours twice"
            raise InvalidArgument(
                "periodic",
                f"direction {axis} has {n} sites, where {why}; take at least {LEAST_PERIOD}, or leave it open, as in "
                f"periodic={tuple(c and k >= LEAST_PERIOD for c, k in zip(closed, counts))}",
            )
    return closed


@dataclass(frozen=True, eq=False)
class LatticeRegion:
    """A finite set of sites of Z^d, or of Z^d with some directions closed to circles, d = 1, 2, 3; neighbours are at
    distance 1.

    Args:
        sites: the coordinates (N, d), integers, all different.
        periods: for each direction the number of places around it, at least 3, or 0 where it is open; () where all
            are. Coordinates along a closed direction are 0 .. n - 1, and n - 1 is beside 0.

    Raises:
        InvalidArgument: no sites, coordinates that are no integers or not in their period, a site that occurs twice.
    """

    sites: NDArray[np.int64]
    periods: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        try:
            given = np.array(self.sites)
        except ValueError:
            raise InvalidArgument("sites", "must be coordinates (N, d), as many for each site") from None
        if given.ndim == 1:
            given = given[:, None]
        if given.ndim != 2 or given.shape[0] < 1 or given.shape[1] not in (1, 2, 3):
            raise InvalidArgument("sites", f"must be coordinates (N, d), d = 1, 2, 3, not of shape {given.shape}")
        if not np.issubdtype(given.dtype, np.integer):
            raise InvalidArgument("sites", f"must be integers, not {given.dtype}")
        if max(abs(int(given.min())), abs(int(given.max()))) > FARTHEST:
            raise InvalidArgument("sites", f"must be between -2^31 and 2^31, not {given.min()} .. {given.max()}")
        if len(np.unique(given, axis=0)) < len(given):
            raise InvalidArgument("sites", "must all be different")
        object.__setattr__(self, "sites", given.astype(np.int64))
        object.__setattr__(self, "periods", self._checked_periods())

    def _checked_periods(self) -> tuple[int, ...]:
        periods = tuple(checks.integer("periods", n, 0, MOST_SITES) for n in self.periods) or (0,) * self.dim
        if len(periods) != self.dim:
            raise InvalidArgument("periods", f"must be one for each of {self.dim} directions, not {len(periods)}")
        for axis, n in enumerate(periods):
            if 0 < n < LEAST_PERIOD:
                raise InvalidArgument(
                    "periods", f"must be at least {LEAST_PERIOD}, or 0 for an open direction, not {n}"
                )
            along = self.sites[:, axis]
            if n and not (along.min() >= 0 and along.max() < n):
                raise InvalidArgument("sites", f"must be 0 .. {n - 1} along direction {axis}, whose period is {n}")
        return periods

    @classmethod
    def box(cls, shape: int | Sequence[int], periodic: bool | Sequence[bool] = False) -> LatticeRegion:
        """All sites of a box, in C order.

        Args:
            shape: number of sites along each direction (d,).
            periodic: whether the ends are neighbours, in all directions or in each (d,): rings, cylinders and tori.

        Raises:
            InvalidArgument: not 1, 2 or 3 positive integers; fewer than 3 sites along a periodic direction.
        """
        extents: list[Any] = [shape] if np.ndim(shape) == 0 else list(shape)  # type: ignore[arg-type]
        if len(extents) not in (1, 2, 3):
            raise InvalidArgument("shape", f"must have 1, 2 or 3 directions, not {len(extents)}")
        counts = [checks.integer("shape", n, 1, MOST_SITES) for n in extents]
        if np.prod(np.array(counts, dtype=float)) > MOST_SITES:
            raise InvalidArgument("shape", f"must have at most {MOST_SITES} sites")
        periods = tuple(n if closed else 0 for n, closed in zip(counts, _closed(periodic, counts)))
        return cls(np.stack(np.unravel_index(np.arange(int(np.prod(counts))), counts), axis=1), periods)

    @property
    def size(self) -> int:
        """Number N of sites."""
        return len(self.sites)

    @property
    def dim(self) -> int:
        """Dimension d of the lattice."""
        return int(self.sites.shape[1])

    @cached_property
    def _places(self) -> dict[tuple[int, ...], int]:
        return {_key(site): i for i, site in enumerate(self.sites)}

    @cached_property
    def _shifts(self) -> dict[tuple[int, ...], np.ndarray]:
        return {}

    @property
    def periodic(self) -> bool:
        """Whether some direction is closed."""
        return any(self.periods)

    def _wrapped(self, sites: np.ndarray) -> np.ndarray:
        """Coordinates (..., d) taken back into the period of each closed direction."""
        periods = np.array(self.periods, dtype=np.int64)
        return np.where(periods > 0, sites % np.maximum(periods, 1), sites)

    @cached_property
    def parity(self) -> np.ndarray:
        """(-1)^|j|, |j| = |j_1| + ... + |j_d| (N,). Both ends of an odd period, which are neighbours, have the same."""
        return np.where(np.abs(self.sites).sum(axis=1) % 2 == 0, 1.0, -1.0)

    def shifted(self, offset: Iterable[int]) -> NDArray[np.int64]:
        """The number of the site j + offset for each site j, -1 where there is none (N,)."""
        step = tuple(int(k) for k in offset)
        if step not in self._shifts:
            there = self._wrapped(self.sites + np.array(step, dtype=np.int64))
            places = [self._places.get(_key(site), -1) for site in there]
            self._shifts[step] = np.array(places, dtype=np.int64)
        return self._shifts[step]

    @cached_property
    def colours(self) -> tuple[np.ndarray, ...]:
        """Bonds (B_c, 2) of each colour; those of one colour have no site in common. At most 2 d colours, and one more
        for each odd period: of the bonds that close it.
        """
        colours = []
        for axis in range(self.dim):
            head = self.shifted(np.eye(self.dim, dtype=np.int64)[axis])
            tail = np.flatnonzero(head >= 0)
            place, period = self.sites[tail, axis], self.periods[axis]
            side_of = np.where((place == period - 1) & (period % 2 == 1), 2, place % 2)
            for side in range(3):
                chosen = tail[side_of == side]
                if chosen.size:
                    colours.append(np.stack([chosen, head[chosen]], axis=1))
        return tuple(colours)

    @cached_property
    def coloured_bonds(self) -> np.ndarray:
        """All pairs of neighbours (B, 2), colour by colour."""
        return np.concatenate([np.empty((0, 2), dtype=np.int64), *self.colours])

    @cached_property
    def bonds(self) -> np.ndarray:
        """All pairs (j, k) of neighbours (B, 2), each once, k one step further along a direction; in the order of j.

        Around a closed direction the step from its last place leads to the first one.
        """
        pairs = self.coloured_bonds
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    @cached_property
    def neighbours(self) -> tuple[np.ndarray, ...]:
        """The numbers of the neighbours of each site."""
        neighbours: list[list[int]] = [[] for _ in range(self.size)]
        for j, k in self.bonds:
            neighbours[j].append(int(k))
            neighbours[k].append(int(j))
        return tuple(np.array(sorted(near), dtype=np.int64) for near in neighbours)

    @cached_property
    def parts(self) -> np.ndarray:
        """The number, from 0 on, of the connected part that each site belongs to (N,)."""
        part = np.arange(self.size)
        tail, head = self.bonds.T
        while True:  # the least number of a part spreads over its bonds, and over those that have found it
            least = part.copy()
            np.minimum.at(least, tail, part[head])
            np.minimum.at(least, head, part[tail])
            least = least[least]
            if np.array_equal(least, part):
                return np.unique(part, return_inverse=True)[1]
            part = least

    def distances(self) -> NDArray[np.int64]:
        """|k - j| (N, N) of all pairs of sites, the shorter way around where a direction is periodic."""
        total = np.zeros((self.size, self.size), dtype=np.int64)
        for axis, period in enumerate(self.periods):
            apart = np.abs(self.sites[:, None, axis] - self.sites[None, :, axis])
            total += np.minimum(apart, period - apart) if period else apart
        return total

    def within(self, centre: np.ndarray, radius: int) -> np.ndarray:
        """Whether each site is at a distance |k - j| of at most `radius` from some of the sites `centre` (N,).

        Along closed directions the shorter way around counts.
        """
        places = np.unique(self.sites[np.atleast_1d(centre)], axis=0)
        reach = np.arange(-radius, radius + 1)
        ball = np.stack(np.meshgrid(*[reach] * self.dim, indexing="ij"), axis=-1).reshape(-1, self.dim)
        ball = ball[np.abs(ball).sum(axis=1) <= radius]
        near = np.unique(self._wrapped(places[:, None, :] + ball).reshape(-1, self.dim), axis=0)
        _, number = np.unique(np.concatenate([near, self.sites]), axis=0, return_inverse=True)
        return np.isin(number[len(near) :], number[: len(near)])
