"""The statistics of one quantity: mean, covariances, extremes and histograms, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...showing.described import Described
from ...support import checks
from .histogram import Histogram
from .tally import Tally

# spreads below which squares, or fourth powers, lose digits to the least numbers of 64 bits
LEAST_SQUARE, LEAST_FOURTH = 1e-140, 1e-70


def too_small(spread: np.ndarray, least: float = LEAST_FOURTH) -> NDArray[np.bool_]:
    """Where there is a spread, the largest value less the least, but a smaller one than this."""
    return np.asarray((spread > 0) & (spread < least))


@dataclass(frozen=True, eq=False, repr=False)
class QuantityStatistics(Described):
    """Statistics of a quantity over the runs of an ensemble, at T times; entries of a value are along the axes (...).

    Args:
        name: of the quantity.
        shape: of a value (...).
        tally: what was added up.
        edges: of the bins (B+1,), or None.
    """

    name: str
    shape: tuple[int, ...]
    tally: Tally
    edges: NDArray[np.float64] | None

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {"quantity": self.name, "shape": self.mean.shape, "runs": self.runs}
        if self.edges is not None:
            lost = self.histogram.below.sum() + self.histogram.above.sum()
            said["histogram"] = f"{len(self.edges) - 1} bins; {lost} of {self.runs * self.mean.size} values outside"
        return type(self).__name__, said

    @property
    def runs(self) -> int:
        """Number R of independent runs."""
        return self.tally.runs

    def _shaped(self, values: np.ndarray) -> NDArray[np.float64]:
        return values.reshape(len(values), *self.shape)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over the runs (T, ...)."""
        return self._shaped(self.tally.mean)

    @property
    def minimum(self) -> NDArray[np.float64]:
        """Least value of all runs (T, ...)."""
        return self._shaped(self.tally.low)

    @property
    def maximum(self) -> NDArray[np.float64]:
        """Largest value of all runs (T, ...)."""
        return self._shaped(self.tally.high)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance over the runs (T, ...), without bias; infinite for one run."""
        if self.runs == 1:
            return np.full_like(self.mean, np.inf)
        return self._kept(self._central(self.tally.second), LEAST_SQUARE) * (self.runs / (self.runs - 1))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation over the runs (T, ...), of R - 1 degrees of freedom; infinite for one run."""
        return np.sqrt(self.variance)

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Standard error of `mean` (T, ...), std/sqrt(R)."""
        return np.asarray(self.std / np.sqrt(self.runs))

    @property
    def variance_error(self) -> NDArray[np.float64]:
        """Standard error of `variance` (T, ...), for any law with fourth moments, which the runs tell."""
        if self.runs == 1:
            return np.full_like(self.mean, np.inf)
        second, fourth = self._central(self.tally.second), self._central(self.tally.fourth)
        return self._kept(_error(second, fourth, second * second, self.runs), LEAST_FOURTH)

    @property
    def skewness(self) -> NDArray[np.float64]:
        """E (f - E f)^3/std^3 (T, ...), of the moments over R; NaN where there is no spread."""
        return self._standardised(self.tally.third, 3)

    @property
    def kurtosis(self) -> NDArray[np.float64]:
        """E (f - E f)^4/std^4 (T, ...), 3 for a normal law; NaN where there is no spread."""
        return self._standardised(self.tally.fourth, 4)

    def _standardised(self, sums: np.ndarray, power: int) -> NDArray[np.float64]:
        scale = np.sqrt(self._central(self.tally.second)) ** power
        found = np.divide(self._central(sums), scale, out=np.full_like(scale, np.nan), where=scale > 0)
        return self._kept(found, LEAST_FOURTH)

    def _kept(self, values: np.ndarray, least: float) -> NDArray[np.float64]:
        """The same, but NaN where powers of the spread are below the least numbers of 64 bits."""
        return np.where(too_small(self._spread, least), np.nan, values)

    @property
    def _spread(self) -> NDArray[np.float64]:
        return self.maximum - self.minimum

    def _central(self, sums: np.ndarray) -> NDArray[np.float64]:
        """Those of one entry (T, ...), over R."""
        pairs = sums.shape[1] == sums.shape[2]
        return self._shaped((sums.diagonal(axis1=1, axis2=2) if pairs else sums[:, 0]) / self.runs)

    def covariance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Covariances of all pairs of the m entries of a value (T, m, m), in C order, and their standard errors.

        Without bias, of R - 1 degrees of freedom; the error is that for any law with fourth moments, which the runs
        tell. Both are infinite for one run.

        Raises:
            InvalidArgument: they were not asked for.
        """
        second = self.tally.second / self.runs
        if second.shape[1] != second.shape[2]:
            raise InvalidArgument("covariance", "was not asked for; sample with EnsembleStatistics(covariance=True)")
        if self.runs == 1:
            return np.full_like(second, np.inf), np.full_like(second, np.inf)
        variances = second.diagonal(axis1=1, axis2=2)
        product = variances[:, :, None] * variances[:, None, :]
        error = _error(second, self.tally.fourth / self.runs, product, self.runs)
        lost = [too_small(self._spread.reshape(len(second), -1), least) for least in (LEAST_SQUARE, LEAST_FOURTH)]
        for values, one in zip((second, error), lost):
            values[one[:, :, None] | one[:, None, :]] = np.nan
        return second * (self.runs / (self.runs - 1)), error

    @property
    def histogram(self) -> Histogram:
        """Counts of runs in bins, and outside of the edges.

        Raises:
            InvalidArgument: it was not asked for.
        """
        if self.edges is None:
            raise InvalidArgument(
                "histograms",
                f"has no {self.name!r}; sample with EnsembleStatistics(histograms={{{self.name!r}: edges}})",
            )
        counts = self.tally.counts.reshape(len(self.tally.counts), *self.shape, -1)
        return Histogram(self.edges, counts[..., 1:-1], counts[..., 0], counts[..., -1])

    def quantile(self, level: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds between which the quantile of the runs is, (T, ...): the least value that so many runs do not exceed.

        They are the ends of its bin, where that goes beyond them the least or the largest value of all runs instead.

        Args:
            level: part of the runs, between 0 and 1; of an array (Q,) of levels bounds are (Q, T, ...).

        Raises:
            InvalidArgument: another level, or no histogram was asked for.
        """
        if np.ndim(level):
            bounds = [self.quantile(part) for part in checks.numbers("level", level)]
            empty = np.empty((0, *self.mean.shape))
            lows, highs = zip(*bounds) if bounds else (empty, empty)
            return np.array(lows), np.array(highs)
        part = checks.number("level", level, least=0.0)
        if part > 1:
            raise InvalidArgument("level", f"must be at most 1, not {part:g}")
        edges = self.histogram.edges
        counts = self.tally.counts.reshape(*self.mean.shape, -1)
        rank = max(1, int(np.ceil(part * self.runs * (1 - 1e-15))))
        place = (counts.cumsum(axis=-1) < rank).sum(axis=-1)
        # a bin has its left end; the first one below the edges has none but the least value
        lower = np.append(-np.inf, edges)[place]
        upper = np.append(edges, np.inf)[place]
        return np.maximum(lower, self.minimum), np.minimum(upper, self.maximum)


def _error(second: np.ndarray, fourth: np.ndarray, product: np.ndarray, runs: int) -> NDArray[np.float64]:
    """Standard error of a covariance without bias, from E x y, E x^2 y^2 and E x^2 E y^2."""
    spread = fourth - second**2 * ((runs - 2) / (runs - 1)) + product / (runs - 1)
    return np.sqrt(np.maximum(spread, 0.0) / runs)
