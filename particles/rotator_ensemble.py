"""Samples of rotators: amplitudes of all members at times."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import _checks
from ._drift_kernels import LANES
from ._files import load_arrays, save_arrays
from .errors import InvalidArgument
from .paths import Unstable, over_tiles
from .workers import Stop

FORMAT = 1


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
        """Of `mean` (T, N)."""
        return self.actions.std(axis=1, ddof=1) / np.sqrt(self.actions.shape[1])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.
        """
        content = {"times": self.times, "amplitudes": self.amplitudes, "step": self.step, "seed": self.seed}
        save_arrays(path, {"kind": "RotatorEnsemble", "format": FORMAT, **content})

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


def checked_amplitudes(initial: Any, runs: Any, size: int) -> np.ndarray:
    """Return u(0) of each member (runs, N), complex, from that of all of them (N,) or of each."""
    number = _checks.integer("runs", runs, 1, 2**31)
    try:
        start = np.array(initial, dtype=np.complex128)
    except (TypeError, ValueError):
        raise InvalidArgument("initial", f"must be complex amplitudes, not {type(initial).__name__}") from None
    if start.shape not in ((size,), (number, size)):
        raise InvalidArgument("initial", f"must have the shape ({size},) or ({number}, {size}), not {start.shape}")
    if not np.isfinite(start).all():
        raise InvalidArgument("initial", "must be finite; it contains NaN or infinity")
    return np.broadcast_to(start, (number, size))


def sampled(
    start: np.ndarray, counts: np.ndarray, advance: Callable[..., int], step: float, workers: int | None,
    progress: bool, comm: Any,
) -> np.ndarray:  # fmt: skip
    """The amplitudes (T, P, N) of all members, tile by tile.

    Args:
        start: u(0) (P, N).
        counts: the numbers of steps (T,) before each snapshot.
        advance: from x, y (N, LANES), the number of a snapshot, the number of noises used so far and the first member
            of the tile; it takes x + i y there, and returns how many noises it has used.
        step: for the message where a member leaves all bounds.
        workers: threads, or None.
        progress: whether to show a progress bar.
        comm: the ranks that share the members, or None.
    """

    def tile(index: int, stop: Stop) -> np.ndarray:
        chosen = start[index * LANES : (index + 1) * LANES]
        x, y = np.empty((2, start.shape[1], LANES))
        x[:], y[:] = chosen[-1].real[:, None], chosen[-1].imag[:, None]  # lanes that are left over repeat the last
        x[:, : len(chosen)], y[:, : len(chosen)] = chosen.real.T, chosen.imag.T
        result = np.empty((len(counts), *chosen.shape), dtype=np.complex128)
        noises = 0
        for k, count in enumerate(counts):
            stop.check()
            if count:
                noises += advance(x, y, k, noises, index * LANES)
            result[k].real, result[k].imag = x[:, : len(chosen)].T, y[:, : len(chosen)].T
            Unstable.check(result[k], step)
        return result

    return np.concatenate(over_tiles(tile, len(start), workers, progress, comm, LANES), axis=1)
