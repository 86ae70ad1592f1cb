"""What evolutions show: curves at several times, the plane at one, and animations."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.animation import animate, checked_animation
from scaling_limits.particles.showing.axes import axes_of, axis_label, closed_if_refused, draw_curves, some_of
from scaling_limits.particles.showing.quantities import Quantity, time_text
from scaling_limits.particles.showing.shapes import Curve, Shape
from scaling_limits.particles.support.checks import integer

from .written import Written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# of the picture of a curve, above the largest value
MARGIN = 1.05


class WrittenInTime(Written):
    """Densities at times."""

    times: np.ndarray

    @closed_if_refused
    def plot(
        self, ax: Axes | None = None, *, index: int | None = None, level: float | None = None, **options: Any
    ) -> Axes | None:
        """Draw the densities: on a line at up to six times, else at one; collective.

        Args:
            ax: axes of matplotlib, on rank 0; None for those of a new figure.
            index: of the time, as of a list; None for several on a line, and for the last elsewhere.
            level: of the cut across the third axis, for densities in space; None for the middle.
            options: of `Axes.plot`, `pcolormesh` or `tripcolor`, such as norm="log" in the plane.

        Returns:
            The axes on rank 0, None on the others.

        Raises:
            InvalidArgument: no axes, no such index, or a level outside of the domain.
            ImportError: matplotlib is not here; on meshes pyvista.
        """
        count, comm = len(self.times), self._ranks
        one = on_all_ranks(comm, lambda: -1 if index is None else integer("index", index, -count, count - 1)) % count
        same_on_all_ranks(comm, index=(one, index is None), level=level)
        shape, quantity = self.shape(one, level), self.frames().quantity
        several = on_all_ranks(comm, lambda: comm.bcast(isinstance(shape, Curve))) and index is None
        shapes = [self.shape(k, level) for k in some_of(count)] if several else [shape]

        def draw() -> Axes | None:
            if comm.rank:
                return None
            axes = axes_of(ax)
            drawn = [one for one in shapes if one is not None]
            if several:
                rows, x = np.array([one.values for one in drawn]), shape.x if isinstance(shape, Curve) else np.empty(0)
                times = self.times[some_of(count)]
                return draw_curves(axes, x, rows, times, (axis_label("x"), quantity.label), options)
            drawn[0].draw(axes, quantity, **options)
            text = time_text(self.times[one])
            axes.set_title(f"{text}, {drawn[0].note}" if drawn[0].note else text)
            return axes

        return on_all_ranks(comm, draw)

    def animate(
        self,
        path: str | os.PathLike[str],
        *,
        level: float | None = None,
        frames_per_second: int = 8,
        over: Callable[[Axes], Any] | None = None,
        **options: Any,
    ) -> Path:
        """Draw an animation, one frame for each time; collective, and rank 0 writes.

        In space it shows a cut across the third axis.

        Args:
            path: the file: .gif, or .mp4 where the program ffmpeg is.
            level: of the cut; None for the middle.
            frames_per_second: speed; at most 50 in .gif.
            over: draws once over all frames, such as lambda ax: ax.contour(x, y, V.T); None for nothing.
            options: as of `plot`; colours are the same at all times, from the least to the largest density unless vmin
                and vmax, or a norm, are given.

        Returns:
            The path.

        Raises:
            InvalidArgument: another suffix, no place for a file, too fast for .gif, arguments that differ between
                ranks, or a level outside of the domain.
            ImportError: matplotlib or pillow is not here; on meshes pyvista.
        """
        comm = self._ranks
        place, speed = on_all_ranks(comm, lambda: checked_animation(path, frames_per_second, over))
        same_on_all_ranks(comm, path=place, frames_per_second=speed, level=level)
        shapes = [self.shape(index, level) for index in range(len(self.times))]
        film = Film([one for one in shapes if one is not None], self.times, self.frames().quantity, options)

        def write() -> None:
            if comm.rank == 0:
                animate(place, speed, len(film.shapes), film.draw, film.renew, over)

        on_all_ranks(comm, write)
        return place


@dataclass(frozen=True, eq=False)
class Film:
    """Pictures at times, with one range of colours or heights.

    Args:
        shapes: one for each time.
        times: (T,).
        quantity: what they show.
        options: of the drawing.
    """

    shapes: list[Shape]
    times: np.ndarray
    quantity: Quantity
    options: dict[str, Any]

    def draw(self, ax: Axes) -> tuple[Axes, Any]:
        """The first picture; what `renew` takes."""
        ranges = np.array([shape.range for shape in self.shapes])
        low, high = float(ranges[:, 0].min()), float(ranges[:, 1].max())
        curve = isinstance(self.shapes[0], Curve)
        plain = curve or "norm" in self.options
        artist = self.shapes[0].draw(ax, self.quantity, **({} if plain else {"vmin": low, "vmax": high}) | self.options)
        if curve:
            ax.set_ylim(min(low, 0.0), MARGIN * high)
        return ax, artist

    def renew(self, drawn: tuple[Axes, Any], index: int) -> None:
        """The picture of an index in the place of the one before."""
        shape, text = self.shapes[index], time_text(self.times[index])
        shape.renew(drawn[1])
        drawn[0].set_title(f"{text}, {shape.note}" if shape.note else text)
