"""Discontinuous spaces, through which fields on periodic meshes are drawn and written."""

from __future__ import annotations

from dolfinx import fem
from dolfinx.mesh import Mesh


def draw_space(mesh: Mesh, degree: int, shape: tuple[int, ...] = ()) -> fem.FunctionSpace:
    """Make the discontinuous Lagrange space in which a field on a torus keeps one value on each side of the seam.

    Args:
        mesh: of a torus.
        degree: polynomial degree, that of the field.
        shape: of its values, () for a scalar.

    Returns:
        The space; interpolate the field into it before `dolfinx.plot.vtk_mesh` or `VTXWriter`.
    """
    return fem.functionspace(mesh, ("Discontinuous Lagrange", degree, shape))
