"""How an ensemble is made: runs in chunks of fixed size, by threads and ranks, added up in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..sampling.philox import key_words
from ..sampling.ranks import on_all_ranks
from ..sampling.saving import Saving
from ..sampling.workers import Stop, in_order, in_order_on_all_ranks, looks_of
from ..support.logs import timed
from ..support.progress import ProgressBar
from .collisions import POWERS, add_moments, run_chunk
from .running_sums import Chunk, RunningSums
from .spec import PILOT_RUNS, EnsembleSpec

if TYPE_CHECKING:
    from mpi4py import MPI

# collisions that a thread makes before it asks whether it is to stop: about a quarter of a second
SLICE = 2**24


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of an ensemble, from their beginning or from later on.

    Args:
        spec: what is sampled.
        start: collisions already behind the velocities `entry`; 0 begins with the initial law.
        entry: velocities (R, n) of all runs to start from, or None.
    """

    spec: EnsembleSpec
    start: int = 0
    entry: NDArray[np.float64] | None = None

    def chunk(self, reference: np.ndarray, first: int, runs: int, stop: Stop) -> Chunk:
        """Make `runs` runs from `first` on, and their sums without the reference (T, n)."""
        spec, (snapshots, n) = self.spec, reference.shape
        sums = np.zeros((snapshots, POWERS + spec.lags, n))
        final = np.empty((runs, n)) if self.entry is None else self.entry[first : first + runs].copy()
        kept = np.empty((max(0, min(spec.kept_runs - first, runs)), snapshots, n))
        pairs = np.empty((runs, snapshots, 2))
        drift = np.zeros(2)
        # 16 runs at a time: their tiles fit the nearest cache
        at_once = min(max(2**20 // (snapshots * n), 1), 16, runs)
        buffer = np.empty((at_once, snapshots, n))
        for i in range(0, runs, at_once):
            states = buffer[: min(at_once, runs - i)]
            part = slice(i, i + states.shape[0])
            self.carry(first + i, final[part], states, drift, stop)
            add_moments(states, reference, sums)
            kept[part] = states[: kept[part].shape[0]]
            pairs[part] = states[:, :, spec.pair_site : spec.pair_site + 2]
        return Chunk(first, sums, kept, pairs, final if spec.keep_states else final[:0], drift)

    def carry(self, first: int, entry: np.ndarray, states: np.ndarray, drift: np.ndarray, stop: Stop) -> None:
        """Carry runs first, first + 1, .. to their snapshots, at most SLICE collisions at a time; see `run_chunk`."""
        collisions = int(self.spec.collisions[-1]) - self.start
        at_once = max(1, SLICE // max(collisions, 1))
        for i in range(0, len(states), at_once):
            stop.check()
            part = slice(i, i + at_once)
            if collisions <= SLICE:
                self._collide(first + i, self.start, self.spec.collisions, entry[part], states[part], drift)
            else:
                self._carry_one(first + i, entry[part], states[part], drift, stop)

    def _carry_one(self, run: int, entry: np.ndarray, states: np.ndarray, drift: np.ndarray, stop: Stop) -> None:
        """The same for one run that takes more than SLICE collisions."""
        between, done = np.empty((1, 1, self.spec.n)), self.start
        for k, last in enumerate(self.spec.collisions):
            while last - done > SLICE:
                # pieces end where blocks of random numbers begin
                after = (done // SLICE + 1) * SLICE
                self._collide(run, done, np.array([after]), entry, between, np.zeros(2))
                done = after
                stop.check()
            self._collide(run, done, np.array([last]), entry, states[:, k : k + 1], drift)
            done = int(last)

    def _collide(
        self, first: int, start: int, stops: np.ndarray, entry: np.ndarray, states: np.ndarray, drift: np.ndarray
    ) -> None:
        exchange, mean, std = self.spec.energy_exchange, self.spec.initial_mean, self.spec.initial_std
        run_chunk(exchange, mean, std, start, stops, first, *key_words(self.spec.seed), entry, states, drift)


def pilot_mean(spec: EnsembleSpec, workers: int, comm: MPI.Comm | None) -> NDArray[np.float64]:
    """Return the mean velocities (T, n) of the pilot runs, exact where no collision has happened yet; collective.

    Every rank makes all of them.
    """
    states, pilots, looks = np.empty((PILOT_RUNS, spec.times.size, spec.n)), Runs(spec), looks_of(comm)

    def make(run: int, stop: Stop) -> None:
        pilots.carry(run, np.empty((1, spec.n)), states[run : run + 1], np.zeros(2), stop)

    def made() -> None:
        with closing(
            in_order(make, range(PILOT_RUNS), workers, meanwhile=None if looks is None else looks.look)
        ) as results:
            for _ in results:
                if looks is not None:
                    looks.look()

    on_all_ranks(comm, made, looks)
    reference = states.mean(axis=0)
    reference[spec.collisions == 0] = spec.initial_mean
    return reference


def add_runs(
    making: Runs,
    sums: RunningSums,
    runs: int,
    *,
    workers: int,
    progress: bool = False,
    write: Callable[[RunningSums], None] | None = None,
    comm: MPI.Comm | None = None,
) -> RunningSums:
    """Return the sums over `runs` runs in all, made from the complete chunks of the given ones and new chunks.

    Args:
        making: what is sampled, and from where on.
        sums: over the runs made so far; left as they are.
        runs: number of runs in the result.
        workers: threads.
        progress: whether to show a progress bar.
        write: called on rank 0 with the sums, from time to time and when the call ends, also by an error.
        comm: communicator whose ranks share the chunks, or None.
    """
    growing, step = sums.with_room(making.spec, runs), making.spec.runs_per_chunk
    firsts = range(growing.runs, runs, step)
    shown = progress and (comm is None or comm.rank == 0)

    def make(first: int, stop: Stop) -> Chunk:
        return making.chunk(sums.reference, first, min(step, runs - first), stop)

    bar = ProgressBar(runs, shown, "run", growing.runs)
    with timed(comm, "collisions of balls") as said, Saving(write, growing, comm) as saving, closing(bar):
        said |= {"runs": runs - growing.runs, "threads": workers, "ranks": 1 if comm is None else comm.size}
        for chunk in in_order_on_all_ranks(make, firsts, workers, comm):
            growing.add(chunk, step)
            bar.update(chunk.runs)
            saving.now_and_then()
    return growing.snapshot()
