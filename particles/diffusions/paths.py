"""Samples of paths, and how they are shared by threads and ranks."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ..sampling.normal_tiles import TILE
from ..sampling.ranks import communicator, on_all_ranks
from ..sampling.workers import Stop, default_workers, in_order, warn_if_long
from ..support import checks
from ..support.archive import load_arrays, save_arrays, target

FORMAT = 1
MOST_STEPS = 2**40  # of a path; the counters of random numbers have 64 bits, the time of users fewer
ASTRAY = 1e6  # positions beyond it, in units of length, are taken for an instability


class Unstable(RuntimeError):
    """A path has left all bounds, because the time step was too large where it went."""

    @staticmethod
    def check(x: np.ndarray, step: float) -> None:
        """Raise if a position is not finite, or absurdly far away."""
        if not (np.abs(x) < ASTRAY).all():
            raise Unstable(f"a path has left all bounds with the time step {step:.3g}. Remedy: take a smaller step.")


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


def even_steps(times: np.ndarray, largest: float) -> tuple[np.ndarray, np.ndarray]:
    """The ways (T,) between snapshots from 0 on, and the numbers (T,) of equal steps, none above the largest."""
    spans = np.diff(times, prepend=0.0)
    steps = np.ceil(spans / largest * (1 - 1e-12))
    if steps.sum() > MOST_STEPS:
        raise InvalidArgument(
            "times", f"take {steps.sum():.2g} steps of {largest:.3g}, more than {MOST_STEPS:.2g}: no computer does that"
        )
    return spans, steps.astype(np.int64)


def longest_step(spans: np.ndarray, steps: np.ndarray) -> float:
    """The largest step of those of `even_steps`; 0 where there is none."""
    return float((spans[steps > 0] / steps[steps > 0]).max(initial=0.0))


def warn_of_steps(paths: int, steps: np.ndarray, seconds: float, workers: int | None, comm: Any) -> None:
    """Warn, on rank 0, of samples that take more than ten minutes.

    Args:
        paths: in all.
        steps: their numbers (T,).
        seconds: of a step of a path, roughly.
        workers: threads, or None.
        comm: the ranks that share the paths, or None.
    """
    if comm is not None and comm.rank > 0:
        return
    threads = default_workers(comm) if workers is None else checks.integer("workers", workers, 1)
    total = float(steps.sum()) * paths
    what = f"{total:.2g} steps of paths"
    warn_if_long(
        what, seconds * total, threads * (1 if comm is None else comm.size), "take fewer paths or earlier times"
    )


def over_tiles(
    work: Callable[[int, Stop], np.ndarray], paths: int, workers: int | None, progress: bool, comm: Any,
    width: int = TILE,
) -> list[np.ndarray]:  # fmt: skip
    """Do the tiles of all paths, shared by threads and ranks, and return what they give in the order of the tiles.

    An error on one rank is raised on all of them; Ctrl-C ends all threads.

    Args:
        work: from the number of a tile and a signal to stop, which it looks at often, to the results of the tile.
        paths: in all.
        workers: threads, or None.
        progress: whether to show a progress bar.
        comm: the ranks that share the tiles, or None.
        width: paths in a tile.
    """
    communicator(comm, optional=True)
    threads = default_workers(comm) if workers is None else checks.integer("workers", workers, 1)
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    tiles = range(-(-paths // width))
    mine = tiles[rank::size]
    wanted = checks.flag("progress", progress) and rank == 0

    def done() -> list[np.ndarray]:
        from tqdm import tqdm

        with closing(in_order(work, mine, threads)) as results:
            return list(tqdm(results, total=len(mine), unit="tile", disable=None if wanted else True, leave=False))

    results = on_all_ranks(comm, done)
    if comm is None:
        return results
    parts = comm.allgather(results)
    return [parts[tile % size][tile // size] for tile in tiles]
