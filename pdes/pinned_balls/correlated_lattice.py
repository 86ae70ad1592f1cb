"""The one-step equations with correlations: mean, energy and covariances of jointly Gaussian velocities.

A collision of the triple y replaces v_i, i = y-1, y, y+1 (side -1, 0, 1), by velocities with, given a and r,

    E v_i = a + side s r,        s = sqrt(3)/(2 pi),
    E v_i^2 = a^2 + r^2/2 + 2 side s a r,
    E v_{y-1} v_y = a^2 - r^2/4 - s a r,    E v_y v_{y+1} = a^2 - r^2/4 + s a r,    E v_{y-1} v_{y+1} = a^2 - r^2/4,

and leaves the others, z, alone: Cov(v_i, v_z) becomes Cov(a, v_z) + side s sqrt(2/3) Cov(D, v_z) . E D/|D|. Neglecting
the covariances gives (5.1)-(5.2) with (5.13), (5.15) back. Covariances beyond a largest distance are taken to be 0.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from scaling_limits.particles.sampling.philox import COMPILED

from .gaussian_expectations import correlated_expectations


@njit(inline="always")
def _covariance(c, i, j):  # type: ignore[no-untyped-def]
    """Return Cov(v_i, v_j) of c (K, m), whose row k - 1 holds Cov(v_x, v_{x+k}) at x; 0 beyond K or the piece."""
    k = abs(i - j)
    x = min(i, j)
    if k > c.shape[0] or x < 0:
        return 0.0
    return c[k - 1, x]


@njit(inline="always")
def _add(d_c, i, j, skip, value):  # type: ignore[no-untyped-def]
    k = abs(i - j)
    x = min(i, j) - skip
    if k <= d_c.shape[0] and 0 <= x < d_c.shape[1]:
        d_c[k - 1, x] += value


@njit(cache=True, **COMPILED)
def correlated_rate(mu, e, c, variance, skip, keep, d_mu, d_e, d_c):  # type: ignore[no-untyped-def]
    """Fill the rates d_mu, d_e (keep,), d_c (K, keep) of the sites skip .. skip+keep-1 of a piece with its halo."""
    size = mu.shape[0]
    reach = c.shape[0]
    s = math.sqrt(3.0) / (2.0 * math.pi)
    d_mu[:] = 0.0
    d_e[:] = 0.0
    d_c[:] = 0.0
    change = np.empty(3)
    # every triple that moves a site that is kept, or a covariance that such a site carries
    for y in range(max(1, skip - 1), min(size - 1, skip + keep + reach + 1)):
        c12 = _covariance(c, y - 1, y)
        c13 = _covariance(c, y - 1, y + 1)
        c23 = _covariance(c, y, y + 1)
        r, ar, h1, h2 = correlated_expectations(
            mu[y - 1], mu[y], mu[y + 1], variance[y - 1], variance[y], variance[y + 1], c12, c13, c23
        )
        mean = (mu[y - 1] + mu[y] + mu[y + 1]) * (1.0 / 3.0)
        energy = (e[y - 1] + e[y] + e[y + 1]) * (1.0 / 3.0)
        # moments of the three velocities
        for side in range(-1, 2):
            change[side + 1] = mean - mu[y + side] + side * s * r
            x = y + side - skip
            if 0 <= x < keep:
                d_mu[x] += change[side + 1]
                d_e[x] += energy - e[y + side] + side * 2.0 * s * ar
        products = mu[y - 1] * mu[y] + c12 + mu[y - 1] * mu[y + 1] + c13 + mu[y] * mu[y + 1] + c23
        # a^2 - r^2/4 is a third of the sum of the products, which the collision keeps
        between = products * (1.0 / 3.0)
        # covariances within the triple: products of means and covariances together, less what the means change
        for i in range(3):
            for j in range(i + 1, 3):
                mi, mj = mu[y - 1 + i], mu[y - 1 + j]
                old = mi * mj + _covariance(c, y - 1 + i, y - 1 + j)
                _add(
                    d_c, y - 1 + i, y - 1 + j, skip,
                    between + (i + j - 2) * s * ar - old - change[i] * mj - mi * change[j],
                )  # fmt: skip
        # covariances with velocities outside of it, which the collision passes on as it mixes the three
        for z in range(max(0, y - 1 - reach), min(size, y + 2 + reach)):
            if abs(z - y) <= 1:
                continue
            c1 = _covariance(c, y - 1, z)
            c2 = _covariance(c, y, z)
            c3 = _covariance(c, y + 1, z)
            shared = (c1 + c2 + c3) * (1.0 / 3.0)
            by_order = s * ((c3 - c1) * math.sqrt(0.5) * h1 + (c2 - 0.5 * (c1 + c3)) * math.sqrt(2.0 / 3.0) * h2)
            _add(d_c, y - 1, z, skip, shared - c1 - by_order)
            _add(d_c, y, z, skip, shared - c2)
            _add(d_c, y + 1, z, skip, shared - c3 + by_order)
