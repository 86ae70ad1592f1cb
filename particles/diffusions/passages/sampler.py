"""Takes all paths to the first of several targets, in tiles that threads and ranks share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...sampling.normal_tiles import TILE
from ...sampling.philox import Purpose
from ...sampling.steps import MOST_STEPS, check_bounded
from ...sampling.workers import Stop, over_tiles
from ...support import checks
from .first_passages import FirstPassages
from .judges import GOING, NOT_A_NUMBER, indicator_judge, level_judge, one_after_the_other
from .kernels import passage_kernel
from .targets import Target

if TYPE_CHECKING:
    from mpi4py import MPI

# steps of a tile between two looks at an interrupt
SLICE = 1024
# checks positions (P, d) after a slice of the given number
Look = Callable[[np.ndarray, int], None]
# the words of a seed
Key = tuple[np.uint64, np.uint64]


def even_limit(limit: float, step: float) -> tuple[float, int]:
    """The step and the largest number of steps: the limit is a whole number of steps, none above the one given.

    Raises:
        InvalidArgument: not a positive limit, or more steps than a computer takes.
    """
    if isinstance(limit, float) and limit == math.inf:
        return step, MOST_STEPS
    end = checks.number("limit", limit, above=0.0)
    if end / step > MOST_STEPS:
        raise InvalidArgument("limit", f"takes {end / step:.2g} steps of {step:.3g}, more than {MOST_STEPS:.2g}")
    count = max(math.ceil(end / step * (1 - 1e-12)), 1)
    return end / count, count


@dataclass(frozen=True)
class PassageSampler:
    """First passages of paths that a compiled step moves.

    Args:
        move: of `kernels.heun_mover` or `platen_mover`.
        targets: compiled (K,).
        start: X(0) (R, d).
        step: of time.
        steps: the largest number of steps.
        temperature: sigma.
        scales: 1/epsilon^k (N,).
        key: of the random numbers.
        look: checks positions (P, d) after some slices, by their number.
    """

    move: Callable[..., None]
    targets: tuple[Target, ...]
    start: NDArray[np.float64]
    step: float
    steps: int
    temperature: float
    scales: tuple[float, ...]
    key: Key
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
        judges = [(level_judge if t.has_level else indicator_judge)(t.function, k) for k, t in enumerate(self.targets)]
        reach = passage_kernel(self.move, one_after_the_other(tuple(judges)))
        parts = over_tiles(lambda i, stop: self._tile(reach, i, stop), len(self.start), workers, progress, comm)
        taken, hit = np.concatenate(parts, axis=1)
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

    def _tile(self, reach: Callable[..., int], index: int, stop: Stop) -> np.ndarray:
        """Numbers of steps, and of the targets that were hit (2, n), of the paths of a tile."""
        first = index * TILE
        start = np.asarray(self.start[first : first + TILE])
        levels = np.stack([target.levels(start) for target in self.targets])
        inside = levels <= 0.0
        arrived = inside.any(axis=0)
        taken = np.where(arrived, 0, -1).astype(np.int64)
        hit = np.where(arrived, inside.argmax(axis=0), GOING).astype(np.int64)
        paths = first + np.flatnonzero(~arrived)
        x, levels = np.ascontiguousarray(start[~arrived].T), np.ascontiguousarray(levels[:, ~arrived])
        model = (self.step, self.temperature, self.scales, np.uint64(Purpose.LANGEVIN), *self.key)
        count, done = len(paths), 0
        while count and done < self.steps:
            stop.check()
            steps = min(SLICE, self.steps - done)
            with _functions_of_targets():
                count = reach(x, levels, paths, count, taken, hit, first, done, steps, *model)
            done += steps
            self.look(x[:, :count].T, done // SLICE)
            check_bounded(x[:, :count], self.step)
            if (hit == NOT_A_NUMBER).any():
                text = "must have finite levels, with finite slopes; one has not where a path has come to"
                raise InvalidArgument("targets", text)
        return np.stack([taken, hit])


@contextmanager
def _functions_of_targets() -> Iterator[None]:
    """What the function of a target raises in a step becomes an InvalidArgument."""
    try:
        yield
    except Exception as error:
        text = f"raises {type(error).__name__} where a path has come to: {error}"
        raise InvalidArgument("targets", text) from error
