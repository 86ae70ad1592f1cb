"""Progress bars: shown only at a terminal, only on rank 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def watched(states: Iterable[Any], total: int, progress: bool, comm: Any, unit: str = "time") -> Iterable[Any]:
    """Return the states, with a progress bar around them if it is wanted (only at a terminal, only on rank 0)."""
    if not progress or comm.rank > 0:
        return states
    from tqdm import tqdm

    return tqdm(states, total=total, unit=unit, disable=None, leave=False)


class SnapshotBar:
    """The progress bar of an evolution, in snapshots."""

    def __init__(self, times: np.ndarray, shown: bool) -> None:
        self._bar = None
        if shown:
            from tqdm import tqdm

            self._bar = tqdm(total=len(times), unit="snapshot", disable=None, leave=False)

    def update(self, clock: Any) -> None:
        """Show how far the clock is."""
        if self._bar is not None:
            part = clock.position / max(clock.count, 1)
            self._bar.n = round(min(clock.interval + part, self._bar.total), 2)
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
