"""Datasets of xarray of functions on meshes, with cells as the conventions of UGRID have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from dolfinx import fem

from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.datasets import about, attributes, xarray

from ..node_order import NodeOrder
from ..spread_functions import SpreadSpace
from .datasets import AXES, TIME, about_error, axis, directions
from .frames import Frames
from .whole_mesh import WholeMesh

# by the dimension of the cells
CONNECTIVITY = {1: "edge_node_connectivity", 2: "face_node_connectivity", 3: "volume_node_connectivity"}


def mesh_dataset(
    frames: Frames, spread: SpreadSpace, kind: str, *, error: fem.Function | None = None,
    blocks: np.ndarray | None = None,
) -> Any:  # fmt: skip
    """Functions on a mesh, whole on rank 0; collective.

    Args:
        frames: scalars of the space, or vectors.
        spread: that space, of scalars.
        kind: of the result.
        error: of a scalar without times, likewise; or None.
        blocks: of vectors, the number of the block of components of each unknown of the space on this rank.

    Returns:
        On rank 0 a `xarray.Dataset` with dimensions time (if there are times), node, direction (of vectors), cell and
        corner, the same from any number of ranks; None on the others.

    Raises:
        ImportError: xarray is not here.
    """
    comm = spread.search.comm
    on_all_ranks(comm, xarray)
    order = NodeOrder.of(spread)
    whole, rows = WholeMesh.of(spread, order), []
    for function in [*(frames.function(index) for index in range(frames.count)), *([] if error is None else [error])]:
        values = np.asarray(function.x.array)
        if blocks is not None:
            values = values.reshape(-1, function.function_space.dofmap.bs)[blocks].T
        rows.append(order.gathered(values[..., : len(order.own)]))
    if whole is None:
        return None
    points, dim = whole.points(spread.points, order.size), whole.corners.shape[2]
    data = _variables(frames, rows, error is not None)
    connectivity = CONNECTIVITY[dim]
    topology = {
        "cf_role": "mesh_topology", "topology_dimension": dim, connectivity: "cell_nodes",
        "node_coordinates": " ".join(AXES[:dim]), "cell": whole.kind,
    }  # fmt: skip
    nodes = {
        "cf_role": connectivity,
        "start_index": 0,
        "long_name": "nodes at the corners of cells, as dolfinx has them",
    }
    coordinates: dict[str, Any] = {AXES[k]: (("node",), points[:, k], axis(k)) for k in range(dim)}
    if frames.times is not None:
        coordinates["time"] = (("time",), np.asarray(frames.times), TIME)
    if blocks is not None:
        coordinates["direction"] = directions(dim)
    variables = {
        **data,
        "cell_nodes": (("cell", "corner"), whole.unknowns[:, : whole.corners.shape[1]], nodes),
        "mesh": ((), np.int32(0), topology),
    }
    return xarray().Dataset(variables, coordinates, attributes(kind) | {"Conventions": "UGRID-1.0"})


def _variables(frames: Frames, rows: list[np.ndarray | None], error: bool) -> dict[str, Any]:
    """The values at the nodes, time by time, and where there is one their error, which is the last."""
    place = {"mesh": "mesh", "location": "node"}
    values, dims = np.array(rows), ["time", "node"]
    if values.ndim == 3:
        # vectors: components come last
        values, dims = values.swapaxes(1, 2), [*dims, "direction"]
    said = {**about(frames.quantity), **place}
    if frames.times is not None:
        return {frames.quantity.name: (dims, values, said)}
    result = {frames.quantity.name: (dims[1:], values[0], said)}
    if error:
        result["error"] = (dims[1:], values[1], about_error(frames.quantity) | place)
    return result
