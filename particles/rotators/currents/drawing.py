"""Arrows along the bonds of a lattice, and what its sites have by their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...showing.axes import axes_of, labelled, pyplot, some_of, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ARROWS = 32  # of a chain
LONGEST, AMONG_DOTS = 0.8, 0.6  # of the distance of two neighbours; where large dots are at both ends of an arrow
MOST_NAMES = 32  # sites of a ring that have their number beside them
OUTSIDE = 0.7  # of the distance of two neighbours: from a site of a ring to its number


@dataclass(frozen=True, eq=False)
class Layout:
    """Where sites and the middles of bonds are in the picture.

    Args:
        places: of sites (N, 2).
        middle: of bonds (B, 2).
        steps: from the first to the second site of a bond (B, 2), seen from its middle.
        kind: "chain", "ring" or "plane".
    """

    places: NDArray[np.float64]
    middle: NDArray[np.float64]
    steps: NDArray[np.float64]
    kind: str

    @classmethod
    def of(cls, sites: NDArray[np.int64], bonds: NDArray[np.int64], actions: NDArray[np.float64]) -> Layout:
        """A chain at the heights of its actions (N,), a ring as a circle, a plane where its sites (N, 2) are."""
        difference = sites[bonds[:, 1]] - sites[bonds[:, 0]]
        # through the end of a periodic box the next site is one step further all the same
        wraps = np.abs(difference).sum(axis=1) > 1
        difference[wraps] = -np.sign(difference[wraps])
        if sites.shape[1] == 2:
            places, steps = sites.astype(float), difference.astype(float)
            return cls(places, places[bonds[:, 0]] + 0.5 * steps, steps, "plane")
        if wraps.any():
            return cls._ring(sites[:, 0], sites[bonds[:, 0], 0], difference[:, 0])
        steps = np.column_stack([difference[:, 0], np.zeros(len(bonds))]).astype(float)
        places = np.column_stack([sites[:, 0], actions])
        return cls(places, places[bonds].mean(axis=1), steps, "chain")

    @classmethod
    def _ring(cls, sites: NDArray[np.int64], first: NDArray[np.int64], towards: NDArray[np.int64]) -> Layout:
        """Clockwise from the top, neighbours about 1 apart."""
        turn = 2.0 * np.pi / (int(sites.max()) + 1)
        angles, between = turn * sites, turn * (first + 0.5 * towards)
        steps = towards[:, None] * np.column_stack([np.cos(between), -np.sin(between)])
        places, middle = (np.column_stack([np.sin(a), np.cos(a)]) / turn for a in (angles, between))
        return cls(places, middle, steps, "ring")


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
    ax, layout = axes_of(ax), Layout.of(sites, bonds, actions)
    places, chain = layout.places, layout.kind == "chain"
    if chain:
        ax.plot(places[:, 0], places[:, 1], color="0.7", zorder=1)
    # arrows between many sites are short, and are not to be hidden
    size = float(np.clip(400 / len(sites), 6, 25) if chain else np.clip(9000 / len(sites), 30, 150))
    # the ring of a dot is seen on any background, bright ones too
    dots = ax.scatter(
        places[:, 0], places[:, 1], c=actions, cmap="inferno", zorder=2, s=size, edgecolors="0.5", linewidths=0.5
    )
    if not chain:
        pyplot().colorbar(dots, ax=ax, label="mean action")
        ax.set_aspect("equal")
    shown = list(range(len(bonds))) if layout.kind == "plane" else some_of(len(bonds), MOST_ARROWS)
    if len(bonds):
        apart = 1.0 if layout.kind == "plane" else max(1.0, len(bonds) / MOST_ARROWS)
        longest = apart * (LONGEST if chain else AMONG_DOTS)
        _quiver(ax, layout.middle[shown], layout.steps[shown], flow[shown], longest, options)
    ax.margins(0.08)
    if layout.kind == "ring":
        return _numbered(ax, places, sites[:, 0])
    words = ("site", "mean action") if chain else ("site, first direction", "site, second direction")
    whole_numbers(ax, "xy" if layout.kind == "plane" else "x")
    return labelled(ax, *words)


def _numbered(ax: Axes, places: NDArray[np.float64], sites: NDArray[np.int64]) -> Axes:
    """A ring without coordinates: its sites have numbers instead."""
    radius = float(np.abs(places).max())
    for j in some_of(len(sites), MOST_NAMES):
        x, y = places[j] * (1.0 + OUTSIDE / radius)
        ax.text(x, y, str(sites[j]), ha="center", va="center", fontsize="small")
    room = radius + 1.6 * OUTSIDE
    ax.set(xticks=[], yticks=[], xlim=(-room, room), ylim=(-room, room))
    return labelled(ax, f"ring of {len(sites)} sites", "")


def _quiver(
    ax: Axes, middle: np.ndarray, steps: np.ndarray, flow: np.ndarray, longest: float, options: dict[str, Any]
) -> None:
    """Arrows through their middles; the title tells what the longest one is."""
    largest = float(np.abs(flow).max())
    if largest == 0.0:
        if not ax.get_title():
            ax.set_title("no flow", fontsize="medium")
        return
    u, v = (longest * steps * (flow / largest)[:, None]).T
    given = {"color": "tab:blue", "pivot": "mid", "angles": "xy", "scale_units": "xy", "scale": 1.0, "zorder": 3}
    if not np.any(v):
        given |= {"angles": "uv", "scale_units": "x"}
    ax.quiver(*middle.T, u, v, **(given | {"width": 0.006} | options))
    if not ax.get_title():
        ax.set_title(f"longest arrow: a flow of {largest:.3g} action/slow time", fontsize="medium")
