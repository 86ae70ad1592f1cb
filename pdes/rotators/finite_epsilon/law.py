"""The stationary law of a lattice of rotators at finite epsilon, as moments of complex Hermite polynomials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles.showing.axes import axes_of, closed_if_refused, labelled
from scaling_limits.particles.showing.datasets import dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.support.checks import number
from scaling_limits.particles.support.saved import Saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SITE = Quantity("site", "number of the site", "1")
OTHER = Quantity("other", "number of another site", "1")
BOND = Quantity("bond", "number of the bond", "1")
MEAN = Quantity("mean", "the mean action", "action")
COVARIANCE = Quantity("covariance", "covariance of the actions", "action^2")
TERM = Quantity("exponent", "power of epsilon of the term", "1")
COEFFICIENT = Quantity("coefficient", "coefficient of the mean action", "action")
# the values of epsilon that are drawn
DRAWN = np.geomspace(1e-4, 0.1, 61)
EXCHANGE = Quantity("exchange", "mean flow of actions through the bond by the coupling", "action/slow time")


@dataclass(frozen=True, eq=False, repr=False)
class RotatorMoments(Saved, Described):
    """Moments of the stationary law of the lattice, by a Galerkin method; errors are those of its last refinement.

    Args:
        epsilon: of the lattice.
        mean: E I_j (N,), actions.
        covariance: of the actions (N, N).
        exchange: mean flow of actions (B,) through each bond (j, k), from j to k, by the coupling G', per slow time; in
            the limit there is none.
        bonds: (B, 2).
        error: the largest change of means (over the largest mean), covariances (over its square) and exchanges (over
            the largest temperature) when the degree was raised last.
        degree: half of the highest degree of the polynomials.
    """

    epsilon: float
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    exchange: NDArray[np.float64]
    bonds: NDArray[np.int64] = field(repr=False)
    error: float
    degree: int
    SHAPES: ClassVar[dict[str, str]] = {"mean": "N", "covariance": "N N", "exchange": "B", "bonds": "B 2"}

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean action of each site.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        given = {"marker": "o", "label": f"epsilon = {self.epsilon:g}"} | options
        ax.plot(np.arange(len(self.mean)), self.mean, **given)
        ax.set_xticks(np.arange(len(self.mean)))
        ax.legend()
        return labelled(ax, SITE.label, MEAN.label)

    def to_xarray(self) -> Any:
        """Means, covariances and flows as a `xarray.Dataset` with dimensions site, other and bond."""
        return dataset(
            "RotatorMoments",
            [(MEAN, ("site",), self.mean), (COVARIANCE, ("site", "other"), self.covariance),
             (EXCHANGE, ("bond",), self.exchange)],
            [(SITE, ("site",), np.arange(len(self.mean))), (OTHER, ("other",), np.arange(len(self.mean))),
             (BOND, ("bond",), np.arange(len(self.bonds)))],
            {"epsilon": self.epsilon, "error": self.error, "degree": self.degree},
        )  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class EpsilonExpansion(Saved, Described):
    """Stationary means of two rotators as epsilon -> 0.

        E I_j = c_0 + c_1 epsilon^a + c_2 epsilon^(2 a) + c_3 epsilon + smaller ones.

    Args:
        exponent: a, of the coupling.
        limit: c_0 (N,), the means of the transport equation, actions.
        first: c_1 (N,), of the coupling together with what g exchanges between sites; 0 where g is radial.
        second: c_2 (N,), of the coupling twice.
        thermal: c_3 (N,), of the part of g that turns with angles; 0 where g is radial.
        error: the largest change of them, over the largest mean, when the degree was raised last.
    """

    exponent: float
    limit: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    thermal: NDArray[np.float64]
    error: float
    SHAPES: ClassVar[dict[str, str]] = dict.fromkeys(("limit", "first", "second", "thermal"), "N")

    def at(self, epsilon: float) -> NDArray[np.float64]:
        """The sum of the terms that are known (N,), for an epsilon.

        Raises:
            InvalidArgument: a negative epsilon, or no number.
        """
        epsilon = number("epsilon", epsilon, least=0.0)
        power = epsilon**self.exponent
        return self.limit + power * self.first + power**2 * self.second + epsilon * self.thermal

    @property
    def leading(self) -> float:
        """The exponent of the largest correction that does not vanish."""
        size = np.abs(self.limit).max()
        terms = ((self.first, self.exponent), (self.second, 2 * self.exponent), (self.thermal, 1.0))
        floor = max(10 * self.error, 1e-12) * size
        return min((exponent for values, exponent in terms if np.abs(values).max() > floor), default=np.inf)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean action of each site over epsilon, with its limit.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        means = np.array([self.at(float(epsilon)) for epsilon in DRAWN])
        for j, (values, limit) in enumerate(zip(means.T, self.limit)):
            (line,) = ax.plot(DRAWN, values, **({"label": f"site {j}"} | options))
            ax.axhline(limit, color=line.get_color(), linestyle=":")
        ax.set_xscale("log")
        ax.legend()
        return labelled(ax, "epsilon", MEAN.label)

    def to_xarray(self) -> Any:
        """The coefficients as a `xarray.Dataset` with dimensions term and site."""
        terms = np.array([self.limit, self.first, self.second, self.thermal])
        exponents = np.array([0.0, self.exponent, 2 * self.exponent, 1.0])
        return dataset(
            "EpsilonExpansion",
            [(COEFFICIENT, ("term", "site"), terms), (TERM, ("term",), exponents)],
            [(SITE, ("site",), np.arange(len(self.limit)))],
            {"error": self.error},
        )
