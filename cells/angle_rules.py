"""Rules for averages over angles: on which angles an observable depends, trapezoidal sums, and samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support import checks

HIGHEST = 64  # frequency that is looked for in each angle
# two numbers of angles without a common divisor: a frequency that one takes for a lower one, the other sees
LOOKS = (2 * HIGHEST + 1, 2 * HIGHEST + 7)
PRESENT = 1e-13  # Fourier coefficients, relative to the largest value
ROWS, BACKGROUNDS = 4, 3
AT_ONCE = 2**18  # amplitudes
REPLICAS = 16
INVARIANT = 1e-12  # change under a common turn, relative to the largest value


@dataclass(frozen=True, eq=False)
class Observable:
    """A user's function of amplitudes, with its values looked at.

    Args:
        function: from u (P, N) to (P,) or (P, ...).
        size: N.
    """

    function: Callable[[np.ndarray], Any]
    size: int

    def __call__(self, u: np.ndarray) -> NDArray[Any]:
        """Values (P, ...), real or complex.

        Raises:
            InvalidArgument: the function raises, or returns something else.
        """
        values = checks.called("observable", self.function, u, (len(u),))
        if values.ndim == 0:
            checks.same_for_all("observable", self.function, u, (len(u),), values)
            values = np.broadcast_to(values, (len(u),))
        if len(values) != len(u):
            raise InvalidArgument(
                "observable", f"must return as many values as it is given points, {len(u)}, not {values.shape}"
            )
        if values.dtype.kind not in "biufc":
            raise InvalidArgument("observable", f"must return numbers, not {values.dtype}")
        if not np.isfinite(values).all():
            raise InvalidArgument("observable", "must be finite at all angles; it is NaN or infinite at some")
        return values.astype(complex if values.dtype.kind == "c" else float)


def angles_needed(h: Observable, moduli: np.ndarray) -> NDArray[np.int64]:
    """For each site the number of angles whose trapezoidal sum is exact (N,), as far as Fourier series tell; 1 where h
    does not depend on its angle, at moduli |u| (P, N).
    """
    generator = np.random.Generator(np.random.Philox(key=h.size))
    order = np.argsort(moduli.sum(axis=1))
    rows = order[np.unique(np.linspace(0, len(order) - 1, ROWS).astype(int))]
    needed: NDArray[np.int64] = np.ones(h.size, dtype=np.int64)
    everywhere = _turned(moduli, generator)
    while len(rows):
        u = _turned(np.repeat(moduli[rows], BACKGROUNDS, axis=0), generator)
        degrees = np.array([_degree(h, u, k) for k in range(h.size)])
        before, needed = needed, np.maximum(needed, np.where(degrees > 0, degrees + 1, 1))
        # points at which h depends on an angle on which it did not elsewhere; if no look tells which, it is rounding
        other = np.where(needed == 1, _turned(moduli, generator), everywhere)
        looked = (before > 1).any() and np.array_equal(before > 1, needed > 1)
        rows = np.flatnonzero(_changed(h, everywhere, other))[: 0 if looked else ROWS]
    if (needed > 1).any() and _turns_together(h, everywhere):
        needed[np.argmax(needed)] = 1
    return needed


def _turned(moduli: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Amplitudes with random angles."""
    return np.asarray(moduli * np.exp(2j * np.pi * generator.random(moduli.shape)))


def _changed(h: Observable, u: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where h differs between amplitudes (P,), by more than rounding."""
    values, others = h(u).reshape(len(u), -1), h(other).reshape(len(u), -1)
    size = INVARIANT * np.maximum(np.abs(values).max(axis=1), 1e-300)
    return np.asarray(np.abs(others - values).max(axis=1) > size)


def _degree(h: Observable, u: np.ndarray, site: int) -> int:
    """The largest frequency in the angle of a site at amplitudes u (Q, N), at most `HIGHEST`."""
    highest = 0
    for count in LOOKS:
        turned = np.repeat(u[:, None, :], count, axis=1)
        turned[:, :, site] *= np.exp(2j * np.pi * np.arange(count) / count)
        values = h(turned.reshape(-1, h.size)).reshape(len(u), count, -1)
        sizes = np.abs(np.fft.fft(values, axis=1)).max(axis=2) / count
        largest = np.maximum(np.abs(values).max(axis=(1, 2)), 1e-300)
        there = (sizes > PRESENT * largest[:, None]).any(axis=0)
        highest = max(highest, int(np.abs(np.fft.fftfreq(count, 1 / count))[there].max(initial=0)))
    return min(highest, HIGHEST)


def _turns_together(h: Observable, u: np.ndarray) -> bool:
    """Whether h stays when the angles of all sites turn by the same."""
    return not any(_changed(h, u, u * np.exp(1j * turn)).any() for turn in (0.7, 1.9, 4.4))


def by_trapezoids(
    h: Observable, moduli: np.ndarray, angles: np.ndarray, start: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Means (P, ...) over equidistant angles, so many of each site, and the largest |h| of each point (P, 1, ..)."""
    sites = np.flatnonzero(angles > 1)
    combinations = int(np.prod(angles[sites]))

    def directions(first: int, last: int) -> np.ndarray:
        result: np.ndarray = np.ones((last - first, h.size), dtype=complex)
        digits = np.unravel_index(np.arange(first, last), angles[sites]) if sites.size else ()
        for site, digit in zip(sites, digits):
            result[:, site] = np.exp(2j * np.pi * (digit + start) / angles[site])
        return result

    return _mean(h, moduli, directions, combinations)


def by_samples(
    h: Observable, moduli: np.ndarray, depends: np.ndarray, count: int, seed: int
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Means (P, ...) over scrambled Sobol' points, and the standard error of independent ones of these."""
    sites = np.flatnonzero(depends)
    each = max(1, count // REPLICAS)
    means = []
    for replica in range(REPLICAS):
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, replica])))
        points = qmc.Sobol(max(1, sites.size), seed=generator)
        # the first point by itself: numbers of them that are no powers of two are less even, as right, and warned of
        turns = np.concatenate([points.random(1), points.random(each - 1)])[:, : sites.size]

        def directions(first: int, last: int, turns: np.ndarray = turns) -> np.ndarray:
            result: np.ndarray = np.ones((last - first, h.size), dtype=complex)
            result[:, sites] = np.exp(2j * np.pi * turns[first:last])
            return result

        means.append(_mean(h, moduli, directions, each)[0])
    values = np.array(means)
    return values.mean(axis=0), np.abs(values.std(axis=0, ddof=1)) / np.sqrt(REPLICAS)


def _mean(
    h: Observable, moduli: np.ndarray, directions: Callable[[int, int], np.ndarray], count: int
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Means (P, ...) over directions exp(i phi) (count, N), and the largest |h| (P, 1, ...)."""
    part = max(1, AT_ONCE // h.size)
    # few directions: many points at a time; many directions: one point after another
    rows = max(1, part // count)
    values, sizes = [], []
    for top in range(0, len(moduli), rows):
        some = moduli[top : top + rows]
        total: Any = 0.0
        largest = np.full(len(some), 1e-300)
        for first in range(0, count, part):
            turned = some[:, None, :] * directions(first, min(first + part, count))
            found = h(turned.reshape(-1, h.size)).reshape(*turned.shape[:2], -1)
            total = total + found.sum(axis=1)
            largest = np.maximum(largest, np.abs(found).max(axis=(1, 2), initial=0.0))
        values.append(total / count)
        sizes.append(largest)
    shape = h(moduli[:1] + 0j).shape[1:]
    result = np.concatenate(values).reshape(len(moduli), *shape)
    return result, np.concatenate(sizes).reshape(-1, *[1] * len(shape))
