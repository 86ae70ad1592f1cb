"""Histograms of what runs of an ensemble have, with what lies outside of the edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers of runs in B bins, of each entry of a value at T times; their sum with `below` and `above` is R.

    Args:
        edges: of the bins (B+1,); a bin has its left end, the last one both.
        counts: (T, ..., B).
        below: runs below the first edge (T, ...).
        above: runs above the last edge (T, ...).
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    below: NDArray[np.int64]
    above: NDArray[np.int64]

    @property
    def runs(self) -> int:
        """R."""
        return int(self.counts[0].reshape(-1, self.counts.shape[-1])[0].sum() + self.below.flat[0] + self.above.flat[0])

    @property
    def density(self) -> NDArray[np.float64]:
        """The density, mean over each bin (T, ..., B); its integral is the part of the runs within the edges."""
        return np.asarray(self.counts / (self.runs * np.diff(self.edges)))

    @property
    def density_error(self) -> NDArray[np.float64]:
        """Standard error of `density`, that of a binomial number (T, ..., B); 0 for a bin that has no run, or all."""
        part = self.counts / self.runs
        return np.asarray(np.sqrt(part * (1 - part) / self.runs) / np.diff(self.edges))
