"""Sets of users, which no file has: whether one that is given again is the one that was asked for."""

from __future__ import annotations

import os

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks

from ..hitting.target_sets import Indicator, TargetSet, indicator

# part of the paths that is not lost by rounding: a set has killed it
KILLED = 1e-9


def places(grid: Grid, breaks: np.ndarray | None) -> np.ndarray:
    """The points (P, d) at which a set is compared: the nodes, and on a line the middles of its panels.

    Args:
        grid: the nodes.
        breaks: the ends of the panels (N + 1,), or None.
    """
    if breaks is None:
        return grid.nodes
    return np.concatenate([grid.nodes, 0.5 * (breaks[1:] + breaks[:-1])[:, None]])


def check_target(
    path: str | os.PathLike[str], grid: Grid, breaks: np.ndarray | None, held: np.ndarray, target: Indicator
) -> None:
    """Compare a set with the one that a file is of; collective.

    Args:
        path: the file.
        grid: the nodes.
        breaks: the ends of the panels of a line, or None.
        held: whether the points of `places` were in the set (P,).
        target: the set that was given.

    Raises:
        InvalidArgument: it is another one, or none.
    """
    indicator("target", target, grid.comm)

    def check() -> None:
        now = TargetSet("target", target, 0.0).holds(places(grid, breaks))
        if now.shape != held.shape or (now != held).any():
            raise InvalidArgument("target", f"is not the set that {os.fsdecode(path)} was made for")

    on_all_ranks(grid.comm, check)


def check_absorbing(
    path: str | os.PathLike[str], grid: Grid, held: np.ndarray | None, mass: float, absorbing: Indicator | None
) -> None:
    """Compare the set in which paths are killed with the one that a file is of; collective.

    Args:
        path: the file.
        grid: the nodes.
        held: whether nodes were in it (size,), none where there was no set; None where a file does not say.
        mass: the least of the densities.
        absorbing: the set that was given, or None.

    Raises:
        InvalidArgument: it is another one, or none where there was one, or there was none.
    """
    same_on_all_ranks(grid.comm, absorbing=absorbing is None)
    if absorbing is not None:
        indicator("absorbing", absorbing, grid.comm)
    file = os.fsdecode(path)

    def check() -> None:
        if absorbing is None:
            if mass < 1.0 - KILLED if held is None else held.any():
                reason = (
                    f"must be given: {file} is of paths that were killed in a set, beside which densities are linear"
                )
                raise InvalidArgument("absorbing", reason)
        elif held is not None:
            now = TargetSet("absorbing", absorbing, 0.0).holds(grid.nodes)
            if (now != (held if held.size else False)).any():
                raise InvalidArgument("absorbing", f"is not the set that {file} was made for")

    on_all_ranks(grid.comm, check)


def check_empty(path: str | os.PathLike[str], grid: Grid, probabilities: np.ndarray, absorbing: Indicator) -> None:
    """Refuse a set in which a file has paths; collective.

    Args:
        path: the file.
        grid: the nodes.
        probabilities: at the nodes of this rank (m,).
        absorbing: the set that was given.

    Raises:
        InvalidArgument: on all ranks; it is another one than that of the file.
    """
    held = on_all_ranks(grid.comm, lambda: TargetSet("absorbing", absorbing, 0.0).holds(grid.points))
    if grid.comm.allreduce(bool((probabilities[held] > 0).any()), MPI.LOR):
        raise InvalidArgument(
            "absorbing", f"is not the set that {os.fsdecode(path)} was made for: there are paths in it"
        )
