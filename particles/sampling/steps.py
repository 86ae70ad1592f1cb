"""Equal time steps between snapshots, and when paths have left all bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidArgument, Unstable
from .workers import thread_count, warn_if_long

if TYPE_CHECKING:
    from mpi4py import MPI

# of a path; the counters of random numbers have 64 bits, and no machine takes more steps than these
MOST_STEPS = 2**40
# positions beyond it, in units of length, are taken for an instability
FAR_AWAY = 1e6


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


def warn_of_steps(paths: int, steps: np.ndarray, seconds: float, workers: int | None, comm: MPI.Comm | None) -> None:
    """Warn, on rank 0, of samples that take more than ten minutes.

    Args:
        paths: in all.
        steps: their numbers (T,).
        seconds: of a step of a path, roughly.
        workers: threads, or None.
        comm: the ranks that share the paths, or None.
    """
    total = float(steps.sum()) * paths
    threads, remedy = thread_count(workers, comm), "take fewer paths or earlier times"
    warn_if_long(f"{total:.2g} steps of paths", seconds * total, threads, remedy, comm)


def check_bounded(x: np.ndarray, step: float) -> None:
    """Raise Unstable if a position is not finite, or absurdly far away."""
    if not (np.abs(x) < FAR_AWAY).all():
        raise Unstable(
            f"a path has left all bounds with the time step {step:.3g}, or has come to where the potential is not "
            "defined. Remedy: take a smaller step, or a potential that is defined there and confines."
        )
