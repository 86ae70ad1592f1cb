"""Values at nodes of a grid whose numbers this rank names, whichever rank has them: halos of a few nodes, not all."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    comm: MPI.Comm
    asked: list[np.ndarray]
    given: np.ndarray

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
            return cls(comm, [], numbers - first)
        others, places = np.unique(numbers[~own], return_inverse=True)
        given = np.where(own, numbers - first, 0)
        given[~own] = last - first + places
        parts = np.split(others, np.searchsorted(others, ends[1:-1]))
        return cls(comm, [there - first for there in comm.alltoall(parts)], given)

    def at(self, values: np.ndarray) -> np.ndarray:
        """The values (P, ...) at the numbers, from those at the nodes of each rank (m, ...); collective."""
        if self.comm.size == 1:
            return np.asarray(values[self.given])
        received = self.comm.alltoall([values[places] for places in self.asked])
        return np.concatenate([values, *received])[self.given]
