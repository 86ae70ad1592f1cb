"""Values at nodes of a grid whose numbers this rank names, whichever rank has them: halos of a few nodes, not all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True, eq=False)
class NeighbourValues:
    """Which values go from rank to rank.

    Args:
        comm: the ranks.
        asked: for each rank, the places among this rank's values of what it asks for.
        given: for each number that was named its place among this rank's values, and behind them those of others (P,).
        parts: the first place of the values of each rank among those of others, and behind them their number
            (ranks + 1,).
    """

    comm: MPI.Comm
    asked: list[np.ndarray]
    given: np.ndarray
    parts: np.ndarray

    @classmethod
    def of(cls, comm: MPI.Comm, ends: np.ndarray, numbers: np.ndarray) -> NeighbourValues:
        """Agree on them; collective.

        Args:
            comm: the ranks.
            ends: the first node of each rank, and behind them the number of nodes (ranks + 1,).
            numbers: of nodes whose values this rank is to have (P,), its own ones or others.
        """
        first, last = int(ends[comm.rank]), int(ends[comm.rank + 1])
        own = (numbers >= first) & (numbers < last)
        if comm.size == 1:
            return cls(comm, [], numbers - first, np.zeros(2, dtype=np.int64))
        others, places = np.unique(numbers[~own], return_inverse=True)
        given = np.where(own, numbers - first, 0)
        given[~own] = last - first + places
        parts = np.searchsorted(others, ends)
        asked = comm.alltoall([others[low:high] for low, high in pairwise(parts)])
        return cls(comm, [there - first for there in asked], given, parts)

    def at(self, values: np.ndarray) -> np.ndarray:
        """The values (P, ...) at the numbers, from those at the nodes of each rank (m, ...); collective."""
        if self.comm.size == 1:
            return np.asarray(values[self.given])
        received = self.comm.alltoall([values[places] for places in self.asked])
        return np.concatenate([values, *received])[self.given]

    def added(self, values: np.ndarray, count: int) -> np.ndarray:
        """The sums (m,) at the nodes of each rank of values (P,) that all ranks have for the numbers; collective.

        Args:
            values: real.
            count: nodes of this rank, m.
        """
        # of no numbers bincount would be one of integers
        total = np.bincount(self.given, values, count + int(self.parts[-1])).astype(np.float64)
        result = total[:count]
        if self.comm.size > 1:
            sent = self.comm.alltoall([total[count + low : count + high] for low, high in pairwise(self.parts)])
            for places, added in zip(self.asked, sent):
                # no rank names a node twice here
                result[places] += added
        return result


@dataclass(frozen=True, eq=False)
class NearValues:
    """Values at the nodes of this rank and at those of others that it has asked for, by their numbers.

    Args:
        start: the first node of this rank.
        own: values at its nodes (m, ...).
        numbers: of the nodes of others, in order (H,).
        values: there (H, ...).
    """

    start: int
    own: np.ndarray
    numbers: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, comm: MPI.Comm, ends: np.ndarray, own: np.ndarray, parts: Iterable[np.ndarray]) -> NearValues:
        """Ask for them; collective.

        Args:
            comm: the ranks.
            ends: the first node of each rank, and behind them the number of nodes (ranks + 1,).
            own: values at the nodes of this rank (m, ...).
            parts: arrays of numbers of nodes, of this rank or others, some at a time; not looked at on one rank.
        """
        first, last = int(ends[comm.rank]), int(ends[comm.rank + 1])
        numbers = np.zeros(0, dtype=np.int64)
        if comm.size > 1:
            for part in parts:
                numbers = np.union1d(numbers, part[(part < first) | (part >= last)])
        return cls(first, own, numbers, NeighbourValues.of(comm, ends, numbers).at(own))

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Values (P, ...) at nodes (P,); this rank by itself."""
        own = numbers - self.start
        if not self.numbers.size:
            return np.asarray(self.own[own])
        here = (own >= 0) & (own < len(self.own))
        result = np.empty((len(numbers), *self.own.shape[1:]), dtype=self.own.dtype)
        result[here] = self.own[own[here]]
        result[~here] = self.values[np.searchsorted(self.numbers, numbers[~here])]
        return result
