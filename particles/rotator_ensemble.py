"""Samples of rotators: amplitudes of all members at times."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import _checks
from ._files import save_arrays
from .errors import InvalidArgument

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
        save_arrays(path, {"format": FORMAT, **content})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RotatorEnsemble:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        try:
            with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
            if int(content.pop("format")) != FORMAT or content["amplitudes"].ndim != 3:
                raise ValueError("another format")
            step, seed = float(content.pop("step")), int(content.pop("seed"))
            return cls(step=step, seed=seed, **content)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
            message = f"{os.fspath(path)} is not a file that RotatorEnsemble.save wrote: {error}"
            raise InvalidArgument("path", message) from error


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


def tile_of(start: np.ndarray, members: slice, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Real and imaginary parts (N, lanes) of some members; lanes that are left over repeat the last."""
    chosen = start[members]
    x, y = np.empty((2, start.shape[1], lanes))
    x[:], y[:] = chosen[-1].real[:, None], chosen[-1].imag[:, None]
    x[:, : len(chosen)], y[:, : len(chosen)] = chosen.real.T, chosen.imag.T
    return x, y
