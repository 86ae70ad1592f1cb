"""VTKHDF: an unstructured grid in parts, one of each rank, with values that change in time (version 2.0 of the format).

Rank 0 writes the parts one after the other, so that it holds one of them at a time, and gives the file its name when it
is whole. Source: VTK, VTK file formats, "VTKHDF File Format".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from dolfinx import fem, plot
from mpi4py import MPI

from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import partial_of

from .drawing import drawn
from .frames import Frames

Piece = dict[str, np.ndarray]


def piece_of(function: fem.Function) -> Piece:
    """The points and cells of this rank, with those points of others that they need."""
    topology, kinds, points = plot.vtk_mesh(function.function_space)
    cells = np.asarray(topology).reshape(len(kinds), -1)[:, 1:] if len(kinds) else np.zeros((0, 1), dtype=np.int64)
    ends = np.arange(len(cells) + 1, dtype=np.int64) * cells.shape[1]
    return {
        "Points": np.asarray(points, dtype=np.float64), "Types": np.asarray(kinds, dtype=np.uint8),
        "Connectivity": cells.ravel().astype(np.int64), "Offsets": ends,
    }  # fmt: skip


def values_of(function: fem.Function) -> np.ndarray:
    """The values at these points (P,), or (P, 3) of vectors."""
    components = function.function_space.dofmap.bs
    values = np.array(function.x.array).reshape(-1, components)
    return values[:, 0] if components == 1 else np.pad(values, ((0, 0), (0, 3 - components)))


def on_rank_0(comm: MPI.Comm, own: Any, use: Callable[[Any], None]) -> None:
    """Use what each rank has on rank 0, in order, one at a time; collective.

    Raises:
        Exception: what `use` has raised, on all ranks.
    """
    failure: Exception | None = None
    for rank in range(comm.size):
        if comm.rank == rank and rank:
            comm.send(own, 0)
        if comm.rank:
            continue
        part = comm.recv(source=rank) if rank else own
        try:
            if failure is None:
                use(part)
        except Exception as error:
            failure = error

    def check() -> None:
        if failure is not None:
            raise failure

    on_all_ranks(comm, check)


def write_vtkhdf(comm: MPI.Comm, path: Path, frames: Frames) -> None:
    """Write functions to a file .vtkhdf; collective. An existing one is replaced when the new one is whole."""
    path = Path(os.path.realpath(path))
    partial = partial_of(path)
    file: Any = None

    def opened() -> Any:
        import h5py

        return h5py.File(partial, "w") if comm.rank == 0 else None

    try:
        file = on_all_ranks(comm, opened)
        for index, function in enumerate(drawn(frames)):
            if index == 0:
                _start(file)
                on_rank_0(comm, piece_of(function), lambda piece: _add_piece(file, piece))
            on_rank_0(comm, values_of(function), lambda values: _append_values(file, frames, values))

        def close() -> None:
            if comm.rank == 0:
                _add_steps(file, frames)
                file.close()
                os.replace(partial, path)

        on_all_ranks(comm, close)
    finally:
        if comm.rank == 0:
            if file:
                file.close()
            partial.unlink(missing_ok=True)


def _start(file: Any) -> None:
    if file is None:
        return
    root = file.create_group("VTKHDF")
    root.attrs["Version"] = np.array([2, 0], dtype=np.int64)
    root.attrs.create("Type", np.bytes_("UnstructuredGrid"))
    root.create_group("PointData")


def _append(group: Any, name: str, values: np.ndarray) -> None:
    """Add rows to a table, which is made where it is not there."""
    if name not in group:
        group.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]), chunks=True)
        return
    table = group[name]
    first = len(table)
    table.resize(first + len(values), axis=0)
    table[first:] = values


def _append_values(file: Any, frames: Frames, values: np.ndarray) -> None:
    _append(file["VTKHDF/PointData"], frames.quantity.name, values)


def _add_piece(file: Any, piece: Piece) -> None:
    root = file["VTKHDF"]
    counts = {"NumberOfPoints": "Points", "NumberOfCells": "Types", "NumberOfConnectivityIds": "Connectivity"}
    for name, counted in counts.items():
        _append(root, name, np.array([len(piece[counted])], dtype=np.int64))
    for name, values in piece.items():
        _append(root, name, values)


def _add_steps(file: Any, frames: Frames) -> None:
    root = file["VTKHDF"]
    points, parts = int(root["NumberOfPoints"][:].sum()), len(root["NumberOfPoints"])
    root["PointData"][frames.quantity.name].attrs["units"] = frames.quantity.units
    root["PointData"][frames.quantity.name].attrs["long_name"] = frames.quantity.long_name
    if frames.times is None:
        return
    steps, count = root.create_group("Steps"), frames.count
    steps.attrs["NSteps"] = count
    steps["Values"] = np.asarray(frames.times, dtype=np.float64)
    # the grid is that of the first step at all of them
    nothing = np.zeros(count, dtype=np.int64)
    steps["PartOffsets"], steps["PointOffsets"], steps["NumberOfParts"] = nothing, nothing, nothing + parts
    steps["CellOffsets"] = steps["ConnectivityIdOffsets"] = nothing[:, None]
    steps.create_group("PointDataOffsets")[frames.quantity.name] = np.arange(count, dtype=np.int64) * points
