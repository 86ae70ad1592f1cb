"""Polynomials of one action that are orthonormal with the weight w_j, and the matrices of one site.

w_j is the law that the site would have alone, made wider (or narrower) by a dilation L_j of the action,

    log w_j(I) = (2/T_j) sum_m c_jm (I/L_j)^(m/2 + 1)/(m + 2) + const,    int w_j = 1,

so that it is as wide as the law of the site in the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import polynomial
from scipy import optimize

# of log w: beyond, nothing is integrated, with so much more for each polynomial
NEGLIGIBLE, MORE = 120.0, 6.0
CELLS, GAUSS = 160, np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True, eq=False)
class SiteBasis:
    """The polynomials P_0 = 1, P_1, ... of one site, int w P_a P_b = delta_ab.

    Args:
        own: the coefficients c_m (M,) of R_j/I_j of the site alone in powers of I^(1/2).
        temperature: T_j.
        dilation: L_j.
        functions: number n of polynomials.
        end: an action that the site does not exceed; no flux there.
    """

    own: np.ndarray
    temperature: float
    dilation: float
    functions: int
    end: float = np.inf

    @cached_property
    def _powers(self) -> np.ndarray:
        """The coefficients of log w in powers of (I/L)^(1/2), without the constant."""
        return np.concatenate([[0.0, 0.0], 2.0 * self.own / ((np.arange(len(self.own)) + 2) * self.temperature)])

    def _exponent(self, actions: np.ndarray) -> np.ndarray:
        return polynomial.polyval(np.sqrt(actions / self.dilation), self._powers)

    def where(self, fall: float) -> float:
        """The action at which the logarithm of the weight is so much below its value at 0."""
        end = self.dilation * self.temperature * 2.0**-20
        while self._exponent(np.array([end]))[0] > -fall:
            end *= 2.0
        found = optimize.brentq(lambda x: self._exponent(np.array([x]))[0] + fall, end / 2.0, end, rtol=1e-6)
        return float(found)

    @cached_property
    def upper(self) -> float:
        """An action beyond which nothing is integrated."""
        return min(self.where(NEGLIGIBLE + MORE * self.functions), self.end)

    @cached_property
    def _rule(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Points I (Q,), weights times w (Q,), and the logarithm of int exp(log w) without the constant.

        Even in I^(1/2), in which log w is a polynomial.
        """
        ends = np.linspace(0.0, np.sqrt(self.upper), CELLS + 1)
        root = (ends[:-1, None] + 0.5 * ends[1] * (GAUSS[0] + 1.0)).ravel()
        logs = self._exponent(root**2)
        shares = ends[1] * np.tile(GAUSS[1], CELLS) * root * np.exp(logs - logs.max())
        return root**2, shares / shares.sum(), float(np.log(shares.sum()) + logs.max())

    @property
    def quadrature(self) -> tuple[np.ndarray, np.ndarray]:
        """Points I (Q,), and weights times w (Q,), of sum 1."""
        return self._rule[:2]

    @cached_property
    def _recurrence(self) -> tuple[np.ndarray, np.ndarray]:
        """alpha (n,), beta (n,) of I P_a = beta_{a+1} P_{a+1} + alpha_a P_a + beta_a P_{a-1}; Stieltjes' procedure."""
        points, shares = self.quadrature
        alpha, beta = np.zeros(self.functions + 1), np.zeros(self.functions + 1)
        before, now = np.zeros_like(points), np.ones_like(points)
        rows = [now]
        for a in range(self.functions):
            alpha[a] = shares @ (points * now**2)
            after = (points - alpha[a]) * now - beta[a] * before
            for row in rows:
                # twice is enough: rounding of the recurrence is taken out
                after = after - row * (shares @ (after * row))
            beta[a + 1] = np.sqrt(shares @ after**2)
            before, now = now, after / beta[a + 1]
            rows.append(now)
        return alpha, beta

    def values(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The polynomials (P, n) and their derivatives (P, n) at actions (P,)."""
        alpha, beta = self._recurrence
        value, slope = np.zeros((2, self.functions, len(points)))
        value[0] = 1.0
        for a in range(self.functions - 1):
            before = beta[a] * value[a - 1] if a else 0.0
            before_slope = beta[a] * slope[a - 1] if a else 0.0
            value[a + 1] = ((points - alpha[a]) * value[a] - before) / beta[a + 1]
            slope[a + 1] = (value[a] + (points - alpha[a]) * slope[a] - before_slope) / beta[a + 1]
        return value.T, slope.T

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        return self.values(self.quadrature[0])

    def moment(self, values: np.ndarray) -> np.ndarray:
        """The integrals int w f P_a (n, ...) of values f (Q, ...) at the points of the quadrature."""
        return np.tensordot(self._table[0] * self.quadrature[1][:, None], values, (0, 0))

    def weight(self, points: np.ndarray) -> np.ndarray:
        """The weight w (P,) at actions (P,)."""
        return np.exp(self._exponent(points) - self._rule[2])

    @cached_property
    def gauss(self) -> tuple[np.ndarray, np.ndarray]:
        """Gauss points (n,), and the matrix (n, n) from values f there to the integrals int w f P_a."""
        alpha, beta = self._recurrence
        jacobi = np.diag(alpha[: self.functions]) + np.diag(beta[1 : self.functions], 1)
        points, vectors = np.linalg.eigh(jacobi + np.diag(beta[1 : self.functions], -1))
        return points, vectors[0][:, None] * vectors.T

    def power(self, exponent: int) -> np.ndarray:
        """The matrix int w I^e P_a P_b (n, n)."""
        points, shares = self.quadrature
        table = self._table[0]
        return table.T @ ((shares * points**exponent)[:, None] * table)

    def drifted(self, exponent: int) -> np.ndarray:
        """The matrix int w I^e P_a' P_b (n, n)."""
        points, shares = self.quadrature
        value, slope = self._table
        return slope.T @ ((shares * points**exponent)[:, None] * value)

    @cached_property
    def outflow(self) -> np.ndarray:
        """The matrix int I P_a' (T (w P_b)' - w r P_b) of the site alone, r = R_j/I_j; symmetric without dilation."""
        points, shares = self.quadrature
        value, slope = self._table
        r = polynomial.polyval(np.sqrt(points), self.own)
        wide = polynomial.polyval(np.sqrt(points / self.dilation), self.own) / self.dilation
        flux = self.temperature * slope + (wide - r)[:, None] * value
        return slope.T @ ((shares * points)[:, None] * flux)
