"""Exact Gaussian expectations of a collision: E r and E[a r] of a triple of independent normal velocities.

With a the mean of the triple and r = sqrt(2/3) |D|, D = (s, b) its coordinates in the plane of equal sums (5.47),
D is normal with mean delta and covariance S, and for A = 1 + 2 u S

    E |D| = pi^(-1/2) int_0^inf u^(-1/2) (tr(A^-1 S) + |A^-1 delta|^2) phi(u) du,
    E D/|D| = pi^(-1/2) int_0^inf u^(-1/2) A^-1 delta phi(u) du,   phi = det(A)^(-1/2) exp(-u delta . A^-1 delta),
    E[a r] = E a E r + sqrt(2/3) Cov(a, D) . E D/|D|               (integration by parts)

The substitution u = 4 tan^2(theta)/E|D|^2 makes the integrands smooth on [0, pi/2]; a Gauss-Legendre rule with
24 points gives ten digits, however the noise compares with the gaps. These replace the expansions of Lemma 5.1 in the
one-step equations (5.13) and (5.15).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from scaling_limits.particles.sampling.philox import COMPILED

POINTS = 24
# of the substitution: ten digits from no gaps to no noise (1 loses three of them)
STRETCH = 4.0
_abscissae, _weights = np.polynomial.legendre.leggauss(POINTS)
_theta = 0.25 * math.pi * (_abscissae + 1.0)
_TAN2 = np.tan(_theta) ** 2
_WEIGHT = 0.25 * math.pi * _weights / np.cos(_theta) ** 2 * 2.0 / math.sqrt(math.pi)


@njit(cache=True, inline="always", **COMPILED)
def plane(d1, d2, s11, s12, s22):  # type: ignore[no-untyped-def]
    """Return (E |D|, E D1/|D|, E D2/|D|) of D normal in the plane with mean (d1, d2) and covariance s11, s12, s22."""
    scale = s11 + s22 + d1 * d1 + d2 * d2
    if not scale > 0.0:
        return 0.0, 0.0, 0.0
    length = 0.0
    g1 = 0.0
    g2 = 0.0
    # A^-1 by Cramer's rule: sums of squares and products of one sign, so that nothing cancels where S is large
    for k in range(POINTS):
        u = _TAN2[k] * STRETCH / scale
        m11 = 1.0 + 2.0 * u * s11
        m22 = 1.0 + 2.0 * u * s22
        m12 = 2.0 * u * s12
        inverse = 1.0 / (m11 * m22 - m12 * m12)
        e1 = (m22 * d1 - m12 * d2) * inverse
        e2 = (m11 * d2 - m12 * d1) * inverse
        trace = (m22 * s11 + m11 * s22 - 2.0 * m12 * s12) * inverse
        weight = _WEIGHT[k] * math.sqrt(inverse) * math.exp(-u * (d1 * e1 + d2 * e2))
        length += weight * (trace + e1 * e1 + e2 * e2)
        g1 += weight * e1
        g2 += weight * e2
    norm = math.sqrt(STRETCH / scale)
    return norm * length, norm * g1, norm * g2


@njit(cache=True, inline="always", **COMPILED)
def expectations(a1, a2, a3, v1, v2, v3):  # type: ignore[no-untyped-def]
    """Return (E r, E[a r]) of a triple of independent velocities with means a1, a2, a3 and variances v1, v2, v3."""
    r, ar, _, _ = correlated_expectations(a1, a2, a3, v1, v2, v3, 0.0, 0.0, 0.0)
    return r, ar


@njit(cache=True, inline="always", **COMPILED)
def correlated_expectations(a1, a2, a3, v1, v2, v3, c12, c13, c23):  # type: ignore[no-untyped-def]
    """Return (E r, E[a r], h1, h2), h = sqrt(2/3) E D/|D|, of a triple with covariances c12, c13, c23."""
    # D in an orthonormal basis of the plane of equal sums, its mean (d1, d2) and covariance s11, s12, s22
    d1 = (a3 - a1) * math.sqrt(0.5)
    d2 = (a2 - 0.5 * (a1 + a3)) * math.sqrt(2.0 / 3.0)
    s11 = 0.5 * (v1 + v3) - c13
    s22 = (2.0 / 3.0) * (v2 - c12 - c23) + (v1 + v3 + 2.0 * c13) / 6.0
    s12 = (c23 - c12 - 0.5 * (v3 - v1)) * math.sqrt(1.0 / 3.0)
    length, g1, g2 = plane(d1, d2, s11, s12, s22)
    factor = math.sqrt(2.0 / 3.0)
    with_s = (v3 - v1 + c23 - c12) * (math.sqrt(0.5) / 3.0)  # Cov(a, D)
    with_b = (v2 - c13 + 0.5 * (c12 + c23 - v1 - v3)) * (factor / 3.0)
    r = factor * length
    return r, (a1 + a2 + a3) / 3.0 * r + factor * (with_s * g1 + with_b * g2), factor * g1, factor * g2
