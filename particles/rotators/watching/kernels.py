"""Compiled looks at a tile of members after every step: extrema and integrals over time of their actions.

What is found is kept in one tuple `state`:

    (top (N, LANES), the largest |u_j|^2 at steps; high (N, LANES), the largest |u_j| of bridges between noises;
     last (N, LANES), |u_j| at the last noise; integral (N, LANES), of I_j; below (L, N, LANES), times with I_j < level;
     levels (L,); norms (M, LANES), the largest sum_k gamma^|k-j| |u_k|^q; weights (M, N); q),

M = N or, where norms are not watched, 0. The modulus r = |u_j| has the constant dispersion sqrt(T_j), so that between
the ends a, b of a slow time d it passes any height like a Brownian bridge:

    max r = (a + b + sqrt((a - b)^2 - 2 T d log U)) / 2,    U uniform in (0, 1),

up to terms of order d that the drift makes. Source: Glasserman, Monte Carlo Methods in Financial Engineering, 6.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ...sampling.normal_tiles import fill_site
from ...sampling.philox import COMPILED
from ..dissipations.kernels import LANES


@njit(cache=True, **COMPILED)
def observe(x, y, weight, state):  # type: ignore[no-untyped-def]
    """Look at the amplitudes x + i y (N, LANES); weight: of this time in integrals over slow time."""
    top, _, _, integral, below, levels, norms, weights, q = state
    sites = x.shape[0]
    for j in range(sites):
        a, b, high, whole = x[j], y[j], top[j], integral[j]
        for n in range(LANES):
            square = a[n] * a[n] + b[n] * b[n]
            high[n] = max(high[n], square)
            whole[n] += 0.5 * weight * square
        for k in range(levels.shape[0]):
            some, level = below[k, j], 2.0 * levels[k]
            for n in range(LANES):
                some[n] += weight if a[n] * a[n] + b[n] * b[n] < level else 0.0
    if norms.shape[0] > 0:
        powers, total = np.empty((sites, LANES)), np.empty(LANES)
        for j in range(sites):
            for n in range(LANES):
                powers[j, n] = (x[j, n] * x[j, n] + y[j, n] * y[j, n]) ** (0.5 * q)
        for j in range(sites):
            total[:] = 0.0
            for k in range(sites):
                for n in range(LANES):
                    total[n] += weights[j, k] * powers[k, n]
            for n in range(LANES):
                norms[j, n] = max(norms[j, n], total[n])


@njit(cache=True, **COMPILED)
def bridge(x, y, d, noise_step, heat, state):  # type: ignore[no-untyped-def]
    """The largest moduli since the last noise, a slow time d ago; heat: (T (N,), member, purpose, k0, k1)."""
    _, high, last, _, _, _, _, _, _ = state
    temperature, member, purpose, k0, k1 = heat
    z, w, uniform, exponent = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for j in range(x.shape[0]):
        fill_site(z, w, noise_step, j, member, purpose, k0, k1, uniform, exponent)
        variance = temperature[j] * d
        for n in range(LANES):
            r = math.sqrt(x[j, n] * x[j, n] + y[j, n] * y[j, n])
            # the sum of two squares of normal numbers is -2 log U
            spread = variance * (z[n] * z[n] + w[n] * w[n])
            gap = r - last[j, n]
            high[j, n] = max(high[j, n], 0.5 * (last[j, n] + r + math.sqrt(gap * gap + spread)))
            last[j, n] = r


@njit(**COMPILED)
def as_they_are(x, y, i, *rest):  # type: ignore[no-untyped-def]
    """The amplitudes after step i of schemes that leave no part of a step to the next one that moduli would feel."""
    return x, y


@lru_cache(maxsize=64)
def watched_stepper(advance: Callable[..., Any], seen: Callable[..., Any] = as_they_are) -> Callable[..., Any]:
    """run(x, y, first, some, clock, heat, state, *rest): advance(x, y, first, some, *rest), with a look at every step.

    seen: seen(x, y, i, *rest) gives the amplitudes after step i; clock: (slow time of a step, all steps of this way,
    steps between two noises, whether the noise of the first and the last time has half the length, number of the first
    bridge).
    """

    @njit(**COMPILED)
    def run(x, y, first, some, clock, heat, state, *rest):  # type: ignore[no-untyped-def]
        d, total, between, halved, noise_step = clock
        for i in range(first, first + some):
            advance(x, y, i, 1, *rest)
            a, b = seen(x, y, i, *rest)
            # the trapezoidal rule in time
            observe(a, b, d if i < total - 1 else 0.5 * d, state)
            if (i + 1) % between == 0:
                length = float(between)
                if halved:
                    length *= (1.5 if i + 1 == between else 1.0) - (0.5 if i == total - 1 else 0.0)
                bridge(a, b, length * d, noise_step + i // between, heat, state)

    return run
