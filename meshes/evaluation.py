"""Values of finite element functions at points, on whatever ranks their cells are."""

from __future__ import annotations

import numpy as np
from dolfinx import fem, geometry
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument


def evaluate(function: fem.Function, points: ArrayLike) -> NDArray[np.float64]:
    """Evaluate a scalar function at points; collective, with one reduction for all points.

    Args:
        function: u.
        points: x (P, d), the same on all ranks.

    Returns:
        u (P,), on all ranks.

    Raises:
        InvalidArgument: a point outside of the mesh.
    """
    mesh = function.function_space.mesh
    places = np.asarray(points, dtype=np.float64)
    padded = np.zeros((len(places), 3))
    padded[:, : places.shape[1]] = places
    tree = geometry.bb_tree(mesh, mesh.topology.dim, padding=1e-12)
    colliding = geometry.compute_colliding_cells(mesh, geometry.compute_collisions_points(tree, padded), padded)
    cells = np.array(
        [colliding.links(i)[0] if len(colliding.links(i)) else -1 for i in range(len(places))], dtype=np.int32
    )
    values = np.full(len(places), -np.inf)  # below every value, so that the largest over the ranks is the value
    here = np.flatnonzero(cells >= 0)
    if here.size:
        values[here] = function.eval(padded[here], cells[here]).reshape(len(here), -1)[:, 0]
    result = np.max(mesh.comm.allgather(values), axis=0)
    if np.isneginf(result).any():
        missing = places[np.isneginf(result)][0]
        raise InvalidArgument("points", f"must be in the mesh; {missing.tolist()} is not")
    return result
