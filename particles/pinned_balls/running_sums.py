"""Sums over the runs of an ensemble, grown chunk by chunk in the order of the runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .collisions import POWERS
from .spec import EnsembleSpec


@dataclass(frozen=True, eq=False)
class Chunk:
    """What the runs `first`, `first` + 1, ... give: their sums, and the other arrays as in `RunningSums`."""

    first: int
    sums: NDArray[np.float64]
    kept: NDArray[np.float64]
    pairs: NDArray[np.float64]
    states: NDArray[np.float64]
    drift: NDArray[np.float64]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.pairs.shape[0]


@dataclass(eq=False)
class RunningSums:
    """Raw sums over runs 0 .. R-1 of n balls at T snapshots.

    Args:
        runs: R.
        closed: sums over the complete chunks (T, 4+K, n): powers 1 to 4 of u = v - reference, then u(x) u(x+k).
        partial: the same over the last chunk, where that has fewer runs (0 where it has not).
        reference: velocities (T, n) that are subtracted, so that small variances keep their digits.
        kept: velocities of the first runs (k, T, n).
        pairs: velocities at the pair site (R, T, 2).
        states: velocities after the last snapshot (R, n), or (0, n).
        drift: largest relative changes of momentum and energy (2,).
    """

    runs: int
    closed: NDArray[np.float64]
    partial: NDArray[np.float64]
    reference: NDArray[np.float64]
    kept: NDArray[np.float64]
    pairs: NDArray[np.float64]
    states: NDArray[np.float64]
    drift: NDArray[np.float64]

    @classmethod
    def empty(cls, spec: EnsembleSpec, reference: np.ndarray) -> RunningSums:
        """The sums over no run."""
        snapshots, n = reference.shape
        sums = np.zeros((2, snapshots, POWERS + spec.lags, n))
        kept, pairs, states = np.empty((0, snapshots, n)), np.empty((0, snapshots, 2)), np.empty((0, n))
        return cls(0, sums[0], sums[1], reference, kept, pairs, states, np.zeros(2))

    def with_room(self, spec: EnsembleSpec, runs: int) -> RunningSums:
        """A copy of the complete chunks, whose arrays of all runs are long enough for `runs` of them."""
        done = self.runs - self.runs % spec.runs_per_chunk
        pairs = np.empty((runs, *self.pairs.shape[1:]))
        states = np.empty((runs if spec.keep_states else 0, spec.n))
        pairs[:done], states[:done] = self.pairs[:done], self.states[:done]
        return RunningSums(
            done, self.closed.copy(), np.zeros_like(self.partial), self.reference, self.kept[:done], pairs, states,
            self.drift.copy(),
        )  # fmt: skip

    def add(self, chunk: Chunk, runs_per_chunk: int) -> None:
        """Add the next chunk, whose arrays are taken over; an interrupt finds the sums either without it or with it."""
        complete = chunk.runs == runs_per_chunk
        part = slice(chunk.first, chunk.first + chunk.runs)
        # beyond the runs that are counted
        self.pairs[part], self.states[part] = chunk.pairs, chunk.states
        grown = {
            "closed": np.add(self.closed, chunk.sums, out=chunk.sums) if complete else self.closed,
            "partial": self.partial if complete else chunk.sums,
            "kept": np.concatenate([self.kept, chunk.kept]),
            "drift": np.maximum(self.drift, chunk.drift),
            "runs": part.stop,
        }
        # one call, between whose beginning and end Python handles no signal
        vars(self).update(grown)

    def snapshot(self) -> RunningSums:
        """The same without the room for further runs."""
        return replace(self, pairs=self.pairs[: self.runs], states=self.states[: self.runs])

    def joined(self, later: RunningSums) -> RunningSums:
        """The sums at the snapshots of both, of the same runs."""
        first = {name: np.concatenate([getattr(self, name), getattr(later, name)])
                 for name in ("closed", "partial", "reference")}  # fmt: skip
        second = {name: np.concatenate([getattr(self, name), getattr(later, name)], axis=1)
                  for name in ("kept", "pairs")}  # fmt: skip
        return replace(later, **first, **second, drift=np.maximum(self.drift, later.drift))

    def fits(self, spec: EnsembleSpec) -> bool:
        """Whether the shapes are those of what the specification asks for."""
        if not all(isinstance(v, np.ndarray) and v.dtype.kind in "fi" for v in (spec.times, spec.initial_mean)):
            return False
        t, n, runs = spec.times.size, spec.n, self.runs
        sums = (t, POWERS + spec.lags, n)
        shapes = {
            "closed": sums, "partial": sums, "reference": (t, n), "pairs": (runs, t, 2), "drift": (2,),
            "kept": (min(runs, spec.kept_runs), t, n), "states": (runs if spec.keep_states else 0, n),
        }  # fmt: skip
        fit = all(np.shape(getattr(self, name)) == shape for name, shape in shapes.items())
        return fit and spec.collisions.shape == (t,) and spec.initial_std.shape == (n,)
