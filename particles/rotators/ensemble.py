"""Samples of rotators: amplitudes of all members at times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InvalidArgument, Unstable
from ..sampling.tiles import over_tiles
from ..sampling.workers import Stop, default_workers, warn_if_long
from ..support import checks
from ..support.archive import load_arrays, save_arrays, target
from .dissipations.kernels import LANES

FORMAT = 1
SLICE = 0.1  # seconds
LEAST_SECONDS = 2e-9  # of a step of a site of a member
LEAST_TOTAL = 0.5  # below it, no step makes a call long
TRIED = 10_000_000  # steps of sites and lanes for a try: at most a tenth of a second or so
ASTRAY = 1e6  # amplitudes beyond it, in units of their scale, are taken for an instability


@dataclass(frozen=True, eq=False)
class RotatorEnsemble:
    """Amplitudes of N rotators in P independent members at T slow times.

    Args:
        times: tau (T,).
        amplitudes: u (T, P, N), complex.
        step: the time step that was taken, of the fast time t for a lattice, of the slow time for its limit.
        seed: of the random numbers.
    """

    times: np.ndarray
    amplitudes: np.ndarray
    step: float
    seed: int

    @cached_property
    def actions(self) -> np.ndarray:
        """I = |u|^2/2 (T, P, N)."""
        return 0.5 * (self.amplitudes.real**2 + self.amplitudes.imag**2)

    @property
    def angles(self) -> np.ndarray:
        """Phi = arg u in (-pi, pi] (T, P, N)."""
        return np.angle(self.amplitudes)

    @property
    def mean(self) -> np.ndarray:
        """E I (T, N)."""
        return self.actions.mean(axis=1)

    @property
    def standard_error(self) -> np.ndarray:
        """Of `mean` (T, N); infinite for one member, of which nothing can be said."""
        if self.actions.shape[1] == 1:
            return np.full(self.mean.shape, np.inf)
        return self.actions.std(axis=1, ddof=1) / np.sqrt(self.actions.shape[1])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.
        """
        content = {"times": self.times, "amplitudes": self.amplitudes, "step": self.step, "seed": self.seed}
        save_arrays(target("path", path), {"kind": "RotatorEnsemble", "format": FORMAT, **content})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RotatorEnsemble:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        content = load_arrays(path, "RotatorEnsemble", FORMAT, {"times", "amplitudes", "step", "seed"})
        return cls(content["times"], content["amplitudes"], float(content["step"]), int(content["seed"]))


def complex_amplitudes(name: str, value: Any) -> np.ndarray:
    """Amplitudes u as a new array of complex numbers, all finite.

    Raises:
        InvalidArgument: texts, None and the like, or numbers that are not finite.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biufcO" or np.ma.is_masked(value):
            raise TypeError
        found = np.array(given, dtype=np.complex128)
    except (TypeError, ValueError):
        raise InvalidArgument(name, f"must be an array of complex numbers, not {checks.shown(value)}") from None
    if not np.isfinite(found).all():
        raise InvalidArgument(name, "must be finite; it contains NaN or infinity")
    return found


def checked_amplitudes(initial: Any, runs: Any, size: int) -> np.ndarray:
    """Return u(0) of each member (runs, N), complex, from that of all of them (N,) or of each."""
    number = checks.integer("runs", runs, 1, 2**31)
    start = complex_amplitudes("initial", initial)
    if start.shape not in ((size,), (number, size)):
        raise InvalidArgument("initial", f"must have the shape ({size},) or ({number}, {size}), not {start.shape}")
    return np.broadcast_to(start, (number, size))


@dataclass(frozen=True)
class Journey:
    """The way of all members through the snapshots.

    Args:
        start: u(0) (P, N).
        counts: the numbers of steps (T,) before each snapshot.
        noises: the numbers of noises (T,) that they use.
        advance: takes x + i y (N, LANES) the steps first, .., first + some - 1 before snapshot k, in place, from x, y,
            k, first, some, the number of noises used before, and the first member of the tile.
        step: size of the steps.
        block: steps after which all parts of the scheme have had their turn.
        scale: the size of amplitudes.
        remedy: what helps where a member leaves all bounds.
    """

    start: np.ndarray
    counts: np.ndarray
    noises: np.ndarray
    advance: Callable[..., None]
    step: float
    block: int
    scale: float
    remedy: str

    def sampled(self, workers: int | None, progress: bool, comm: Any) -> np.ndarray:
        """The amplitudes (T, P, N) of all members, tile by tile, in slices between which an interrupt is seen.

        Args:
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the members, or None.
        """
        if self.counts.any():
            self._begin(workers, comm)
        tiles = over_tiles(self._tile, len(self.start), workers, progress, comm, LANES)
        return np.concatenate(tiles, axis=1)

    def _begin(self, workers: int | None, comm: Any) -> None:
        """Compile, where Ctrl-C is heard at once, and warn of a way that is very long, by a try of its first steps.

        Nothing is said where no step is taken, or where even a fast one could not make the way long.
        """
        threads = default_workers(comm) if workers is None else checks.integer("workers", workers, 1)
        k, (members, sites) = int(self.counts.argmax()), self.start.shape
        x, y = np.zeros((2, sites, LANES))
        self._advance(x, y, k, 1, 0, 0, 0)
        if float(self.counts.sum()) * sites * members * LEAST_SECONDS < LEAST_TOTAL:
            return
        x[:], y[:] = self.start[0].real[:, None], self.start[0].imag[:, None]
        tried = min(self.block, int(self.counts[k]), max(1, TRIED // (sites * LANES)))
        begun = time.perf_counter()
        self._advance(x, y, k, int(tried + 1 < self.block), tried, 0, 0)
        seconds = (time.perf_counter() - begun) * float(self.counts.sum()) / tried * -(-members // LANES)
        if comm is None or comm.rank == 0:
            ranks = 1 if comm is None else comm.size
            what = f"{float(self.counts.sum()):.2g} steps of {self.step:.2g} of {members} members of {sites} sites"
            warn_if_long(what, seconds, threads * ranks, "take fewer members, shorter times or a larger epsilon")

    def _tile(self, index: int, stop: Stop) -> np.ndarray:
        chosen = self.start[index * LANES : (index + 1) * LANES]
        x, y = np.empty((2, self.start.shape[1], LANES))
        x[:], y[:] = chosen[-1].real[:, None], chosen[-1].imag[:, None]  # lanes that are left over repeat the last
        x[:, : len(chosen)], y[:, : len(chosen)] = chosen.real.T, chosen.imag.T
        result = np.empty((len(self.counts), *chosen.shape), dtype=np.complex128)
        used, pace = 0, Pace()
        for k, (count, noises) in enumerate(zip(self.counts, self.noises)):
            for first, some in pace.slices(int(count), stop):
                self._advance(x, y, k, first, some, used, index * LANES)
                self._check(x, y)
            used += int(noises)
            result[k].real, result[k].imag = x[:, : len(chosen)].T, y[:, : len(chosen)].T
            self._check(x, y)
        return result

    def _advance(self, *arguments: Any) -> None:
        try:
            self.advance(*arguments)
        except Exception as error:  # compiled kernels raise what the functions of the user raise
            raise InvalidArgument(
                "lattice", f"one of its functions raises {type(error).__name__} at amplitudes of the sample: {error}"
            ) from error

    def _check(self, x: np.ndarray, y: np.ndarray) -> None:
        """Raise Unstable if an amplitude is not finite, or absurdly large against the scale."""
        if not (np.maximum(np.abs(x), np.abs(y)) < ASTRAY * self.scale).all():
            raise Unstable(f"a member has left all bounds with the time step {self.step:.3g}. Remedy: {self.remedy}.")


class Pace:
    """How many steps a thread takes between two looks at an interrupt: about a tenth of a second."""

    def __init__(self) -> None:
        self._size = 1

    def slices(self, count: int, stop: Stop) -> Iterator[tuple[int, int]]:
        """Yield (first, number) of slices that make up 0 .. count-1."""
        first = 0
        while first < count:
            stop.check()
            some, begun = min(self._size, count - first), time.perf_counter()
            yield first, some
            taken, first = time.perf_counter() - begun, first + some
            if taken < 0.5 * SLICE:
                self._size = 2 * self._size
            elif taken > 2 * SLICE:
                self._size = max(1, self._size // 2)
        stop.check()
