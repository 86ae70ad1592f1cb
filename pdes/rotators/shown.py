"""What densities of actions show: curves, the plane, marginals; at one time and at many."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.pyvista_grids import pyvista_grids
from scaling_limits.meshes.files.writers import write
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.animation import animate, checked_animation
from scaling_limits.particles.showing.axes import axes_of, closed_if_refused, draw_curves, labelled, some_of
from scaling_limits.particles.showing.datasets import Variable, dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import SLOW_TIME, Quantity, time_text
from scaling_limits.particles.showing.shapes import Curve, Plane, Shape
from scaling_limits.particles.support.checks import integer

from .space import ActionSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DENSITY = Quantity("p", "probability density", "1/action^N")
MARGINAL = Quantity("p", "density of one action", "1/action")
# points along each direction of a picture; the part of each marginal that it shows
FINE, COVERAGE = 121, 0.9995


def shape_of(density: Any, ends: list[float]) -> Shape:
    """The density of one action or two, from 0 to these ends."""
    lines = [np.linspace(0.0, end, FINE) for end in ends]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(ends))
    values = density.at(points).reshape([FINE] * len(ends))
    if len(ends) == 1:
        return Curve(lines[0], values, "action")
    return Plane(lines[0], lines[1], values, ("action of site 0", "action of site 1"))


def ends_of(density: Any) -> list[float]:
    """The ends of a picture of a density of actions."""
    ends = []
    for j, upper in enumerate(density.space.upper):
        places = np.linspace(0.0, upper, 401)
        ends.append(float(places[np.searchsorted(density.distribution(j, places), COVERAGE).clip(1, 400)]))
    return ends


def draw_density(ax: Axes, density: Any, options: dict[str, Any]) -> Axes:
    """Draw a density of one action or two; of three their marginals."""
    ends = ends_of(density)
    if len(ends) < 3:
        shape_of(density, ends).draw(ax, MARGINAL if len(ends) == 1 else DENSITY, **options)
        return ax
    for j, end in enumerate(ends):
        places = np.linspace(0.0, end, FINE)
        ax.plot(places, density.marginal(j, places), **({"label": f"site {j}"} | options))
    ax.legend()
    return labelled(ax, "action", MARGINAL.label)


def action_dataset(kind: str, space: ActionSpace, values: np.ndarray, times: np.ndarray | None) -> Any:
    """The `xarray.Dataset` of densities at the nodes, in the shape of the grid, with times before it or not."""
    names = tuple(f"I{j}" for j in range(space.dim))
    coordinates: list[Variable] = [
        (Quantity(name, f"action of site {j}", "action"), (name,), axis.nodes)
        for j, (name, axis) in enumerate(zip(names, space.axes))
    ]
    before: tuple[str, ...] = () if times is None else ("time",)
    if times is not None:
        coordinates.append((SLOW_TIME, before, times))
    return dataset(kind, [(DENSITY, (*before, *names), values)], coordinates)


class WrittenActions(Described):
    """Densities of actions as finite element functions, for files."""

    @abstractmethod
    def frames(self) -> Frames:
        """The functions; collective."""

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a file for ParaView, with all times; collective, and each rank writes what it has.

        Args:
            path: its suffix decides on the format: .bp (VTX, by ADIOS2), .vtkhdf (by h5py), .pvd (and a file for each
                rank and time) or .xdmf (and a file .h5; values at vertices only). On a disk that all ranks see; what is
                there is replaced.

        Raises:
            InvalidArgument: another suffix, a format that cannot be written here, or no place for a file.
            OSError: the disk is full; it is looked at beforehand.
        """
        frames = self.frames()
        write(frames.function(0).function_space.mesh.comm, path, frames)

    def to_pyvista(self) -> Any:
        """The values on their mesh, as pyvista has it; collective.

        Returns:
            On rank 0 a `pyvista.UnstructuredGrid`, or for several times a `pyvista.MultiBlock` with one for each; None
            on the others.

        Raises:
            ImportError: pyvista is not here.
        """
        frames = self.frames()
        return pyvista_grids(frames.function(0).function_space.mesh.comm, frames)


class ShownActions(WrittenActions):
    """Densities of actions at slow times."""

    times: np.ndarray

    def frames(self) -> Frames:
        """The densities, for files; collective."""
        return Frames(DENSITY, self.times, lambda index: self.density(index).function)

    @abstractmethod
    def density(self, index: int) -> Any:
        """The density at the time of an index."""

    @closed_if_refused
    def plot(self, ax: Axes | None = None, *, index: int | None = None, **options: Any) -> Axes:
        """Draw the densities: of one action at up to six times, of two in the plane at one, of three their marginals
        at one; each rank by itself.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            index: of the time, as of a list; None for several of one action, and for the last elsewhere.
            options: of `Axes.plot` or `pcolormesh`.

        Returns:
            The axes.

        Raises:
            InvalidArgument: no axes, or no such index.
            ImportError: matplotlib is not here.
        """
        count = len(self.times)
        one = -1 if index is None else integer("index", index, -count, count - 1)
        ax, density = axes_of(ax), self.density(one % count)
        if index is None and density.space.dim == 1:
            chosen = some_of(count)
            places = np.linspace(0.0, max(ends_of(self.density(k))[0] for k in chosen), FINE)
            rows = np.array([self.density(k).at(places[:, None]) for k in chosen])
            return draw_curves(ax, places, rows, self.times[chosen], ("action", MARGINAL.label), options, SLOW_TIME)
        draw_density(ax, density, options).set_title(time_text(self.times[one], SLOW_TIME))
        return ax

    def animate(
        self,
        path: str | os.PathLike[str],
        *,
        frames_per_second: int = 8,
        over: Callable[[Axes], Any] | None = None,
        **options: Any,
    ) -> Path:
        """Draw an animation, one frame for each time, of one action or two; of three the density of the first.

        Collective; rank 0 writes.

        Args:
            path: the file: .gif, or .mp4 where the program ffmpeg is.
            frames_per_second: speed; at most 50 in .gif.
            over: draws once over all frames, such as lambda ax: ax.contour(x, y, V.T); None for nothing.
            options: of `Axes.plot` or `pcolormesh`.

        Returns:
            The path.

        Raises:
            InvalidArgument: another suffix, no place for a file, too fast for .gif, or arguments that differ between
                ranks.
            ImportError: matplotlib or pillow is not here.
        """
        comm = self.density(0).space.comm
        place, speed = on_all_ranks(comm, lambda: checked_animation(path, frames_per_second, over))
        same_on_all_ranks(comm, path=place, frames_per_second=speed)
        on_all_ranks(comm, lambda: self._write(place, speed, over, options) if comm.rank == 0 else None)
        return place

    def _write(self, place: Path, speed: int, over: Callable[[Axes], Any] | None, options: dict[str, Any]) -> None:
        densities = [self.density(index) for index in range(len(self.times))]
        ends = np.max([ends_of(density) for density in densities], axis=0).tolist()
        if len(ends) == 3:
            line = np.linspace(0.0, ends[0], FINE)
            shapes: list[Shape] = [Curve(line, one.marginal(0, line), "action of site 0") for one in densities]
        else:
            shapes = [shape_of(density, ends) for density in densities]
        plane = isinstance(shapes[0], Plane)
        high = max(shape.range[1] for shape in shapes)
        given = {"vmin": 0.0, "vmax": high} | options if plane and "norm" not in options else options

        def draw(ax: Axes) -> tuple[Axes, Any]:
            artist = shapes[0].draw(ax, DENSITY if plane else MARGINAL, **given)
            if not plane:
                ax.set_ylim(0.0, 1.05 * high)
            return ax, artist

        def renew(drawn: tuple[Axes, Any], index: int) -> None:
            shapes[index].renew(drawn[1])
            drawn[0].set_title(time_text(self.times[index], SLOW_TIME))

        animate(place, speed, len(shapes), draw, renew, over)
