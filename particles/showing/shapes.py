"""Values on a line, on a grid in the plane, or on triangles: each draws itself, and is renewed for an animation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import axis_label, labelled
from .quantities import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# sides of a picture of places are drawn to scale, unless one is so many times the other
LONGEST = 4.0
# arrows along each direction of a vector field on triangles
ARROWS = 25
# of the longest, in units of their distance
LENGTH = 1.3


class Shape(ABC):
    """Values that can be drawn.

    Attributes:
        values: numbers, with those that are not finite left out of the picture; of vectors the components come last.
        note: what is to be said of the cut that was made, or nothing.
    """

    values: np.ndarray
    note: str

    @abstractmethod
    def draw(self, ax: Axes, quantity: Quantity, **options: Any) -> Any:
        """Draw, with labels; returns what `renew` changes."""

    @abstractmethod
    def renew(self, artist: Any) -> None:
        """Put these values into what `draw` of a shape of the same kind returned."""

    def contours(self, ax: Axes, quantity: Quantity, levels: int, **options: Any) -> None:
        """Draw areas between so many values, in the plane."""
        self.draw(ax, quantity, **options)

    def overlay(self, ax: Axes) -> None:
        """Draw vectors in one colour, over something else; numbers are left out."""
        return

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest value that is finite; a little apart."""
        finite = self.values[np.isfinite(self.values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        return low, high if high > low else low + 1.0


@dataclass(frozen=True, eq=False)
class Curve(Shape):
    """Values (P,) at places (P,) of a line.

    Args:
        x: places, increasing.
        values: there.
        name: of the coordinate.
        note: see `Shape`.
    """

    x: np.ndarray
    values: np.ndarray
    name: str = "x"
    note: str = ""

    def draw(self, ax: Axes, quantity: Quantity, **options: Any) -> Any:
        """Draw the curve; its artist is a line."""
        labelled(ax, _of_coordinate(self.name), quantity.label)
        return ax.plot(self.x, self.values, **options)[0]

    def renew(self, artist: Any) -> None:
        """See `Shape`."""
        artist.set_data(self.x, self.values)


@dataclass(frozen=True, eq=False)
class Plane(Shape):
    """Values (X, Y), or vectors (X, Y, 2), on a grid.

    Args:
        x: its lines, increasing.
        y: likewise.
        values: at the nodes.
        names: of both coordinates.
        note: see `Shape`.
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    names: tuple[str, str] = ("x", "y")
    note: str = ""

    def draw(self, ax: Axes, quantity: Quantity, **options: Any) -> Any:
        """Draw colours with a bar, or stream lines of vectors."""
        labelled(ax, *map(_of_coordinate, self.names))
        _to_scale(ax, self.names, np.array([np.ptp(self.x), np.ptp(self.y)]))
        if self.values.ndim == 3:
            return self._draw_lines(ax, quantity, **options)
        colours = _masked(self.values).T
        mesh = ax.pcolormesh(self.x, self.y, colours, **({"shading": "gouraud", "cmap": "viridis"} | options))
        _bar(ax, mesh, quantity.label, self.note)
        return mesh

    def contours(self, ax: Axes, quantity: Quantity, levels: int, **options: Any) -> None:
        """See `Shape`."""
        labelled(ax, *map(_of_coordinate, self.names))
        _to_scale(ax, self.names, np.array([np.ptp(self.x), np.ptp(self.y)]))
        areas = ax.contourf(self.x, self.y, _masked(_inside(self.values)).T, **({"levels": levels} | options))
        _bar(ax, areas, quantity.label, self.note)

    def overlay(self, ax: Axes) -> None:
        """Stream lines, thick where vectors are long."""
        length = np.nan_to_num(np.linalg.norm(self.values, axis=-1))
        width = 0.3 + 2.0 * (length / (length.max() or 1.0)).T
        self._draw_lines(ax, Quantity("", "", "1"), color="white", linewidth=width, density=1.0, arrowsize=0.8)

    def _draw_lines(self, ax: Axes, quantity: Quantity, **options: Any) -> Any:
        u, v = (np.nan_to_num(self.values[..., k]).T for k in range(2))
        x, y = (np.linspace(one[0], one[-1], len(one)) for one in (self.x, self.y))
        length = np.hypot(u, v)
        given = {"color": length, "cmap": "viridis", "density": 1.2, "linewidth": 1.0} | options
        lines = ax.streamplot(x, y, u, v, **given)
        if "color" not in options:
            _bar(ax, lines.lines, quantity.label, self.note)
        ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        return lines

    def renew(self, artist: Any) -> None:
        """See `Shape`."""
        artist.set_array(_masked(self.values).T)


@dataclass(frozen=True, eq=False)
class Triangles(Shape):
    """Values (P,), or vectors (P, 2), at the corners of triangles.

    Args:
        points: (P, 2).
        corners: numbers (C, 3) of the points of each triangle.
        values: at the points.
        names: of both coordinates.
        note: see `Shape`.
    """

    points: np.ndarray
    corners: np.ndarray
    values: np.ndarray
    names: tuple[str, str] = ("x", "y")
    note: str = ""

    def draw(self, ax: Axes, quantity: Quantity, **options: Any) -> Any:
        """Draw colours with a bar, or arrows of vectors."""
        labelled(ax, *map(_of_coordinate, self.names))
        _to_scale(ax, self.names, np.ptp(self.points, axis=0))
        if self.values.ndim == 2:
            return self._draw_arrows(ax, quantity, **options)
        from matplotlib.tri import Triangulation

        given: dict[str, Any] = {"shading": "gouraud", "cmap": "viridis"} | options
        triangulation = Triangulation(self.points[:, 0], self.points[:, 1], self.corners)
        mesh: Any = ax.tripcolor(triangulation, np.nan_to_num(self.values), **given)
        self._to_the_edge(ax, mesh)
        _bar(ax, mesh, quantity.label, self.note)
        return mesh

    def contours(self, ax: Axes, quantity: Quantity, levels: int, **options: Any) -> None:
        """See `Shape`."""
        from matplotlib.tri import Triangulation

        labelled(ax, *map(_of_coordinate, self.names))
        _to_scale(ax, self.names, np.ptp(self.points, axis=0))
        values = np.nan_to_num(_inside(self.values))
        given: dict[str, Any] = {"levels": levels}
        triangulation = Triangulation(self.points[:, 0], self.points[:, 1], self.corners)
        areas = ax.tricontourf(triangulation, values, **(given | options))
        _bar(ax, areas, quantity.label, self.note)

    def overlay(self, ax: Axes) -> None:
        """Arrows."""
        self._draw_arrows(ax, None, color="white")

    def _draw_arrows(self, ax: Axes, quantity: Quantity | None, **options: Any) -> Any:
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        tile = (high - low).max() / ARROWS
        tiles = np.floor((self.points - low) / tile * (1 - 1e-9))
        # of each tile what is nearest to its middle
        distance = ((self.points - low - tile * (tiles + 0.5)) ** 2).sum(axis=1)
        order = np.argsort(distance, kind="stable")
        chosen = order[np.unique(tiles[order], axis=0, return_index=True)[1]]
        vectors, places = np.nan_to_num(self.values[chosen]), self.points[chosen]
        length = np.hypot(*vectors.T)
        # around their places and not longer than tiles: an arrow that ends far off would show a current there
        given = {"cmap": "viridis", "angles": "xy", "scale_units": "xy", "pivot": "mid"} | options
        given = {"scale": (length.max(initial=0.0) or 1.0) / (LENGTH * tile)} | given
        if "color" in options:
            given.pop("cmap")
            return ax.quiver(*places.T, *vectors.T, **given)
        arrows = ax.quiver(*places.T, *vectors.T, length, **given)
        self._to_the_edge(ax, arrows)
        if quantity is not None:
            _bar(ax, arrows, quantity.label, self.note)
        return arrows

    def _to_the_edge(self, ax: Axes, artist: Any) -> None:
        """No margin around the triangles, as there is none around grids."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        for edges, ends in zip((artist.sticky_edges.x, artist.sticky_edges.y), zip(low, high)):
            edges.extend(ends)
        ax.update_datalim([low, high])
        ax.autoscale_view()

    def renew(self, artist: Any) -> None:
        """See `Shape`."""
        artist.set_array(np.nan_to_num(self.values))


def _to_scale(ax: Axes, names: tuple[str, str], sides: np.ndarray) -> None:
    """The same length along both axes of places, of a picture that is not too narrow for it; a choice that is there
    stays.
    """
    places = all(len(name) == 1 for name in names)
    if places and ax.get_aspect() == "auto" and LONGEST * sides.min() >= sides.max():
        ax.set_aspect("equal")


def _masked(values: np.ndarray) -> np.ndarray:
    return np.ma.masked_invalid(values) if not np.isfinite(values).all() else values


def _inside(values: np.ndarray) -> np.ndarray:
    """Values a little within their range: the largest is not above the last level of contours by rounding."""
    low, high = np.nanmin(values), np.nanmax(values)
    return np.asarray(0.5 * (low + high) + (values - 0.5 * (low + high)) * (1 - 1e-9))


def _bar(ax: Axes, mappable: Any, label: str, note: str) -> None:
    ax.figure.colorbar(mappable, ax=ax, label=label)
    if note and not ax.get_title():
        ax.set_title(note)


def _of_coordinate(name: str) -> str:
    """A label; names that are no bare letter are labels already."""
    return axis_label(name) if len(name) == 1 else name
