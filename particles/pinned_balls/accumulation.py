"""How an ensemble is made: runs in chunks of fixed size, by threads and ranks, added up in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ..sampling.checkpoint_clock import Saving
from ..sampling.philox import key_words
from ..sampling.ranks import on_all_ranks
from ..sampling.workers import Stop, in_order, warn_if_long
from .collisions import POWERS, add_moments, run_chunk

PILOT_RUNS = 32  # runs whose mean is subtracted before products are summed, so that small variances keep their digits

SLICE = 2**24  # collisions that a thread makes before it asks whether it is to stop: about a quarter of a second
MOST_COLLISIONS = 2**44  # in a run; a month on one core
SECONDS_PER_COLLISION = 1.2e-8  # of one core


def collision_rate(n: int, energy_exchange: bool) -> float:
    """Collisions in a unit of PDE time: (n-1)^2 (n-2)/2 (Remark 2.4); with sorting only (n-1)^3/2."""
    choices = n - 2 if energy_exchange else n - 1
    return (n - 1) ** 2 * choices / 2.0


def collision_numbers(times: np.ndarray, n: int, energy_exchange: bool) -> np.ndarray:
    """Return the rounded numbers (T,) of collisions that make up times (T,) of the effective equations.

    Raises:
        InvalidArgument: more than any computer can make.
    """
    with np.errstate(over="ignore"):
        numbers = times * collision_rate(n, energy_exchange)
    if numbers.max(initial=0.0) > MOST_COLLISIONS:
        raise InvalidArgument(
            "times",
            f"are in the unit of the effective equations; {times[-1]:.3g} is {numbers.max():.2g} collisions of {n} "
            f"balls, more than {MOST_COLLISIONS:.2g}",
        )
    return np.array([round(float(number)) for number in numbers], dtype=np.int64)


def warn_of_long_runs(request: Request, runs: int, workers: int, comm: Any, start: int = 0) -> None:
    """Warn where runs take more than ten minutes, judged by their collisions; on rank 0."""
    if comm is not None and comm.rank > 0:
        return
    each = int(request.collisions[-1]) - start
    ranks = 1 if comm is None else comm.size
    freeze = math.sqrt(math.pi) / (request.n - 1)
    warn_if_long(
        f"{runs} runs of {each:.2g} collisions, to the time {request.times[-1]:.3g} of the effective equations,",
        (runs + PILOT_RUNS) * each * SECONDS_PER_COLLISION,
        workers * ranks,
        f"noise of order one freezes near 0.5/lambda = {freeze:.2g}; take shorter times or fewer runs",
    )


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

    def arguments(self) -> dict[str, Any]:
        """What the ranks that share the runs must agree on, by the names of the arguments."""
        return {
            "times": np.stack([self.times, self.collisions]),
            "mean": self.initial_mean,
            "std": self.initial_std,
            "energy_exchange": self.energy_exchange,
            "seed": self.seed,
            "lags": self.lags,
            "pair_site": self.pair_site,
            "keep_states": self.keep_states,
        }

    def fits(self, tally: Tally) -> bool:
        """Whether the shapes of a tally are those of this request."""
        if not all(isinstance(v, np.ndarray) and v.dtype.kind in "fi" for v in (self.times, self.initial_mean)):
            return False
        t, n, runs = self.times.size, self.initial_mean.size, tally.runs
        sums = (t, POWERS + self.lags, n)
        wanted = {
            "closed": sums, "partial": sums, "reference": (t, n), "pairs": (runs, t, 2), "drift": (2,),
            "kept": (min(runs, self.kept_runs), t, n), "states": (runs if self.keep_states else 0, n),
        }  # fmt: skip
        found = {name: np.shape(getattr(tally, name)) for name in wanted}
        return found == wanted and self.collisions.shape == (t,) and self.initial_std.shape == (n,)

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


def pilot(request: Request, workers: int) -> np.ndarray:
    """Return the mean velocities (T, n) of the pilot runs, exact where no collision has happened yet."""
    states = np.empty((PILOT_RUNS, request.times.size, request.n))

    def make(run: int, stop: Stop) -> None:
        _run(request, run, 0, np.empty((1, request.n)), states[run : run + 1], np.zeros(2), stop)

    with closing(in_order(make, range(PILOT_RUNS), workers)) as runs:
        for _ in runs:
            pass
    reference = states.mean(axis=0)
    reference[request.collisions == 0] = request.initial_mean
    return reference


def _run(
    request: Request, first: int, start: int, entry: np.ndarray, states: np.ndarray, drift: np.ndarray, stop: Stop
) -> None:
    """Carry runs first, first + 1, .. to their snapshots, in pieces of at most SLICE collisions; see `run_chunk`."""
    collisions = int(request.collisions[-1]) - start
    at_once = max(1, SLICE // max(collisions, 1))
    for i in range(0, len(states), at_once):
        stop.check()
        part = slice(i, i + at_once)
        if collisions <= SLICE:
            _carry(request, first + i, start, request.collisions, entry[part], states[part], drift)
        else:
            _run_in_pieces(request, first + i, start, entry[part], states[part], drift, stop)


def _run_in_pieces(
    request: Request, run: int, start: int, entry: np.ndarray, states: np.ndarray, drift: np.ndarray, stop: Stop
) -> None:
    between, done = np.empty((1, 1, request.n)), start
    for k, last in enumerate(request.collisions):
        while last - done > SLICE:
            after = (done // SLICE + 1) * SLICE  # where blocks of random numbers begin
            _carry(request, run, done, np.array([after]), entry, between, np.zeros(2))
            done = after
            stop.check()
        _carry(request, run, done, np.array([last]), entry, states[:, k : k + 1], drift)
        done = int(last)


def _carry(
    request: Request,
    first: int,
    start: int,
    stops: np.ndarray,
    entry: np.ndarray,
    states: np.ndarray,
    drift: np.ndarray,
) -> None:
    run_chunk(
        request.energy_exchange,
        request.initial_mean,
        request.initial_std,
        start,
        stops,
        first,
        *key_words(request.seed),
        entry,
        states,
        drift,
    )


def _make_chunk(
    request: Request, reference: np.ndarray, first: int, runs: int, start: int, entry: np.ndarray | None, stop: Stop
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
        _run(request, first + i, start, final[part], states, drift, stop)
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
    workers: int,
    progress: bool = False,
    write: Callable[[Tally], None] | None = None,
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
        write: called on rank 0 with the tally, from time to time and when the call ends, also by an error.
        comm: mpi4py communicator whose ranks share the chunks, or None.
    """
    growing = _Growing(request, tally, runs)
    saving = Saving(write, growing, comm)
    bar = _bar(runs, growing.runs, progress and saving.writes_here)
    try:
        for part in _chunks(
            request, tally.reference, range(growing.runs, runs, growing.step), runs, start, entry, workers, comm
        ):
            growing.add(part)
            if bar is not None:
                bar.update(part.runs)
            saving.now_and_then()
    except BaseException:
        saving.before_the_end()
        raise
    finally:
        if bar is not None:
            bar.close()
    saving.at_the_end()
    return growing.tally()


def _chunks(
    request: Request, reference: np.ndarray, firsts: range, runs: int, start: int, entry: np.ndarray | None,
    workers: int, comm: Any,
) -> Iterator[_Chunk]:  # fmt: skip
    """Yield the chunks that begin with these runs, in order and on all ranks, which share their making."""
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)

    def make(first: int, stop: Stop) -> _Chunk:
        return _make_chunk(request, reference, first, min(firsts.step, runs - first), start, entry, stop)

    with closing(in_order(make, firsts[rank::size], workers)) as mine:
        for _ in range(0, len(firsts), size):
            chunk = on_all_ranks(comm, lambda: next(mine, None))
            parts = [chunk] if comm is None else comm.allgather(chunk)
            yield from (part for part in parts if part is not None)


class _Growing:
    """Sums that grow chunk by chunk; the arrays of all runs are allocated once."""

    def __init__(self, request: Request, tally: Tally, runs: int) -> None:
        done = tally.runs - tally.runs % request.runs_per_chunk
        self.step = request.runs_per_chunk
        self.runs, self.whole = done, True
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
        self.whole = False  # until the end: an interrupt may come between any two lines
        if chunk.runs == self.step:
            self._closed += chunk.sums
        else:
            self._partial = chunk.sums
        part = slice(chunk.first, chunk.first + chunk.runs)
        self._kept = np.concatenate([self._kept, chunk.kept])
        self._pairs[part] = chunk.pairs
        self._states[part] = chunk.states
        self._drift = np.maximum(self._drift, chunk.drift)
        self.runs = chunk.first + chunk.runs
        self.whole = True

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
