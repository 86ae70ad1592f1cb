"""How statistics grow: tiles of runs by threads and ranks, joined in the order of the tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...support.logs import timed
from ...support.progress import ProgressBar
from ..saving import Saving
from ..workers import Stop, in_order_on_all_ranks
from .request import Tallied
from .tally import Tally

if TYPE_CHECKING:
    from mpi4py import MPI

Tallies = tuple[Tally, ...]


@dataclass(frozen=True, eq=False)
class Runs:
    """Independent runs that are made tile by tile.

    Args:
        runs: how many there are in all, R.
        width: runs in a tile; the last tile may have fewer.
        states: from the number of a tile and a signal to stop, which it looks at often, to the states (P, ...) of its
            runs, time after time.
        times: number T of times.
    """

    runs: int
    width: int
    states: Callable[[int, Stop], Iterator[np.ndarray]]
    times: int

    def tile(self, index: int, what: tuple[Tallied, ...], stop: Stop) -> Tallies:
        """The statistics of one tile."""
        tallies = [Tally.empty(one, self.times) for one in what]
        runs = 0
        for k, states in enumerate(self.states(index, stop)):
            runs = len(states)
            for one, tally in zip(what, tallies):
                values = one.of(states)
                if index == 0 and k == self.times - 1:
                    one.check_alone(states, values)
                tally.fill(k, values, one.edges)
        return tuple(tally.of(runs) for tally in tallies)


@dataclass(eq=False)
class GrowingStatistics:
    """Statistics of the runs 0 .. R-1.

    Args:
        runs: R.
        closed: of the complete tiles.
        partial: of the last tile, where it has fewer runs; else of no run.
    """

    runs: int
    closed: Tallies
    partial: Tallies

    @classmethod
    def empty(cls, what: tuple[Tallied, ...], times: int) -> GrowingStatistics:
        """Those of no run."""
        none = tuple(Tally.empty(one, times) for one in what)
        return cls(0, none, none)

    def complete(self) -> GrowingStatistics:
        """A copy of the complete tiles: a last one with fewer runs is made again, as a part of a larger one."""
        none = tuple(Tally(0, *(np.zeros_like(array) for array in one.arrays)) for one in self.closed)
        return GrowingStatistics(self.closed[0].runs, self.closed, none)

    def add(self, tile: Tallies, width: int) -> None:
        """Add the next tile; an interrupt finds the statistics either without it or with it."""
        whole = tile[0].runs == width
        grown = {
            "closed": tuple(a.joined(b) for a, b in zip(self.closed, tile)) if whole else self.closed,
            "partial": self.partial if whole else tile,
            "runs": self.runs + tile[0].runs,
        }
        # one call, between whose beginning and end Python handles no signal
        vars(self).update(grown)

    def snapshot(self) -> GrowingStatistics:
        """What does not change when this grows."""
        return GrowingStatistics(self.runs, self.closed, self.partial)

    @property
    def tallies(self) -> Tallies:
        """Of all runs."""
        return tuple(a.joined(b) for a, b in zip(self.closed, self.partial))


def grown(
    making: Runs,
    what: tuple[Tallied, ...],
    sums: GrowingStatistics,
    *,
    workers: int,
    progress: bool,
    write: Callable[[GrowingStatistics], None] | None,
    comm: MPI.Comm | None,
) -> GrowingStatistics:
    """The statistics of all runs, from those of the complete tiles of the given ones, and new tiles; collective.

    Args:
        making: the runs.
        what: is added up.
        sums: of the runs made so far; left as they are.
        workers: threads.
        progress: whether to show a progress bar.
        write: called on rank 0 with the statistics, from time to time and when the call ends, also by an error.
        comm: the ranks that share the tiles, or None.
    """
    growing = sums.complete() if sums.runs < making.runs else sums.snapshot()
    tiles = (
        range(growing.runs // making.width, -(-making.runs // making.width)) if growing.runs < making.runs else range(0)
    )
    bar = ProgressBar(making.runs, progress and (comm is None or comm.rank == 0), "run", growing.runs)

    def make(index: int, stop: Stop) -> Tallies:
        return making.tile(index, what, stop)

    with timed(comm, "statistics of samples") as said, Saving(write, growing, comm) as saving, closing(bar):
        said |= {"runs": making.runs - growing.runs, "threads": workers, "ranks": 1 if comm is None else comm.size}
        for tile in in_order_on_all_ranks(make, tiles, workers, comm):
            growing.add(tile, making.width)
            bar.update(tile[0].runs)
            saving.now_and_then()
    return growing.snapshot()
