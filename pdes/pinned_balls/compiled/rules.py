"""Sizes of errors and acceptance of states in compiled code: the rules of `forms`, `energy_norm`, `discretisation`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..energy_norm import deviation_error, momentum_lost, relative_size, scaling
from ..forms import DeviationForm, EnergyForm, VarianceForm
from .numba_options import FAST

_variance_a, _variance_b, _variance_c = (njit(**FAST)(f.variance) for f in (DeviationForm, VarianceForm, EnergyForm))
_second_a, _second_b, _second_c = (njit(**FAST)(f.second) for f in (DeviationForm, VarianceForm, EnergyForm))


class Limits(NamedTuple):
    """What states are held to: the tolerance of a step, the largest repair of w, and the invariants (NaN: none)."""

    rtol: float
    limit: float
    momentum: float
    energy: float


@njit(**FAST)
def half_variance(kind, mu, second):  # type: ignore[no-untyped-def]
    """Return w = sigma^2/2, perhaps negative; the forms do not read themselves."""
    if kind == 0:
        return 0.5 * _variance_a(None, mu, second)
    if kind == 1:
        return 0.5 * _variance_b(None, mu, second)
    return 0.5 * _variance_c(None, mu, second)


@njit(**FAST)
def second_of(kind, mu, sigma):  # type: ignore[no-untyped-def]
    """Return the second unknown."""
    if kind == 0:
        return _second_a(None, mu, sigma)
    if kind == 1:
        return _second_b(None, mu, sigma)
    return _second_c(None, mu, sigma)


@njit(**FAST)
def error_of(kind, weights, mu, second, of_mu, of_second):  # type: ignore[no-untyped-def]
    """Return the relative size of an error estimate in both unknowns; see `EnergyNorm.relative_error`."""
    error_mu = error_sigma = size_mu = size_sigma = 0.0
    for k in range(weights.size):
        w = max(half_variance(kind, mu[k], second[k]), 0.0)
        other = max(half_variance(kind, mu[k] - of_mu[k], second[k] - of_second[k]), 0.0)
        error_mu += weights[k] * of_mu[k] ** 2
        error_sigma += weights[k] * deviation_error(mu[k], w, other) ** 2
        size_mu += weights[k] * mu[k] ** 2
        size_sigma += weights[k] * 2 * w
    return relative_size(error_mu, error_sigma, size_mu, size_sigma)


@njit(**FAST)
def accept(kind, weights, mu, second, outflow, limits):  # type: ignore[no-untyped-def]
    """Make a state that is kept of a new one, in place; False where it is refused; see `BilliardSystem.accept`."""
    momentum = size = 0.0
    for k in range(weights.size):
        momentum += weights[k] * mu[k]
        size += weights[k] * abs(mu[k])
    lost = momentum_lost(limits.momentum, momentum, size)
    total = cut = square = 0.0
    for k in range(weights.size):
        w = half_variance(kind, mu[k], second[k])
        # w is that of the state before its momentum is mended
        second[k] = w
        mu[k] += lost
        total += weights[k] * w
        cut += weights[k] * max(w, 0.0)
        square += weights[k] * mu[k] ** 2
    factor = scaling(total, cut, square, limits.energy - outflow, limits.limit)
    if np.isnan(factor):
        return False
    for k in range(weights.size):
        second[k] = second_of(kind, mu[k], np.sqrt(2 * factor * max(second[k], 0.0)))
    return True
