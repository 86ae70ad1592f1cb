"""The three forms (A), (B), (C) of the pinned-billiard equations, as residuals in UFL (paper, section 4).

All three share the first unknown, the mean velocity mu; the second is the standard deviation sigma in (A), half the
variance w = sigma^2/2 in (B), and the energy E = (mu^2 + sigma^2)/2 in (C). The paper's sqrt(w) in (B) stands for
sigma = sqrt(2 w). With d the diffusion (1, or more where a mesh does not resolve 1/lambda):

    mu_t = (d mu_x - lambda sigma)_x                                                        in all of them
    (A) sigma_t = d sigma_xx - lambda mu_x + d (sigma_x^2 + mu_x^2)/sigma
    (B) w_t = d w_xx + mu_x (d mu_x - lambda sigma)
    (C) E_t = (d E_x - lambda mu sigma)_x

The natural boundary of the weak forms is the closed one: mu_x = lambda sigma/d, and no flux of energy.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import ufl
from ufl.core.expr import Expr


# numba compiles `second` and `variance` of the three (compiled/rules.py): they take numbers too, and read no self
class BilliardForm(Hashable, Protocol):
    """One choice of the second unknown."""

    label: ClassVar[str]  # the paper's letter

    def second(self, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return the second unknown of (mu, sigma)."""

    def variance(self, mu: np.ndarray | Expr, second: np.ndarray | Expr) -> np.ndarray | Expr:
        """Return sigma^2 = 2 w, of arrays or of UFL expressions; negative where the pair belongs to no state."""

    def residual(self, mu: Expr, second: Expr, sigma: Expr, tests: Expr, d: Expr, speed: Expr) -> Expr:
        """Return the integrand of the spatial residual, so that (u_t, tests) + residual = 0."""


def _momentum(mu: Expr, sigma: Expr, test: Expr, d: Expr, speed: Expr) -> Expr:
    return (d * mu.dx(0) - speed * sigma) * test.dx(0)


@dataclass(frozen=True)
class DeviationForm:
    """Form (A), in (mu, sigma): regular where sigma > 0 only."""

    label: ClassVar[str] = "A"

    def second(self, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return sigma."""
        return sigma

    def variance(self, mu: np.ndarray | Expr, second: np.ndarray | Expr) -> np.ndarray | Expr:
        """Return sigma^2."""
        return second * abs(second)

    def residual(self, mu: Expr, second: Expr, sigma: Expr, tests: Expr, d: Expr, speed: Expr) -> Expr:
        """Return the integrand of (A)."""
        growth = d * (second.dx(0) ** 2 + mu.dx(0) ** 2) / sigma - speed * mu.dx(0)
        return _momentum(mu, sigma, tests[0], d, speed) + d * second.dx(0) * tests[1].dx(0) - growth * tests[1]


@dataclass(frozen=True)
class VarianceForm:
    """Form (B), in (mu, w)."""

    label: ClassVar[str] = "B"

    def second(self, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return w = sigma^2/2."""
        return 0.5 * sigma**2

    def variance(self, mu: np.ndarray | Expr, second: np.ndarray | Expr) -> np.ndarray | Expr:
        """Return 2 w."""
        return 2 * second

    def residual(self, mu: Expr, second: Expr, sigma: Expr, tests: Expr, d: Expr, speed: Expr) -> Expr:
        """Return the integrand of (B)."""
        growth = mu.dx(0) * (d * mu.dx(0) - speed * sigma)
        return _momentum(mu, sigma, tests[0], d, speed) + d * second.dx(0) * tests[1].dx(0) - growth * tests[1]


@dataclass(frozen=True)
class EnergyForm:
    """Form (C), in (mu, E): both invariants are linear, so that every linear scheme keeps them."""

    label: ClassVar[str] = "C"

    def second(self, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return E = (mu^2 + sigma^2)/2."""
        return 0.5 * (mu**2 + sigma**2)

    def variance(self, mu: np.ndarray | Expr, second: np.ndarray | Expr) -> np.ndarray | Expr:
        """Return 2 E - mu^2."""
        return 2 * second - mu * mu

    def residual(self, mu: Expr, second: Expr, sigma: Expr, tests: Expr, d: Expr, speed: Expr) -> Expr:
        """Return the integrand of (C)."""
        flux = d * second.dx(0) - speed * mu * sigma
        return _momentum(mu, sigma, tests[0], d, speed) + flux * tests[1].dx(0)


def deviation(variance: Expr, floor: Expr | float) -> Expr:
    """Return sigma = sqrt(max(variance, floor)) in UFL; a floor above 0 keeps its derivative finite."""
    return ufl.sqrt(ufl.max_value(variance, floor))
