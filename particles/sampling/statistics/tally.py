"""What is added up of one quantity over runs, at all times: moments, extremes and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .moments import add_up, moved, sum_of_two
from .request import Tallied


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over R runs of values of m entries at T times.

    Args:
        runs: R.
        mean: (T, m).
        rest: what is lost of the mean in rounding (T, m).
        low: least values (T, m).
        high: largest values (T, m).
        second: sums S (T, m, m) of `moments`; (T, 1, m) for i = j only.
        third: T, likewise.
        fourth: Q, likewise.
        counts: of runs (T, m, B+2) below the edges, in each of B bins, and above; (T, m, 0) without a histogram.
    """

    runs: int
    mean: NDArray[np.float64]
    rest: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    second: NDArray[np.float64]
    third: NDArray[np.float64]
    fourth: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, what: Tallied, times: int) -> Tally:
        """Those of no run."""
        m = what.entries
        (mean, rest), low, high = np.zeros((2, times, m)), np.full((times, m), np.inf), np.full((times, m), -np.inf)
        second, third, fourth = np.zeros((3, times, m if what.pairs else 1, m))
        bins = 0 if what.edges is None else len(what.edges) + 1
        counts = np.zeros((times, m, bins), dtype=np.int64)
        return cls(0, mean, rest, low, high, second, third, fourth, counts)

    def fill(self, k: int, values: np.ndarray, edges: np.ndarray | None) -> None:
        """Fill the sums at one time from the values (P, m) of some runs."""
        add_up(values, *(array[k] for array in self.arrays[:-1]))
        if edges is not None:
            for i in range(values.shape[1]):
                self.counts[k, i] = counted(values[:, i], edges)

    def of(self, runs: int) -> Tally:
        """The same, of so many runs, after all times are filled."""
        return Tally(runs, *self.arrays)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """All but the number of runs, in the order of the fields."""
        return self.mean, self.rest, self.low, self.high, self.second, self.third, self.fourth, self.counts

    def joined(self, other: Tally) -> Tally:
        """The sums over the runs of both; the order counts for rounding only."""
        if not self.runs or not other.runs:
            return self if self.runs else other
        runs = self.runs + other.runs
        way = (other.mean - self.mean) + (other.rest - self.rest)
        pairs = self.second.shape[1] == self.mean.shape[1]
        mine = moved((self.second, self.third, self.fourth), self.runs, way * (-other.runs / runs), pairs)
        its = moved((other.second, other.third, other.fourth), other.runs, way * (self.runs / runs), pairs)
        second, third, fourth = (a + b for a, b in zip(mine, its))
        mean, rest = sum_of_two(self.mean, self.rest + way * (other.runs / runs))
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Tally(runs, mean, rest, low, high, second, third, fourth, self.counts + other.counts)


def counted(values: np.ndarray, edges: np.ndarray) -> NDArray[np.int64]:
    """How many values (P,) are below the edges, in each bin, and above (B+2,); the last bin has both its ends."""
    places = np.searchsorted(edges, values, side="right")
    places[values == edges[-1]] = len(edges) - 1
    return np.bincount(places, minlength=len(edges) + 1)
