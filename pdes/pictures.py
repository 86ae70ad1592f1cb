"""Pictures of fields with pyvista, drawn off-screen; where that cannot be had, it is said and None returned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.display import display
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NoDisplay, warn
from scaling_limits.particles.showing.animation import animate, checked_animation
from scaling_limits.particles.support.archive import target

from .diffusions.density import Density
from .diffusions.density_evolution import DensityEvolution
from .diffusions.output.in_time import Film
from .diffusions.output.quantities import density_in
from .diffusions.output.shapes import grid_shape
from .rotators.density import ActionDensity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NoDisplay", "action_surface", "density_animation", "density_surface", "space_time_surface"]


def space_time_surface(
    path: str | os.PathLike[str], x: ArrayLike, times: ArrayLike, values: ArrayLike, *, label: str, height: float = 0.5
) -> Path | None:
    """Draw a field u(x, t) as a surface over the (x, t) plane.

    Args:
        path: the PNG file to write.
        x: positions (P,).
        times: times (T,).
        values: the field (T, P).
        label: its name.
        height: of the surface, in units of the width of the plane.

    Returns:
        The path, or None (with a `NoDisplay` warning) where pyvista cannot draw.

    Raises:
        InvalidArgument: the shapes do not match, or a value is not finite.
    """
    x, times, values = (np.asarray(array, dtype=float) for array in (x, times, values))
    if values.shape != (times.size, x.size) or not np.isfinite(values).all():
        raise InvalidArgument("values", f"must be finite and of shape {(times.size, x.size)}, not {values.shape}")
    heights = height * values.T / np.abs(values).max()
    ends = [x.min(), x.max(), times.min(), times.max(), 0.0, float(np.abs(values).max())]
    surface, seen_from = (x, times, heights), (-1.35, -1.5, 1.3)
    return _drawn(path, surface, values.T, ("x", "t", label), label, ends, "viridis", seen_from, 2)


def _plane(density: Density) -> tuple[np.ndarray, np.ndarray]:
    """Grid lines (X,), (Y,) of a density in the plane."""
    if not isinstance(density, Density):
        raise InvalidArgument("density", f"must be a Density, not {type(density).__name__}")
    if density.grid.dim != 2:
        raise InvalidArgument("density", f"must be one in the plane, not in {density.grid.dim} dimensions")
    x, y = (np.linspace(low, high, n) for (low, high), n in zip(density.grid.box, density.grid.shape))
    return x, y


def density_surface(path: str | os.PathLike[str], density: Density, *, height: float = 0.4) -> Path | None:
    """Draw rho(x), d = 2, as a surface over the plane, coloured by log rho down to 1e-6 of its maximum.

    Args:
        path: the PNG file to write.
        density: rho.
        height: of the surface, in units of the width of the plane.

    Returns:
        The path, or None (with a `NoDisplay` warning) where pyvista cannot draw.

    Raises:
        InvalidArgument: a density that is not in the plane.
    """
    x, y = _plane(density)
    return _surface(path, x, y, density.values, ("x", "y", "rho"), height)


def action_surface(
    path: str | os.PathLike[str], density: ActionDensity, *, coverage: float = 0.999, height: float = 0.4
) -> Path | None:
    """Draw p(I_1, I_2) as a surface over the plane of two actions, coloured by log p down to 1e-6 of its maximum.

    Args:
        path: the PNG file to write.
        density: p, of N = 2 actions.
        coverage: the part of each marginal that the picture shows.
        height: of the surface, in units of the width of the plane.

    Returns:
        The path, or None (with a `NoDisplay` warning) where pyvista cannot draw.

    Raises:
        InvalidArgument: a density of another number of actions.
    """
    if density.space.dim != 2:
        raise InvalidArgument("density", f"must be one of two actions, not of {density.space.dim}")
    ends = []
    for j, upper in enumerate(density.space.upper):
        places = np.linspace(0.0, upper, 401)
        ends.append(places[np.searchsorted(density.distribution(j, places), coverage).clip(1, 400)])
    x, y = (np.linspace(0.0, end, 121) for end in ends)
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    values = density.at(points).reshape(x.size, y.size)
    return _surface(path, x, y, values, ("I1", "I2", "p"), height, (2.5, 2.0, 1.4))


def _surface(
    path: str | os.PathLike[str], x: np.ndarray, y: np.ndarray, values: np.ndarray, names: tuple[str, str, str],
    height: float, seen_from: tuple[float, float, float] = (-1.2, -1.6, 1.5),
) -> Path | None:  # fmt: skip
    logarithms = np.log10(np.maximum(values, 1e-6 * values.max()))
    ends = [x[0], x[-1], y[0], y[-1], 0.0, float(values.max())]
    surface = (x, y, height * values / values.max())
    return _drawn(path, surface, logarithms, names, f"log10 {names[2]}", ends, "magma", seen_from, 3)


def _drawn(
    path: str | os.PathLike[str], surface: tuple[np.ndarray, ...], colours: np.ndarray, names: tuple[str, str, str],
    title: str, ends: list[float], cmap: str, camera: tuple[float, float, float], labels: int,
) -> Path | None:  # fmt: skip
    """Draw heights (X, Y) over the grid lines (X,), (Y,), which fill the unit square; labels along y as asked for."""
    target("path", path)
    with display() as possible:
        if not possible:
            return None
        import pyvista

        span = [(axis - axis.min()) / np.ptp(axis) for axis in surface[:2]]
        grid = pyvista.StructuredGrid(*np.meshgrid(*span, indexing="ij"), surface[2])
        grid[title] = colours.ravel(order="F")
        bar = {"color": "black", "title": f"{title}\n", "vertical": True, "height": 0.6}
        bar |= {"position_x": 0.9, "position_y": 0.2}
        plotter = pyvista.Plotter(off_screen=True, window_size=(1100, 800))
        plotter.add_mesh(grid, scalars=title, cmap=cmap, smooth_shading=True, scalar_bar_args=bar)
        plotter.set_background("white")
        plotter.show_grid(
            xtitle=names[0], ytitle=names[1], ztitle=names[2], color="black", n_ylabels=labels, n_zlabels=3,
            fmt="%.3g", axes_ranges=ends,
        )  # fmt: skip
        plotter.camera_position = [camera, (0.5, 0.5, 0.1), (0.0, 0.0, 1.0)]
        plotter.screenshot(os.fspath(path))
        plotter.close()
    return Path(path)


def density_animation(
    path: str | os.PathLike[str],
    run: DensityEvolution,
    landscape: ArrayLike | None = None,
    *,
    frames_per_second: int = 8,
) -> Path:
    """Draw log rho of an evolution, d = 2, as a GIF; the former way to `DensityEvolution.animate`, which does it with
    cmap="magma", a norm such as matplotlib.colors.LogNorm, and over=lambda ax: ax.contour(x, y, landscape.T).

    Args:
        path: the GIF file to write.
        run: the evolution; drawn by the process that calls, without communication.
        landscape: a field over the nodes (X, Y) whose contours are drawn too, or None.
        frames_per_second: speed; at most 50.

    Returns:
        The path.

    Raises:
        InvalidArgument: densities that are not in the plane, a landscape of another shape, or a path of no GIF.
    """
    if not isinstance(run, DensityEvolution):
        raise InvalidArgument("run", f"must be what evolve returns, not {type(run).__name__}")
    if target("path", path).suffix.lower() != ".gif":
        raise InvalidArgument("path", f"must end with .gif, not {os.fspath(path)!r}")
    place, speed = checked_animation(path, frames_per_second)
    x, y = _plane(run[0])
    shape = (x.size, y.size)
    if landscape is not None and np.shape(landscape) != shape:
        raise InvalidArgument("landscape", f"must have the shape {shape}, not {np.shape(landscape)}")
    warn("density_animation is `run.animate` now, with a norm and over= for the landscape", DeprecationWarning)
    from matplotlib.colors import LogNorm

    shapes = [grid_shape(run.equation.grid, density.values, None) for density in run]
    top = max(one.range[1] for one in shapes)
    options = {"cmap": "magma", "norm": LogNorm(1e-5 * top, top, clip=True)}
    film = Film(shapes, run.times, density_in(2), options)

    def contours(ax: Axes) -> None:
        if landscape is not None:
            ax.contour(x, y, np.asarray(landscape).T, levels=14, colors="white", linewidths=0.5, alpha=0.5)

    return animate(place, speed, len(shapes), film.draw, film.renew, contours)
