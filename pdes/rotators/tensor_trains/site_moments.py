"""Means, second moments and balances of a chain from its tensor train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .polynomial_drift import PolynomialDrift
from .site_basis import SiteBasis
from .tensor_algebra import Contractions


@dataclass(frozen=True, eq=False)
class SiteMoments:
    """Moments of the actions, in the order of the chain.

    Args:
        drift: R.
        bases: of the sites.
        contractions: of the cores of u.
    """

    drift: PolynomialDrift
    bases: Sequence[SiteBasis]
    contractions: Contractions

    @cached_property
    def mean(self) -> np.ndarray:
        """E I_j (N,)."""
        return self._moments(1)

    @cached_property
    def square(self) -> np.ndarray:
        """E I_j^2 (N,)."""
        return self._moments(2)

    def _moments(self, power: int) -> np.ndarray:
        return np.array([self.contractions.single(j) @ self._moment(j, power) for j in range(self.drift.size)])

    def _moment(self, j: int, power: float) -> np.ndarray:
        """The integrals int w I^power P_a (n,)."""
        return self.bases[j].moment(self.bases[j].quadrature[0] ** power)

    @cached_property
    def covariance(self) -> np.ndarray:
        """The covariance (N, N)."""
        mixed = self.contractions.pairs([self._moment(j, 1) for j in range(self.drift.size)])
        result: np.ndarray = mixed + np.diag(self.square) - np.outer(self.mean, self.mean)
        return result

    @cached_property
    def neighbours(self) -> np.ndarray:
        """E I_j I_{j+1} (N - 1,)."""
        return np.diag(self.covariance, 1) + self.mean[1:] * self.mean[:-1]

    @cached_property
    def balance(self) -> np.ndarray:
        """What E R_j + T_j is (N,); in the stationary law it is 0."""
        return self.drift.temperature + np.array([self._mean_drift(j) for j in range(self.drift.size)])

    def _mean_drift(self, j: int) -> float:
        points, coefficients = self.bases[j].quadrature[0], self.drift.own[j]
        alone = points * np.polynomial.polynomial.polyval(np.sqrt(points), coefficients)
        result = float(self.contractions.single(j) @ self.bases[j].moment(alone))
        for powers, coefficient in self.drift.products[j].items():
            factors = {j + offset: self._moment(j + offset, e) for offset, e in zip((-1, 0, 1), powers) if e}
            result += coefficient * self.contractions.product(factors)
        return result

    def difference(self, other: SiteMoments) -> float:
        """The largest relative difference of E I_j, E I_j^2 and E I_j I_{j+1}."""
        pairs = [(self.mean, other.mean), (self.square, other.square), (self.neighbours, other.neighbours)]
        return max(float(np.abs(one / another - 1.0).max(initial=0.0)) for one, another in pairs)
