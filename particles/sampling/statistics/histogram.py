"""Histograms of what runs of an ensemble have, with what lies outside of the edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from ...errors import InvalidArgument
from ...support import checks

# chance of more than one standard deviation above the mean, by the normal law
ONE_SIGMA = 0.158655


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
        """Standard error of `density`, that of a binomial number (T, ..., B).

        Of a bin that has no run, or all, the variance of the counts is 0 and says nothing: there it is the distance of
        the bound of one standard deviation: of the part 1 - 0.16^(1/R), 1.84/R for many runs, which leaves a bin empty
        in one case of six. For other confidences see `density_bounds`.
        """
        part, runs = self.counts / self.runs, self.runs
        error = np.sqrt(part * (1 - part) / runs)
        sure = (self.counts == 0) | (self.counts == runs)
        return np.asarray(np.where(sure, -np.expm1(np.log(ONE_SIGMA) / runs), error) / np.diff(self.edges))

    def density_bounds(self, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds of the density, mean over each bin: they hold for any number of runs, and for empty bins too.

        Args:
            confidence: chance, at least, with which bounds have the truth between them, each bin by itself;
                both sides share the rest.

        Returns:
            The lower and the upper bounds (T, ..., B).

        Raises:
            InvalidArgument: a confidence that is not between 0 and 1.

        Source: Clopper and Pearson (1934), quantiles of the beta law.
        """
        sure = checks.number("confidence", confidence, above=0.0)
        if sure >= 1:
            raise InvalidArgument("confidence", f"must be below 1, not {sure:g}")
        side = (1 - sure) / 2
        counts, rest = self.counts, self.runs - self.counts
        low = np.where(counts == 0, 0.0, betaincinv(np.maximum(counts, 1), rest + 1, side))
        high = np.where(rest == 0, 1.0, betaincinv(counts + 1, np.maximum(rest, 1), 1 - side))
        widths = np.diff(self.edges)
        return np.asarray(low / widths), np.asarray(high / widths)
