"""Arrows along the bonds of a lattice, and what its sites have by their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...showing.axes import axes_of, labelled, pyplot, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ARROWS = 32  # of a chain
LONGEST = 0.8  # of the distance of two neighbours


def draw_arrows(
    ax: Axes | None,
    sites: NDArray[np.int64],
    bonds: NDArray[np.int64],
    flow: NDArray[np.float64],
    actions: NDArray[np.float64],
    options: dict[str, Any],
) -> Axes:
    """Draw flows (B,) as arrows in the middle of their bonds; a chain at the heights of its mean actions (N,).

    Raises:
        InvalidArgument: sites in space, whose arrows would hide one another.
        ImportError: matplotlib is not here.
    """
    if sites.shape[1] > 2:
        raise InvalidArgument(
            "ax", "arrows are drawn of chains and planes; of sites in space take `flow` of some bonds"
        )
    ax, line = axes_of(ax), sites.shape[1] == 1
    places = np.column_stack([sites[:, 0], actions]) if line else sites.astype(float)
    steps = np.zeros((len(bonds), 2))
    difference = sites[bonds[:, 1]] - sites[bonds[:, 0]]
    # through the end of a periodic box the next site is one step further all the same
    wraps = np.abs(difference).sum(axis=1) > 1
    difference[wraps] = -np.sign(difference[wraps])
    steps[:, : sites.shape[1]] = difference
    middle = places[bonds[:, 0]] + 0.5 * steps
    if line:
        middle[:, 1] = np.where(wraps, actions[bonds[:, 0]], actions[bonds].mean(axis=1))
    shown = some_of(len(bonds), MOST_ARROWS) if line else list(range(len(bonds)))
    if line:
        ax.plot(*places.T, color="0.7", zorder=1)
    dots = ax.scatter(
        places[:, 0], places[:, 1], c=actions, cmap="inferno", zorder=2, s=25, edgecolors="0.5", linewidths=0.5
    )
    if not line:
        pyplot().colorbar(dots, ax=ax, label="mean action (action)")
        ax.set_aspect("equal")
    if shown:
        _quiver(ax, middle[shown], steps[shown], flow[shown], 1.0 if not line else _reach(len(bonds)), options)
    ax.margins(0.08)
    return labelled(ax, "site", "mean action (action)") if line else labelled(ax, "site, first direction", "second")


def _reach(count: int) -> float:
    """The distance of two arrows of a chain."""
    return max(1.0, count / MOST_ARROWS)


def _quiver(
    ax: Axes, middle: np.ndarray, steps: np.ndarray, flow: np.ndarray, reach: float, options: dict[str, Any]
) -> None:
    """Arrows through their middles, the longest LONGEST of their distance, which the title tells."""
    largest = float(np.abs(flow).max()) or 1.0
    u, v = (LONGEST * reach * steps * (flow / largest)[:, None]).T
    given = {"color": "tab:blue", "pivot": "mid", "angles": "xy", "scale_units": "xy", "scale": 1.0, "zorder": 3}
    if not np.any(v):
        given |= {"angles": "uv", "scale_units": "x"}
    ax.quiver(*middle.T, u, v, **(given | {"width": 0.006} | options))
    if not ax.get_title():
        ax.set_title(f"longest arrow: a flow of {largest:.3g} action/slow time", fontsize="medium")
