"""Grids of pyvista on rank 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.particles.sampling.ranks import on_all_ranks

from .drawing import drawn
from .frames import Frames
from .vtkhdf import Piece, on_rank_0, piece_of, values_of

if TYPE_CHECKING:
    from mpi4py import MPI


def pyvista_grids(comm: MPI.Comm, frames: Frames) -> Any:
    """A grid with the values of a function, or a block of grids with those at the times; collective.

    Args:
        comm: the ranks of the functions.
        frames: the functions.

    Returns:
        On rank 0 a `pyvista.UnstructuredGrid`, or a `pyvista.MultiBlock` of them whose names are the times; None on the
        others.

    Raises:
        ImportError: pyvista is not here.
    """
    on_all_ranks(comm, _pyvista)
    pieces: list[Piece] = []
    steps: list[list[np.ndarray]] = []
    for index, function in enumerate(drawn(frames)):
        if index == 0:
            on_rank_0(comm, piece_of(function), pieces.append)
        steps.append([])
        on_rank_0(comm, values_of(function), steps[-1].append)
    if comm.rank:
        return None
    pyvista = _pyvista()
    grids = []
    for step in steps:
        grid = pyvista.UnstructuredGrid(*_joined(pieces))
        grid.point_data[frames.quantity.name] = np.concatenate(step)
        grid.set_active_scalars(frames.quantity.name)
        grids.append(grid)
    if frames.times is None:
        return grids[0]
    return pyvista.MultiBlock(
        {f"t = {time:.6g} ({k})": grid for k, (time, grid) in enumerate(zip(frames.times, grids))}
    )


def _pyvista() -> Any:
    try:
        import pyvista
    except ImportError as error:
        message = "grids of pyvista need it: apt install python3-pyvista, or pip install scaling-limits[pictures]"
        raise ImportError(f"{error}. {message}", name="pyvista") from error
    return pyvista


def _joined(pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells, their types, and points of all pieces, as VTK has them."""
    cells, first = [], 0
    for piece in pieces:
        count = len(piece["Types"])
        nodes = piece["Connectivity"].reshape(count, -1) + first if count else np.zeros((0, 1), dtype=np.int64)
        cells.append(np.concatenate([np.full((count, 1), nodes.shape[1]), nodes], axis=1).ravel())
        first += len(piece["Points"])
    kinds, points = (np.concatenate([piece[name] for piece in pieces]) for name in ("Types", "Points"))
    return np.concatenate(cells), kinds, points
