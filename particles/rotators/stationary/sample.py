"""Samples of a stationary law: snapshots of independent members, and how long these remember."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...showing.axes import axes_of, closed_if_refused, draw_bars_of_error, labelled, legend_of_first
from ...support import checks
from ..ensemble import MOST_SITES, RotatorEnsemble
from .time_average import Observable, observed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# of the integrated time: the window within which autocorrelations are added up
WINDOW = 6.0
# of the first autocorrelation; below it the trapezoidal rule adds more than 5 % to the integral of an exponential
LEAST_FIRST = 0.45
GROUPS = 32
Errors = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False, repr=False)
class StationarySample(RotatorEnsemble):
    """Amplitudes of members that have forgotten where they began; times count from the end of the burn-in.

    Args:
        burn_in: slow time before the first snapshot.
        relaxation: the slowest rate (1/slow time) with which groups of members from different starts were seen to meet;
            rough, and rather too slow: it sets the burn-in, and `integrated_time` is what to quote.
        relaxation_error: of the fit alone; snapshots of the same members depend on one another.
        bias: what was left of the differences between starts at the end of the burn-in, by that rate, in standard
            deviations of the actions.
    """

    burn_in: float
    relaxation: float
    relaxation_error: float
    bias: float

    def autocorrelation(self, observable: Observable | None = None) -> Errors:
        """The autocorrelations of F(I, phi) for lags of 0, 1, .. times the spacing of snapshots, and standard errors.

        Args:
            observable: F, from actions and angles (R, N) to numbers (R,) or arrays (R, ...); None for the actions.

        Returns:
            rho (T, ...) and its errors, by leaving out parts of the members in turn; those of large lags are from few
            snapshots.

        Raises:
            InvalidArgument: snapshots that are not evenly spaced, or one member only.
        """
        return _by_groups(self._observed(observable), _correlations)

    def integrated_time(self, observable: Observable | None = None) -> Errors:
        """The integral of the autocorrelation from 0 to where it has ended, in slow time, and its standard error.

        The window is the least one of at least six integrated times; a mean over a time t has the variance of F times
        2 integrated_time/t.

        Args:
            observable: as `autocorrelation`.

        Raises:
            InvalidArgument: as `autocorrelation`.

        Warns:
            Unresolved: the snapshots end before six integrated times, or are so far apart that the first
                autocorrelation is below 0.45 and the trapezoidal rule adds more than 5 %.

        Source: Sokal, Monte Carlo methods in statistical mechanics (1997), section 3.
        """
        values = self._observed(observable)
        spacing = float(self.times[1] - self.times[0])
        rho = _correlations(values)
        window = _window(rho)
        value, error = _by_groups(values, lambda part: spacing * _added(_correlations(part), window))
        if window == len(rho) or (rho[1] < LEAST_FIRST).any():
            warn(
                f"an autocorrelation is not resolved by snapshots {spacing:.3g} apart for {self.times[-1]:.3g}; take "
                f"{'more of them' if window == len(rho) else 'a smaller spacing'}",
                Unresolved,
            )
        return value, error

    def effective_size(self, observable: Observable | None = None) -> NDArray[np.float64]:
        """Number of independent samples with the same error of the mean: R T / (1 + 2 sum_l (1 - l/T) rho_l).

        Args:
            observable: as `autocorrelation`.
        """
        values = self._observed(observable)
        rho = _correlations(values)
        window = _window(rho)
        lags = np.arange(1, window).reshape(-1, *[1] * (rho.ndim - 1))
        inefficiency = 1 + 2 * ((1 - lags / len(rho)) * rho[1:window]).sum(axis=0)
        return np.asarray(values.shape[0] * values.shape[1] / np.maximum(inefficiency, 1e-300))

    @closed_if_refused
    def plot_autocorrelation(
        self, observable: Observable | None = None, ax: Axes | None = None, *, lags: int | None = None, **options: Any
    ) -> Axes:
        """Draw the autocorrelations over the lag, with bands of two standard errors.

        Args:
            observable: as `autocorrelation`.
            ax: axes of matplotlib; None for those of a new figure.
            lags: how many are drawn, at least two; None for half of the snapshots: of larger lags little is known.
            options: of `Axes.plot`.

        Returns:
            The axes; of more than ten numbers the first ten, in C order, have curves, which the legend says.

        Raises:
            InvalidArgument: as `autocorrelation`, no axes, or no such number of lags.
            ImportError: matplotlib is not here.
        """
        count = len(self.times)
        shown = max(2, count // 2 + 1) if lags is None else checks.integer("lags", lags, 2, max(count, 2))
        rho, error = (one.reshape(count, -1)[:shown] for one in self.autocorrelation(observable))
        ax, lag = axes_of(ax), self.times[:shown] - self.times[0]
        what = "site" if observable is None else "number"
        drawn = min(rho.shape[1], MOST_SITES)
        for j in range(drawn):
            named = {"label": f"{what} {j}"} if rho.shape[1] > 1 else {}
            draw_bars_of_error(ax, lag, rho[:, j], error[:, j], named | options)
        ax.axhline(0.0, color="0.6", linewidth=0.8)
        legend_of_first(ax, drawn, rho.shape[1], f"{what}s")
        return labelled(ax, "lag (slow time)", "autocorrelation")

    def to_xarray(self) -> Any:
        """As of a `RotatorEnsemble`, with what is known of the burn-in as attributes."""
        said = {name: getattr(self, name) for name in ("burn_in", "relaxation", "relaxation_error", "bias")}
        return super().to_xarray().assign_attrs({"kind": "StationarySample"} | said)

    def _observed(self, observable: Observable | None) -> NDArray[np.float64]:
        spans = np.diff(self.times)
        if len(spans) == 0 or np.ptp(spans) > 1e-9 * spans.max():
            raise InvalidArgument("times", "autocorrelations take evenly spaced snapshots; give `snapshots` above 1")
        if self.runs == 1:
            raise InvalidArgument("runs", "autocorrelations with errors take more than one member")
        if self.runs < GROUPS:
            warn(
                f"standard errors of autocorrelations are from {self.runs} members, each left out in turn: they may be "
                f"several times too small; sample {GROUPS} members or more",
                Unresolved,
            )
        values = self.actions if observable is None else observed(observable, self.actions, self.angles)
        if (np.ptp(values, axis=(0, 1)) == 0).any():
            name = "runs" if observable is None else "observable"
            raise InvalidArgument(name, "does not change over members and time, so that it has no autocorrelation")
        return values

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title, said = super()._summary()
        said["burn-in"] = self.burn_in
        said["relaxation"] = f"{self.relaxation:.4g} +- {self.relaxation_error:.2g} per slow time"
        said["left of the starts"] = f"{self.bias:.1e} standard deviations"
        return title, said


def _correlations(values: np.ndarray) -> NDArray[np.float64]:
    """rho (T, ...) of values (T, R, ...): with the mean over all, which many members know well."""
    centred = values - values.mean(axis=(0, 1))
    count = len(values)
    covariances = np.array([(centred[: count - k] * centred[k:]).mean(axis=(0, 1)) for k in range(count)])
    return covariances / np.where(covariances[0] > 0, covariances[0], 1.0)


def _added(rho: np.ndarray, window: int) -> NDArray[np.float64]:
    """The trapezoidal sum of the first autocorrelations, in units of the spacing."""
    return np.asarray(0.5 * rho[0] + rho[1 : window - 1].sum(axis=0) + 0.5 * rho[window - 1])


def _window(rho: np.ndarray) -> int:
    """Number of lags (with 0) that are added up: the least one of WINDOW integrated times, for all numbers together."""
    for window in range(2, len(rho)):
        if window - 1 >= WINDOW * float(np.max(_added(rho, window))):
            return window
    return len(rho)


def _by_groups(values: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> Errors:
    """A function of values (T, R, ...), and its standard error by the jackknife over groups of members."""
    runs = values.shape[1]
    groups = min(runs, GROUPS)
    number = np.arange(runs) % groups
    left = np.array([function(values[:, number != g]) for g in range(groups)])
    spread = ((left - left.mean(axis=0)) ** 2).sum(axis=0) * (groups - 1) / groups
    return np.asarray(function(values)), np.sqrt(spread)
