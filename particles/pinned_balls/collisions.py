"""Kernels of the pinned balls: the collisions of one run, and the sums over a chunk of runs.

The uniform point on the circle of equal sum and equal sum of squares, followed by the sorting of a pair (steps 2.1 and
2.2 of the paper), needs no comparison: with m the mean of the triple, r^2 the sum of its squared deviations and
(c, s) = (cos, sin) of an angle uniform on a half circle,

    (lower, upper, third) = m + r (-c/sqrt 2 - s/sqrt 6, c/sqrt 2 - s/sqrt 6, 2 s/sqrt 6),

since folding the circle onto c >= 0 is what sorting does. One 64-bit word z gives the whole step: the high half of
z (n-2) is the site, the next bit the pair, the 63 bits below it the angle. The randomness does not depend on the state,
so that it is made in blocks of 512 steps (SIMD) and then applied one step after the other.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..sampling.philox import COMPILED, MASK, Purpose, fill_normals, philox
from ..sampling.simd_math import cos_sin_pi

# steps made at once; two for each Philox counter
STEPS_PER_BLOCK = 512
HALF = STEPS_PER_BLOCK // 2
# rows of powers 1..4 in front of the rows of lagged products
POWERS = 4

# r is computed as sqrt(d1^2 + d2^2 + d3^2) of the three differences, which is sqrt 3 times the r above; so the factors
# of c and s are 1/sqrt 2 and 1/sqrt 6, divided by sqrt 3
_C = math.sqrt(1.0 / 6.0)
_S = math.sqrt(1.0 / 18.0)
_COLLISIONS = np.uint64(Purpose.COLLISIONS)
_INITIAL_STATE = np.uint64(Purpose.INITIAL_STATE)
_ONE = np.uint32(1)


@njit(inline="always")
def _draw_words(block, run, k0, k1, words):  # type: ignore[no-untyped-def]
    """Fill words (2, 512) with the high and the low halves of a block's 64-bit words, two of each counter."""
    first = np.uint64(block) * np.uint64(HALF)
    for j in range(HALF):
        counter = first + np.uint64(j)
        c0, c1, c2, c3 = philox(counter & MASK, counter >> np.uint64(32), run, _COLLISIONS, k0, k1)
        words[0, j] = c0
        words[1, j] = c1
        words[0, j + HALF] = c2
        words[1, j + HALF] = c3


@njit(cache=True, **COMPILED)
def draw_exchanges(block, run, k0, k1, n, words, sites, across, along):  # type: ignore[no-untyped-def]
    """Fill sites (2 x + pair), across (c/sqrt 6) and along (s/sqrt 18) for the 512 steps of a block.

    Three short loops, since each then fits the vector registers; words (2, 512) is room to work in.
    """
    choices = np.uint64(n - 2)
    _draw_words(block, run, k0, k1, words)
    for j in range(STEPS_PER_BLOCK):
        product = words[1, j] * choices
        word = words[0, j] * choices + (product >> np.uint64(32))
        rest = (word << np.uint64(33)) | ((product & MASK) << np.uint64(1))
        sites[j] = np.uint32(2) + np.uint32(word >> np.uint64(31))
        across[j] = np.float64(np.int64(rest)) * 2.0**-64
    for j in range(STEPS_PER_BLOCK):
        c, s = cos_sin_pi(across[j])
        across[j] = c * _C
        along[j] = s * _S


@njit(cache=True, **COMPILED)
def draw_pairs(block, run, k0, k1, n, words, sites):  # type: ignore[no-untyped-def]
    """Fill sites with the left balls, uniform on 0..n-2, of the 512 pairs of a block."""
    choices = np.uint64(n - 1)
    _draw_words(block, run, k0, k1, words)
    for j in range(STEPS_PER_BLOCK):
        word = words[0, j] * choices + ((words[1, j] * choices) >> np.uint64(32))
        sites[j] = np.uint32(word >> np.uint64(32))


@njit(inline="always")
def _collide(v, x, pair, across, along):  # type: ignore[no-untyped-def]
    """Steps 2.1 and 2.2 at the site x, where `pair` is 0 for sorting (x-1, x) and 1 for (x, x+1).

    Where the lower, the upper and the third velocity go follows from `pair` without a branch, which would be
    predicted wrongly half of the time.
    """
    a = v[x - _ONE]
    b = v[x]
    c = v[x + _ONE]
    middle = (a + b + c) * (1.0 / 3.0)
    d1 = a - b
    d2 = b - c
    d3 = a - c
    r = math.sqrt(d1 * d1 + d2 * d2 + d3 * d3)
    v[x - _ONE + pair] = middle - r * (across + along)
    v[x + pair] = middle + r * (across - along)
    v[x + _ONE - pair - pair] = middle + 2.0 * r * along


@njit(inline="always")
def _collide_all(v, sites, across, along):  # type: ignore[no-untyped-def]
    # sites are unsigned: an index that cannot be negative needs no wrapping around
    for j in range(sites.shape[0]):
        code = sites[j]
        _collide(v, code >> _ONE, code & _ONE, across[j], along[j])


@njit(cache=True, **COMPILED)
def advance_exchanging(v, start, stop, run, k0, k1, words, sites, across, along):  # type: ignore[no-untyped-def]
    """Apply the collisions start..stop-1 of a run, with exchange of energy, to the velocities v (n,)."""
    t = start
    while t < stop:
        block = t // STEPS_PER_BLOCK
        draw_exchanges(block, run, k0, k1, v.shape[0], words, sites, across, along)
        offset = block * STEPS_PER_BLOCK
        end = min(stop, offset + STEPS_PER_BLOCK)
        _collide_all(v, sites[t - offset : end - offset], across[t - offset :], along[t - offset :])
        t = end


@njit(cache=True, **COMPILED)
def advance_sorting(v, start, stop, run, k0, k1, words, sites):  # type: ignore[no-untyped-def]
    """Apply the collisions start..stop-1 of a run, each the sorting of one adjacent pair, to the velocities v (n,)."""
    t = start
    while t < stop:
        block = t // STEPS_PER_BLOCK
        draw_pairs(block, run, k0, k1, v.shape[0], words, sites)
        offset = block * STEPS_PER_BLOCK
        end = min(stop, offset + STEPS_PER_BLOCK)
        pairs = sites[t - offset : end - offset]
        for j in range(pairs.shape[0]):
            x = pairs[j]
            a = v[x]
            b = v[x + _ONE]
            v[x] = min(a, b)
            v[x + _ONE] = max(a, b)
        t = end


@njit(cache=True, **COMPILED)
def run_chunk(exchange, mean, std, start, stops, first_run, k0, k1, entry, states, drift):  # type: ignore[no-untyped-def]
    """Carry runs to their snapshots.

    entry (R, n) holds the velocities after `start` collisions and is overwritten with those after the last stop;
    for start = 0 the initial state is drawn here. states (R, T, n) receives the snapshots; drift (2,) the largest
    relative change of momentum (against sqrt(n) times the norm of v) and of energy.
    """
    runs, n = entry.shape
    words = np.empty((2, STEPS_PER_BLOCK), np.uint64)
    sites = np.empty(STEPS_PER_BLOCK, np.uint32)
    across = np.empty(STEPS_PER_BLOCK)
    along = np.empty(STEPS_PER_BLOCK)
    v = np.empty(n)
    for i in range(runs):
        run = np.uint64(first_run + i)
        fill_normals(v, run, _INITIAL_STATE, k0, k1)
        for x in range(n):
            v[x] = mean[x] + std[x] * v[x]
        momentum, energy = invariants(v)
        # the initial state is drawn even then: changes of momentum and energy are measured against it
        if start > 0:
            v[:] = entry[i]
        t = start
        for k in range(stops.shape[0]):
            if exchange:
                advance_exchanging(v, t, stops[k], run, k0, k1, words, sites, across, along)
            else:
                advance_sorting(v, t, stops[k], run, k0, k1, words, sites)
            t = stops[k]
            states[i, k] = v
            m, e = invariants(v)
            drift[0] = max(drift[0], abs(m - momentum) / math.sqrt(n * energy) if energy > 0.0 else 0.0)
            drift[1] = max(drift[1], abs(e - energy) / energy if energy > 0.0 else 0.0)
        entry[i] = v


@njit(inline="always")
def invariants(v):  # type: ignore[no-untyped-def]
    """Return (sum of v, sum of v^2)."""
    momentum = 0.0
    energy = 0.0
    for x in range(v.shape[0]):
        momentum += v[x]
        energy += v[x] * v[x]
    return momentum, energy


@njit(cache=True, **COMPILED)
def add_moments(states, reference, sums):  # type: ignore[no-untyped-def]
    """Add u, u^2, u^3, u^4 and u(x) u(x+k), k = 1.., with u = v - reference, of states (R, T, n) to sums (T, 4+K, n).

    The sum over runs is taken in their order at every site, whatever the number of runs at a time.
    """
    runs, snapshots, n = states.shape
    lags = sums.shape[1] - POWERS
    tile = 256
    u = np.empty((runs, tile + lags))
    for k in range(snapshots):
        for left in range(0, n, tile):
            width = min(tile, n - left)
            wide = min(width + lags, n - left)
            for i in range(runs):
                for x in range(wide):
                    u[i, x] = states[i, k, left + x] - reference[k, left + x]
            for i in range(runs):
                row = u[i]
                for x in range(width):
                    square = row[x] * row[x]
                    sums[k, 0, left + x] += row[x]
                    sums[k, 1, left + x] += square
                    sums[k, 2, left + x] += square * row[x]
                    sums[k, 3, left + x] += square * square
            for lag in range(1, lags + 1):
                _add_products(u, runs, lag, sums[k, POWERS - 1 + lag, left : left + min(width, n - left - lag)])


@njit(inline="always")
def _add_products(u, runs, lag, target):  # type: ignore[no-untyped-def]
    """Add u(i, x) u(i, x + lag) of the runs to the target, run after run; four at a time, to save memory traffic."""
    i = 0
    while i + 4 <= runs:
        a0, a1, a2, a3 = u[i], u[i + 1], u[i + 2], u[i + 3]
        b0, b1, b2, b3 = u[i, lag:], u[i + 1, lag:], u[i + 2, lag:], u[i + 3, lag:]
        for x in range(target.shape[0]):
            total = target[x] + a0[x] * b0[x]
            total += a1[x] * b1[x]
            total += a2[x] * b2[x]
            total += a3[x] * b3[x]
            target[x] = total
        i += 4
    while i < runs:
        a0 = u[i]
        b0 = u[i, lag:]
        for x in range(target.shape[0]):
            target[x] += a0[x] * b0[x]
        i += 1
