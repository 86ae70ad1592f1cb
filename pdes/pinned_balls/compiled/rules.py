"""Sizes of errors and acceptance of states in compiled code: the rules of `forms`, `energy_norm`, `discretisation`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..energy_norm import deviation_error, momentum_lost, relative_size, scaling
from ..forms import DeviationForm, EnergyForm, VarianceForm
from .kernels import COMPILED

_variance_a, _variance_b, _variance_c = (
    njit(**COMPILED)(f.variance) for f in (DeviationForm, VarianceForm, EnergyForm)
)
_second_a, _second_b, _second_c = (njit(**COMPILED)(f.second) for f in (DeviationForm, VarianceForm, EnergyForm))


class Limits(NamedTuple):
    """What states are held to: the tolerance of a step, the largest repair of w, and the invariants (NaN: none)."""

    rtol: float
    limit: float
    momentum: float
    energy: float


@njit(**COMPILED)
def half_variance(kind, mu, second):  # type: ignore[no-untyped-def]
    """Return w = sigma^2/2, perhaps negative; the forms do not read themselves."""
    if kind == 0:
        return 0.5 * _variance_a(None, mu, second)
    if kind == 1:
        return 0.5 * _variance_b(None, mu, second)
    return 0.5 * _variance_c(None, mu, second)


@njit(**COMPILED)
def second_of(kind, mu, sigma):  # type: ignore[no-untyped-def]
    """Return the second unknown."""
    if kind == 0:
        return _second_a(None, mu, sigma)
    if kind == 1:
        return _second_b(None, mu, sigma)
    return _second_c(None, mu, sigma)


@njit(**COMPILED)
def error_of(kind, mass, new, difference):  # type: ignore[no-untyped-def]
    """Return the relative size of an error estimate; see `EnergyNorm.relative_error`."""
    error_mu = error_sigma = size_mu = size_sigma = 0.0
    for at in range(0, mass.size - 1, 2):
        mu, second = new[at], new[at + 1]
        w = max(half_variance(kind, mu, second), 0.0)
        other = max(half_variance(kind, mu - difference[at], second - difference[at + 1]), 0.0)
        error_mu += mass[at] * difference[at] ** 2
        error_sigma += mass[at] * deviation_error(mu, w, other) ** 2
        size_mu += mass[at] * mu**2
        size_sigma += mass[at] * 2 * w
    return relative_size(error_mu, error_sigma, size_mu, size_sigma)


@njit(**COMPILED)
def accept(kind, absorbing, mass, new, limits):  # type: ignore[no-untyped-def]
    """Make a state that is kept of a new one, in place; False where it is refused; see `BilliardSystem.accept`."""
    outflow = 0.0
    if absorbing:
        for at in (0, mass.size - 3):
            noiseless = second_of(kind, new[at], 0.0)
            new[-1] += mass[at + 1] * (new[at + 1] - noiseless)
            new[at + 1] = noiseless
        outflow = new[-1]
    momentum = size = 0.0
    for at in range(0, mass.size - 1, 2):
        momentum += mass[at] * new[at]
        size += mass[at] * abs(new[at])
    lost = momentum_lost(limits.momentum, momentum, size)
    total = cut = square = 0.0
    for at in range(0, mass.size - 1, 2):
        w = half_variance(kind, new[at], new[at + 1])
        # w is that of the state before its momentum is mended
        new[at + 1] = w
        new[at] += lost
        total += mass[at] * w
        cut += mass[at] * max(w, 0.0)
        square += mass[at] * new[at] ** 2
    factor = scaling(total, cut, square, limits.energy - outflow, limits.limit)
    if np.isnan(factor):
        return False
    for at in range(0, mass.size - 1, 2):
        new[at + 1] = second_of(kind, new[at], np.sqrt(2 * factor * max(new[at + 1], 0.0)))
    return True
