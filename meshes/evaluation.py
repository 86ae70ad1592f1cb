"""Values of finite element functions at points, wherever the points are among the ranks."""

from __future__ import annotations

import numpy as np
from dolfinx import fem, geometry

from scaling_limits.particles import InvalidArgument


def evaluate(function: fem.Function, points: np.ndarray) -> np.ndarray:
    """Values of a scalar function at points, the same on all ranks; collective.

    Args:
        function: u.
        points: x (P, d), the same on all ranks.

    Returns:
        u (P,).

    Raises:
        InvalidArgument: a point outside of the mesh.
    """
    mesh = function.function_space.mesh
    padded = np.zeros((len(points), 3))
    padded[:, : points.shape[1]] = points
    tree = geometry.bb_tree(mesh, mesh.topology.dim, padding=1e-12)
    colliding = geometry.compute_colliding_cells(mesh, geometry.compute_collisions_points(tree, padded), padded)
    cells = np.array(
        [colliding.links(i)[0] if len(colliding.links(i)) else -1 for i in range(len(points))], dtype=np.int32
    )
    values = np.full(len(points), -np.inf)
    here = np.flatnonzero(cells >= 0)
    if here.size:
        values[here] = function.eval(padded[here], cells[here]).reshape(len(here), -1)[:, 0]
    found = np.max(mesh.comm.allgather(values), axis=0)
    if np.isneginf(found).any():
        missing = points[np.isneginf(found)][0]
        raise InvalidArgument("points", f"must be in the mesh; {missing.tolist()} is not")
    return found
