"""Mean currents of actions in a stationary state, and how well each site balances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import Unresolved, warn
from ...showing.axes import closed_if_refused
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support.saved import Saved
from .drawing import draw_arrows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLOW = Quantity("flow", "mean flow of action through the bond", "action/slow time")
ERRORS = 6.0  # of the balance, and ...
PART = 0.02  # ... a part of the temperature, which the time step may be the cause of: beyond it a warning says so


def warn_of_imbalance(
    balance: NDArray[np.float64], error: NDArray[np.float64], temperature: NDArray[np.float64]
) -> None:
    """Warn where E R_j + T_j (N,) is not 0 to its standard errors (N,) and a small part of T (N,).

    Warns:
        Unresolved: sites do not balance.
    """
    excess = np.abs(balance) - ERRORS * error - PART * temperature
    if excess.max() > 0:
        j = int(excess.argmax())
        message = f"site {j} does not balance: E R_j + T_j = {balance[j]:.3g} +- {error[j]:.1g}; "
        warn(message + "the samples are not stationary yet, take later times", Unresolved)


@dataclass(frozen=True, eq=False, repr=False)
class MeanCurrents(Saved, Described):
    """Mean flows of action, E R_j = sum_{b = (i, j)} E J_b - sum_{b = (j, k)} E J_b + E S_j + E r_j, and E R_j + T_j.

    Args:
        sites: coordinates (N, d).
        bonds: pairs of sites (B, 2).
        temperature: T (N,).
        actions: E I (N,).
        flow: E J (B,), positive from the first to the second site, an action over slow time.
        flow_error: standard errors (B,), or of a density the error of its elements.
        local: E S_j (N,).
        residual: E r_j (N,).
        balance: E R_j + T_j (N,), 0 in the stationary state.
        balance_error: likewise (N,).
        source: "samples" or "density".
    """

    sites: NDArray[np.int64]
    bonds: NDArray[np.int64]
    temperature: NDArray[np.float64]
    actions: NDArray[np.float64]
    flow: NDArray[np.float64]
    flow_error: NDArray[np.float64]
    local: NDArray[np.float64]
    residual: NDArray[np.float64]
    balance: NDArray[np.float64]
    balance_error: NDArray[np.float64]
    source: str
    SHAPES: ClassVar[dict[str, str]] = {
        "sites": "N d", "bonds": "B 2", "flow": "B", "flow_error": "B",
        **dict.fromkeys(("temperature", "actions", "local", "residual", "balance", "balance_error"), "N"),
    }  # fmt: skip

    @property
    def imbalance(self) -> float:
        """The largest |E R_j + T_j| in units of its error; of N sites in the stationary state a few."""
        return float(np.max(np.abs(self.balance) / np.maximum(self.balance_error, 1e-300)))

    def warn_of_imbalance(self) -> None:
        """Warn where samples are not stationary.

        Warns:
            Unresolved: sites do not balance.
        """
        warn_of_imbalance(self.balance, self.balance_error, self.temperature)

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the flows of a chain or a plane as arrows along its bonds, and the mean actions of its sites.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.quiver`.

        Returns:
            The axes; of chains of more than 32 bonds some have arrows.

        Raises:
            InvalidArgument: no axes, or sites in space.
            ImportError: matplotlib is not here.
        """
        return draw_arrows(ax, self.sites, self.bonds, self.flow, self.actions, options)

    def to_xarray(self) -> Any:
        """All of it as a `xarray.Dataset` with dimensions bond, site, end and direction."""
        of_site = {
            "actions": ("mean action", "action"), "local": ("mean of what depends on one action", FLOW.units),
            "residual": ("mean of what is neither", FLOW.units), "balance": ("mean of R + T", FLOW.units),
            "balance_error": ("error of the balance", FLOW.units), "temperature": ("temperature", FLOW.units),
        }  # fmt: skip
        variables: list[Variable] = [
            (Quantity(name, *said), ("site",), getattr(self, name)) for name, said in of_site.items()
        ]
        variables += [
            (FLOW, ("bond",), self.flow),
            (Quantity("flow_error", "error of the mean flow", FLOW.units), ("bond",), self.flow_error),
            (Quantity("bonds", "first and second site of the bond", "1"), ("bond", "end"), self.bonds),
            (Quantity("sites", "coordinates of the site", "1"), ("site", "direction"), self.sites),
        ]
        return dataset("MeanCurrents", variables, [], {"source_of_means": self.source})

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {"sites": len(self.sites), "bonds": len(self.bonds), "of": self.source}
        if len(self.flow):
            said["flow"] = f"{self.flow.min():.4g} to {self.flow.max():.4g}, +- {self.flow_error.max():.1g}"
        said["balance"] = f"|E R + T| <= {np.abs(self.balance).max():.1g}, {self.imbalance:.1f} of its errors"
        if np.abs(self.residual).max() > 0:
            said["residual"] = f"{np.abs(self.residual).max():.3g} at most"
        return type(self).__name__, said
