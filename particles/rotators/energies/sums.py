"""The law of the sum of the energies of all sites.

Of up to three actions by nested Gauss-Legendre quadrature of their joint density. Each integral is cut where the rest
of the energy is at the ends of a panel of a site inside: above (or below) the first of these it is out of their reach,
where the integrand has a kink, and the others resolve a site inside that is much colder. Of independent actions the
innermost integral is known. Of more, which must be independent, by convolution of their masses in bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len
from scipy.interpolate import CubicSpline

from .action_law import ActionLaw, DiagonalActions
from .site_energy import SiteEnergy

# panels of each site, and Gauss points in them, by the number of sites that are integrated over; the coarse rule for
# the error
PANELS = {1: (14, 8), 2: (14, 8), 3: (7, 6)}
COARSE = {1: (9, 8), 2: (9, 8), 3: (5, 6)}
NEAR_REST = (1 / 64, 1 / 8)  # of the first panel: cuts more, where energies of sites may have roots
BINS = 2**16
RANGE = 1e-15  # mass of each site beyond the ends
LOOKS = 2001

Rule = tuple[int, int]


def panels(low: np.ndarray, high: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights (..., Q) between ends (...); panels are narrower near the lower one."""
    share = _shares(rule[0])
    return between(low[..., None] + (high - low)[..., None] * share, rule[1])


def between(ends: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points and weights (..., Q) of panels with the ends (..., K), which do not fall."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    width = np.diff(ends)[..., None]
    places, shares = ends[..., :-1, None] + 0.5 * width * (nodes + 1), 0.5 * width * weights
    return places.reshape(*ends.shape[:-1], -1), shares.reshape(*ends.shape[:-1], -1)


def _shares(count: int) -> np.ndarray:
    """Ends of panels of [0, 1], narrower near 0."""
    return np.asarray(np.linspace(0.0, 1.0, count + 1) ** 2)


@dataclass(frozen=True, eq=False)
class NestedSum:
    """Sums of energies of two or three sites.

    Args:
        law: of the actions.
        sites: energies of all sites.
        rule: panels and points.
    """

    law: ActionLaw
    sites: tuple[SiteEnergy, ...]
    rule: Rule

    @classmethod
    def of(cls, law: ActionLaw, sites: tuple[SiteEnergy, ...], rules: dict[int, Rule]) -> NestedSum:
        """The sum over all sites, by the rule for as many integrals as it takes."""
        return cls(law, sites, rules[len(sites) - isinstance(law, DiagonalActions)])

    @property
    def rougher(self) -> NestedSum:
        """The same by fewer panels, for the error."""
        return NestedSum.of(self.law, self.sites, COARSE)

    def distribution(self, x: float) -> float:
        """P(E <= x), without the mass of the law."""
        last, number = self.sites[-1], len(self.sites) - 1

        def known(before: np.ndarray, rest: np.ndarray) -> np.ndarray:
            assert isinstance(self.law, DiagonalActions)
            below = self.law.distribution if last.rising else self.law.survival
            return np.asarray(self.law.at(before) * below(number, last.action(rest)))

        def inside(before: np.ndarray, rest: np.ndarray) -> np.ndarray:
            end = last.action(rest)
            low, high = (np.zeros_like(end), end) if last.rising else (end, np.full_like(end, last.table[-1]))
            places, weights = panels(low, high, self.rule)
            points = np.concatenate(
                [np.broadcast_to(before[:, None, :], (*places.shape, before.shape[1])), places[..., None]], axis=2
            )
            values = self.law.at(points.reshape(-1, points.shape[2])).reshape(places.shape)
            return np.asarray((values * weights).sum(axis=1))

        return self._over(x, known if isinstance(self.law, DiagonalActions) else inside)

    def density(self, x: float) -> float:
        """The density at x, likewise."""
        last = self.sites[-1]

        def inside(before: np.ndarray, rest: np.ndarray) -> np.ndarray:
            end = last.action(rest)
            low, high = np.sort(last.energies[[0, -1]])
            values = self.law.at(np.concatenate([before, end[:, None]], axis=1))
            slope = np.maximum(np.abs(last.slope(end)), 1e-300)
            return np.where((rest > low) & (rest < high), values / slope, 0.0)

        return self._over(x, inside)

    def _over(self, x: float, inside: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        """The integral over all actions but the last, of a function of these (Q, N - 1) and what is left of x (Q,)."""
        before, rest, weight = np.empty((1, 0)), np.array([x]), np.ones(1)
        for number, site in enumerate(self.sites[:-1]):
            places, shares = between(self._ends(number, rest), self.rule[1])
            count = places.shape[1]
            rest = (rest[:, None] - site.energy(places)).ravel()
            before = np.concatenate([np.repeat(before, count, axis=0), places.reshape(-1, 1)], axis=1)
            weight = (weight[:, None] * shares).ravel()
            there = weight > 0
            before, rest, weight = before[there], rest[there], weight[there]
        return float(inside(before, rest) @ weight)

    def _ends(self, number: int, rest: np.ndarray) -> np.ndarray:
        """The ends (Q, K) of the panels of a site, when there is a rest (Q,) of energy for it and those inside."""
        share, site = _shares(self.rule[0]), self.sites[number]
        near = np.sort(np.append(share, np.multiply(NEAR_REST, share[1])))
        reach = np.concatenate([one.energy(one.table[-1] * near) for one in self.sites[number + 1 :]])
        cuts = site.action((rest[:, None] - reach).ravel()).reshape(len(rest), -1)
        own = np.broadcast_to(site.table[-1] * share, (len(rest), len(share)))
        return np.sort(np.concatenate([own, cuts], axis=1), axis=1)


@dataclass(frozen=True, eq=False)
class BinnedSum:
    """Sums of energies of many independent sites, of masses in bins of equal width that Fourier transforms convolve.

    Bins of half the width take the error of second order away.

    Args:
        low: the least and the largest energy of the sum.
        high: likewise.
        coarse: P(E <= x), a spline.
        fine: the same with twice as many bins.
    """

    low: float
    high: float
    coarse: CubicSpline
    fine: CubicSpline

    @classmethod
    def of(cls, law: ActionLaw, sites: tuple[SiteEnergy, ...]) -> BinnedSum:
        """The sum over all sites."""
        reach = [_reach(law, j, site) for j, site in enumerate(sites)]
        low, high = sum(r[0] for r in reach), sum(r[1] for r in reach)
        splines = [_convolved(law, sites, reach, (high - low) / count) for count in (BINS, 2 * BINS)]
        return cls(low, high, *splines)

    def distribution(self, x: float) -> float:
        """P(E <= x)."""
        if not self.low < x < self.high:
            return float(x >= self.high)
        return float(4 * self.fine(x) - self.coarse(x)) / 3

    def density(self, x: float) -> float:
        """The density at x."""
        if not self.low < x < self.high:
            return 0.0
        return float(4 * self.fine(x, 1) - self.coarse(x, 1)) / 3

    @property
    def rougher(self) -> BinnedSum:
        """The same without the coarser bins, for the error."""
        return BinnedSum(self.low, self.high, self.fine, self.fine)

    @property
    def error(self) -> float:
        """The largest change of P(E <= x) that half the width made."""
        x = np.linspace(self.low, self.high, LOOKS)[1:-1]
        return float(np.abs(self.fine(x) - self.coarse(x)).max())


def _reach(law: ActionLaw, number: int, site: SiteEnergy) -> tuple[float, float]:
    """The energies of a site between which its mass is, but for rounding; the end at rest is kept."""
    below = law.distribution(number, site.table)
    last = min(int(np.searchsorted(below, below[-1] - RANGE)) + 1, len(site.table) - 1)
    ends = np.sort(site.energies[[0, last]])
    return float(ends[0]), float(ends[1])


def _convolved(
    law: ActionLaw, sites: tuple[SiteEnergy, ...], reach: list[tuple[float, float]], width: float
) -> CubicSpline:
    """P(E <= x) of the sum, by bins of a width."""
    masses, begin = [], 0.0
    for j, (site, (low, high)) in enumerate(zip(sites, reach)):
        count = int(np.ceil((high - low) / width)) + 1
        # a bin ends where the site is at rest, since the density jumps there
        first = low if site.rising else high - count * width
        actions = site.action(first + width * np.arange(count + 1))
        masses.append(np.abs(np.diff(law.distribution(j, actions))))
        begin += first + 0.5 * width
    length = sum(map(len, masses)) - len(masses) + 1
    size = next_fast_len(length, real=True)
    product = np.prod([np.fft.rfft(one, size) for one in masses], axis=0)
    summed = np.append(0.0, np.cumsum(np.fft.irfft(product, size)[:length]))
    return CubicSpline(begin + width * (np.arange(length + 1) - 0.5), summed / summed[-1])
