"""Axes of matplotlib, which is imported when a picture is asked for; nothing is shown or closed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from ..errors import InvalidArgument
from ..support.checks import shown
from .quantities import TIME, Quantity, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")
R = TypeVar("R")
# kinds of axes, as matplotlib names them, whose coordinates are no lengths along two sides
CURVED = ("3d", "polar", "aitoff", "hammer", "lambert", "mollweide")
# curves in one picture, before they hide one another
MOST_CURVES = 6
# corners of an ellipse
CIRCLE = 49


def pyplot() -> Any:
    """The module of matplotlib that makes figures, with the backend that the user has.

    Raises:
        ImportError: it is not here, and how to get it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        message = "pictures need it: apt install python3-matplotlib, or pip install scaling-limits[pictures]"
        raise ImportError(f"{error}. {message}", name="matplotlib") from error
    return plt


def axes_of(ax: Axes | None) -> Axes:
    """The axes that were given, or those of a new figure.

    Raises:
        InvalidArgument: neither axes nor None, or axes that are not flat.
    """
    plt = pyplot()
    return plt.subplots(layout="constrained")[1] if ax is None else flat_axes("ax", ax, "Axes of matplotlib or None")


def flat_axes(name: str, ax: object, right: str) -> Axes:
    """The axes that were given as an argument of this name.

    Raises:
        InvalidArgument: no axes, or those of space, of angles or of a sphere.
    """
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise InvalidArgument(name, f"must be {right}, not {shown(ax)}")
    if ax.name in CURVED:
        raise InvalidArgument(name, f"must be {right}, flat ones, not those of the projection {ax.name!r}")
    return ax


def closed_if_refused(plot: Callable[P, R]) -> Callable[P, R]:
    """Have a method that draws close the figures that it made, where it raises."""

    @wraps(plot)
    def looked_after(*arguments: P.args, **options: P.kwargs) -> R:
        before = _figures()
        try:
            return plot(*arguments, **options)
        except BaseException:
            for number in _figures() - before:
                pyplot().close(number)
            raise

    return looked_after


def _figures() -> set[int]:
    """The numbers of all that are open; matplotlib is not imported for it."""
    plt = sys.modules.get("matplotlib.pyplot")
    return set() if plt is None else set(plt.get_fignums())


def labelled(ax: Axes, x: str, y: str) -> Axes:
    """Say what is along the axes; labels that are there stay."""
    if not ax.get_xlabel():
        ax.set_xlabel(x)
    if not ax.get_ylabel():
        ax.set_ylabel(y)
    return ax


def whole_numbers(ax: Axes, axes: str = "x") -> None:
    """Ticks at whole numbers only, for axes of sites."""
    from matplotlib.ticker import MaxNLocator

    for name in axes:
        getattr(ax, f"{name}axis").set_major_locator(MaxNLocator(integer=True))


def some_of(count: int, most: int = MOST_CURVES) -> list[int]:
    """Indices of so many things, evenly chosen, the first and the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def draw_curves(
    ax: Axes, x: np.ndarray, rows: np.ndarray, times: np.ndarray, labels: tuple[str, str], options: dict[str, Any],
    time: Quantity = TIME,
) -> Axes:  # fmt: skip
    """Draw some of the rows (T, P) of a function of x at times, from dark to bright.

    Args:
        ax: where.
        x: (P,).
        rows: (T, P).
        times: (T,).
        labels: of both axes.
        options: of every curve, for `Axes.plot`.
        time: what the times are.
    """
    chosen = some_of(len(times))
    shades = pyplot().get_cmap("viridis")(np.linspace(0.0, 0.85, len(chosen)))
    for shade, index in zip(shades, chosen):
        ax.plot(x, rows[index], **({"color": shade, "label": time_text(times[index], time)} | options))
    ax.legend()
    return labelled(ax, *labels)


def legend_of_first(ax: Axes, drawn: int, count: int, what: str = "sites") -> None:
    """Say which curve is which, and how many have none.

    More than six names stand beside the picture where the figure has a layout that makes room, else in two columns.

    Args:
        ax: where.
        drawn: so many of them have curves, the first ones ..
        count: .. of so many.
        what: they are.
    """
    if not ax.get_legend_handles_labels()[0]:
        return
    given: dict[str, Any] = {} if drawn == count else {"title": f"the first {drawn} of {count} {what}"}
    if drawn > MOST_CURVES:
        given |= {"fontsize": "small", "title_fontsize": "small"}
        beside = ax.figure.get_layout_engine() is not None
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        given |= place if beside else {"ncols": 2}
    ax.legend(**given)


def draw_histogram(ax: Axes, values: np.ndarray, options: dict[str, Any]) -> None:
    """Draw the density of numbers (R,) as steps."""
    if not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    bins = int(np.clip(2.0 * len(values) ** (1 / 3), 8, 100))
    given: dict[str, Any] = {"bins": bins, "density": True, "histtype": "step"}
    ax.hist(values, **(given | options))


def draw_ellipses(
    ax: Axes, points: np.ndarray, tensors: np.ndarray, size: float | None, options: dict[str, Any]
) -> Axes:
    """Draw { x + s M^(1/2) u, |u| = 1 } for tensors (P, 2, 2) at points (P, 2); None for s fits them."""
    from matplotlib.collections import PolyCollection

    values, vectors = np.linalg.eigh(tensors)
    roots = np.einsum("pij,pj,pkj->pik", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)
    if size is None:
        largest = float(np.sqrt(values.max(initial=0.0))) or 1.0
        size = 0.4 * _spacing(points) / largest
    angles = np.linspace(0.0, 2.0 * np.pi, CIRCLE)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rims = points[:, None, :] + size * np.einsum("pij,cj->pci", roots, circle)
    ax.add_collection(PolyCollection(rims, **({"facecolor": "orangered", "alpha": 0.8} | options)))  # type: ignore[arg-type]
    ax.autoscale_view()
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def _spacing(points: np.ndarray) -> float:
    """The least distance of two points (P, 2), or 1 for one."""
    from scipy.spatial import KDTree

    different = np.unique(points, axis=0)
    return float(KDTree(different).query(different, k=2)[0][:, 1].min()) if len(different) > 1 else 1.0


def draw_bars_of_error(ax: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, options: dict[str, Any]) -> None:
    """Draw a curve with a band of two standard errors, left out where these are not finite."""
    (line,) = ax.plot(x, y, **options)
    if np.isfinite(error).all():
        ax.fill_between(x, y - 2 * error, y + 2 * error, color=line.get_color(), alpha=0.3, linewidth=0)


def axis_label(name: str) -> str:
    """What stands at the axis of a coordinate."""
    return Quantity(name, f"position along {name}", "length").label
