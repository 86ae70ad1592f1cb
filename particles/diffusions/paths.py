"""Paths of diffusions: the result, and how paths are taken through the snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..sampling.normal_tiles import TILE
from ..sampling.samples import Samples, start_of_each
from ..sampling.steps import even_steps, longest_step, warn_of_steps
from ..sampling.workers import Stop, over_tiles
from ..support import checks

if TYPE_CHECKING:
    from mpi4py import MPI

# from the number of the first step, how many there are and their size to the positions (n, d) after them
Advance = Callable[[int, int, float], np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Paths(Samples):
    """Positions of R independent paths at T times; `values` are the positions.

    Args:
        times: (T,).
        positions: X (T, R, d).
        step: the largest time step that was taken.
        seed: of the random numbers.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    step: float
    seed: int
    WORD: ClassVar[str] = "paths"

    @property
    def values(self) -> NDArray[np.float64]:
        """The positions X (T, R, d)."""
        return self.positions


@dataclass(frozen=True)
class PathSampler:
    """Takes all paths through the snapshots, in tiles of TILE paths that threads and ranks share.

    Args:
        start: X(0) (R, d).
        times: snapshots (T,).
        step: the largest time step.
        seed: of the random numbers.
        begin: from the number of a tile, X(0) of its paths (n, d) and a signal to stop, which is to be looked at often,
            to a function that takes these paths through some steps.
        seconds: of a step of a path, roughly.
    """

    start: NDArray[np.float64]
    times: NDArray[np.float64]
    step: float
    seed: int
    begin: Callable[[int, np.ndarray, Stop], Advance]
    seconds: float

    def sampled(self, workers: int | None, progress: bool, comm: MPI.Comm | None) -> Paths:
        """The positions of all paths; a warning says beforehand that they take more than ten minutes.

        Args:
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the paths, or None.
        """
        number = len(self.start)
        spans, steps = even_steps(self.times, self.step)
        warn_of_steps(number, steps, self.seconds, workers, comm)

        def tile(index: int, stop: Stop) -> np.ndarray:
            start, first = self.start[index * TILE : (index + 1) * TILE], 0
            advance, result = self.begin(index, start, stop), np.empty((len(steps), *start.shape))
            for k, (span, count) in enumerate(zip(spans, steps)):
                result[k] = advance(first, int(count), span / max(count, 1))
                first += int(count)
            return result

        positions = np.concatenate(over_tiles(tile, number, workers, progress, comm), axis=1)
        return Paths(self.times, positions, longest_step(spans, steps) or self.step, self.seed)


def checked_start(initial: ArrayLike, paths: tuple[str, object], dim: int) -> NDArray[np.float64]:
    """Return X(0) of each path (R, d), from that of all of them (d,) or of each.

    Args:
        initial: as the caller gave it.
        paths: the name of the argument with the number of paths, and what it is.
        dim: d.

    Raises:
        InvalidArgument: no number of paths, or a wrong shape.
    """
    number = checks.integer(*paths, 1, 2**33)
    return start_of_each(checks.real_array("initial", initial), number, dim)
