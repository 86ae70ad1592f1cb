"""Compiled steps of the effective equation where the dissipation is radial: one site after the other.

    flow(d/2) noise flow(d) noise ... flow(d) noise flow(d/2),

with the exact flow of r' = -r^(p-1) for a slow time d: the half flows of successive steps are joined, since one after
the other they are one flow. For p = 2 a step is exact in law, v -> exp(-d) v + noise, and has no halves. Sites do not
act on one another here, so each takes all its steps while its members stay in the nearest cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ..sampling.noise import Noise
from ..sampling.philox import COMPILED
from .dissipations.kernels import LANES


@njit(inline="always")
def shrink(p, square, time):  # type: ignore[no-untyped-def]
    """By how much the flow of r' = -r^(p-1) makes a modulus of this square smaller."""
    if p == 3:
        return 1.0 / (1.0 + math.sqrt(square) * time)
    if p == 4:
        return 1.0 / math.sqrt(1.0 + 2.0 * square * time)
    return (1.0 + (p - 2) * square ** (0.5 * (p - 2)) * time) ** (-1.0 / (p - 2))


@lru_cache(maxsize=16)
def radial_flow(p: int) -> Callable[..., Any]:
    """flow(x, y, time): the flow of all sites; nothing for p = 2, whose steps have no halves."""

    @njit(**COMPILED)
    def flow(x, y, time):  # type: ignore[no-untyped-def]
        if p == 2:
            return
        for j in range(x.shape[0]):
            a, b = x[j], y[j]
            for n in range(LANES):
                factor = shrink(p, a[n] * a[n] + b[n] * b[n], time)
                a[n] *= factor
                b[n] *= factor

    return flow


@lru_cache(maxsize=16)
def _kick(p: int) -> Callable[..., Any]:
    """kick(n, z, w, state): the flow, and then the noise (z, w), of member n; state: a, b (LANES,), size, time."""

    @njit(inline="always")
    def kick(n, z, w, state):  # type: ignore[no-untyped-def]
        a, b, size, time = state
        # for p = 2 `time` is the factor exp(-d)
        factor = time if p == 2 else shrink(p, a[n] * a[n] + b[n] * b[n], time)
        a[n] = factor * a[n] + size * z
        b[n] = factor * b[n] + size * w

    return kick


@lru_cache(maxsize=16)
def radial_stepper(p: int, noise: Noise) -> Callable[..., Any]:
    """advance(x, y, first, some, count, d, noise_step, heat): the steps first, .., first + some - 1 of `count`.

    Between two of them the flow over d/2 is still to come, see `after_radial_step`. noise_step: the number of the noise
    of step 0; heat: see the head of `kernels.py`.
    """
    flow, drive = radial_flow(p), noise.driving(_kick(p))

    @njit(**COMPILED)
    def advance(x, y, first, some, count, d, noise_step, heat):  # type: ignore[no-untyped-def]
        temperature, member, purpose, k0, k1 = heat[:5]
        work = np.empty((4, LANES))
        # the first step of all has only half of a flow before its noise
        alone, begin = 1 if first == 0 and p != 2 else 0, noise_step + first
        for j in range(x.shape[0]):
            if p == 2:
                size, time = math.sqrt(-0.5 * temperature[j] * math.expm1(-2.0 * d)), math.exp(-d)
            else:
                size, time = math.sqrt(temperature[j] * d), d
            drive((x[j], y[j], size, 0.5 * time), begin, alone, j, member, purpose, k0, k1, work)
            drive((x[j], y[j], size, time), begin + alone, some - alone, j, member, purpose, k0, k1, work)
        if first + some == count:
            flow(x, y, 0.5 * d)

    return advance


@lru_cache(maxsize=16)
def after_radial_step(p: int) -> Callable[..., Any]:
    """seen(x, y, i, count, d, noise_step, heat): the amplitudes after step i of `count`, with the flow left out."""
    flow = radial_flow(p)

    @njit(**COMPILED)
    def seen(x, y, i, count, d, noise_step, heat):  # type: ignore[no-untyped-def]
        if p == 2 or i == count - 1:
            return x, y
        a, b = x.copy(), y.copy()
        flow(a, b, 0.5 * d)
        return a, b

    return seen
