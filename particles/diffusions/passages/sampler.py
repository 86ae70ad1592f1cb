"""Takes all paths to the first of several targets, in tiles that threads and ranks share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...sampling.steps import MOST_STEPS, check_bounded
from ...sampling.workers import Stop, over_tiles
from ...support import checks
from .first_passages import FirstPassages
from .judges import NOT_A_NUMBER
from .targets import Target, argument_of
from .tiles import Advance, Kernel, tile_at

if TYPE_CHECKING:
    from mpi4py import MPI

# checks positions (P, d) after a slice of the given number
Look = Callable[[np.ndarray, int], None]


def whole_steps(limit: float, step: float) -> int:
    """The number of steps that fit before the limit, at least one.

    Raises:
        InvalidArgument: not a positive limit, or more steps than a computer takes.
    """
    if isinstance(limit, float) and limit == math.inf:
        return MOST_STEPS
    end = checks.number("limit", limit, above=0.0)
    if end / step > MOST_STEPS:
        raise InvalidArgument("limit", f"takes {end / step:.2g} steps of {step:.3g}, more than {MOST_STEPS:.2g}")
    return max(int(end / step), 1)


def even_limit(limit: float, step: float) -> tuple[float, int]:
    """The step and the largest number of steps: the limit is a whole number of steps, none above the one given.

    Raises:
        InvalidArgument: not a positive limit, or more steps than a computer takes.
    """
    fitting = whole_steps(limit, step)
    if limit == math.inf:
        return step, fitting
    count = max(math.ceil(float(limit) / step * (1 - 1e-12)), 1)
    return float(limit) / count, count


@dataclass(frozen=True)
class PassageSampler:
    """First passages of paths that a kernel moves.

    Args:
        kernel: the steps, see `tiles.Kernel`.
        targets: compiled (K,).
        start: X(0) (R, d).
        step: of time.
        steps: the largest number of steps.
        look: checks positions (P, d) after some slices, by their number.
    """

    kernel: Kernel
    targets: tuple[Target, ...]
    start: NDArray[np.float64]
    step: float
    steps: int
    look: Look

    def sampled(
        self, seed: int, limit: float, workers: int | None, progress: bool, comm: MPI.Comm | None
    ) -> FirstPassages:
        """First passages of all paths.

        Args:
            seed: of the random numbers, for the result.
            limit: of time, likewise.
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the paths, or None.

        Warns:
            Unresolved: all paths are censored.
        """
        taken, hit = self.arrivals(workers, progress, comm)
        # a boundary that is crossed is crossed in the middle of the step, as far as its ends tell
        in_between = np.array([t.has_level for t in self.targets])[hit] & (taken > 0)
        times = np.where(hit < 0, np.inf, (taken - 0.5 * in_between) * self.step)
        names, orders = tuple(t.name for t in self.targets), tuple(t.boundary_order for t in self.targets)
        result = FirstPassages(times, hit, names, orders, float(limit), self.step, seed)
        if result.censored == result.runs and (comm is None or comm.rank == 0):
            warn(
                f"none of {result.runs} paths has hit a target before the limit {limit:g}: T is larger, and that is "
                "all that is known. Take a later limit, or a start that is nearer",
                Unresolved,
            )
        return result

    def arrivals(self, workers: int | None, progress: bool, comm: MPI.Comm | None) -> np.ndarray:
        """The numbers of steps after which paths were seen to have hit a target, -1 where none, and of the targets.

        Args:
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the paths, or None.

        Returns:
            Both (2, R).
        """
        advance, width = self.kernel.advance(self.targets, self.step), self.kernel.width
        work = lambda index, stop: self._tile(advance, index, stop)  # noqa: E731
        parts = over_tiles(work, len(self.start), workers, progress, comm, width)
        return np.concatenate(parts, axis=1)

    def _tile(self, advance: Advance, index: int, stop: Stop) -> np.ndarray:
        """Numbers of steps, and of the targets that were hit (2, n), of the paths of a tile."""
        first, size = index * self.kernel.width, self.kernel.slice_steps
        tile = tile_at(np.asarray(self.start[first : first + self.kernel.width]), first, self.targets)
        count, done = len(tile.paths), 0
        while count and done < self.steps:
            stop.check()
            steps = min(size, self.steps - done)
            count = advance(tile, count, done, steps)
            done += steps
            self.look(tile.x[:, :count].T, done // size)
            check_bounded(tile.x[:, :count], self.step)
            if (tile.hit == NOT_A_NUMBER).any():
                text = "must have finite levels, with finite slopes; one has not where a path has come to"
                raise InvalidArgument(argument_of(self.targets), text)
        return np.stack([tile.taken, tile.hit])
