"""Sets of users, which no file has: whether one that is given again is the one that was asked for."""

from __future__ import annotations

import os

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..hitting.target_sets import Indicator, TargetSet, indicator


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
