"""How far the actions reach: boxes whose tails hold less than a given mass."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.checks import real_array

from .space import OwnLaws

NEGLIGIBLE = 120.0  # of log w, beyond which nothing is integrated
FARTHEST = 1e12


def own_upper(laws: OwnLaws, site: int, tail: float) -> float:
    """U beyond which the law that a site would have alone has less than the mass `tail`.

    Raises:
        InvalidArgument: that law is not integrable.
    """
    exponent, far = laws.exponent(site), _far(laws, site)
    ends, logs = exponent.masses(0.0, far)
    behind = np.append(np.logaddexp.accumulate(logs[::-1])[::-1], -np.inf)  # log of the mass beyond each end
    wanted = behind[0] + np.log(tail)
    k = int(np.flatnonzero(behind >= wanted)[-1])

    def excess(upper: float) -> float:
        return float(np.logaddexp(exponent.log_mass(upper, float(ends[k + 1])), behind[k + 1]) - wanted)

    right = np.nextafter(ends[k + 1], 0.0)
    if excess(right) >= 0.0:
        return float(ends[k + 1])
    return float(optimize.brentq(excess, ends[k], right, rtol=1e-10)) if excess(ends[k]) > 0.0 else float(ends[k])


def own_tail(laws: OwnLaws, site: int, upper: float) -> float:
    """The mass beyond `upper` of the law that a site would have alone."""
    exponent, far = laws.exponent(site), _far(laws, site)
    if upper >= far:
        return 0.0  # less than exp(-120)
    return float(np.exp(exponent.log_mass(upper, far) - exponent.log_mass(0.0, far)))


def _far(laws: OwnLaws, site: int) -> float:
    """An action where w is exp(-120) of its largest value or less.

    Raises:
        InvalidArgument: there is none.
    """
    far, largest = float(laws.temperature[site]) * 2.0**-40, 0.0
    while True:
        places = far * np.linspace(0.5, 1.0, 65)
        logs = laws.logarithm(site, places)
        largest = max(largest, float(np.max(logs)))
        if logs[-1] <= largest - NEGLIGIBLE:
            return float(places[np.flatnonzero(logs > largest - NEGLIGIBLE)[-1] + 1])
        far *= 2.0
        if far > FARTHEST:
            raise InvalidArgument(
                "dissipation", f"site {site} alone has no stationary law: R_j does not confine it (Hg)"
            )


def checked_upper(upper: Any, size: int) -> np.ndarray | None:
    """U (N,) as given, one for all or one for each, or None."""
    if upper is None:
        return None
    values = real_array("upper", upper)
    if values.shape not in ((), (size,)):
        raise InvalidArgument("upper", f"must have the shape ({size},), not {values.shape}")
    if (values <= 0).any():
        raise InvalidArgument("upper", f"must be positive, but the least is {values.min():g}")
    return np.broadcast_to(values, (size,)).copy()
