"""Compiled dissipations: kernel(x, y, dx, dy, int_params, float_params).

A kernel writes the real and the imaginary part of g_j(u) into dx and dy, for amplitudes u = x + i y of a tile
(N, LANES). All have one signature, so that steppers are compiled once for each kind of dissipation: what tells two of a
kind apart is in the arrays `int_params` and `float_params`, which each kernel lays out as its docstring says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...sampling.philox import COMPILED

LANES = 128  # members that a tile of a lattice holds

# g_j(u) of the user's, compiled: from j and u (N,)
SiteFunction = Callable[[int, NDArray[np.complex128]], complex]
# a monomial of g_j: the site j, the coefficient, and for each factor its site and whether it is conjugated
PlacedMonomial = tuple[int, complex, list[tuple[int, bool]]]


@dataclass(frozen=True, eq=False)
class CompiledDissipation:
    """A compiled g.

    Args:
        kernel: see the head of this file.
        int_params: its integers.
        float_params: its real numbers.
        radial: p, where g_j = -|u_j|^(p-2) u_j, whose flow is known; else 0.
    """

    kernel: Callable[..., Any]
    int_params: NDArray[np.int64]
    float_params: NDArray[np.float64]
    radial: int = 0


NO_INTS, NO_FLOATS = np.empty(0, dtype=np.int64), np.empty(0)


@njit(cache=True, **COMPILED)
def _radial(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
    """int_params: p."""
    power = 0.5 * np.float64(int_params[0] - 2)
    for j in range(x.shape[0]):
        for n in range(LANES):
            damping = (x[j, n] * x[j, n] + y[j, n] * y[j, n]) ** power
            dx[j, n] = -damping * x[j, n]
            dy[j, n] = -damping * y[j, n]


def compiled_radial(p: int) -> CompiledDissipation:
    """-|u_j|^(p-2) u_j."""
    return CompiledDissipation(_radial, np.array([p]), NO_FLOATS, p)


@njit(cache=True, **COMPILED)
def _directed(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
    """int_params: for each site the next one, then for each site the one before, -1 where there is none; float_params:
    the strength, divided by 4.
    """
    sites, share = x.shape[0], float_params[0]
    rate = np.empty(LANES)
    for j in range(sites):
        after, before = int_params[j], int_params[sites + j]
        for n in range(LANES):
            rate[n] = -0.25 * (x[j, n] * x[j, n] + y[j, n] * y[j, n])
        if after >= 0:
            for n in range(LANES):
                rate[n] += share * (x[after, n] * x[after, n] + y[after, n] * y[after, n])
        if before >= 0:
            for n in range(LANES):
                rate[n] -= share * (x[before, n] * x[before, n] + y[before, n] * y[before, n])
        for n in range(LANES):
            dx[j, n] = rate[n] * x[j, n]
            dy[j, n] = rate[n] * y[j, n]


@njit(cache=True, **COMPILED)
def _directed_power(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
    """int_params: as for p = 4, and q = p/2; float_params: the strength."""
    sites = x.shape[0]
    q, strength = int_params[2 * sites], float_params[0]
    rate, own, low, other, high = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for j in range(sites):
        for n in range(LANES):
            own[n] = 0.5 * (x[j, n] * x[j, n] + y[j, n] * y[j, n])
            low[n] = 1.0
        for _ in range(q - 2):
            for n in range(LANES):
                low[n] *= own[n]
        for n in range(LANES):
            rate[n] = -0.5 * low[n] * own[n]
        for side in range(2):
            k = int_params[side * sites + j]
            if k < 0:
                continue
            share = (0.25 - 0.5 * side) * strength
            for n in range(LANES):
                other[n] = 0.5 * (x[k, n] * x[k, n] + y[k, n] * y[k, n])
                high[n] = 1.0
            for _ in range(q - 1):
                for n in range(LANES):
                    high[n] *= other[n]
            for n in range(LANES):
                rate[n] += share * (high[n] + other[n] * low[n])
        for n in range(LANES):
            dx[j, n] = rate[n] * x[j, n]
            dy[j, n] = rate[n] * y[j, n]


def compiled_directed(after: np.ndarray, before: np.ndarray, strength: float, power: int) -> CompiledDissipation:
    """2^-q (s/2 (h(u_{j+1}, u_j) - h(u_{j-1}, u_j)) - |u_j|^(p-2)) u_j, see `DirectedDissipation`."""
    if power == 4:
        return CompiledDissipation(_directed, np.concatenate([after, before]), np.array([0.25 * strength]))
    places = np.concatenate([after, before, [power // 2]])
    return CompiledDissipation(_directed_power, places, np.array([strength]))


@njit(cache=True, **COMPILED)
def _linear(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
    """int_params: pairs (j, k); float_params: real and imaginary part of b_jk for each."""
    for j in range(x.shape[0]):
        for n in range(LANES):
            dx[j, n] = -x[j, n]
            dy[j, n] = -y[j, n]
    for e in range(int_params.shape[0] // 2):
        j, k = int_params[2 * e], int_params[2 * e + 1]
        b, c = float_params[2 * e], float_params[2 * e + 1]
        for n in range(LANES):
            dx[j, n] += b * x[k, n] - c * y[k, n]
            dy[j, n] += b * y[k, n] + c * x[k, n]


def compiled_linear(size: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> CompiledDissipation:
    """-u_j + sum_k b_jk u_k."""
    pairs = np.stack([rows, columns], axis=1).ravel().astype(np.int64)
    return CompiledDissipation(_linear, pairs, np.stack([values.real, values.imag], axis=1).ravel())


@njit(cache=True, **COMPILED)
def _polynomial(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
    """int_params: for each monomial its site, the number of its factors, and for each factor the site and whether it is
    conjugated; float_params: real and imaginary part of each coefficient.
    """
    dx[:] = 0.0
    dy[:] = 0.0
    p, q = np.empty(LANES), np.empty(LANES)
    place = 0
    for m in range(float_params.shape[0] // 2):
        j, factors = int_params[place], int_params[place + 1]
        place += 2
        for n in range(LANES):
            p[n] = float_params[2 * m]
            q[n] = float_params[2 * m + 1]
        for _ in range(factors):
            k, bar = int_params[place], 1.0 - 2.0 * int_params[place + 1]
            place += 2
            for n in range(LANES):
                old = p[n]
                p[n] = old * x[k, n] - q[n] * bar * y[k, n]
                q[n] = old * bar * y[k, n] + q[n] * x[k, n]
        for n in range(LANES):
            dx[j, n] += p[n]
            dy[j, n] += q[n]


def compiled_polynomial(monomials: list[PlacedMonomial]) -> CompiledDissipation:
    """Sums of products of amplitudes u_k and their conjugates."""
    int_params: list[int] = []
    for site, _, factors in monomials:
        int_params += [site, len(factors)]
        int_params += [number for k, conjugated in factors for number in (k, int(conjugated))]
    float_params = [part for _, c, _ in monomials for part in (c.real, c.imag)]
    return CompiledDissipation(
        _polynomial, np.array(int_params, dtype=np.int64), np.array(float_params, dtype=np.float64)
    )


@lru_cache(maxsize=64)
def _custom(function: SiteFunction) -> Callable[..., Any]:
    @njit(**COMPILED)
    def kernel(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
        sites = x.shape[0]
        u = np.empty(sites, dtype=np.complex128)
        for n in range(LANES):
            for j in range(sites):
                u[j] = complex(x[j, n], y[j, n])
            for j in range(sites):
                value = complex(function(j, u))
                dx[j, n] = value.real
                dy[j, n] = value.imag

    return kernel


def compiled_custom(function: SiteFunction) -> CompiledDissipation:
    """The user's g(j, u), which is compiled."""
    return CompiledDissipation(_custom(function), NO_INTS, NO_FLOATS)


@lru_cache(maxsize=64)
def _custom_averaged(function: SiteFunction) -> Callable[..., Any]:
    @njit(**COMPILED)
    def kernel(x, y, dx, dy, int_params, float_params):  # type: ignore[no-untyped-def]
        # int_params: the number of angles, where the sites of each j begin, and these sites;
        # float_params: cos and sin of the angles
        sites, angles = x.shape[0], int_params[0]
        u, turned = np.empty(sites, dtype=np.complex128), np.empty(sites, dtype=np.complex128)
        for n in range(LANES):
            for j in range(sites):
                u[j] = complex(x[j, n], y[j, n])
            for j in range(sites):
                first, last = int_params[1 + j], int_params[2 + j]
                total = 0j
                for combination in range(angles ** (last - first)):
                    turned[:] = u
                    # the digits of the combination, to the base of the number of angles, are the angles of the sites
                    digits, phase_of_j = combination, 1.0 + 0j
                    for i in range(first, last):
                        angle = digits % angles
                        phase = complex(float_params[2 * angle], float_params[2 * angle + 1])
                        digits //= angles
                        turned[int_params[i]] *= phase
                        if int_params[i] == j:
                            phase_of_j = phase
                    total += function(j, turned) * phase_of_j.conjugate()
                total /= angles ** (last - first)
                dx[j, n] = total.real
                dy[j, n] = total.imag

    return kernel


def compiled_custom_averaged(
    function: SiteFunction, angles: int, dependencies: list[np.ndarray]
) -> CompiledDissipation:
    """The average K of the user's g(j, u), with as many angles for each site on which it depends."""
    starts = np.cumsum([0] + [len(d) for d in dependencies]) + len(dependencies) + 2
    int_params = np.concatenate([[angles], starts, *dependencies]).astype(np.int64)
    theta = 2 * np.pi * np.arange(angles) / angles
    float_params = np.stack([np.cos(theta), np.sin(theta)], axis=1).ravel()
    return CompiledDissipation(_custom_averaged(function), int_params, float_params)
