"""Weights of densities of actions: the stationary law that each site would have alone, and exponentials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from scipy import optimize

from scaling_limits.cells.averaged_dissipation import AveragedDissipation
from scaling_limits.particles import InvalidArgument

from .exponent import Exponent

NEGLIGIBLE = 120.0  # of log w: where w is exp(-120) of its maximum nothing is integrated
FARTHEST = 1e12  # action beyond which a law that still has not decayed counts as not integrable


@dataclass(frozen=True, eq=False)
class SingleSiteWeights:
    """The laws w_j that the sites would have alone, (log w_j)'(I) = s_j(I) = R_j(0, .., I, .., 0)/(T_j I).

    Args:
        dissipation: averaged dissipation R.
        temperature: T, shape (N,).
    """

    dissipation: AveragedDissipation
    temperature: np.ndarray

    stationary: ClassVar[bool] = True  # w_j is the stationary law of the site j alone

    def slope(self, site: int, actions: np.ndarray) -> np.ndarray:
        """The logarithmic derivative s_j(I), in the shape of the actions."""
        alone = np.zeros((actions.size, len(self.temperature)))
        alone[:, site] = actions.ravel()
        return (self.dissipation.rate(alone)[:, site] / self.temperature[site]).reshape(actions.shape)

    @cached_property
    def exponents(self) -> tuple[Exponent, ...]:
        """The exponents log w_j of the sites alone, which remember the intervals that they have resolved."""
        return tuple(Exponent(partial(self.slope, j), float(t)) for j, t in enumerate(self.temperature))

    def logarithm(self, site: int, actions: np.ndarray) -> np.ndarray:
        """log w_j(I) in the shape of the actions, right to 1e-10 or as a warning says."""
        return self.exponents[site](actions)

    def tail_quantile(self, site: int, tail: float) -> float:
        """The action U beyond which the law of a site alone has the mass `tail`.

        Args:
            site: j.
            tail: mass beyond U, of 1.

        Raises:
            InvalidArgument: that law is not integrable.
        """
        exponent, far = self.exponents[site], self._far(site)
        ends, logs = exponent.masses(0.0, far)
        # in logarithms: tails of 1e-24 would drown in the rounding of 1 - P(I <= U)
        beyond = np.append(np.logaddexp.accumulate(logs[::-1])[::-1], -np.inf)
        wanted = beyond[0] + np.log(tail)
        k = int(np.flatnonzero(beyond >= wanted)[-1])

        def excess(upper: float) -> float:
            return float(np.logaddexp(exponent.log_mass(upper, float(ends[k + 1])), beyond[k + 1]) - wanted)

        right = np.nextafter(ends[k + 1], 0.0)
        if excess(right) >= 0.0:
            return float(ends[k + 1])
        return float(optimize.brentq(excess, ends[k], right, rtol=1e-10)) if excess(ends[k]) > 0.0 else float(ends[k])

    def tail_mass(self, site: int, upper: float) -> float:
        """The mass of the law of a site alone beyond the action `upper`; 0 where it is below exp(-120)."""
        exponent, far = self.exponents[site], self._far(site)
        if upper >= far:
            return 0.0
        return float(np.exp(exponent.log_mass(upper, far) - exponent.log_mass(0.0, far)))

    def _far(self, site: int) -> float:
        """An action where the law of a site alone is exp(-120) of its maximum or less.

        Raises:
            InvalidArgument: there is none.
        """
        far, largest = float(self.temperature[site]) * 2.0**-40, 0.0
        while True:
            places = far * np.linspace(0.5, 1.0, 65)
            logs = self.exponents[site](places)
            largest = max(largest, float(np.max(logs)))
            if logs[-1] <= largest - NEGLIGIBLE:
                return float(places[np.flatnonzero(logs > largest - NEGLIGIBLE)[-1] + 1])
            far *= 2.0
            if far > FARTHEST:
                message = f"site {site} alone has no stationary law: R_j does not confine it (Hg)"
                raise InvalidArgument("dissipation", message)


@dataclass(frozen=True, eq=False)
class ExponentialWeights(SingleSiteWeights):
    """Exponentials w_j = exp(-I/theta_j), for densities that are much wider than the laws of sites alone.

    Args:
        dissipation: averaged dissipation R.
        temperature: T, shape (N,).
        widths: theta, shape (N,), actions.
    """

    widths: np.ndarray

    stationary: ClassVar[bool] = False

    def slope(self, site: int, actions: np.ndarray) -> np.ndarray:
        """The logarithmic derivative -1/theta_j, in the shape of the actions."""
        return np.full(actions.shape, -1.0 / self.widths[site])

    def logarithm(self, site: int, actions: np.ndarray) -> np.ndarray:
        """log w_j = -I/theta_j, in the shape of the actions."""
        return -actions / float(self.widths[site])
