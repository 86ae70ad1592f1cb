"""The law of the energies of rotators: the push-forward of the law of their actions (Corollary 4.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from ...errors import InvalidArgument, Unresolved, warn
from ...showing.axes import axes_of, labelled
from ...showing.datasets import dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support import checks
from ..dissipations.dissipation import DiagonalDissipation
from ..lattice import RotatorLattice
from .action_law import ActionLaw, DiagonalActions
from .site_energy import SiteEnergy
from .sums import PANELS, BinnedSum, NestedSum, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENERGY, DENSITY = "energy (action/time)", "density (time/action)"
MOST_NESTED = 3
LINE, BEYOND = 1025, 1e-13  # actions at which the end of the mass is looked for, and what is left beyond
MEANS = (60, 10)  # panels and points of the quadrature of means
# difference of two rules for the law of a sum above which it is said: of probabilities, and of densities relative to
# these, or to so little of one that is even
SAID, TINY = 1e-5, 1e-6
LOOKED = 3  # points at most where a second rule looks
FINE, MOST_CURVES = 241, 10
MOST_STEPS = 400  # of a search for a quantile
SHOWN = (0.001, 0.999)  # quantiles between which curves are drawn


@dataclass(frozen=True, eq=False, repr=False)
class EnergyLaw(Described):
    """The law of E_j = F_j(2 I_j)/2, F_j(x) = s_j int_0^x f, the limit of the energy H_j of a site, and of their sum.

    In the stationary state the law of I is pi, and that of E_j its push-forward: P(E_j <= x) = pi(I_j <= E_j^-1(x)),
    with the density pi_j(I)/|f_j(2 I)| at E_j(I) = x. Sites of negative spin have negative energies, and their law is
    turned around. Each method takes a `site`, or None for the sum of all energies.

    Laws of sites have the accuracy of `law` (1e-13 for a closed form). The sum of two or three sites is a nested
    quadrature of the joint density, with panels as narrow as the coldest site takes: right to about 1e-12 for a closed
    form (0.1 s a point), 1e-9 of two and 1e-6 of three (a second a point) for elements, besides what the density has;
    of four or more independent sites a convolution of bins, right to about 1e-9 for temperatures that are alike. What
    is returned is looked at by a second rule at up to three points, and by its mass or bins of half the width;
    differences above 1e-5 of a probability, or of the density there, are said (`Unresolved`). Actions above which a
    site has 1e-13 of its mass are left out, and with them so much of the tails of a sum.

    Args:
        lattice: whose frequencies and spins matter.
        law: of the actions: an `ActionDensity` of `pdes.TransportFokkerPlanck`, or None for the stationary law in
            closed form (2.10), where the averaged dissipation is diagonal.

    Raises:
        InvalidArgument: not a lattice; a law of another number of actions, or none where there is no closed form; an f
            that changes its sign, so that energies do not tell actions.

    Source: Dymov, Corollary 4.7, Theorem 2.3, equation (2.10).
    """

    lattice: RotatorLattice
    law: ActionLaw | None = None

    def __post_init__(self) -> None:
        checks.instance("lattice", self.lattice, RotatorLattice)
        if self.law is None:
            averaged = self.lattice.dissipation.averaged(self.lattice.region)
            if not isinstance(averaged, DiagonalDissipation):
                raise InvalidArgument(
                    "law",
                    "must be given: the stationary law of actions has a closed form for diagonal dissipation only; "
                    "take TransportFokkerPlanck(lattice).stationary(), or `energy_samples` of a stationary sample",
                )
            object.__setattr__(self, "law", DiagonalActions(averaged.p, self.lattice.temperature))
        if not all(hasattr(self.law, name) for name in ("nodes", "at", "marginal", "distribution")):
            raise InvalidArgument("law", f"must be an ActionDensity, not {checks.shown(self.law)}")
        if len(self._actions.nodes) != self.lattice.size:
            raise InvalidArgument("law", f"is of {len(self._actions.nodes)} actions, not of {self.lattice.size}")
        # the first call looks at f
        _ = self.sites

    @property
    def _actions(self) -> ActionLaw:
        assert self.law is not None
        return self.law

    @cached_property
    def sites(self) -> tuple[SiteEnergy, ...]:
        """The energy of each site as a function of its action."""
        return tuple(SiteEnergy.of(self.lattice, j, self._end(j)) for j in range(self.lattice.size))

    def _end(self, site: int) -> float:
        """An action beyond which a site has no mass but rounding."""
        line = float(self._actions.nodes[site][-1]) * np.linspace(0.0, 1.0, LINE) ** 2
        below = np.asarray(self._actions.distribution(site, line))
        return float(line[min(int(np.searchsorted(below, below[-1] - BEYOND)) + 1, LINE - 1)])

    def distribution(self, energies: ArrayLike, site: int | None = None) -> NDArray[np.float64]:
        """P(E_j <= x), or that of the sum.

        Args:
            energies: x (...).
            site: j; None for the sum of all sites.

        Returns:
            The probabilities (...), in [0, 1].

        Raises:
            InvalidArgument: no such site, energies that are not finite, a sum of more than three sites that depend.
        """
        x = checks.real_array("energies", energies)
        if (j := self._checked(site)) is None:
            return self._summed(x, "distribution").clip(0.0, 1.0)
        one = self.sites[j]
        low, high = np.sort(one.energies[[0, -1]])
        below = self._actions.distribution(j, one.action(x.ravel())).reshape(x.shape)
        inside = below if one.rising else 1.0 - below
        return np.where(x >= high, 1.0, np.where(x < low, 0.0, inside)).clip(0.0, 1.0)

    def density(self, energies: ArrayLike, site: int | None = None) -> NDArray[np.float64]:
        """The density of E_j, or of the sum, in time/action.

        Args:
            energies: x (...).
            site: j; None for the sum of all sites.

        Returns:
            The density (...), not negative, 0 where there are no energies.

        Raises:
            InvalidArgument: as `distribution`.
        """
        x = checks.real_array("energies", energies)
        if (j := self._checked(site)) is None:
            return np.maximum(self._summed(x, "density"), 0.0)
        one = self.sites[j]
        low, high = np.sort(one.energies[[0, -1]])
        actions = one.action(x.ravel())
        with np.errstate(divide="ignore"):
            # infinite where f = 0, as at rest for f = |u|^2
            values = (self._actions.marginal(j, actions) / np.abs(one.slope(actions))).reshape(x.shape)
        return np.where((x >= low) & (x <= high), values, 0.0)

    def quantile(self, shares: ArrayLike, site: int | None = None) -> NDArray[np.float64]:
        """The energies x with P(E <= x) = q.

        Args:
            shares: q (...), above 0 and below 1.
            site: j; None for the sum of all sites.

        Returns:
            x (...), to 1e-11 of the range of the energies, of a sum of that of the site where it is least, where the
            law is as well known.

        Raises:
            InvalidArgument: no such site, shares out of range; as `distribution`.
        """
        q = checks.real_array("shares", shares)
        if not ((q > 0) & (q < 1)).all():
            raise InvalidArgument("shares", "must be above 0 and below 1")
        j = self._checked(site)
        ends = np.array([np.sort(one.energies[[0, -1]]) for one in (self.sites if j is None else [self.sites[j]])])
        low, high = ends.sum(axis=0)
        # of hot and cold sites the cold ones make the law narrow near 0
        narrowest = float(np.diff(ends).min())

        def found(share: float) -> float:
            def miss(x: float) -> float:
                return float(self._rough(x, j)) - share

            return float(brentq(miss, low, high, xtol=1e-11 * narrowest, rtol=1e-14, maxiter=MOST_STEPS))

        x = np.array([found(share) for share in q.ravel()]).reshape(q.shape)
        if j is None and x.size:
            self._look("distribution", x.ravel(), q.ravel())
        return x

    def mean(self, site: int | None = None) -> float:
        """E E_j, or that of the sum.

        Args:
            site: j; None for the sum of all sites.
        """
        j = self._checked(site)
        if j is None:
            return sum(self.mean(k) for k in range(len(self.sites)))
        one = self.sites[j]
        places, weights = panels(np.zeros(1), one.table[-1:], MEANS)
        shares = weights[0] * self._actions.marginal(j, places[0])
        return float((shares * one.energy(places[0])).sum() / shares.sum())

    def _checked(self, site: int | None) -> int | None:
        """The number of a site; None for a sum, but of one site that site."""
        if site is not None:
            return checks.integer("site", site, 0, len(self.sites) - 1)
        return 0 if len(self.sites) == 1 else None

    @cached_property
    def _sum(self) -> NestedSum | BinnedSum:
        """What has the law of the sum."""
        count = len(self.sites)
        if count <= MOST_NESTED:
            nested = NestedSum.of(self._actions, self.sites, PANELS)
            top = sum(float(one.energies.max()) for one in self.sites)
            missed = abs(nested.distribution(top) / self._mass - 1.0)
            if missed > SAID:
                warn(
                    f"the rule for the sum of energies misses {missed:.1e} of the mass: the law of actions is narrow; "
                    "`energy_samples` has another estimate",
                    Unresolved,
                )
            return nested
        if not isinstance(self._actions, DiagonalActions):
            raise InvalidArgument(
                "site", f"must be given: the law of the sum of {count} sites that depend is not known"
            )
        whole = BinnedSum.of(self._actions, self.sites)
        if whole.error > SAID:
            warn(f"half as wide bins change the law of the sum by {whole.error:.1e}", Unresolved)
        return whole

    def _rough(self, x: float, site: int | None) -> float:
        """P(E <= x) without a second look."""
        if site is None:
            return self._sum.distribution(x) / self._mass
        return float(self.distribution(x, site))

    @cached_property
    def _mass(self) -> float:
        """The mass of the law of actions."""
        return float(self._actions.mass) if hasattr(self._actions, "mass") else 1.0

    def _summed(self, x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """The distribution or the density of the sum (...)."""
        whole = self._sum
        function: Callable[[float], float] = getattr(whole, name)
        values = np.array([function(one) for one in x.ravel()]) / self._mass
        if values.size:
            self._look(name, x.ravel(), values)
        return values.reshape(x.shape)

    def _look(self, name: str, x: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Warn if a coarser rule has other values (P,) of the distribution or the density of the sum at x (P,)."""
        function: Callable[[float], float] = getattr(self._sum.rougher, name)
        span = sum(float(np.ptp(one.energies)) for one in self.sites)
        some = np.argsort(values)[np.unique(np.linspace(0, len(x) - 1, LOOKED).astype(int))]
        others = np.array([function(float(one)) for one in x[some]]) / self._mass
        # a density has a unit: it is its digits that count
        size = np.maximum(np.abs(values[some]), TINY / span) if name == "density" else np.ones(len(some))
        differences = np.abs(others - values[some]) / size
        k = int(np.argmax(differences))
        if not differences[k] <= SAID:
            kind = "relatively " if name == "density" else ""
            warn(
                f"two rules for the {name} of the sum of energies differ {kind}by {differences[k]:.1e} at "
                f"{x[some[k]]:.4g}, and its error may be as large; `energy_samples` has another estimate",
                Unresolved,
            )

    def _shown(self, site: int) -> NDArray[np.float64]:
        """The energies of a site that pictures and tables show (K,)."""
        one = self.sites[site]
        # even in the modulus: densities vary most near rest
        low, high = np.sqrt(np.sort(one.action(self.quantile(SHOWN, site))))
        return np.sort(one.energy(np.linspace(low, high, FINE) ** 2))

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the densities of the energies of the sites.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot`.

        Returns:
            The axes; of more than ten sites the first ten have curves.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        for j in range(min(len(self.sites), MOST_CURVES)):
            x = self._shown(j)
            ax.plot(x, self.density(x, j), **({"label": f"site {j}"} | options))
        ax.legend()
        return labelled(ax, ENERGY, DENSITY)

    def to_xarray(self) -> Any:
        """Densities and distributions of all sites between their quantiles 0.001 and 0.999, a `xarray.Dataset`."""
        count = len(self.sites)
        x = np.array([self._shown(j) for j in range(count)])
        names = ("site", "point")
        return dataset(
            "EnergyLaw",
            [(Quantity("energy", "energy of a site", "action/time"), names, x),
             (Quantity("density", "density of the energy", "time/action"), names,
              np.array([self.density(x[j], j) for j in range(count)])),
             (Quantity("distribution", "probability of less energy", "1"), names,
              np.array([self.distribution(x[j], j) for j in range(count)]))],
            [],
        )  # fmt: skip

    def _summary(self) -> tuple[str, dict[str, Any]]:
        law = "closed form" if isinstance(self._actions, DiagonalActions) else type(self._actions).__name__
        means = np.array([self.mean(j) for j in range(len(self.sites))])
        return type(self).__name__, {"sites": len(self.sites), "law of actions": law, "mean energies": means}
