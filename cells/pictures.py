"""Pictures of tensors and correctors with pyvista, drawn off-screen by the process that calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes import draw_space
from scaling_limits.meshes.backend.display import display
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.archive import target
from scaling_limits.particles.support.checks import number, real_array, shown

from .correctors import CorrectorLevel
from .solvers.symmetric import composed

if TYPE_CHECKING:
    import pyvista

CIRCLE = 48  # corners of an ellipse


def tensor_ellipses(
    path: str | os.PathLike[str],
    points: ArrayLike,
    tensors: ArrayLike,
    landscape: tuple[ArrayLike, ArrayLike, ArrayLike],
    *,
    size: float,
    label: str = "V0",
) -> Path | None:
    """Draw tensors in the plane as ellipses { x + s M^(1/2) u, |u| = 1 } over a landscape.

    Args:
        path: the PNG file to write.
        points: x (P, 2).
        tensors: M (P, 2, 2), symmetric positive definite.
        landscape: (x, y, values): grid lines (X,), (Y,) and a field (X, Y).
        size: s, the radius of the circle that M = I would be, in the unit of x.
        label: name of the field.

    Returns:
        The path, or None (with a `NoDisplay` warning) where pyvista cannot draw.

    Raises:
        InvalidArgument: the shapes do not match, a value is not finite, a tensor is not symmetric and positive, or the
            file cannot be in that folder.
    """
    place = target("path", path)
    places = real_array("points", points)
    if places.shape[1:] != (2,):
        raise InvalidArgument("points", f"must have the shape (P, 2), not {places.shape}")
    matrices = real_array("tensors", tensors, (len(places), 2, 2))
    if np.abs(matrices - matrices.swapaxes(1, 2)).max(initial=0.0) > 1e-8 * np.abs(matrices).max(initial=0.0):
        raise InvalidArgument("tensors", "must be symmetric")
    if not (np.linalg.eigvalsh(matrices) > 0).all():
        raise InvalidArgument("tensors", "must be positive definite")
    size = number("size", size, above=0.0)
    if not isinstance(landscape, tuple | list) or len(landscape) != 3:
        raise InvalidArgument("landscape", f"must be (x, y, values), not {shown(landscape)}")
    x, y, field = (real_array("landscape", part) for part in landscape)
    if x.ndim != 1 or y.ndim != 1 or field.shape != (x.size, y.size):
        raise InvalidArgument("landscape", f"must be lines (X,), (Y,) with a field (X, Y), which is {field.shape}")
    with display() as possible:
        if not possible:
            return None
        import pyvista

        plane = pyvista.StructuredGrid(*np.meshgrid(x, y, [0.0], indexing="ij"))
        plane[label] = field.ravel(order="F")
        plotter = pyvista.Plotter(off_screen=True, window_size=(1100, 900))
        bar = {"color": "black", "title": f"{label}\n", "vertical": True, "position_x": 0.88, "position_y": 0.2}
        plotter.add_mesh(plane, scalars=label, cmap="viridis", scalar_bar_args=bar, lighting=False)
        plotter.add_mesh(plane.contour(14, scalars=label), color="white", line_width=1, opacity=0.5)
        plotter.add_mesh(_ellipses(places, matrices, size), color="orangered", lighting=False)
        plotter.set_background("white")
        plotter.view_xy()
        plotter.show_bounds(location="outer", color="black", xtitle="x", ytitle="y", fmt="%.1f")
        plotter.camera.zoom(1.05)
        plotter.screenshot(place)
        plotter.close()
    return place


def corrector_fields(path: str | os.PathLike[str], level: CorrectorLevel) -> Path | None:
    """Draw log det K_k / d, and the correctors theta_k^1, theta_k^2 as surfaces, over the torus T^2.

    Args:
        path: the PNG file to write.
        level: of a potential in the plane, from `correctors(..., comm=MPI.COMM_SELF)`.

    Returns:
        The path, or None (with a `NoDisplay` warning) where pyvista cannot draw.

    Raises:
        InvalidArgument: no level, its torus is not of dimension 2, its mesh is shared by several ranks, or the file
            cannot be in that folder.
    """
    place = target("path", path)
    if not isinstance(level, CorrectorLevel):
        raise InvalidArgument("level", f"must be one of the levels that correctors returns, not {shown(level)}")
    mesh = level.correctors[0].function_space.mesh
    if mesh.topology.dim != 2 or mesh.comm.size > 1:
        raise InvalidArgument("level", "must be in the plane, on a mesh of one rank")
    with display() as possible:
        if not possible:
            return None
        import pyvista
        from dolfinx import fem, plot

        space = draw_space(mesh, level.correctors[0].function_space.ufl_element().degree)
        fields: dict[str, Callable[[np.ndarray], np.ndarray] | fem.Function] = {
            f"log K_{level.level}": lambda x: np.linalg.slogdet(level.tensor(np.ascontiguousarray(x[:2].T)))[1] / 2
        }
        fields |= {f"theta_{level.level}, direction {j}": theta for j, theta in enumerate(level.correctors, 1)}
        plotter = pyvista.Plotter(off_screen=True, shape=(1, 3), border=False, window_size=(1500, 560))
        for column, (name, field) in enumerate(fields.items()):
            function = fem.Function(space)
            function.interpolate(field)
            grid = pyvista.UnstructuredGrid(*plot.vtk_mesh(space))
            grid[name] = function.x.array
            grid.set_active_scalars(name)
            extent = max(float(np.ptp(function.x.array)), 1e-12)
            plotter.subplot(0, column)
            bar = {"color": "black", "title": f"{name}\n", "position_x": 0.15, "width": 0.7, "fmt": "%.2g"}
            plotter.add_mesh(grid.warp_by_scalar(name, factor=0.4 / extent), cmap="viridis", scalar_bar_args=bar)
            plotter.camera_position = "iso"
            plotter.camera.zoom(0.85)
        plotter.set_background("white")
        plotter.screenshot(place)
        plotter.close()
    return place


def _ellipses(places: np.ndarray, matrices: np.ndarray, size: float) -> pyvista.PolyData:
    """All ellipses as filled polygons a little above the plane."""
    import pyvista

    angles = np.linspace(0.0, 2.0 * np.pi, CIRCLE, endpoint=False)
    values, vectors = np.linalg.eigh(matrices)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rims = places[:, None, :] + size * circle @ composed(np.sqrt(values), vectors)
    corners = np.concatenate([rims, np.full((*rims.shape[:2], 1), 1e-3)], axis=2).reshape(-1, 3)
    numbers = np.arange(len(corners)).reshape(-1, CIRCLE)
    faces = np.concatenate([np.full((len(places), 1), CIRCLE), numbers], axis=1)
    return pyvista.PolyData(corners, faces.ravel())
