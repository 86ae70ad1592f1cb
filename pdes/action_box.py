"""How far the actions reach: boxes whose tails hold less than a given mass."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

from ..particles import InvalidArgument
from ..particles._checks import real_array
from .action_space import OwnLaws

NEGLIGIBLE = 120.0  # of log w, beyond which nothing is integrated
FARTHEST = 1e12


def own_upper(laws: OwnLaws, site: int, tail: float) -> float:
    """U beyond which the law that a site would have alone has less than the mass `tail`.

    Raises:
        InvalidArgument: that law is not integrable.
    """
    far = float(laws.temperature[site])
    while laws.logarithm(site, np.array([far]))[0] > -NEGLIGIBLE:
        far *= 2.0
        if far > FARTHEST:
            raise InvalidArgument(
                "dissipation", f"site {site} alone has no stationary law: R_j does not confine it (Hg)"
            )
    return float(optimize.brentq(lambda u: np.log(own_tail(laws, site, u) / tail), far * 1e-9, far, rtol=1e-10))


def own_tail(laws: OwnLaws, site: int, upper: float) -> float:
    """The mass beyond `upper` of the law that a site would have alone."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    pieces = np.linspace(0.0, 1.0, 13)
    places = (pieces[:-1, None] + 0.5 * np.diff(pieces)[:, None] * (nodes + 1)).ravel()
    shares = (0.5 * np.diff(pieces)[:, None] * weights).ravel()

    def logarithm_of_integral(low: float) -> float:
        top, step = float(laws.logarithm(site, np.array([low]))[0]), 1e-3 * float(laws.temperature[site])
        while laws.logarithm(site, np.array([low + step]))[0] > top - 40.0:
            step *= 2.0
        values = laws.logarithm(site, low + step * places**2)  # denser at the beginning
        return top + float(np.log(step * (shares * 2 * places * np.exp(values - top)).sum()))

    return float(np.exp(logarithm_of_integral(upper) - logarithm_of_integral(0.0)))


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
