"""Distances of Wasserstein on a line for many weightings of the same members: resampled, or with exchanged labels.

With signed weights s, +1/R on the members of one sample and -1/R on those of the other, in the order of their values,

    W_1 = int |F - G| dx = sum_i |s_1 + ... + s_i| (x_{i+1} - x_i).

Only s changes where members are drawn again or labels are exchanged, so that one sorting serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...sampling.philox import Purpose

ENTRIES = 1_000_000  # of weights that are held at a time
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
    pooled = np.concatenate(values, axis=1)
    order = np.argsort(pooled, axis=1, kind="stable")
    gaps = np.diff(np.take_along_axis(pooled, order, axis=1), axis=1)
    # pairs that are the same but for rounding are no farther apart than that
    gaps[gaps < ROUNDING * np.abs(pooled).max(axis=1, keepdims=True)] = 0.0
    plain = np.concatenate([np.full(first, 1.0 / first), np.full(second, -1.0 / second)])
    part = max(1, ENTRIES // (first + second))
    found: list[list[NDArray[np.float64]]] = [[], [], []]
    for begin in range(0, resamples, part):
        some = min(part, resamples - begin)
        drawn, exchanged = _drawn_and_exchanged(first, second, paired, some, (key, begin))
        for kept, signed in zip(found, (drawn, drawn - plain, exchanged)):
            kept.append(_distances(signed, order, gaps) @ weights.T)
    value = _distances(plain[None], order, gaps) @ weights.T
    return Resampled(value[0], *(np.concatenate(one) for one in found))


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
    first: int, second: int, paired: bool, some: int, counter: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signed weights (some, n) of members drawn again, and of members with exchanged labels."""
    key, begin = counter
    bits = np.random.Philox(key=np.array([key, Purpose.PATH_LAWS], dtype=np.uint64), counter=[0, 0, 1, begin])
    generator = np.random.Generator(bits)
    counts = _counts(generator, first, some) / first
    if paired:
        signs = np.where(generator.random((some, first)) < 0.5, 1.0 / first, -1.0 / first)
        return np.concatenate([counts, -counts], axis=1), np.concatenate([signs, -signs], axis=1)
    drawn = np.concatenate([counts, -_counts(generator, second, some) / second], axis=1)
    labels = np.concatenate([np.full(first, 1.0 / first), np.full(second, -1.0 / second)])
    return drawn, generator.permuted(np.broadcast_to(labels, (some, len(labels))), axis=1)


def _counts(generator: np.random.Generator, size: int, some: int) -> NDArray[np.float64]:
    """How often each of `size` members is drawn, in so many draws of `size` with repetition (some, size)."""
    places = generator.integers(0, size, (some, size)) + size * np.arange(some)[:, None]
    return np.bincount(places.ravel(), minlength=some * size).reshape(some, size).astype(np.float64)
