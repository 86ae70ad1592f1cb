"""Tiles of paths, shared by threads and ranks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from ..support import checks
from ..support.progress import watched
from .normal_tiles import TILE
from .ranks import communicator, on_all_ranks
from .workers import Stop, in_order, thread_count

if TYPE_CHECKING:
    from mpi4py import MPI


def over_tiles(
    work: Callable[[int, Stop], np.ndarray], paths: int, workers: int | None, progress: bool, comm: MPI.Comm | None,
    width: int = TILE,
) -> list[np.ndarray]:  # fmt: skip
    """Do the tiles of all paths, shared by threads and ranks, and return what they give in the order of the tiles.

    An error on one rank is raised on all of them; Ctrl-C ends all threads.

    Args:
        work: from the number of a tile and a signal to stop, which it looks at often, to the results of the tile.
        paths: in all.
        workers: threads, or None.
        progress: whether to show a progress bar.
        comm: the ranks that share the tiles, or None.
        width: paths in a tile.
    """
    communicator(comm, optional=True)
    threads = thread_count(workers, comm)
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    tiles = range(-(-paths // width))
    mine = tiles[rank::size]
    checks.flag("progress", progress)

    def done() -> list[np.ndarray]:
        with closing(in_order(work, mine, threads)) as results:
            return list(watched(results, len(mine), progress, comm, "tile"))

    results = on_all_ranks(comm, done)
    if comm is None:
        return results
    parts = comm.allgather(results)
    return [parts[tile % size][tile // size] for tile in tiles]
