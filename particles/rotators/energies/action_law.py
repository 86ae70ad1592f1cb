"""Laws of actions: what an energy's law needs of them, and the closed form for diagonal dissipation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc, gammaincc, gammainccinv, gammaln

TAIL = 1e-24  # mass beyond the ends


class ActionLaw(Protocol):
    """A law of N actions with a density, such as an `ActionDensity`."""

    @property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """Coordinates along each axis (N of them); the law has its mass between the first and the last ones."""

    def at(self, points: ArrayLike) -> Any:
        """The density (P,) at points (P, N)."""

    def marginal(self, site: int, points: ArrayLike) -> Any:
        """The density (P,) of one action at points (P,)."""

    def distribution(self, site: int, points: ArrayLike) -> Any:
        """P(I_j <= x) (P,) at points (P,)."""


@dataclass(frozen=True, eq=False)
class DiagonalActions:
    """pi = prod_j c_j exp(-(2/(p T_j)) (2 I_j)^(p/2)), the stationary law for R_j = -(2 I_j)^(p/2).

    Args:
        power: p.
        temperature: T (N,).

    Source: Dymov, equation (2.10).
    """

    power: int
    temperature: np.ndarray

    @property
    def _rates(self) -> np.ndarray:
        return np.asarray(2.0 / (self.power * self.temperature))

    @property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """0, and beyond it the action above which no mass is left, of each site."""
        reach = gammainccinv(2.0 / self.power, TAIL)
        return tuple(np.array([0.0, 0.5 * (reach / rate) ** (2.0 / self.power)]) for rate in self._rates)

    def at(self, points: ArrayLike) -> np.ndarray:
        """The density (P,) at points (P, N)."""
        x = np.asarray(points, dtype=float)
        return np.asarray(np.prod([self.marginal(j, x[:, j]) for j in range(x.shape[1])], axis=0))

    def marginal(self, site: int, points: ArrayLike) -> np.ndarray:
        """The density (P,) of one action."""
        rate, p = self._rates[site], self.power
        norm = np.log(p) + 2.0 / p * np.log(rate) - gammaln(2.0 / p)
        return np.asarray(np.exp(norm - rate * (2.0 * np.asarray(points)) ** (p / 2)))

    def distribution(self, site: int, points: ArrayLike) -> np.ndarray:
        """P(I_j <= x) (P,), an incomplete gamma function."""
        x = np.maximum(np.asarray(points, dtype=float), 0.0)
        return np.asarray(gammainc(2.0 / self.power, self._rates[site] * (2.0 * x) ** (self.power / 2)))

    def survival(self, site: int, points: ArrayLike) -> np.ndarray:
        """P(I_j > x) (P,), with all digits where it is small."""
        x = np.maximum(np.asarray(points, dtype=float), 0.0)
        return np.asarray(gammaincc(2.0 / self.power, self._rates[site] * (2.0 * x) ** (self.power / 2)))
