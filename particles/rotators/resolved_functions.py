"""Functions of |u|^2 as piecewise polynomials, whose integrals and derivatives are exact.

An interval [0, X] is bisected until Chebyshev's series of the function on each part has ended, and agrees with the
function at points between the nodes and near 0, where functions of |u|^2 may vary on a scale much smaller than X.
Thousands of points besides, evenly in |u|^2 and in its logarithm, look for what is narrow: a peak at x is seen where it
is wider than X/2000 or than x/50; one that is narrower than both may stay unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.polynomial import chebyshev

from ..errors import InvalidArgument
from ..support.compiled_functions import values_of

DEGREE = 24
TAIL = 4  # coefficients that must be small
ROUNDING = 4e-15  # relative to the largest value on the interval
DEPTH = 60  # bisections: a kink or a jump is left in an interval of 2^-60 X
MOST = 4096  # intervals
NOISE = 1e-9  # errors that are let be where there are so many: relative to f, or to its whole integral
OCTAVES = 50  # below X, in each of which the function is looked at
LOOKS = 3
SCAN = 2**12  # points at which narrow parts are looked for, evenly in x
SCAN_OCTAVE = 64  # the same in each octave
FLOOR = 1e-3  # of the largest value on an interval, against which a miss is measured at least
NARROWEST = 1e-14  # relative: a jump is left in such an interval
TURNS = np.outer(np.arange(DEGREE + 1), 2 * np.arange(DEGREE + 1) + 1) % (4 * DEGREE + 4)  # in units of half a step
NODES = np.cos(np.pi * TURNS[1] / (2 * DEGREE + 2))
TRANSFORM = np.cos(np.pi * TURNS / (2 * DEGREE + 2)) * 2.0 / (DEGREE + 1)
TRANSFORM[0] *= 0.5

Function = Callable[[float], float]  # of |u|^2, compiled
Fit = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _means_of_polynomials() -> np.ndarray:
    """From Chebyshev's coefficients of f to those of (1 + t)^-1 int_-1^t f."""
    points, weights = np.polynomial.legendre.leggauss(DEGREE // 2 + 1)
    places = -1 + 0.5 * (NODES[:, None] + 1) * (points + 1)
    return TRANSFORM @ np.einsum("q,iqk->ik", 0.5 * weights, chebyshev.chebvander(places, DEGREE))


MEANS = _means_of_polynomials()


@dataclass(frozen=True, eq=False)
class ResolvedFunction:
    """A function on [0, X].

    Args:
        breaks: ends of the intervals (n + 1,), from 0 to X.
        coefficients: of Chebyshev's polynomials on each (n, k + 1).
    """

    breaks: np.ndarray
    coefficients: np.ndarray

    @cached_property
    def _means(self) -> tuple[np.ndarray, np.ndarray]:
        """Series of the mean of the function from the left end of each interval on, and its integrals up to there."""
        series = self.coefficients @ MEANS.T
        return series, np.concatenate([[0.0], np.cumsum(np.diff(self.breaks) * series.sum(axis=1))[:-1]])

    @cached_property
    def _derivatives(self) -> np.ndarray:
        half = 0.5 * np.diff(self.breaks)[:, None]
        return chebyshev.chebder(self.coefficients, axis=1) / half

    def integral(self, x: np.ndarray) -> np.ndarray:
        """int_0^x, for 0 <= x <= X (...)."""
        series, before = self._means
        flat = np.ascontiguousarray(x, dtype=float).ravel()
        return _summed(self.breaks, series, before, flat, True).reshape(np.shape(x))

    def derivative(self, x: np.ndarray) -> np.ndarray:
        """The derivative at 0 <= x <= X (...)."""
        series, none = self._derivatives, np.zeros(len(self.coefficients))
        flat = np.ascontiguousarray(x, dtype=float).ravel()
        return _summed(self.breaks, series, none, flat, False).reshape(np.shape(x))


@njit(cache=True, nogil=True, error_model="numpy")
def _summed(breaks, series, before, x, mean):  # type: ignore[no-untyped-def]
    """The sums of Chebyshev's series of the intervals in which the points x (P,) are, perhaps times the way there from
    the left end, and of `before`.
    """
    result = np.empty(x.size)
    for n in range(x.size):
        low, high = 0, series.shape[0]
        while high - low > 1:
            middle = (low + high) // 2
            if breaks[middle] <= x[n]:
                low = middle
            else:
                high = middle
        t = (2.0 * x[n] - breaks[low] - breaks[low + 1]) / (breaks[low + 1] - breaks[low])
        ahead, after = 0.0, 0.0
        for k in range(series.shape[1] - 1, 0, -1):
            ahead, after = series[low, k] + 2.0 * t * ahead - after, ahead
        value = series[low, 0] + t * ahead - after
        result[n] = before[low] + ((x[n] - breaks[low]) * value if mean else value)
    return result


def resolved(name: str, function: Function, x: np.ndarray, *, integral: bool = False) -> ResolvedFunction:
    """A compiled function as polynomials on [0, max x].

    Args:
        name: of the argument that carries it.
        function: of |u|^2.
        x: where it is wanted.
        integral: whether only its integral is, to which narrow intervals give little.

    Raises:
        InvalidArgument: it varies too wildly.
    """
    top = float(np.max(x, initial=0.0)) or 1.0
    ends, sums = _integrals_of_modulus(name, function, top)

    def reference(places: np.ndarray) -> np.ndarray:
        return np.interp(places, ends[::-1], (sums / ends)[::-1]) if integral else np.zeros_like(places)

    scan = _scan(name, function, top)

    def fit(intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(intervals) > 4 * MOST:
            raise InvalidArgument(name, f"varies too wildly for |u|^2 <= {top:g} to be integrated or differentiated")
        series, ended, noise = _series(name, function, intervals, reference, top)
        width = intervals[:, 1] - intervals[:, 0]
        if len(intervals) > MOST:  # f is rough there, by rounding of its own
            share = width * np.abs(series[:, 0]) / max(sums[0], 1e-300) if integral else 1.0
            ended |= noise * share <= NOISE
        ended &= ~_missed(intervals, series, scan, reference)
        return series, ended | (width <= NARROWEST * intervals[:, 1]) | (width <= top * 2.0**-DEPTH)

    intervals, series = bisected(np.array([[0.0, top]]), fit)
    return ResolvedFunction(np.append(intervals[:, 0], top), series)


def bisected(intervals: np.ndarray, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Intervals (n, 2), halved until a fit says that they need not be, in increasing order, and series (n, k + 1).

    Args:
        intervals: to begin with.
        fit: from intervals to the series on them, and whether these are left as they are.
    """
    done = []
    while len(intervals):
        series, ended = fit(intervals)
        done.append((intervals[ended], series[ended]))
        left = intervals[~ended]
        middle = left.mean(axis=1)
        intervals = np.concatenate([np.stack([left[:, 0], middle], 1), np.stack([middle, left[:, 1]], 1)])
    intervals, series = (np.concatenate(parts) for parts in zip(*done))
    order = np.argsort(intervals[:, 0])
    return intervals[order], series[order]


def _scan(name: str, function: Function, top: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (Q,) of [0, X], increasing, and the function there."""
    golden = 0.5 * (np.sqrt(5.0) - 1.0)
    jitter = np.arange(SCAN) * golden % 1.0  # so that no period of the function goes with the points
    octaves = 2.0 ** -((np.arange(SCAN_OCTAVE * OCTAVES) + 0.5) / SCAN_OCTAVE)
    places = top * np.sort(np.concatenate([(np.arange(SCAN) + jitter) / SCAN, octaves]))
    return places, values_of(function, places, name)


def _missed(
    intervals: np.ndarray,
    series: np.ndarray,
    scan: tuple[np.ndarray, np.ndarray],
    reference: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Whether Chebyshev's series on disjoint intervals (n, 2) miss the function somewhere in a scan (n,)."""
    order = np.argsort(intervals[:, 0])
    sorted_intervals = intervals[order]
    place = np.searchsorted(sorted_intervals[:, 0], scan[0], side="right") - 1
    inside = (place >= 0) & (scan[0] <= sorted_intervals[np.maximum(place, 0), 1])
    x, there, which = scan[0][inside], scan[1][inside], order[place[inside]]
    begins = intervals[which]
    t = (2.0 * x - begins.sum(axis=1)) / np.diff(begins, axis=1)[:, 0]
    by_series = (chebyshev.chebvander(t, DEGREE) * series[which]).sum(axis=1)
    largest = np.abs(series).sum(axis=1)[which]
    size = np.maximum(np.maximum(np.abs(there), reference(x)), FLOOR * largest)
    result = np.zeros(len(intervals), dtype=bool)
    result[which[~(np.abs(by_series - there) <= NOISE * size)]] = True
    return result


def _integrals_of_modulus(name: str, function: Function, top: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends X 2^-k, k = 0, 1, ..., and int |f| from 0 up to them, roughly, by a few points in each octave."""
    ends = top * 2.0 ** -np.arange(OCTAVES + 1.0)
    points = ends[1:, None] * (1 + (np.arange(8) + 0.5) / 8)
    pieces = np.abs(values_of(function, points, name)).mean(axis=1) * -np.diff(ends)
    return ends[:-1], np.cumsum(pieces[::-1])[::-1]


def _series(
    name: str, function: Function, intervals: np.ndarray, reference: Callable[[np.ndarray], np.ndarray], top: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chebyshev's coefficients (n, k + 1) on intervals (n, 2), whether they have ended and agree with f elsewhere, and
    by how much they have not, relative to f.
    """
    low, width = intervals[:, :1], np.diff(intervals, axis=1)
    values = values_of(function, low + 0.5 * width * (NODES + 1), name)
    between = np.cos(np.pi * (np.arange(LOOKS) + 0.3) / LOOKS)
    octaves = np.where(low == 0, top * 2.0 ** -(np.arange(OCTAVES) + 0.5), low + 0.5 * width)
    places = np.concatenate([low + 0.5 * width * (between + 1), np.clip(octaves, low, low + width)], axis=1)
    there = values_of(function, places, name)
    if not (np.isfinite(values).all() and np.isfinite(there).all()):
        raise InvalidArgument(name, f"must be finite for all |u|^2, but is not somewhere below {top:g}")
    series = (values - values[:, :1]) @ TRANSFORM.T  # of differences, which have fewer digits to lose
    series[:, 0] += values[:, 0]
    largest = np.abs(values).max(axis=1)
    series[np.abs(series) <= 0.25 * ROUNDING * largest[:, None]] = 0.0  # rounding, which derivatives would enlarge
    size = np.maximum(np.abs(there), reference(places))  # what an error is measured against
    t = 2.0 * (places - low) / width - 1.0
    basis = chebyshev.chebvander(t, DEGREE)
    wrong = (np.abs((basis * series[:, None, :]).sum(axis=2) - there) / np.maximum(size, 1e-300)).max(axis=1)
    small = np.abs(series[:, -TAIL:]).max(axis=1) / np.maximum(np.maximum(largest, size.max(axis=1)), 1e-300)
    return series, (small <= ROUNDING) & (wrong <= 8 * ROUNDING), np.maximum(small, wrong)
