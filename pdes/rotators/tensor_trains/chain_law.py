"""The stationary law of the actions of a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument, MeanCurrents
from scaling_limits.particles.showing.axes import axes_of, labelled
from scaling_limits.particles.showing.datasets import Variable, dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.support.checks import evaluated, integer, real_array
from scaling_limits.particles.support.saved import Saved

from .site_integrals import SiteIntegrals, warn_of_integrals
from .train import Train

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SITE = Quantity("site", "number of the site", "1")
OTHER = Quantity("other", "number of another site", "1")
BOND = Quantity("bond", "number of the bond", "1")
MEAN = Quantity("mean", "mean action", "action")
RATE = "action/slow time"
# sites of which a joint density is asked for
MOST = 3


@dataclass(frozen=True, eq=False, repr=False)
class ChainLaw(Saved, Described):
    """The stationary law of the actions of a chain, p = w u with u a tensor train in polynomials of each action.

    Arrays are in the order of the lattice's sites. Errors are the larger of the change from fewer polynomials and
    a larger tolerance of the ranks, and of what |E R_j + T_j| leaves open.

    Args:
        sites: coordinates (N, d).
        bonds: pairs of sites (B, 2).
        temperature: T (N,).
        mean: E I_j (N,), actions.
        mean_error: of them (N,).
        covariance: (N, N), actions squared.
        flow: mean flow E J_b of action (B,) from the first to the second site, per slow time (`action_currents`).
        flow_error: of it (B,).
        local: E S_j (N,), what depends on one action alone.
        balance: E R_j + T_j (N,), 0 in the stationary law.
        error: the largest relative error of E I_j, E I_j^2 and E I_j I_{j+1}, or |balance|/T_j.
        density_error: error of the densities of one site and of two neighbours, over the largest value of each.
        ranks: of the tensor train (N - 1,), along the chain.
        functions: polynomials of each action.
        order: the numbers of the sites along the chain (N,).
        weights: T, L, the end and the coefficients of the weight w of each site (N, M + 3), along the chain.
        train: the numbers of the cores.
    """

    sites: NDArray[np.int64]
    bonds: NDArray[np.int64]
    temperature: NDArray[np.float64]
    mean: NDArray[np.float64]
    mean_error: NDArray[np.float64]
    covariance: NDArray[np.float64]
    flow: NDArray[np.float64]
    flow_error: NDArray[np.float64]
    local: NDArray[np.float64]
    balance: NDArray[np.float64]
    error: float
    density_error: float
    ranks: NDArray[np.int64]
    functions: int
    order: NDArray[np.int64]
    weights: NDArray[np.float64]
    train: NDArray[np.float64]
    SHAPES: ClassVar[dict[str, str]] = {
        "sites": "N d", "bonds": "B 2", "flow": "B", "flow_error": "B", "covariance": "N N", "weights": "N W",
        **dict.fromkeys(("temperature", "mean", "mean_error", "local", "balance", "order"), "N"),
        "ranks": "L", "train": "M",
    }  # fmt: skip

    @property
    def variance(self) -> NDArray[np.float64]:
        """The variances (N,), actions squared."""
        return np.diag(self.covariance).copy()

    @cached_property
    def _law(self) -> Train:
        return Train.of(self.train, self.weights, self.ranks, self.functions)

    @cached_property
    def _place(self) -> NDArray[np.int64]:
        """Of each site, along the chain."""
        return np.argsort(self.order)

    @property
    def currents(self) -> MeanCurrents:
        """The mean flows, and what else sites gain and lose: E R_j = in - out + E S_j + E r_j."""
        gained = self.local.copy()
        np.add.at(gained, self.bonds[:, 0], -self.flow)
        np.add.at(gained, self.bonds[:, 1], self.flow)
        uncertain = np.maximum(np.abs(self.balance), self.error * self.temperature)
        return MeanCurrents(
            self.sites, self.bonds, self.temperature, self.mean, self.flow, self.flow_error, self.local,
            self.balance - self.temperature - gained, self.balance, uncertain, "density",
        )  # fmt: skip

    def marginal(self, sites: int | Sequence[int], points: ArrayLike) -> NDArray[np.float64]:
        """The density of the actions of one, two or three sites at points.

        It is a polynomial times a weight, which has means to `error` and values to `density_error` times the largest:
        where there is almost nothing it may be negative.

        Args:
            sites: the number of a site, or the different numbers of K <= 3.
            points: actions (P,), of several sites (P, K).

        Returns:
            The values (P,), 1/action^K.

        Raises:
            InvalidArgument: no such sites; negative actions, or an array of another shape.
        """
        asked = list(sites) if isinstance(sites, Sequence | np.ndarray) else None
        one = asked is None
        chosen = np.array([self._site("sites", site) for site in ([sites] if asked is None else asked)], dtype=np.int64)
        if not 1 <= len(chosen) <= MOST or len(set(chosen)) < len(chosen):
            raise InvalidArgument("sites", f"must be one to {MOST} different sites, not {sites}")
        given = np.atleast_1d(real_array("points", points))
        x = given[:, None] if one else given
        if x.ndim != 2 or x.shape[1] != len(chosen):
            shape = "(P,)" if one else f"(P, {len(chosen)})"
            raise InvalidArgument("points", f"must have the shape {shape}, not {given.shape}")
        if (x < 0).any():
            raise InvalidArgument("points", "actions are not negative")
        places = self._place[chosen]
        along = np.argsort(places)
        return self._law.marginal([int(k) for k in places[along]], x[:, along])

    def expectation(self, factors: Mapping[int, Callable[[np.ndarray], ArrayLike]]) -> float:
        """E prod_j f_j(I_j), a product of functions of some sites.

        Integrals over one action are by Gauss's rule on cells that are halved where halves change anything, so that
        jumps and integrable singularities are found: to 1e-8 of prod_j E |f_j|, or a warning. Beside that the law has
        its own `error`, and what weighs its tail more than I^2 does may be less accurate. A peak or a set that is
        narrower than 1e-4 of the mean action can lie between all points and is then not seen.

        Args:
            factors: by the numbers of the sites, functions from actions (Q,) to values (Q,).

        Raises:
            InvalidArgument: no such sites; functions without finite values.

        Warns:
            Unresolved: the integral still changes when cells are halved, or what is beyond the end of the actions that
                are integrated over counts: the expectation may be infinite.
        """
        if not isinstance(factors, Mapping):
            raise InvalidArgument("factors", "must be functions by the numbers of sites, such as {0: lambda I: I**2}")
        found = {}
        for site, function in factors.items():
            k = int(self._place[self._site("factors", site)])
            found[k] = SiteIntegrals(self._law.bases[k], self._law.contractions.single(k)).of(_checked(function))
        warn_of_integrals(list(found.values()), self.error)
        return self._law.contractions.product({k: one.moment for k, one in found.items()})

    def _site(self, name: str, site: object) -> int:
        return integer(name, site, 0, len(self.mean) - 1)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean actions along the chain, between one standard deviation below and above.

        Bars at the means are errors, which are mostly too small to be seen.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        x, spread = np.arange(len(self.mean)), np.sqrt(self.variance)
        mean, error, spread = (one[self.order] for one in (self.mean, self.mean_error, spread))
        ax.fill_between(x, mean - spread, mean + spread, alpha=0.2, linewidth=0, label="standard deviation")
        given: dict[str, Any] = {"marker": "o", "markersize": 4, "label": "mean", "capsize": 2} | options
        ax.errorbar(x, mean, error, **given)
        ax.legend()
        return labelled(ax, "site along the chain", MEAN.label)

    def to_xarray(self) -> Any:
        """Means, covariances, flows and balances as a `xarray.Dataset` with dimensions site, other, bond and end."""
        variables: list[Variable] = [
            (MEAN, ("site",), self.mean),
            (Quantity("mean_error", "error of the mean", "action"), ("site",), self.mean_error),
            (Quantity("covariance", "covariance of the actions", "action^2"), ("site", "other"), self.covariance),
            (Quantity("flow", "mean flow of action through the bond", RATE), ("bond",), self.flow),
            (Quantity("flow_error", "error of the mean flow", RATE), ("bond",), self.flow_error),
            (Quantity("bonds", "first and second site of the bond", "1"), ("bond", "end"), self.bonds),
            (Quantity("local", "mean of what depends on one action", RATE), ("site",), self.local),
            (Quantity("balance", "mean of R + T", RATE), ("site",), self.balance),
            (Quantity("temperature", "temperature", RATE), ("site",), self.temperature),
            (Quantity("rank", "rank of the tensor train", "1"), ("cut",), self.ranks),
        ]
        numbers = np.arange(len(self.mean))
        coordinates: list[Variable] = [
            (SITE, ("site",), numbers), (OTHER, ("other",), numbers), (BOND, ("bond",), np.arange(len(self.bonds))),
        ]  # fmt: skip
        said = {"error": self.error, "density_error": self.density_error, "functions": self.functions}
        return dataset("ChainLaw", variables, coordinates, said)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        largest = int(self.ranks.max(initial=1))
        said: dict[str, Any] = {"sites": len(self.mean)}
        said["mean action"] = f"{self.mean.min():.6g} to {self.mean.max():.6g}"
        if len(self.flow):
            said["flow"] = f"{self.flow.min():.4g} to {self.flow.max():.4g}, +- {self.flow_error.max():.1g}"
        said["relative error"] = f"{self.error:.1g}"
        said["error of densities"] = f"{self.density_error:.1g} of their largest value"
        said["balance"] = f"|E R + T| <= {np.abs(self.balance).max():.1g}"
        said["tensor train"] = f"ranks to {largest}, {self.functions} polynomials of each action"
        return type(self).__name__, said

    @classmethod
    def _made(cls, content: dict[str, Any]) -> Self:
        result = cls(**content)
        # numbers that do not belong together are found when the file is read
        _ = result._law
        return result


def _checked(function: Callable[[np.ndarray], ArrayLike]) -> Callable[[np.ndarray], np.ndarray]:
    """The function, refused where its values are none."""

    def at(x: np.ndarray) -> ArrayLike:
        return function(x[:, 0])

    return lambda actions: evaluated("factors", at, actions[:, None])
