"""Compiled dissipations: slope(x, y, dx, dy, whole, real) for amplitudes u = x + i y of a tile (N, LANES).

`whole` and `real` are arrays of integers and reals that each kernel lays out as it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ...sampling.philox import FAST

LANES = 128  # members that a tile of a lattice holds
COMPILED = {"nogil": True, "fastmath": FAST, "error_model": "numpy", "boundscheck": False}


@dataclass(frozen=True, eq=False)
class Drift:
    """A compiled g.

    Args:
        slope: the kernel.
        whole: its integers.
        real: its real numbers.
        radial: p, where g_j = -|u_j|^(p-2) u_j, whose flow is known; else 0.
    """

    slope: Callable[..., Any]
    whole: np.ndarray
    real: np.ndarray
    radial: int = 0


NO_WHOLE, NO_REAL = np.empty(0, dtype=np.int64), np.empty(0)


@njit(cache=True, **COMPILED)
def _radial(x, y, dx, dy, whole, real):  # type: ignore[no-untyped-def]
    power = 0.5 * np.float64(whole[0] - 2)
    for j in range(x.shape[0]):
        for n in range(LANES):
            damping = (x[j, n] * x[j, n] + y[j, n] * y[j, n]) ** power
            dx[j, n] = -damping * x[j, n]
            dy[j, n] = -damping * y[j, n]


def radial_drift(p: int) -> Drift:
    """-|u_j|^(p-2) u_j."""
    return Drift(_radial, np.array([p]), NO_REAL, p)


@njit(cache=True, **COMPILED)
def _directed(x, y, dx, dy, whole, real):  # type: ignore[no-untyped-def]
    sites = x.shape[0]
    rate = np.empty(LANES)
    for j in range(sites):
        after, before = whole[j], whole[sites + j]
        for n in range(LANES):
            rate[n] = -0.25 * (x[j, n] * x[j, n] + y[j, n] * y[j, n])
        if after >= 0:
            for n in range(LANES):
                rate[n] += 0.25 * (x[after, n] * x[after, n] + y[after, n] * y[after, n])
        if before >= 0:
            for n in range(LANES):
                rate[n] -= 0.25 * (x[before, n] * x[before, n] + y[before, n] * y[before, n])
        for n in range(LANES):
            dx[j, n] = rate[n] * x[j, n]
            dy[j, n] = rate[n] * y[j, n]


def directed_drift(after: np.ndarray, before: np.ndarray) -> Drift:
    """(|u_{j+1}|^2 - |u_{j-1}|^2 - |u_j|^2) u_j / 4."""
    return Drift(_directed, np.concatenate([after, before]), NO_REAL)


@njit(cache=True, **COMPILED)
def _linear(x, y, dx, dy, whole, real):  # type: ignore[no-untyped-def]
    for j in range(x.shape[0]):
        for n in range(LANES):
            dx[j, n] = -x[j, n]
            dy[j, n] = -y[j, n]
    for e in range(whole.shape[0] // 2):
        j, k = whole[2 * e], whole[2 * e + 1]
        b, c = real[2 * e], real[2 * e + 1]
        for n in range(LANES):
            dx[j, n] += b * x[k, n] - c * y[k, n]
            dy[j, n] += b * y[k, n] + c * x[k, n]


def linear_drift(size: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> Drift:
    """-u_j + sum_k b_jk u_k."""
    pairs = np.stack([rows, columns], axis=1).ravel().astype(np.int64)
    return Drift(_linear, pairs, np.stack([values.real, values.imag], axis=1).ravel())


@njit(cache=True, **COMPILED)
def _polynomial(x, y, dx, dy, whole, real):  # type: ignore[no-untyped-def]
    dx[:] = 0.0
    dy[:] = 0.0
    p, q = np.empty(LANES), np.empty(LANES)
    place = 0
    for m in range(real.shape[0] // 2):
        j, factors = whole[place], whole[place + 1]
        place += 2
        for n in range(LANES):
            p[n] = real[2 * m]
            q[n] = real[2 * m + 1]
        for _ in range(factors):
            k, bar = whole[place], 1.0 - 2.0 * whole[place + 1]
            place += 2
            for n in range(LANES):
                old = p[n]
                p[n] = old * x[k, n] - q[n] * bar * y[k, n]
                q[n] = old * bar * y[k, n] + q[n] * x[k, n]
        for n in range(LANES):
            dx[j, n] += p[n]
            dy[j, n] += q[n]


def polynomial_drift(monomials: list[tuple[int, complex, list[tuple[int, bool]]]]) -> Drift:
    """Sums of products: for each the site j it belongs to, its coefficient, and its factors u_k or their conjugates."""
    whole: list[int] = []
    for site, _, factors in monomials:
        whole += [site, len(factors)]
        whole += [number for k, conjugated in factors for number in (k, int(conjugated))]
    real = [part for _, c, _ in monomials for part in (c.real, c.imag)]
    return Drift(_polynomial, np.array(whole, dtype=np.int64), np.array(real, dtype=np.float64))


@lru_cache(maxsize=64)
def _custom(function: Any) -> Callable[..., Any]:
    @njit(**COMPILED)
    def slope(x, y, dx, dy, whole, real):  # type: ignore[no-untyped-def]
        sites = x.shape[0]
        u = np.empty(sites, dtype=np.complex128)
        for n in range(LANES):
            for j in range(sites):
                u[j] = complex(x[j, n], y[j, n])
            for j in range(sites):
                value = complex(function(j, u))
                dx[j, n] = value.real
                dy[j, n] = value.imag

    return slope


def custom_drift(function: Any) -> Drift:
    """g(j, u) of the user's."""
    return Drift(_custom(function), NO_WHOLE, NO_REAL)


@lru_cache(maxsize=64)
def _custom_averaged(function: Any) -> Callable[..., Any]:
    @njit(**COMPILED)
    def slope(x, y, dx, dy, whole, real):  # type: ignore[no-untyped-def]
        sites, nodes = x.shape[0], whole[0]
        u, turned = np.empty(sites, dtype=np.complex128), np.empty(sites, dtype=np.complex128)
        for n in range(LANES):
            for j in range(sites):
                u[j] = complex(x[j, n], y[j, n])
            for j in range(sites):
                first, last = whole[1 + j], whole[2 + j]
                total = 0j
                for node in range(nodes ** (last - first)):
                    turned[:] = u
                    rest, own = node, 1.0 + 0j
                    for i in range(first, last):
                        phase = complex(real[2 * (rest % nodes)], real[2 * (rest % nodes) + 1])
                        rest //= nodes
                        turned[whole[i]] *= phase
                        if whole[i] == j:
                            own = phase
                    total += function(j, turned) * own.conjugate()
                total /= nodes ** (last - first)
                dx[j, n] = total.real
                dy[j, n] = total.imag

    return slope


def custom_averaged_drift(function: Any, nodes: int, dependencies: list[np.ndarray]) -> Drift:
    """K of the user's g(j, u), with `nodes` angles for each site on which it depends."""
    starts = np.cumsum([0] + [len(d) for d in dependencies]) + len(dependencies) + 2
    whole = np.concatenate([[nodes], starts, *dependencies]).astype(np.int64)
    angles = 2 * np.pi * np.arange(nodes) / nodes
    return Drift(_custom_averaged(function), whole, np.stack([np.cos(angles), np.sin(angles)], axis=1).ravel())
