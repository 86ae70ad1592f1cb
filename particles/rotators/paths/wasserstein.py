"""Distances of Wasserstein on a line for many weightings of the same members: resampled, or with exchanged labels.

With signed weights s, +1/R on the members of one sample and -1/R on those of the other, in the order of their values,

    W_1 = int |F - G| dx = sum_i |s_1 + ... + s_i| (x_{i+1} - x_i).

Only s changes where members are drawn again or labels are exchanged, so that one sorting serves them all. Sums are of
integers, s times the least common multiple of both R: they are exact, and so are distances that are 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...sampling.philox import Purpose

ENTRIES = 1_000_000  # of weights that are held at a time
SLICE = 20_000_000  # terms of sums between two looks at an interrupt: about a tenth of a second
ROUNDING = 1e-11  # of numbers that long calculations make


@dataclass(frozen=True)
class Resampled:
    """Distances (F,) of the samples, and what resampling makes of them (B, F).

    Args:
        value: W_1 of the samples.
        drawn: W_1 of members that are drawn again from each sample.
        noise: int |(F* - F) - (G* - G)| dx, how far such draws lead from the samples; |W_1 - its estimate| is at most
            the same integral of the samples against their laws.
        exchanged: W_1 after labels were exchanged: what samples of one law have by chance.
    """

    value: NDArray[np.float64]
    drawn: NDArray[np.float64]
    noise: NDArray[np.float64]
    exchanged: NDArray[np.float64]


def resampled(
    values: tuple[NDArray[np.float64], NDArray[np.float64]], weights: NDArray[np.float64], paired: bool,
    resamples: int, key: int,
) -> Resampled:  # fmt: skip
    """Distances of the laws of F functionals, and how they vary.

    Args:
        values: M numbers of each member, (M, R) and (M, S).
        weights: (F, M), of the means over distances of single numbers.
        paired: whether the members are drawn, and exchanged, in pairs.
        resamples: B.
        key: of the random numbers.
    """
    first, second = (one.shape[1] for one in values)
    order, gaps = _sorted(np.concatenate(values, axis=1))
    unit = np.lcm(first, second)
    plain = np.repeat([unit // first, -(unit // second)], [first, second]).astype(np.float64)
    part = max(1, ENTRIES // (first + second))
    found: list[list[NDArray[np.float64]]] = [[], [], []]
    for begin in range(0, resamples, part):
        some = min(part, resamples - begin)
        drawn, exchanged = _drawn_and_exchanged(plain, first, paired, some, (key, begin))
        for kept, signed in zip(found, (drawn, drawn - plain, exchanged)):
            kept.append(_in_slices(signed, order, gaps) @ weights.T / unit)
    value = _in_slices(plain[None], order, gaps) @ weights.T / unit
    return Resampled(value[0], *(np.concatenate(one) for one in found))


def _sorted(pooled: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The orders (M, n) of numbers (M, n), and the gaps (M, n - 1) between neighbours."""
    order = np.empty(pooled.shape, dtype=np.int64)
    gaps = np.empty((pooled.shape[0], pooled.shape[1] - 1))
    # one row after another, so that an interrupt is seen between them
    for one, places, apart in zip(pooled, order, gaps):
        places[:] = np.argsort(one, kind="stable")
        apart[:] = np.diff(one[places])
        # pairs that are the same but for rounding are no farther apart than that
        apart[apart < ROUNDING * np.abs(one).max()] = 0.0
    return order, gaps


def _in_slices(
    signed: NDArray[np.float64], order: NDArray[np.int64], gaps: NDArray[np.float64]
) -> NDArray[np.float64]:  # fmt: skip
    """See `_distances`; an interrupt is seen between slices of M."""
    part = max(1, SLICE // signed.size)
    slices = [slice(begin, begin + part) for begin in range(0, len(order), part)]
    return np.concatenate([_distances(signed, order[some], gaps[some]) for some in slices], axis=1)


@njit(cache=True, nogil=True)
def _distances(signed, order, gaps):  # type: ignore[no-untyped-def]
    """W_1 (B, M) for signed weights (B, n) of the members, whose orders and gaps are (M, n) and (M, n - 1)."""
    result = np.empty((signed.shape[0], order.shape[0]))
    for b in range(signed.shape[0]):
        for m in range(order.shape[0]):
            below, total = 0.0, 0.0
            for i in range(gaps.shape[1]):
                below += signed[b, order[m, i]]
                total += abs(below) * gaps[m, i]
            result[b, m] = total
    return result


def _drawn_and_exchanged(
    plain: NDArray[np.float64], first: int, paired: bool, some: int, counter: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signed weights (some, n) of members drawn again, and of members with exchanged labels; integers, as `plain`."""
    key, begin = counter
    bits = np.random.Philox(key=np.array([key, Purpose.PATH_LAWS], dtype=np.uint64), counter=[0, 0, 1, begin])
    generator = np.random.Generator(bits)
    counts = _counts(generator, first, some) * plain[0]
    if paired:
        signs = np.where(generator.random((some, first)) < 0.5, plain[0], -plain[0])
        return np.concatenate([counts, -counts], axis=1), np.concatenate([signs, -signs], axis=1)
    drawn = np.concatenate([counts, _counts(generator, len(plain) - first, some) * plain[-1]], axis=1)
    return drawn, generator.permuted(np.broadcast_to(plain, (some, len(plain))), axis=1)


def _counts(generator: np.random.Generator, size: int, some: int) -> NDArray[np.float64]:
    """How often each of `size` members is drawn, in so many draws of `size` with repetition (some, size)."""
    places = generator.integers(0, size, (some, size)) + size * np.arange(some)[:, None]
    return np.bincount(places.ravel(), minlength=some * size).reshape(some, size).astype(np.float64)
