"""Samples of paths of diffusions."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ..support import checks
from ..support.archive import load_arrays, save_arrays, target

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Paths:
    """Positions of P independent paths at T times.

    Args:
        times: (T,).
        positions: X (T, P, d).
        step: the largest time step that was taken.
        seed: of the random numbers.
    """

    times: np.ndarray
    positions: np.ndarray
    step: float
    seed: int

    @property
    def mean(self) -> np.ndarray:
        """E X (T, d)."""
        return self.positions.mean(axis=1)

    def average(self, observable: Callable[[np.ndarray], Any]) -> tuple[np.ndarray, np.ndarray]:
        """E f(X) at the times, and its standard error.

        Args:
            observable: f, from points (P, d) to values (P,).

        Returns:
            The means and the standard errors (T,), (T,).
        """
        values = np.array([checks.evaluated("observable", observable, x) for x in self.positions])
        count = values.shape[1]
        spread = values.std(axis=1, ddof=1) if count > 1 else np.full(len(values), np.inf)  # one path tells no error
        return values.mean(axis=1), spread / np.sqrt(count)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.

        Raises:
            InvalidArgument: no path of a file in a folder that is there.
        """
        save_arrays(target("path", path), {"kind": "Paths", "format": FORMAT, **vars(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Paths:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        content = load_arrays(path, "Paths", FORMAT, {"times", "positions", "step", "seed"})
        return cls(content["times"], content["positions"], float(content["step"]), int(content["seed"]))


def checked_start(initial: Any, paths: Any, dim: int) -> np.ndarray:
    """Return X(0) of each path (paths, d), from that of all of them (d,) or of each."""
    number = checks.integer("paths", paths, 1, 2**33)
    start = checks.real_array("initial", initial)
    if start.shape not in ((dim,), (number, dim)):
        raise InvalidArgument("initial", f"must have the shape ({dim},) or ({number}, {dim}), not {start.shape}")
    return np.broadcast_to(start, (number, dim))
