"""Compiled steps of a lattice u and of its limit v together, in tiles (2 N, LANES): N rows of u, then N of v.

Both have the thermostats H(d) at the same times, with one noise: the noise of v_j is that of u_j, turned by the angle
between v_j and u_j at the beginning of the step, so that it acts on both moduli alike. A Gaussian noise that is
turned by an angle known beforehand has the same law: v is a sample of the limit, whatever u does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ...sampling.philox import COMPILED
from ..dissipations.kernels import LANES
from ..kernels import site_noise


@njit(**COMPILED)
def turned_noise(z, w, noise_step, j, heat, uniform, exponent):  # type: ignore[no-untyped-def]
    """See `site_noise`; the last two entries of `heat` are cos and sin (N, LANES) of the angles."""
    site_noise(z, w, noise_step, j, heat, uniform, exponent)
    cosine, sine = heat[7][j], heat[8][j]
    for n in range(LANES):
        old = z[n]
        z[n] = cosine[n] * old - sine[n] * w[n]
        w[n] = sine[n] * old + cosine[n] * w[n]


@lru_cache(maxsize=64)
def steps_of_first(steps: Callable[..., Any]) -> Callable[..., Any]:
    """The Hamiltonian steps, of u alone, the first half of the rows; arguments as of `hamiltonian_stepper`."""

    @njit(**COMPILED)
    def first(x, y, turning, pairs, ends, strength, h, count, begin, end):  # type: ignore[no-untyped-def]
        sites = x.shape[0] // 2
        steps(x[:sites], y[:sites], turning, pairs, ends, strength, h, count, begin, end)

    return first


@lru_cache(maxsize=64)
def thermostats_of_both(of_lattice: Callable[..., Any], of_limit: Callable[..., Any]) -> Callable[..., Any]:
    """H(d) of u and of v; `heat` has the parameters of K after those of g, see `thermostat_stepper`.

    of_limit: made with `turned_noise`.
    """

    @njit(**COMPILED)
    def apply(x, y, d, noise_step, heat):  # type: ignore[no-untyped-def]
        temperature, member, purpose, k0, k1, int_params, float_params, int_limit, float_limit = heat
        sites = temperature.shape[0]
        cosine, sine = np.empty((2, sites, LANES))
        for j in range(sites):
            for n in range(LANES):
                a, b, p, q = x[j, n], y[j, n], x[sites + j, n], y[sites + j, n]
                # v conj(u), whose angle is that of v less that of u
                re, im = p * a + q * b, q * a - p * b
                size = math.sqrt(re * re + im * im)
                cosine[j, n] = re / size if size > 0.0 else 1.0
                sine[j, n] = im / size if size > 0.0 else 0.0
        of_lattice(
            x[:sites], y[:sites], d, noise_step, (temperature, member, purpose, k0, k1, int_params, float_params)
        )
        turned = temperature, member, purpose, k0, k1, int_limit, float_limit, cosine, sine
        of_limit(x[sites:], y[sites:], d, noise_step, turned)

    return apply


@njit(cache=True, **COMPILED)
def largest_gaps(x, y, shift, gaps):  # type: ignore[no-untyped-def]
    """Raise gaps (N, LANES) to |I_j of u - I_j of v| + shift_j ||u_j| - |v_j|| where that is larger.

    With r, s the moduli, the difference is |r - s| (r + s)/2. The noise of both is the same, so that it acts on r + s
    only, with the dispersion 2 sqrt(T_j): between noises a slow time d apart (r + s)/2 comes higher than at these by
    0.5826 sqrt(T_j d) on the average, which is the shift. Source: Broadie, Glasserman, Kou, "A continuity correction
    for discrete barrier options" (1997).
    """
    sites = gaps.shape[0]
    for j in range(sites):
        for n in range(LANES):
            of_lattice = x[j, n] * x[j, n] + y[j, n] * y[j, n]
            of_limit = x[sites + j, n] * x[sites + j, n] + y[sites + j, n] * y[sites + j, n]
            above = shift[j] * abs(math.sqrt(of_lattice) - math.sqrt(of_limit))
            gaps[j, n] = max(gaps[j, n], 0.5 * abs(of_lattice - of_limit) + above)


@lru_cache(maxsize=64)
def gap_stepper(advance: Callable[..., Any]) -> Callable[..., Any]:
    """run(x, y, first, some, shift, gaps, *rest): advance(x, y, first, some, *rest), then a look at the gaps."""

    @njit(**COMPILED)
    def run(x, y, first, some, shift, gaps, *rest):  # type: ignore[no-untyped-def]
        advance(x, y, first, some, *rest)
        largest_gaps(x, y, shift, gaps)

    return run
