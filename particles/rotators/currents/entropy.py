"""The production of entropy in the stationary state, and the heat that the thermostats take up.

The equation of the density is d_tau p = -sum_j d_j j_j with j_j = I_j (F_j p - T_j d_j p), F_j = R_j/I_j: each action
is a particle of mobility I_j at temperature T_j that a force F_j drives. The thermostat j takes up the heat

    q_j = int F_j j_j dI = E(R_j^2/I_j + T_j d_j R_j)

(by parts: the flux vanishes at I_j = 0), and the production of entropy is sigma = sum_j int j_j^2/(T_j I_j p) dI. Put
j_j = I_j (F_j p - T_j d_j p) for one of its factors: sigma = sum_j q_j/T_j - sum_j int j_j d_j log p dI, and the last
sum is int log p sum_j d_j j_j = 0 in the stationary state. It needs no density, and no detailed balance.

Where the forces have a potential, F_j = -d_j V, no heat is lost: sum_j q_j = 0, and sigma = sum_j q_j/T_j is what flows
from hot to cold; it is 0 where all temperatures are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import Unresolved, warn
from ...sampling.samples import mean_and_error
from ...showing.axes import axes_of, closed_if_refused, labelled, whole_numbers
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support.saved import Saved
from .control_variates import controls_of, without_controls
from .drift import ActionDrift, in_chunks
from .means import warn_of_imbalance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEAT = Quantity("heat", "heat that the thermostat takes up", "action/slow time^2")
CURL_SAID = 1e-9  # of the derivatives of forces: a curl that is larger is one
CURL_STEP = 1e-3
SMALL = 1e-6  # of the mean modulus, and ...
NEGATIVE = 5.0  # ... errors of a rate below 0, which are said
ROUNDING = 1e-12  # of the mean modulus: where control variates explain all, the error is rounding


@dataclass(frozen=True, eq=False, repr=False)
class EntropyProduction(Saved, Described):
    """sigma = sum_j int j_j^2/(T_j I_j p) dI = sum_j q_j/T_j, j_j = R_j p - T_j I_j d_j p, in the stationary state.

    Args:
        rate: sigma, in 1/slow time; not negative but for its error.
        error: standard error; of a density that of its elements.
        heat: q_j (N,), what the thermostats take up, in units of temperature/slow time.
        heat_error: likewise (N,).
        temperature: T (N,).
        source: "samples" or "density".
    """

    rate: float
    error: float
    heat: NDArray[np.float64]
    heat_error: NDArray[np.float64]
    temperature: NDArray[np.float64]
    source: str
    SHAPES: ClassVar[dict[str, str]] = dict.fromkeys(("heat", "heat_error", "temperature"), "N")

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the heat that each thermostat takes up, with bars of two errors.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        given: dict[str, Any] = {"fmt": "o", "capsize": 3}
        ax.errorbar(np.arange(len(self.heat)), self.heat, 2 * self.heat_error, **(given | options))
        ax.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
        whole_numbers(ax)
        return labelled(ax, "site", HEAT.label)

    def to_xarray(self) -> Any:
        """Rate, heats and errors as a `xarray.Dataset` with the dimension site."""
        variables: list[Variable] = [
            (Quantity("rate", "production of entropy", "1/slow time"), (), self.rate),
            (Quantity("error", "error of the rate", "1/slow time"), (), self.error),
            (HEAT, ("site",), self.heat),
            (Quantity("heat_error", "error of the heat", HEAT.units), ("site",), self.heat_error),
            (Quantity("temperature", "temperature", "action/slow time"), ("site",), self.temperature),
        ]
        return dataset("EntropyProduction", variables, [], {"source_of_means": self.source})

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {"rate": f"{self.rate:.6g} +- {self.error:.1g}", "heat": self.heat, "of": self.source}
        return type(self).__name__, said


def heat_of_actions(drift: ActionDrift, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """R_j^2/I_j + T_j d_j R_j (P, N) at actions (P, N), of which q is the mean."""
    return in_chunks(
        lambda some: drift(some) * drift.rate(some) + drift.lattice.temperature * drift.slope(some), actions
    )


def entropy_of_samples(drift: ActionDrift, actions: NDArray[np.float64]) -> EntropyProduction:
    """Means over members of actions (T, R, N) in the stationary state, with control variates.

    Warns:
        Unresolved: sites do not balance, or sigma is negative by more than its errors.
    """
    temperature = drift.lattice.temperature
    balance = np.mean([drift(some) for some in actions], axis=0) + temperature
    warn_of_imbalance(*mean_and_error(balance), temperature)
    heat = np.mean([heat_of_actions(drift, some) for some in actions], axis=0)
    plain = np.column_stack([heat @ (1.0 / temperature), heat])
    means, deviations = mean_and_error(without_controls(plain, controls_of(drift, actions), drift.lattice.size))
    deviations = np.maximum(deviations, ROUNDING * np.abs(plain).mean(axis=0))
    rate, error, mean, errors = means[0], deviations[0], means[1:], deviations[1:]
    # rounding of what control variates explain is no sign
    if rate < -NEGATIVE * error - SMALL * np.abs(plain[:, 0]).mean():
        message = f"the production of entropy is {rate:.3g} +- {error:.1g}, and in a stationary state not negative; "
        warn(message + "take later times, or a smaller step", Unresolved)
    return EntropyProduction(float(rate), float(error), mean, errors, temperature.copy(), "samples")


def has_potential(drift: ActionDrift) -> bool:
    """Whether d_k (R_j/I_j) = d_j (R_k/I_k) for all neighbours, at random exponential actions."""
    generator = np.random.Generator(np.random.Philox(key=drift.lattice.size))
    points = drift.scale * (0.1 + generator.standard_exponential((8, drift.lattice.size)))
    tail, head = drift.lattice.region.bonds.T
    slopes = [np.zeros((len(points), len(tail))) for _ in range(2)]
    # one action at a time: two that move together would show sums of derivatives only
    for k in range(drift.lattice.size):
        moved = [points.copy(), points.copy()]
        moved[0][:, k] *= 1 + CURL_STEP
        moved[1][:, k] *= 1 - CURL_STEP
        change = (drift.rate(moved[0]) - drift.rate(moved[1])) / (2 * CURL_STEP * points[:, k, None])
        slopes[0][:, head == k] = change[:, tail[head == k]]
        slopes[1][:, tail == k] = change[:, head[tail == k]]
    size = np.abs(slopes[0]) + np.abs(slopes[1])
    return bool((np.abs(slopes[0] - slopes[1]) <= max(CURL_SAID, 10 * CURL_STEP**2) * size.max(initial=0.0)).all())
