"""Files of ParaView, by their suffix: .bp, .vtkhdf, .pvd and .xdmf, of all ranks and with all times."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import dolfinx
import numpy as np
from dolfinx.io import VTKFile, XDMFFile
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.archive import target

from .drawing import drawn
from .frames import Frames
from .room import check_room, check_whole
from .vtkhdf import write_vtkhdf

# what each format needs, beside dolfinx
NEEDS = {".bp": "ADIOS2 in dolfinx", ".vtkhdf": "h5py", ".pvd": "", ".xdmf": ""}


def available() -> dict[str, bool]:
    """Whether each format can be written here."""
    there = {".bp": bool(dolfinx.has_adios2), ".vtkhdf": importlib.util.find_spec("h5py") is not None}
    return {suffix: there.get(suffix, True) for suffix in NEEDS}


def write(comm: MPI.Comm, path: str | os.PathLike[str], frames: Frames) -> None:
    """Write functions to a file; collective. A file that is there is replaced.

    Args:
        comm: the ranks of the functions.
        path: its suffix is one of .bp (ADIOS2, of VTX), .vtkhdf, .pvd (with a file for each rank and time beside it)
            and .xdmf (with its numbers in a file .h5), on a disk that all ranks see. The last holds values at the
            vertices, or one in each cell where functions jump; the others what the elements hold.
        frames: the functions.

    Raises:
        InvalidArgument: another suffix, one whose format cannot be written here, or no place for a file.
        OSError: the disk is full; looked at before anything is written.
    """
    place = on_all_ranks(comm, lambda: _place(path))
    same_on_all_ranks(comm, path=os.path.abspath(place))
    writers: dict[str, Callable[[MPI.Comm, Path, Frames], None]] = {
        ".bp": _vtx, ".vtkhdf": write_vtkhdf, ".pvd": _pvd, ".xdmf": _xdmf
    }  # fmt: skip
    check_room(comm, place, frames)
    writers[place.suffix](comm, place, frames)
    if place.suffix == ".pvd":
        # pugixml does not say what it could not write, and writes the last of it when the file is forgotten
        check_whole(comm, place)


def _place(path: str | os.PathLike[str]) -> Path:
    suffix = Path(path).suffix if isinstance(path, str | os.PathLike) else ""
    there = available()
    known = ", ".join(suffix for suffix, here in there.items() if here)
    if suffix not in there:
        raise InvalidArgument("path", f"must end in one of {known}, not {path!r}")
    if not there[suffix]:
        raise InvalidArgument("path", f"{suffix} needs {NEEDS[suffix]}, which is not here; there are {known}")
    place = Path(path)
    if suffix == ".bp" and place.is_dir():
        # which is a folder
        return target("path", place / "data").parent
    return target("path", place)


def _times(frames: Frames) -> np.ndarray:
    return np.zeros(1) if frames.times is None else frames.times


def _vtx(comm: MPI.Comm, path: Path, frames: Frames) -> None:
    from dolfinx.io import VTXWriter

    # a folder takes the place of a file
    on_all_ranks(comm, lambda: path.unlink() if comm.rank == 0 and path.is_file() else None)
    writer = None
    for time, function in zip(_times(frames), drawn(frames)):
        if writer is None:
            writer = VTXWriter(comm, str(path), [function], engine="BP4")
        writer.write(float(time))
    if writer is not None:
        writer.close()


def _pvd(comm: MPI.Comm, path: Path, frames: Frames) -> None:
    with VTKFile(comm, str(path), "w") as file:
        for time, function in zip(_times(frames), drawn(frames)):
            file.write_function(function, float(time))


def _xdmf(comm: MPI.Comm, path: Path, frames: Frames) -> None:
    with XDMFFile(comm, str(path), "w") as file:
        for index, (time, function) in enumerate(zip(_times(frames), drawn(frames, "vertices"))):
            if index == 0:
                file.write_mesh(function.function_space.mesh)
            file.write_function(function, float(time))
