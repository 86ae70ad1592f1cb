"""The progress bar of long solves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mpi4py import MPI


def watched(states: Iterable[Any], total: int, progress: bool, comm: MPI.Comm, unit: str = "time") -> Iterable[Any]:
    """Return the states, with a progress bar around them if it is wanted (only at a terminal, only on rank 0)."""
    if not progress or comm.rank > 0:
        return states
    from tqdm import tqdm

    return tqdm(states, total=total, unit=unit, disable=None, leave=False)
