"""Pictures of fields with pyvista, drawn off-screen; where that cannot be had, it is said and None returned."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.display import display
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NoDisplay
from scaling_limits.particles.support.archive import target
from scaling_limits.particles.support.checks import integer

from .diffusions.density import Density
from .diffusions.density_evolution import DensityEvolution
from .rotators.density import ActionDensity

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
    """Draw the densities of an evolution, d = 2, as an animation (GIF): one frame for each time.

    Args:
        path: the GIF file to write.
        run: the evolution; drawn by the process that calls, without communication.
        landscape: a field over the nodes (X, Y) whose contours are drawn too, or None.
        frames_per_second: speed.

    Returns:
        The path.

    Raises:
        InvalidArgument: densities that are not in the plane, a landscape of another shape, or a path of no GIF.
    """
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter
    from matplotlib.artist import Artist

    if not isinstance(run, DensityEvolution):
        raise InvalidArgument("run", f"must be what evolve returns, not {type(run).__name__}")
    if target("path", path).suffix.lower() != ".gif":
        raise InvalidArgument("path", f"must end with .gif, not {os.fspath(path)!r}")
    speed = integer("frames_per_second", frames_per_second, 1)
    x, y = _plane(run[0])
    shape, volumes = (x.size, y.size), run.volumes
    if landscape is not None and np.shape(landscape) != shape:
        raise InvalidArgument("landscape", f"must have the shape {shape}, not {np.shape(landscape)}")
    values = [(p / volumes).reshape(shape) for p in run.probabilities]
    figure, axes = plt.subplots(figsize=(5.6, 5), layout="constrained")
    top = np.log10(max(v.max() for v in values))
    extent = (float(x[0]), float(x[-1]), float(y[0]), float(y[-1]))

    def shown(i: int) -> np.ndarray:
        return np.log10(np.maximum(values[i], 10 ** (top - 6))).T

    image = axes.imshow(shown(0), vmin=top - 5, vmax=top, origin="lower", extent=extent, cmap="magma", aspect="auto")
    figure.colorbar(image, ax=axes, label="log10 rho")
    if landscape is not None:
        axes.contour(x, y, np.asarray(landscape).T, levels=14, colors="white", linewidths=0.5, alpha=0.5)

    def draw(i: int) -> list[Artist]:
        image.set_data(shown(i))
        axes.set_title(f"t = {run.times[i]:.3g}")
        return [image]

    FuncAnimation(figure, draw, frames=len(run)).save(os.fspath(path), writer=PillowWriter(fps=speed), dpi=80)
    plt.close(figure)
    return Path(path)
