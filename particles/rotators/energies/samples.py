"""Samples of energies: their laws from histograms, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from ...errors import InvalidArgument
from ...sampling.samples import Samples
from ...showing.axes import axes_of, draw_histogram, labelled, legend_of_first
from ...showing.datasets import dataset
from ...showing.quantities import Quantity
from ...support import checks
from ..ensemble import RotatorEnsemble
from ..lattice import RotatorLattice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENERGY = Quantity("energies", "energy", "action/time")
SLOW_TIME = Quantity("time", "slow time", "slow time")
MOST_SITES = 10
# the quantiles of order statistics that are two standard errors apart from the middle one
ONE_SIGMA = 0.158655
# a picture shows what is between the quantiles of these shares, and at most so many bins
TAIL = 0.01
MOST_BINS = 100
# beyond so many median energies even axes make a line of the least site
WIDE = 20.0


@dataclass(frozen=True, eq=False, repr=False)
class EnergySamples(Samples):
    """Energies of N rotators in R independent members at T slow times, as numbers `energies`, and the law of each.

    Each method takes a `site`, or None for the sum of all energies, and an `index` of the time, the last one by itself.

    Args:
        times: tau (T,).
        energies: E (T, R, N).
        coupled: whether they have shares of the coupling, H_j, or are F_j(2 I_j)/2.
    """

    times: NDArray[np.float64]
    energies: NDArray[np.float64]
    coupled: bool
    WORD: ClassVar[str] = "members"
    SHAPES: ClassVar[dict[str, str]] = {"times": "T", "energies": "T R N"}

    @property
    def values(self) -> NDArray[np.float64]:
        """The energies (T, R, N)."""
        return self.energies

    def distribution(
        self, energies: ArrayLike, site: int | None = None, *, index: int = -1
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The part of members with E <= x (...), and its standard error, sqrt(p (1 - p)/R).

        Args:
            energies: x (...).
            site: j; None for the sum of all sites.
            index: of the time.

        Raises:
            InvalidArgument: no such site or time; energies that are not finite.
        """
        x, values = checks.real_array("energies", energies), np.sort(self._of(site, index))
        share = np.searchsorted(values, x, side="right") / len(values)
        return np.asarray(share), self._error(share)

    def masses(
        self, edges: ArrayLike, site: int | None = None, *, index: int = -1
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The parts of members with x_k < E <= x_(k+1) (K,), and their standard errors.

        Args:
            edges: x (K + 1,), increasing.
            site: j; None for the sum of all sites.
            index: of the time.

        Raises:
            InvalidArgument: no such site or time; edges that do not increase.
        """
        x = checks.real_array("edges", edges)
        if x.ndim != 1 or len(x) < 2 or (np.diff(x) <= 0).any():
            raise InvalidArgument("edges", f"must be at least two increasing numbers, not {checks.shown(edges)}")
        share = np.diff(self.distribution(x, site, index=index)[0])
        return share, self._error(share)

    def quantile(
        self, shares: ArrayLike, site: int | None = None, *, index: int = -1
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The energies below which a part q of the members is (...), and their standard errors.

        The error is half the way between the order statistics one standard deviation of their rank below and above.

        Args:
            shares: q (...), above 0 and below 1.
            site: j; None for the sum of all sites.
            index: of the time.

        Raises:
            InvalidArgument: no such site or time; shares out of range, or nearer to 0 or 1 than ten members.
        """
        q, values = checks.real_array("shares", shares), np.sort(self._of(site, index))
        runs = len(values)
        if not ((q > 0) & (q < 1)).all():
            raise InvalidArgument("shares", f"must be above 0 and below 1, not {checks.shown(shares)}")
        if not ((q * runs >= 10) & ((1 - q) * runs >= 10)).all():
            raise InvalidArgument(
                "shares", f"must leave at least ten of {runs} members on each side; take more members"
            )
        rank = np.maximum(np.ceil(q * runs).astype(int) - 1, 0)
        low, high = (np.quantile(values, beta.ppf(side, rank + 1, runs - rank)) for side in (ONE_SIGMA, 1 - ONE_SIGMA))
        return values[rank], 0.5 * (high - low)

    def _error(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The standard error of a part of the members; where none or all are, that of one member."""
        runs = self.runs
        return np.asarray(np.sqrt(np.maximum(share * (1 - share), (runs - 1) / runs**2) / runs))

    def _of(self, site: int | None, index: int) -> NDArray[np.float64]:
        """The energies of a site or their sum at a time (R,)."""
        count = len(self.times)
        at_time = self.energies[checks.integer("index", index, -count, count - 1)]
        if site is None:
            return np.asarray(at_time.sum(axis=1))
        return np.asarray(at_time[:, checks.integer("site", site, 0, at_time.shape[1] - 1)])

    def plot(self, ax: Axes | None = None, *, index: int = -1, **options: Any) -> Axes:
        """Draw histograms of the energies of the sites at a time, each between its quantiles 0.01 and 0.99.

        Energies grow faster than actions, so that a few members may be a hundred times farther out than most: beyond
        these quantiles nothing is drawn, which the title says. What is drawn has the mass of its members, not 1. Bins
        widen with the energy, and axes are logarithmic where the widest energies are above 20 median ones. With `bins`,
        `range`, `density`, `weights` or `cumulative` among the options all members are binned as you say.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            index: of the time.
            options: of `Axes.hist`.

        Returns:
            The axes; of more than ten sites the first ten have histograms, which the legend says.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, drawn = axes_of(ax), min(self.energies.shape[2], MOST_SITES)
        as_told = bool({"bins", "range", "density", "weights", "cumulative"} & options.keys())
        for j in range(drawn):
            draw = draw_histogram if as_told else _draw_middle
            draw(ax, self._of(j, index), {"label": f"site {j}"} | options)
        if not as_told:
            _logarithmic(ax, [self._of(j, index) for j in range(drawn)])
            if not ax.get_title():
                ax.set_title(f"each site between its quantiles {TAIL:g} and {1 - TAIL:g}", fontsize="medium")
        legend_of_first(ax, drawn, self.energies.shape[2])
        return labelled(ax, "energy (action/time)", "density (time/action)")

    def to_xarray(self) -> Any:
        """The energies as a `xarray.Dataset` with dimensions time, member and site."""
        return dataset(
            "EnergySamples",
            [(ENERGY, ("time", "member", "site"), self.energies)],
            [(SLOW_TIME, ("time",), self.times)],
            {"coupled": int(self.coupled)},
        )


def _draw_middle(ax: Axes, values: NDArray[np.float64], options: dict[str, Any]) -> None:
    """Draw the density of numbers (R,) between two quantiles as steps; its mass is the part of them in between."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if not low < high:
        draw_histogram(ax, values, options)
        return
    # even bins below the median modulus, from there on ever wider ones
    scale, count = _scale(values), int(np.clip(2.0 * len(values) ** (1 / 3), 8, MOST_BINS))
    edges = scale * np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), count + 1))
    edges[[0, -1]] = low, high
    inside = values[(values >= low) & (values <= high)]
    widths = np.diff(edges)[np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, count - 1)]
    given: dict[str, Any] = {"bins": edges, "weights": 1 / (len(values) * widths), "histtype": "step"}
    ax.hist(inside, **(given | options))


def _scale(values: NDArray[np.float64]) -> float:
    """The median modulus of numbers (R,), or the largest where it is 0."""
    modulus = np.abs(values)
    return float(np.median(modulus)) or float(modulus.max()) or 1.0


def _logarithmic(ax: Axes, sites: list[NDArray[np.float64]]) -> None:
    """Make both axes logarithmic, but around 0, where on even ones some of the sites (R,) would be a line."""
    scale = min(_scale(values) for values in sites)
    if max(np.abs(np.quantile(values, [TAIL, 1 - TAIL])).max() for values in sites) > WIDE * scale:
        ax.set_xscale("symlog", linthresh=scale)
        ax.set_yscale("log")


def energy_samples(lattice: RotatorLattice, ensemble: RotatorEnsemble, *, coupled: bool = False) -> EnergySamples:
    """The energies of a sample of rotators.

    Args:
        lattice: whose f, spins and G count.
        ensemble: of the lattice or of its limit (`TransportProcess`); of a stationary one the energies have the
            push-forward of the stationary law.
        coupled: with the shares of the coupling, H_j, which is of a lattice; else the limit F_j(2 I_j)/2.

    Raises:
        InvalidArgument: no lattice, no sample of rotators, or of another number of sites; f or G' that varies too
            wildly to be integrated.

    Source: Dymov, Corollary 4.7.
    """
    checks.instance("lattice", lattice, RotatorLattice)
    checks.instance("ensemble", ensemble, RotatorEnsemble)
    if ensemble.amplitudes.shape[-1] != lattice.size:
        raise InvalidArgument("ensemble", f"is of {ensemble.amplitudes.shape[-1]} sites, not of {lattice.size}")
    whole = checks.flag("coupled", coupled)
    energies = lattice.local_energy(ensemble.amplitudes) if whole else lattice.rotation_energy(ensemble.actions)
    return EnergySamples(ensemble.times, energies, whole)
