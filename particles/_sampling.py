"""How an ensemble is made: runs in chunks of fixed size, by threads and ranks, added up in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _checks
from ._collisions import POWERS, add_moments, run_chunk
from ._philox import key_words
from .workers import Stop, default_workers, in_order

PILOT_RUNS = 32  # runs whose mean is subtracted before products are summed, so that small variances keep their digits


def collision_rate(n: int, energy_exchange: bool) -> float:
    """Collisions in a unit of PDE time: (n-1)^2 (n-2)/2 (Remark 2.4); with sorting only (n-1)^3/2."""
    choices = n - 2 if energy_exchange else n - 1
    return (n - 1) ** 2 * choices / 2.0


@dataclass(frozen=True, eq=False)
class Request:
    """All that determines the numbers of an ensemble, apart from how many runs it has.

    times (T,), collisions (T,), initial_mean (n,), initial_std (n,); see `PinnedBalls.sample`.
    """

    times: np.ndarray
    collisions: np.ndarray
    initial_mean: np.ndarray
    initial_std: np.ndarray
    energy_exchange: bool
    seed: int
    lags: int
    pair_site: int
    keep_states: bool

    @property
    def n(self) -> int:
        """Number of balls."""
        return self.initial_mean.size

    @property
    def runs_per_chunk(self) -> int:
        """Runs that one thread makes at a time; a function of n alone, so that it never changes a result."""
        return min(max(100_000 // self.n, 1), 100)

    @property
    def kept_runs(self) -> int:
        """How many of the first runs are kept whole at every snapshot."""
        return max(2**16 // self.n, 1)

    def same_as(self, other: Request) -> bool:
        """Whether both ask for the same numbers."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in self.__dataclass_fields__
            if name != "times"
        ) and np.allclose(self.times, other.times, rtol=1e-14, atol=0)


@dataclass(frozen=True, eq=False)
class Tally:
    """Raw sums over runs 0 .. runs-1.

    closed (T, 4+K, n) holds the whole chunks, partial the unfinished one (zero when there is none); kept (k, T, n) the
    first runs; pairs (R, T, 2) the velocities at the pair site; states (R, n) the last velocities, or (0, n).
    """

    runs: int
    closed: np.ndarray
    partial: np.ndarray
    reference: np.ndarray
    kept: np.ndarray
    pairs: np.ndarray
    states: np.ndarray
    drift: np.ndarray

    @staticmethod
    def empty(request: Request, reference: np.ndarray) -> Tally:
        """Return the tally of no run."""
        shape = (request.times.size, POWERS + request.lags, request.n)
        return Tally(
            runs=0,
            closed=np.zeros(shape),
            partial=np.zeros(shape),
            reference=reference,
            kept=np.empty((0, shape[0], shape[2])),
            pairs=np.empty((0, shape[0], 2)),
            states=np.empty((0, shape[2])),
            drift=np.zeros(2),
        )


@dataclass(frozen=True, eq=False)
class _Chunk:
    first: int
    sums: np.ndarray
    kept: np.ndarray
    pairs: np.ndarray
    states: np.ndarray
    drift: np.ndarray

    @property
    def runs(self) -> int:
        return self.pairs.shape[0]


def pilot(request: Request) -> np.ndarray:
    """Return the mean velocities (T, n) of the pilot runs, exact where no collision has happened yet."""
    states = np.empty((PILOT_RUNS, request.times.size, request.n))
    _run(request, 0, 0, np.empty((PILOT_RUNS, request.n)), states, np.zeros(2))
    reference = states.mean(axis=0)
    reference[request.collisions == 0] = request.initial_mean
    return reference


def _run(request: Request, first: int, start: int, entry: np.ndarray, states: np.ndarray, drift: np.ndarray) -> None:
    run_chunk(
        request.energy_exchange,
        request.initial_mean,
        request.initial_std,
        start,
        request.collisions,
        first,
        *key_words(request.seed),
        entry,
        states,
        drift,
    )


def _make_chunk(
    request: Request, reference: np.ndarray, first: int, runs: int, start: int, entry: np.ndarray | None
) -> _Chunk:
    snapshots, n = reference.shape
    sums = np.zeros((snapshots, POWERS + request.lags, n))
    final = np.empty((runs, n)) if entry is None else entry[first : first + runs].copy()
    kept = np.empty((max(0, min(request.kept_runs - first, runs)), snapshots, n))
    pairs = np.empty((runs, snapshots, 2))
    drift = np.zeros(2)
    at_once = min(max(2**20 // (snapshots * n), 1), 16, runs)  # 16 tiles of runs fit the nearest cache
    buffer = np.empty((at_once, snapshots, n))
    for i in range(0, runs, at_once):
        states = buffer[: min(at_once, runs - i)]
        part = slice(i, i + states.shape[0])
        _run(request, first + i, start, final[part], states, drift)
        add_moments(states, reference, sums)
        kept[part] = states[: kept[part].shape[0]]
        pairs[part] = states[:, :, request.pair_site : request.pair_site + 2]
    return _Chunk(first, sums, kept, pairs, final if request.keep_states else final[:0], drift)


def _bar(total: int, done: int, progress: bool) -> Any:
    if not progress:
        return None
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit="run", disable=None, leave=False)


def add_runs(
    request: Request,
    tally: Tally,
    runs: int,
    *,
    start: int = 0,
    entry: np.ndarray | None = None,
    workers: int | None = None,
    progress: bool = False,
    after_chunk: Callable[[Tally], None] | None = None,
    comm: Any = None,
) -> Tally:
    """Return the tally of `runs` runs in all, made from the whole chunks of the given one and new chunks.

    Args:
        request: what is sampled.
        tally: the runs made so far.
        runs: number of runs in the result.
        start: collisions already behind the velocities `entry` (R, n); 0 begins with the initial law.
        entry: velocities to start from, or None.
        workers: threads.
        progress: whether to show a progress bar.
        after_chunk: called on rank 0 with the tally after every chunk.
        comm: mpi4py communicator whose ranks share the chunks, or None.
    """
    workers = default_workers(comm) if workers is None else _checks.integer("workers", workers, 1)
    _checks.flag("progress", progress)
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    step = request.runs_per_chunk
    growing = _Growing(request, tally, runs)
    firsts = list(range(growing.runs, runs, step))
    bar = _bar(runs, growing.runs, progress and rank == 0)

    def make(first: int, stop: Stop) -> _Chunk:
        return _make_chunk(request, tally.reference, first, min(step, runs - first), start, entry)

    with closing(in_order(make, firsts[rank::size], workers)) as mine:
        for _ in range(0, len(firsts), size):
            chunk = next(mine, None)
            for part in [chunk] if comm is None else comm.allgather(chunk):
                if part is None:
                    continue
                growing.add(part)
                if bar is not None:
                    bar.update(part.runs)
            if after_chunk is not None and rank == 0:
                after_chunk(growing.tally())
    if bar is not None:
        bar.close()
    return growing.tally()


class _Growing:
    """Sums that grow chunk by chunk; the arrays of all runs are allocated once."""

    def __init__(self, request: Request, tally: Tally, runs: int) -> None:
        done = tally.runs - tally.runs % request.runs_per_chunk
        self._step = request.runs_per_chunk
        self.runs = done
        self._closed = tally.closed.copy()
        self._partial = np.zeros_like(tally.partial)
        self._reference = tally.reference
        self._kept = tally.kept[:done]
        self._pairs = np.empty((runs, *tally.pairs.shape[1:]))
        self._pairs[:done] = tally.pairs[:done]
        self._states = np.empty((runs if request.keep_states else 0, request.n))
        self._states[:done] = tally.states[:done]
        self._drift = tally.drift.copy()

    def add(self, chunk: _Chunk) -> None:
        if chunk.runs == self._step:
            self._closed += chunk.sums
        else:
            self._partial = chunk.sums
        part = slice(chunk.first, chunk.first + chunk.runs)
        self._kept = np.concatenate([self._kept, chunk.kept])
        self._pairs[part] = chunk.pairs
        self._states[part] = chunk.states
        self._drift = np.maximum(self._drift, chunk.drift)
        self.runs = chunk.first + chunk.runs

    def tally(self) -> Tally:
        return Tally(
            runs=self.runs,
            closed=self._closed,
            partial=self._partial,
            reference=self._reference,
            kept=self._kept,
            pairs=self._pairs[: self.runs],
            states=self._states[: self.runs],
            drift=self._drift,
        )


def joined(earlier: Tally, later: Tally) -> Tally:
    """Return the tally at the snapshots of both, of the same runs."""
    return replace(
        later,
        closed=np.concatenate([earlier.closed, later.closed]),
        partial=np.concatenate([earlier.partial, later.partial]),
        reference=np.concatenate([earlier.reference, later.reference]),
        kept=np.concatenate([earlier.kept, later.kept], axis=1),
        pairs=np.concatenate([earlier.pairs, later.pairs], axis=1),
        drift=np.maximum(earlier.drift, later.drift),
    )
