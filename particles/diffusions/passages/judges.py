"""Whether a step has hit a target: at its end, or on its way by a Brownian bridge.

Between x and y, both outside of the half space in which a level phi is negative, a Brownian motion with the diffusion
matrix A has been inside with the probability exp(-2 phi(x) phi(y)/(h n.A n)), n = grad phi. A path is taken to have
been there if that is above a uniform number of the path and the step.

Source: Gobet, Weak approximation of killed diffusion using Euler schemes, Stochastic Processes and their Applications
87 (2000); for half spaces in place of smooth sets, ESAIM: Probability and Statistics 5 (2001).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit

from ...sampling.normal_tiles import PAIRS, TILE
from ...sampling.philox import COMPILED, MASK, Purpose, philox
from .targets import Target

# of the target that a path has hit
GOING = -1
NOT_A_NUMBER = -2
# uniform numbers are at least 2^-53, and exp(-37) is less
LARGEST_EXPONENT = 37.0
# of the way of a step, and of the coordinate, over which the level is differentiated
PART = 1e-3
LEAST_PART = 1e-8
PASSAGES = np.uint64(Purpose.PASSAGES)
# score of an indicator that holds at the end of a step: the middle of the way
INSIDE = -0.5


@njit(inline="always")
def uniform_number(path, step, k0, k1):  # type: ignore[no-untyped-def]
    """The number in (0, 1) of a path and a step; the counter is (low and high half of the step, pair, purpose).

    The two halves of a block go to the paths of a pair, as in `normal_tiles`.
    """
    place = path % TILE
    pair = (path // TILE) * PAIRS + place % PAIRS
    high = np.uint64(step) >> np.uint64(32)
    c0, c1, c2, c3 = philox(np.uint64(step) & MASK, high, np.uint64(pair), PASSAGES, k0, k1)
    if place >= PAIRS:
        c0, c1 = c2, c3
    return (np.float64(np.int64((c0 << np.uint64(20)) | (c1 >> np.uint64(12)))) + 0.5) * 2.0**-52


@njit(cache=True, **COMPILED)
def slope_length(slopes, here, j):  # type: ignore[no-untyped-def]
    """n.A n = |S^T n|^2 of the path j, with its lower triangular S in the rows of `here` from d on."""
    dim, total = slopes.shape[0], 0.0
    for column in range(dim):
        part = 0.0
        for row in range(column, dim):
            part += here[dim + row * (row + 1) // 2 + column, j] * slopes[row, j]
        total += part * part
    return total


@njit(cache=True, **COMPILED)
def decide(number, before, after, slopes, here, paths, count, hits, scores, h, step, k0, k1):  # type: ignore[no-untyped-def]
    """Whether paths have hit a target, at the end of the step or on the way, and before the others.

    before, after (n,) are the levels at both ends of the step. The smallest of the scores (n,) counts, and of equal
    ones the first: the part of the way where a line from end to end enters, less 1, or the exponent of the bridge. One
    number of a path and a step serves all targets, so that a boundary that several of them share is one boundary. hits
    (n,) receives `number`, or NOT_A_NUMBER.
    """
    for j in range(count):
        if hits[j] == NOT_A_NUMBER:
            continue
        length = slope_length(slopes, here, j)
        if not (math.isfinite(after[j]) and math.isfinite(length)):
            hits[j] = NOT_A_NUMBER
            continue
        score = math.inf
        if after[j] <= 0.0:
            score = before[j] / (before[j] - after[j]) - 1.0
        elif length > 0.0:
            exponent = 2.0 * before[j] * after[j] / (h * length)
            # the number is made where it matters only, which is near the target
            near = exponent < min(LARGEST_EXPONENT, scores[j])
            if near and uniform_number(paths[j], step, k0, k1) < math.exp(-exponent):
                score = exponent
        if score < scores[j]:
            hits[j], scores[j] = number, score


@lru_cache(maxsize=128)
def level_judge(level: Callable[..., np.ndarray], number: int) -> Callable[..., None]:
    """judge(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1) for a level function.

    x and y (d, n) are the positions before and after the step, here (d + d (d + 1)/2, n) holds S, S S^T = A at x, in
    its rows from d on, levels (K, n) those of all targets at x, which are replaced by those at y; slopes and shifted
    (d, n) are work space. hits (n,) receives the number of the target.
    """

    @njit(**COMPILED)
    def judge(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1):  # type: ignore[no-untyped-def]
        dim = x.shape[0]
        for i in range(dim):
            for j in range(count):
                shifted[i, j] = x[i, j]
        for i in range(dim):
            for j in range(count):
                square = 0.0
                for column in range(i + 1):
                    square += here[dim + i * (i + 1) // 2 + column, j] ** 2
                shifted[i, j] = x[i, j] + max(PART * math.sqrt(h * square), LEAST_PART * abs(x[i, j]))
            beside = level(shifted[:, :count].T)
            for j in range(count):
                slopes[i, j] = (beside[j] - levels[number, j]) / (shifted[i, j] - x[i, j])
                shifted[i, j] = x[i, j]
        ends = level(y[:, :count].T)
        decide(number, levels[number], ends, slopes, here, paths, count, hits, scores, h, step, k0, k1)
        for j in range(count):
            levels[number, j] = ends[j]

    return judge


@lru_cache(maxsize=128)
def indicator_judge(inside: Callable[..., np.ndarray], number: int) -> Callable[..., None]:
    """judge(...) as `level_judge`, for an indicator: only the end of the step is looked at."""

    @njit(**COMPILED)
    def judge(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1):  # type: ignore[no-untyped-def]
        values = inside(y[:, :count].T)
        for j in range(count):
            # where on the way is not known
            if values[j] and scores[j] > INSIDE and hits[j] != NOT_A_NUMBER:
                hits[j], scores[j] = number, INSIDE

    return judge


@lru_cache(maxsize=128)
def lone_judge(inside: Callable[..., np.ndarray]) -> Callable[..., None]:
    """judge(...) as `level_judge`, for an indicator that is the only target: every entry of hits is written."""

    @njit(forceinline=True, **COMPILED)
    def judge(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1):  # type: ignore[no-untyped-def]
        values = inside(y[:, :count].T)
        for j in range(count):
            hits[j] = 0 if values[j] else GOING

    return judge


@lru_cache(maxsize=128)
def one_after_the_other(judges: tuple[Callable[..., None], ...]) -> Callable[..., None]:
    """judge(...) of several targets: the one that has been hit first counts."""
    if len(judges) == 1:
        return judges[0]
    earlier, last = one_after_the_other(judges[:-1]), judges[-1]

    @njit(**COMPILED)
    def judge(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1):  # type: ignore[no-untyped-def]
        earlier(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1)
        last(x, y, here, levels, slopes, shifted, paths, count, hits, scores, h, step, k0, k1)

    return judge


def one_indicator(targets: tuple[Target, ...]) -> bool:
    """Whether there is one target, an indicator: nothing is to be compared with it."""
    return len(targets) == 1 and not targets[0].has_level


def judge_of(targets: tuple[Target, ...]) -> Callable[..., None]:
    """judge(...) of all targets, by their levels or as indicators; hits and scores may hold what was found before."""
    judges = [(level_judge if t.has_level else indicator_judge)(t.function, k) for k, t in enumerate(targets)]
    return one_after_the_other(tuple(judges))
