"""Room on a disk, looked for before a file is written.

The libraries behind the formats of ParaView end the process, or say nothing, where a disk is full.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scaling_limits.particles.sampling.ranks import on_all_ranks

from .frames import Frames

if TYPE_CHECKING:
    from mpi4py import MPI

# bytes of a number, and of what a file has besides; text has at least as many
NUMBER, BESIDES = 8, 2**16


def check_room(comm: MPI.Comm, path: Path, frames: Frames) -> None:
    """Check that the functions fit on the disk of a file, beside what is there, in place of a file of this name.

    Args:
        comm: the ranks of the functions, collective.
        path: of the file, or folder, that is to be written.
        frames: the functions.

    Raises:
        OSError: the disk is full, or its quota; no file may be so large. On all ranks.
    """
    space = frames.function(0).function_space
    layout, mesh = space.dofmap.index_map, space.mesh
    cells, nodes = mesh.topology.index_map(mesh.topology.dim), mesh.geometry.index_map()
    values = layout.size_global * (1 if space.dofmap.bs == 1 else 3)
    places = 3 * layout.size_global + 3 * nodes.size_global
    corners = cells.size_global * (space.dofmap.dof_layout.num_dofs + 1)
    needed = NUMBER * (frames.count * values + places + corners) + BESIDES

    def reserve() -> None:
        if comm.rank == 0:
            _reserve(path, needed, needed - _replaced(path))

    on_all_ranks(comm, reserve)


def _replaced(path: Path) -> int:
    """Bytes that are given back when what has this name is replaced."""
    if path.suffix == ".vtkhdf":
        # which stays until the new one is whole
        return 0
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    beside = [path, path.with_suffix(".h5")] if path.suffix == ".xdmf" else [path]
    return sum(file.stat().st_size for file in beside if file.is_file())


def _reserve(path: Path, size: int, more: int) -> None:
    """Take what a file needs beside what it replaces in its folder, and give it back."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    several = path.suffix == ".pvd"
    try:
        if not several and most not in (resource.RLIM_INFINITY, -1) and size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if more > 0:
            with tempfile.TemporaryFile(dir=path.parent) as file:
                os.posix_fallocate(file.fileno(), 0, more)
    except OSError as error:
        if several and error.errno == errno.EFBIG:
            # each of its files is smaller
            return
        message = f"{os.strerror(error.errno or errno.EIO)}: {size} bytes are needed, and were not written, for"
        raise OSError(error.errno, message, str(path)) from error


def check_whole(comm: MPI.Comm, path: Path) -> None:
    """Check that the files of a .pvd have their ends, and remove the .pvd if not; collective.

    Raises:
        OSError: some of them have not. On all ranks.
    """

    def check() -> None:
        if comm.rank:
            return
        cut = _without_end(path)
        if cut is not None:
            path.unlink(missing_ok=True)
            raise OSError(errno.EIO, "could not be written to its end; is the disk full?", str(cut))

    comm.barrier()
    on_all_ranks(comm, check)


def _without_end(path: Path) -> Path | None:
    """The first file without its end: this one, or one of those that it names."""
    content = path.read_bytes() if path.suffix != ".vtu" else _last(path)
    if b"</VTKFile>" not in content:
        return path
    names = re.findall(rb'(?:file|Source)="([^"]+)"', content) if path.suffix != ".vtu" else []
    for name in names:
        cut = _without_end(path.with_name(Path(os.fsdecode(name)).name))
        if cut is not None:
            return cut
    return None


def _last(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return file.read()
