"""Pictures of fields with pyvista, drawn off-screen; where that cannot be had, it is said and None returned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..meshes.pictures import NoDisplay, display
from ..particles import InvalidArgument

__all__ = ["NoDisplay", "space_time_surface"]


def space_time_surface(
    path: str | os.PathLike[str], x: Any, times: Any, values: Any, *, label: str, height: float = 0.5
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
    with display() as possible:
        if not possible:
            return None
        import pyvista

        span = (x - x.min()) / np.ptp(x), (times - times.min()) / np.ptp(times)
        plane = np.meshgrid(*span)
        grid = pyvista.StructuredGrid(*plane, height * values / np.abs(values).max())
        grid[label] = values.ravel(order="F")
        bar = {"color": "black", "title": f"{label}\n", "vertical": True, "height": 0.6}
        bar |= {"position_x": 0.9, "position_y": 0.2}
        plotter = pyvista.Plotter(off_screen=True, window_size=(1100, 800))
        plotter.add_mesh(grid, scalars=label, cmap="viridis", smooth_shading=True, scalar_bar_args=bar)
        plotter.set_background("white")
        plotter.show_grid(
            xtitle="x", ytitle="t", ztitle=label, color="black", n_ylabels=2, n_zlabels=3, fmt="%.3g",
            axes_ranges=[x.min(), x.max(), times.min(), times.max(), 0.0, float(np.abs(values).max())],
        )  # fmt: skip
        plotter.camera_position = [(-1.35, -1.5, 1.3), (0.5, 0.5, 0.1), (0.0, 0.0, 1.0)]
        plotter.screenshot(os.fspath(path))
        plotter.close()
    return Path(path)
