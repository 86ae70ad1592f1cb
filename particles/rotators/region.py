"""Finite regions of the lattice Z^d: sites, bonds between neighbours, and their colouring into matchings."""

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


def _key(site: np.ndarray) -> tuple[int, ...]:
    return tuple(int(x) for x in site)


@dataclass(frozen=True, eq=False)
class LatticeRegion:
    """A finite set of sites of Z^d, d = 1, 2, 3; neighbours are at distance 1.

    Args:
        sites: the coordinates (N, d), integers, all different.

    Raises:
        InvalidArgument: no sites, coordinates that are no integers, a site that occurs twice.
    """

    sites: NDArray[np.int64]

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

    @classmethod
    def box(cls, shape: int | Sequence[int]) -> LatticeRegion:
        """All sites of a box, in C order.

        Args:
            shape: number of sites along each direction (d,).

        Raises:
            InvalidArgument: not 1, 2 or 3 positive integers.
        """
        extents: list[Any] = [shape] if np.ndim(shape) == 0 else list(shape)  # type: ignore[arg-type]
        if len(extents) not in (1, 2, 3):
            raise InvalidArgument("shape", f"must have 1, 2 or 3 directions, not {len(extents)}")
        counts = [checks.integer("shape", n, 1, MOST_SITES) for n in extents]
        if np.prod(np.array(counts, dtype=float)) > MOST_SITES:
            raise InvalidArgument("shape", f"must have at most {MOST_SITES} sites")
        return cls(np.stack(np.unravel_index(np.arange(int(np.prod(counts))), counts), axis=1))

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

    @cached_property
    def parity(self) -> np.ndarray:
        """(-1)^|j|, |j| = |j_1| + ... + |j_d| (N,)."""
        return np.where(np.abs(self.sites).sum(axis=1) % 2 == 0, 1.0, -1.0)

    def shifted(self, offset: Iterable[int]) -> NDArray[np.int64]:
        """The number of the site j + offset for each site j, -1 where there is none (N,)."""
        step = tuple(int(k) for k in offset)
        if step not in self._shifts:
            places = [self._places.get(_key(site), -1) for site in self.sites + np.array(step, dtype=np.int64)]
            self._shifts[step] = np.array(places, dtype=np.int64)
        return self._shifts[step]

    @cached_property
    def colours(self) -> tuple[np.ndarray, ...]:
        """Bonds (B_c, 2) of each colour; those of one colour have no site in common. At most 2 d colours."""
        colours = []
        for axis in range(self.dim):
            head = self.shifted(np.eye(self.dim, dtype=np.int64)[axis])
            tail = np.flatnonzero(head >= 0)
            for side in (0, 1):
                chosen = tail[self.sites[tail, axis] % 2 == side]
                if chosen.size:
                    colours.append(np.stack([chosen, head[chosen]], axis=1))
        return tuple(colours)

    @cached_property
    def coloured_bonds(self) -> np.ndarray:
        """All pairs of neighbours (B, 2), colour by colour."""
        return np.concatenate([np.empty((0, 2), dtype=np.int64), *self.colours])

    @cached_property
    def bonds(self) -> np.ndarray:
        """All pairs (j, k) of neighbours (B, 2), each once, k one step further along a direction; in the order of j."""
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

    def within(self, centre: np.ndarray, radius: int) -> np.ndarray:
        """Whether each site is at a distance |k - j| of at most `radius` from some of the sites `centre` (N,)."""
        places = np.unique(self.sites[np.atleast_1d(centre)], axis=0)
        reach = np.arange(-radius, radius + 1)
        ball = np.stack(np.meshgrid(*[reach] * self.dim, indexing="ij"), axis=-1).reshape(-1, self.dim)
        ball = ball[np.abs(ball).sum(axis=1) <= radius]
        near = np.unique((places[:, None, :] + ball).reshape(-1, self.dim), axis=0)
        _, number = np.unique(np.concatenate([near, self.sites]), axis=0, return_inverse=True)
        return np.isin(number[len(near) :], number[: len(near)])
