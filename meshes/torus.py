"""Meshes of tori whose topology is periodic: the two sides of a period are the same facets, and no dof is a slave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.support.checks import flag, real_array, shown

from .backend.fenicsx import needed_by

if TYPE_CHECKING:
    from dolfinx import fem
    from dolfinx.mesh import CellType, Mesh

# the dimension of each kind of cell, by its name in dolfinx, and those that are boxes, by the dimension
DIMENSIONS = {"interval": 1, "triangle": 2, "quadrilateral": 2, "tetrahedron": 3, "hexahedron": 3}
BOXES = ("interval", "quadrilateral", "hexahedron")


def torus(
    cells: Sequence[ArrayLike],
    *,
    cell_type: CellType | None = None,
    periodic: bool | Sequence[bool] = True,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Mesh:
    """Make a mesh of the torus R^d / (L_1 Z x ... x L_d Z), d = 1, 2, 3, structured or graded.

    The topology itself is periodic: spaces of any kind on the mesh are periodic without constraints, facet integrals
    cross the seam, and no facet is exterior. Each cell has nodes of its own, with coordinates in [0, L_i] and not
    wrapped within a cell. So interpolate periodic functions only, and draw a field through a discontinuous space
    (`draw_space`). A vertex on the seam is found at 0 or at L_i, whichever cell is asked.

    Args:
        cells: for each direction the number of cells of a period of length 1, or the increasing break points
            0 = x_0 < ... < x_n = L_i of a graded mesh. At least 3 cells in each periodic direction.
        cell_type: a `dolfinx.mesh.CellType` of dimension d; None takes intervals, quadrilaterals or hexahedra.
        periodic: True, or for each direction whether it is periodic (False leaves two walls).
        comm: the communicator whose ranks share the mesh.

    Returns:
        A mesh for any use in dolfinx, in parallel too.

    Raises:
        InvalidArgument: too few cells, break points that do not increase from 0, or a cell type of another dimension.
        MissingFEniCSx: it is not here.
    """
    if not isinstance(cells, list | tuple | np.ndarray):
        raise InvalidArgument("cells", f"must be a list with an entry for each direction, not {shown(cells)}")
    nodes = [_break_points(i, value) for i, value in enumerate(cells)]
    dim = len(nodes)
    if dim not in (1, 2, 3):
        raise InvalidArgument("cells", f"must have 1, 2 or 3 directions, not {dim}")
    kind = BOXES[dim - 1] if cell_type is None else str(getattr(cell_type, "name", None))
    if DIMENSIONS.get(kind) != dim:
        raise InvalidArgument("cell_type", f"must be a CellType of dimension {dim}, not {cell_type!r}")
    wraps = _wraps(periodic, dim)
    counts = np.array([len(axis) - 1 for axis in nodes])
    if (counts[wraps] < 3).any():
        raise InvalidArgument("cells", f"must be at least 3 in each periodic direction, not {counts.tolist()}")
    with needed_by("torus"):
        from .backend.periodic_meshes import periodic_mesh
    return periodic_mesh(nodes, counts, wraps, kind, comm)


def draw_space(mesh: Mesh, degree: int, shape: tuple[int, ...] = ()) -> fem.FunctionSpace:
    """Make the discontinuous Lagrange space in which a field on a torus keeps one value on each side of the seam.

    Args:
        mesh: of a torus.
        degree: polynomial degree, that of the field.
        shape: of its values, () for a scalar.

    Returns:
        The space; interpolate the field into it before `dolfinx.plot.vtk_mesh` or `VTXWriter`.
    """
    with needed_by("draw_space"):
        from dolfinx import fem
    return fem.functionspace(mesh, ("Discontinuous Lagrange", degree, shape))


def _break_points(direction: int, value: ArrayLike) -> np.ndarray:
    name = f"cells[{direction}]"
    if np.ndim(value) == 0:
        count = np.asarray(value)
        if not np.issubdtype(count.dtype, np.integer) or count < 1 or count.dtype == bool:
            raise InvalidArgument(name, f"must be a positive integer or break points, not {value!r}")
        return np.linspace(0.0, 1.0, int(count) + 1)
    points = real_array(name, value)
    if points.ndim != 1 or points.size < 2 or points[0] != 0.0 or (np.diff(points) <= 0).any():
        raise InvalidArgument(name, "must be break points that increase from 0")
    return points


def _wraps(periodic: bool | Sequence[bool], dim: int) -> np.ndarray:
    values = [periodic] * dim if isinstance(periodic, bool | np.bool_) else periodic
    if not isinstance(values, list | tuple | np.ndarray) or len(values) != dim:
        raise InvalidArgument(
            "periodic", f"must be a truth value or one for each of {dim} directions, not {periodic!r}"
        )
    return np.array([flag("periodic", value) for value in values])
