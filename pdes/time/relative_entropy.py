"""Relative entropies H = sum rho log(rho/pi) of densities, which keep their digits where rho is near pi."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

NEAR = 1e-3
# terms that are added up by themselves, so that sums lose few digits to rounding
RUN = 256


@register_jitable
def _term(density: float, equilibrium: float, ratio: float, logarithm: float) -> float:
    x = ratio - 1.0
    if abs(x) < NEAR:
        return equilibrium * (x * x * (0.5 - x / 6 + x * x / 12 - x * x * x / 20))
    return density * logarithm - (density - equilibrium)


@numba.vectorize(cache=True)
def _terms(density, equilibrium, ratio, logarithm):  # type: ignore[no-untyped-def]
    return _term(density, equilibrium, ratio, logarithm)


def entropy_terms(density: Any, equilibrium: Any, ratio: Any, logarithm: Any) -> Any:
    """The terms rho log(rho/pi) - rho + pi >= 0 of a relative entropy, for arrays of one shape.

    A difference x = rho/pi - 1 below `NEAR` = 1e-3 goes by x^2/2 - x^3/6 + x^4/12 - x^5/20, which is right to x^4/15 =
    7e-14 of itself there; the logarithm would lose 2 eps/x = 4e-13 of it to rounding, and more at smaller x.

    Args:
        density: rho >= 0.
        equilibrium: pi >= 0.
        ratio: rho/pi.
        logarithm: log(rho/pi), finite also where rho is 0.
    """
    # compiled code may evaluate the series far away too, where it overflows and is not taken
    with np.errstate(over="ignore", invalid="ignore"):
        return _terms(density, equilibrium, ratio, logarithm)


@numba.njit(cache=True, error_model="numpy")
def entropy_of_states(state, root, log_root, partition):  # type: ignore[no-untyped-def]
    """Return the sum of the terms of rho = s sqrt(m), pi = m/Z, and that of rho |log(rho/pi)|, by which errors of rho
    relative to itself change it.

    Args:
        state: s (n,).
        root: sqrt(m) (n,), 0 where there is nothing.
        log_root: log sqrt(m) (n,), anything there.
        partition: Z.
    """
    value, size, log_partition = 0.0, 0.0, math.log(partition)
    for begin in range(0, len(state), RUN):
        terms = 0.0
        for i in range(begin, min(begin + RUN, len(state))):
            if not root[i] > 0.0:
                continue
            # may be infinite, where its logarithm is not
            ratio, density = state[i] * partition / root[i], state[i] * root[i]
            # near pi, where the terms do not take it
            logarithm = ratio - 1.0
            if not abs(ratio - 1.0) < NEAR:
                logarithm = (math.log(state[i]) if density > 0.0 else 0.0) + log_partition - log_root[i]
            size += density * abs(logarithm)
            terms += _term(density, root[i] * root[i] / partition, ratio, logarithm)
        value += terms
    return value, size


@numba.njit(cache=True, error_model="numpy")
def entropy_of_probabilities(probabilities, share, log_share):  # type: ignore[no-untyped-def]
    """The same of max(rho, 0) (n,) with pi (n,) > 0 and log pi (n,)."""
    value, size = 0.0, 0.0
    for begin in range(0, len(share), RUN):
        terms = 0.0
        for i in range(begin, min(begin + RUN, len(share))):
            density = max(probabilities[i], 0.0)
            ratio = density / share[i]
            logarithm = ratio - 1.0
            if not abs(ratio - 1.0) < NEAR:
                logarithm = (math.log(density) if density > 0.0 else 0.0) - log_share[i]
            size += density * abs(logarithm)
            terms += _term(density, share[i], ratio, logarithm)
        value += terms
    return value, size


def finite_log(values: np.ndarray) -> np.ndarray:
    """log (n,) of values >= 0, and 0 where they are 0."""
    return np.log(np.where(values > 0, values, 1.0))
