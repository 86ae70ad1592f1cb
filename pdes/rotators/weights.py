"""Weights of densities of actions: the law that each site would have alone, exp(int_0^I s dI'), and exponentials.

The exponent log w is integrated to a measured tolerance. In t = sqrt(I) its integrand 2 t s(t^2) is smooth for every
polynomial g. Each octave of t is cut into intervals, which are bisected until a Chebyshev series agrees with the
integrand between its nodes; octaves are added as they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.polynomial import chebyshev
from scipy import optimize

from scaling_limits.cells.averaged_dissipation import AveragedDissipation
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.rotators.resolved_functions import DEGREE, NODES, TRANSFORM, ResolvedFunction, bisected

PIECES = 16  # intervals of each octave to begin with: what is narrower than 1/400 of an octave may go unseen
LOOKS = np.concatenate([[-1.0, 1.0], np.cos(np.pi * (np.arange(5) + 0.3) / 5)])  # between the nodes, and at the ends
TOLERANCE = 1e-13  # of the exponent: of what an interval adds to it, or relative to that
SAID = 1e-10  # an error of the exponent that is larger is said
NARROWEST = 1e-13  # of t: a jump is left in such an interval
MOST = 4096  # intervals of one octave
VARIATION = 4.0  # of log w within an interval of the quadrature of w
GAUSS = np.polynomial.legendre.leggauss(20)
SUBDIVISIONS = 4096
NEGLIGIBLE = 120.0  # of log w: where w is exp(-120) of its maximum nothing is integrated
WIDTHS = 25.0  # ends of the box, in units of the widths theta of exponential weights
FARTHEST = 1e12  # action beyond which a law that still has not decayed counts as not integrable


class Exponent:
    """The exponent log w(I) = int_0^I s(I') dI'.

    Args:
        slope: s, from actions (P,) to values (P,).
        scale: an action that is typical, such as the temperature.
    """

    def __init__(self, slope: Callable[[np.ndarray], np.ndarray], scale: float) -> None:
        self.slope, self.error = slope, 0.0
        self._breaks: np.ndarray = np.zeros(1)
        self._series: np.ndarray = np.empty((0, DEGREE + 1))
        self._first = np.sqrt(scale) / 16
        self._resolved: ResolvedFunction | None = None

    def __call__(self, actions: np.ndarray) -> np.ndarray:
        """The exponent log w at actions I, in their shape."""
        t = np.sqrt(np.asarray(actions, dtype=float))
        return self.through(float(np.max(t, initial=0.0))).integral(t)

    def through(self, top: float) -> ResolvedFunction:
        """The integrand 2 t s(t^2) for t from 0 to `top` at least.

        Warns:
            Unresolved: it varies too wildly for an exponent that is right to 1e-10.
        """
        while self._resolved is None or self._breaks[-1] < top:
            low = float(self._breaks[-1])
            breaks, series = self._octave(low, 2.0 * low or self._first)
            self._breaks = np.append(self._breaks, breaks)
            self._series = np.concatenate([self._series, series])
            self._resolved = ResolvedFunction(self._breaks, self._series)
        return self._resolved

    def _octave(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Right ends of intervals from `low` to `high`, and the series on them."""
        done, error = 0, 0.0

        def fit(intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            nonlocal done, error
            series, wrong, largest = self._on_intervals(intervals)
            width = intervals[:, 1] - intervals[:, 0]
            good = wrong * width <= TOLERANCE * np.maximum(1.0, largest * width)
            given_up = (width <= NARROWEST * intervals[:, 1]) | ~np.isfinite(wrong)
            given_up |= len(intervals) + done > MOST
            error += float((wrong * width)[given_up & ~good & np.isfinite(wrong)].sum())
            ended = good | given_up
            done += int(ended.sum())
            return series, ended

        ends = np.linspace(low, high, PIECES + 1)
        intervals, series = bisected(np.stack([ends[:-1], ends[1:]], axis=1), fit)
        self._say(error, low, high)
        return intervals[:, 1], series

    def _on_intervals(self, intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chebyshev series (n, k + 1), their error at points between the nodes (n,), and the largest values (n,)."""
        places = np.append(NODES, LOOKS)
        t = intervals[:, :1] + 0.5 * np.diff(intervals, axis=1) * (places + 1)
        values = 2.0 * t * self.slope((t**2).ravel()).reshape(t.shape)
        series = values[:, : DEGREE + 1] @ TRANSFORM.T
        wrong = np.abs(chebyshev.chebval(LOOKS, series.T) - values[:, DEGREE + 1 :]).max(axis=1)
        return series, wrong, np.abs(values).max(axis=1)

    def _say(self, error: float, low: float, high: float) -> None:
        self.error += error
        if error > SAID:
            message = (
                f"log w of the law of a site alone has an error of about {error:.1e} between the actions {low**2:.3g} "
                f"and {high**2:.3g}: R_j/I_j varies too wildly there; give a smoother dissipation"
            )
            warn(message, Unresolved)

    def masses(self, low: float, high: float, more: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The ends I (n + 1,) of intervals from `low` to `high` in which log w varies little, and the logarithms (n,)
        of int w dI there; actions `more` are among the ends.
        """
        begin, end = np.sqrt(low), np.sqrt(high)
        resolved = self.through(end)
        inner = resolved.breaks if more is None else np.union1d(resolved.breaks, np.sqrt(more))
        inner = inner[(inner > begin) & (inner < end)]
        ends = np.concatenate([[begin], inner, [end]])
        ahead = resolved.integral(ends[:-1, None] + np.diff(ends)[:, None] * np.linspace(0.0, 1.0, 9))
        with np.errstate(over="ignore"):
            parts = np.nan_to_num(np.ceil(np.abs(np.diff(ahead, axis=1)).sum(axis=1) / VARIATION), posinf=SUBDIVISIONS)
        parts = np.clip(parts, 1, SUBDIVISIONS).astype(int)
        pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(ends[:-1], ends[1:], parts)]
        t = np.append(np.concatenate(pieces), end)
        places = t[:-1, None] + 0.5 * np.diff(t)[:, None] * (GAUSS[0] + 1)
        logs = resolved.integral(places)
        top = logs.max(axis=1)
        shares = 0.5 * np.diff(t)[:, None] * GAUSS[1] * 2.0 * places
        with np.errstate(divide="ignore"):  # intervals of no width have no mass
            return t**2, top + np.log((shares * np.exp(logs - top[:, None])).sum(axis=1))

    def log_mass(self, low: float, high: float) -> float:
        """The logarithm of int w dI from `low` to `high`."""
        return float(np.logaddexp.reduce(self.masses(low, high)[1])) if high > low else -np.inf


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


def exponential_weights(sites: SingleSiteWeights, upper: np.ndarray) -> ExponentialWeights:
    """Weights for densities that fill the box [0, U_1] x ... x [0, U_N]."""
    return ExponentialWeights(sites.dissipation, sites.temperature, upper / WIDTHS)
