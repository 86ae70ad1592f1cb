"""Files of finite element functions of one space, with their mesh."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from scaling_limits.meshes.files.whole_mesh import CONTENT, WholeMesh, spread_mesh
from scaling_limits.meshes.node_order import NodeOrder
from scaling_limits.meshes.spread_functions import SpreadSpace
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target

from ..searched_mesh import MeshAlone

FORMAT = 1
NAMES = {*CONTENT, "values", "degree", "order"}


def save_functions(
    path: str | os.PathLike[str], kind: str, space: SpreadSpace, values: np.ndarray, content: Mapping[str, Any]
) -> None:
    """Write functions of elements of Lagrange type to an .npz file; collective.

    Args:
        path: the file, on a disk of rank 0.
        kind: of the result.
        space: of the functions.
        values: at the unknowns of this rank (k, m).
        content: what is saved besides.
    """
    comm = space.search.comm
    place = on_all_ranks(comm, lambda: target("path", path))
    order = NodeOrder.of(space)
    whole, every = WholeMesh.of(space, order), order.gathered(values)

    def save() -> None:
        if whole is not None:
            about = {"kind": kind, "format": FORMAT, "order": order.digest}
            degree = int(space.space.ufl_element().degree)
            save_arrays(place, {**about, **whole.content, "values": every, "degree": degree, **content})

    on_all_ranks(comm, save)


def load_functions(
    path: str | os.PathLike[str], kind: str, names: set[str], comm: MPI.Comm
) -> tuple[MeshAlone, list[fem.Function], dict[str, np.ndarray]]:
    """The mesh, the functions, and what else a file holds; collective.

    Args:
        path: the file, on a disk of rank 0.
        kind: of the result.
        names: of what it holds besides.
        comm: the ranks that share the functions.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not such a file.
    """
    communicator(comm)

    def read() -> dict[str, np.ndarray] | None:
        content = load_arrays(path, kind, FORMAT, NAMES | names) if comm.rank == 0 else None
        if content is not None and not _whole(content):
            raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: its arrays do not belong together")
        return content

    content = on_all_ranks(comm, read)
    mesh = spread_mesh(comm, None if content is None else WholeMesh.read(content))
    said = None if content is None else {name: content[name] for name in names | {"degree", "order"}}
    others: dict[str, np.ndarray] = comm.bcast(said)
    alone = MeshAlone(mesh, comm)
    space = SpreadSpace(alone.search, fem.functionspace(mesh, ("Lagrange", int(others.pop("degree")))))
    order = NodeOrder.of(space)
    if order.digest != str(others.pop("order")):
        raise InvalidArgument("path", f"{os.fsdecode(path)} has a mesh whose nodes are not found again")
    values = order.scattered(None if content is None else content["values"])
    return alone, [space.function(row, f"f_{k}") for k, row in enumerate(values)], others


def _whole(content: dict[str, np.ndarray]) -> bool:
    """Whether there is a value for each unknown, and a number."""
    values, cells = content["values"], content["cells"]
    good = values.ndim == 2 and cells.ndim == 2 and content["corners"].ndim == 3
    return bool(good and len(cells) == len(content["corners"]) and values.shape[1] == cells.max() + 1
                and not np.isnan(values).any())  # fmt: skip
