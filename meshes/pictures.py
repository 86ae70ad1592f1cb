"""Pictures of fields with pyvista, drawn off-screen; where that cannot be had, it is said and None returned.

Debian's VTK draws through an X server only, and aborts the process without one: a virtual server (Xvfb) is started for
the time of the picture. Wheels of VTK from 9.5 on draw without any.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..particles import InvalidArgument


class NoDisplay(UserWarning):
    """There is no way to draw with pyvista here; the message has the remedy."""


def _draws_without_display() -> bool:
    try:
        from vtkmodules import vtkRenderingOpenGL2
    except ImportError:
        return False
    return any(hasattr(vtkRenderingOpenGL2, name) for name in ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow"))


@contextlib.contextmanager
def display() -> Iterator[bool]:
    """Provide a display for pyvista, a virtual one if there is no other; yields whether there is one."""
    if os.environ.get("DISPLAY") or _draws_without_display():
        yield True
        return
    if shutil.which("Xvfb") is None:
        warnings.warn("no display and no Xvfb; install xvfb to have pyvista's pictures", NoDisplay, stacklevel=3)
        yield False
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()  # empty when the server has died
    try:
        if number:
            os.environ["DISPLAY"] = f":{number}"
            yield True
        else:
            warnings.warn("Xvfb did not start; see 'Xvfb :99' for the reason", NoDisplay, stacklevel=3)
            yield False
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait()


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
