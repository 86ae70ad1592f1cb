"""Averages of a user's dissipation over angles: K_j(v) = int exp(-i theta_j) g_j(Psi_theta v) d theta.

The trapezoidal rule is exact where the integrand is a trigonometric polynomial of lower degree in each angle than there
are angles. The degree is that of Fourier series in one angle at a time, at random amplitudes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit

from ...errors import InvalidArgument
from ...sampling.philox import COMPILED
from .kernels import SiteFunction

MOST_ANGLES = 64  # for each site
MOST_ANGLES_AT_GIVEN = 1024  # the same at amplitudes that are asked for
ANGLE_RTOL = 1e-13  # of Fourier coefficients
MOST_COMBINATIONS = 2**27  # of the angles of all sites on which one g_j depends


@lru_cache(maxsize=64)
def site_values(function: SiteFunction) -> Callable[..., np.ndarray]:
    """values(u, sites): the compiled g_j of sites (S,) at amplitudes u (P, N): (P, S)."""

    @njit(**COMPILED)
    def values(u, sites):  # type: ignore[no-untyped-def]
        result = np.empty((u.shape[0], sites.size), dtype=np.complex128)
        for i in range(u.shape[0]):
            for k in range(sites.size):
                result[i, k] = function(sites[k], u[i])
        return result

    return values


@lru_cache(maxsize=64)
def site_average(function: SiteFunction) -> Callable[..., np.ndarray]:
    """average(v, j, near, angles): K_j (P,) at amplitudes v (P, N), by so many angles of each site in `near`."""

    @njit(**COMPILED)
    def average(v, j, near, angles):  # type: ignore[no-untyped-def]
        result = np.zeros(v.shape[0], dtype=np.complex128)
        phases = np.exp(2j * np.pi * np.arange(angles) / angles)
        combinations = angles ** near.shape[0]
        for i in range(v.shape[0]):
            u = v[i].copy()
            total = 0j
            for combination in range(combinations):
                # the digits of the combination, to the base of the number of angles, are the angles of the sites
                digits, phase_of_j = combination, 1.0 + 0j
                for k in near:
                    phase = phases[digits % angles]
                    digits //= angles
                    u[k] = v[i, k] * phase
                    if k == j:
                        phase_of_j = phase
                total += function(j, u) * phase_of_j.conjugate()
            result[i] = total / combinations
        return result

    return average


@lru_cache(maxsize=64)
def turned_values(function: SiteFunction) -> Callable[..., np.ndarray]:
    """turned(v, j, k, angles): exp(-i theta_j) g_j (P, angles) with the site k turned by equidistant angles."""

    @njit(**COMPILED)
    def turned(v, j, k, angles):  # type: ignore[no-untyped-def]
        result = np.empty((v.shape[0], angles), dtype=np.complex128)
        phases = np.exp(2j * np.pi * np.arange(angles) / angles)
        for i in range(v.shape[0]):
            u = v[i].copy()
            for n in range(angles):
                u[k] = v[i, k] * phases[n]
                value = function(j, u)
                result[i, n] = value * phases[n].conjugate() if k == j else value
        return result

    return turned


def degree_in_angles(
    function: SiteFunction, v: np.ndarray, site: int, near: np.ndarray, most: int = MOST_ANGLES
) -> int:
    """The largest frequency of exp(-i theta_j) g_j in the angles of the sites `near`, at amplitudes v (P, N).

    Raises:
        InvalidArgument: it is larger than half the angles that are looked at, or there is no end of them.
    """
    highest = 0
    for k in near:
        # two numbers of angles without a common divisor: a frequency that one takes for a lower one, the other sees
        for angles in (2 * most + 1, 2 * most + 7):
            values = turned_values(function)(v, site, int(k), angles)
            sizes = np.abs(np.fft.fft(values, axis=1)).max(axis=0) / angles
            frequencies = np.abs(np.fft.fftfreq(angles, 1 / angles))
            present = frequencies[sizes > ANGLE_RTOL * max(np.abs(values).max(), 1e-300)]
            highest = max(highest, int(present.max(initial=0)))
    if highest >= most:
        raise InvalidArgument(
            "dissipation",
            f"its average over angles does not settle with {most} of them for each site: g_{site} turns with "
            "frequencies without end; is it smooth?",
        )
    return highest
