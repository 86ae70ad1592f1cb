"""The conductivity of actions: how mean flows answer to a small change of the temperatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ...errors import InvalidArgument
from ...showing.axes import axes_of, closed_if_refused, draw_bars_of_error, labelled
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support import checks
from ...support.saved import Saved
from ..lattice import RotatorLattice
from .drift import ActionDrift

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESPONSE = Quantity("response", "response of the mean flow through the bond", "1")
VALUE = Quantity("value", "conductivity", "1")
WINDOW = Quantity("windows", "end of the time integral", "slow time")
LARGEST_ACTION = 1e12  # of a uniform state, against T^(2/p)


@dataclass(frozen=True, eq=False, repr=False)
class Conductivity(Saved, Described):
    """How mean flows answer to the temperatures: chi_b = d E J_b/d delta at T + delta h, and the conductivity.

        kappa = sum_b chi_b (h_j - h_k) / sum_b (h_j - h_k)^2,    b = (j, k),

    the flow in a gradient of temperature over the gradient (least squares over the bonds).

    Args:
        value: kappa, a number.
        error: of it: standard error, and what the time integral leaves out, the step or the size of the difference
            may do, as squares.
        response: chi (B,).
        response_error: standard errors (B,).
        profile: h (N,).
        bonds: pairs of sites (B, 2).
        route: "difference", "score" or "noise" (time integrals), or "density".
        systematic: the part of `error` that is not statistical.
        windows: ends of the time integral (K,); empty for differences.
        integral: kappa by the integral until then (K,).
        integral_error: standard errors (K,).
    """

    value: float
    error: float
    response: NDArray[np.float64]
    response_error: NDArray[np.float64]
    profile: NDArray[np.float64]
    bonds: NDArray[np.int64]
    route: str
    systematic: float
    windows: NDArray[np.float64]
    integral: NDArray[np.float64]
    integral_error: NDArray[np.float64]
    SHAPES: ClassVar[dict[str, str]] = {
        "response": "B", "response_error": "B", "profile": "N", "bonds": "B 2",
        **dict.fromkeys(("windows", "integral", "integral_error"), "K"),
    }  # fmt: skip

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw how the time integral grows to the conductivity, or of differences the response of each bond.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot` or `Axes.errorbar`.

        Returns:
            The axes, with bands or bars of two standard errors.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        if len(self.windows):
            draw_bars_of_error(ax, self.windows, self.integral, self.integral_error, options)
            return labelled(ax, WINDOW.label, "conductivity by the integral")
        given: dict[str, Any] = {"fmt": "o", "capsize": 3}
        ax.errorbar(np.arange(len(self.response)), self.response, 2 * self.response_error, **(given | options))
        return labelled(ax, "bond", RESPONSE.label)

    def to_xarray(self) -> Any:
        """All of it as a `xarray.Dataset` with dimensions bond, site, end and window."""
        variables: list[Variable] = [
            (VALUE, (), self.value),
            (Quantity("error", "error of the conductivity", "1"), (), self.error),
            (RESPONSE, ("bond",), self.response),
            (Quantity("response_error", "standard error of the response", "1"), ("bond",), self.response_error),
            (Quantity("profile", "change of the temperatures", "1"), ("site",), self.profile),
            (Quantity("bonds", "first and second site of the bond", "1"), ("bond", "end"), self.bonds),
            (Quantity("integral", "conductivity by the integral until then", "1"), ("window",), self.integral),
            (Quantity("integral_error", "its standard error", "1"), ("window",), self.integral_error),
        ]
        return dataset("Conductivity", variables, [(WINDOW, ("window",), self.windows)], {"route": self.route})

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {"conductivity": f"{self.value:.5g} +- {self.error:.1g}", "route": self.route}
        said["of the error not statistical"] = f"{self.systematic:.1g}"
        if len(self.windows):
            said["integral until"] = float(self.windows[-1])
        return type(self).__name__, said


def checked_profile(lattice: RotatorLattice, profile: Any) -> NDArray[np.float64]:
    """h (N,): the given one, or a line from 1/2 to -1/2 along the first direction.

    Raises:
        InvalidArgument: no such numbers, or without a difference along any bond.
    """
    if profile is None:
        place = lattice.region.sites[:, 0].astype(float)
        h = 0.5 - (place - place.min()) / max(np.ptp(place), 1.0)
    else:
        h = checks.real_array("profile", profile, (lattice.size,))
    if not (gradient_of(lattice.region.bonds, h) != 0).any():
        raise InvalidArgument("profile", "must differ along some bond of the lattice, or there is no gradient")
    return h


def gradient_of(bonds: NDArray[np.int64], profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """h_j - h_k (B,) of bonds (j, k)."""
    return np.asarray(profile[bonds[:, 0]] - profile[bonds[:, 1]])


def weights_of(bonds: NDArray[np.int64], profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers (B,) by which responses sum to the conductivity."""
    gradient = gradient_of(bonds, profile)
    return np.asarray(gradient / (gradient**2).sum())


def relaxation_time(drift: ActionDrift) -> float:
    """The time in which equal actions come back to where sum_j (R_j + T_j) = 0, by the slope there.

    Raises:
        InvalidArgument: there is no such place.
    """
    shape, heat = np.ones((1, drift.lattice.size)), float(drift.lattice.temperature.sum())

    def gain(action: float) -> float:
        return float(drift(action * shape).sum()) + heat

    low = high = float(drift.scale.mean())
    while gain(high) > 0:
        low, high = high, 2 * high
        if high > LARGEST_ACTION * float(drift.scale.mean()):
            raise InvalidArgument("lattice", "its dissipation does not confine equal actions; give `window` and `burn`")
    while gain(low) < 0:
        low = 0.5 * low
    action = float(brentq(gain, low, high))
    slope = (gain(1.01 * action) - gain(0.99 * action)) / (0.02 * action)
    return drift.lattice.size / abs(slope)
