"""Files of results in a box: the grid, and where there is an equation Psi/sigma at its nodes, by which it is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target
from scaling_limits.particles.support.checks import shown

from ..problem import ReversibleDiffusion

if TYPE_CHECKING:
    from mpi4py import MPI as mpi

FORMAT = 1
# of the grid, in a file and in the equation that it is read for
SAME = ("box", "cells", "periodic")
# largest difference of Psi/sigma at a node between both
SAME_EXPONENT = 1e-6


def check_has_box(equation: object, path: str | os.PathLike[str]) -> ReversibleDiffusion:
    """Refuse what is no equation, or one on a mesh, for a file of a box.

    Raises:
        InvalidArgument: it is one of these.
    """
    if not isinstance(equation, ReversibleDiffusion):
        raise InvalidArgument("equation", f"must be the FokkerPlanck that was solved, not {shown(equation)}")
    if getattr(equation, "mesh", None) is not None:
        raise InvalidArgument("equation", f"must have a box and cells, as in {os.fsdecode(path)}, and no mesh")
    return equation


def damaged(path: str | os.PathLike[str], reason: str = "its arrays do not belong together") -> InvalidArgument:
    """The error of a file that is not whole."""
    return InvalidArgument("path", f"{os.fsdecode(path)} is damaged: {reason}")


def about_grid(grid: Grid) -> dict[str, np.ndarray]:
    """What a file holds of a grid."""
    return {name: np.array(getattr(grid, name)) for name in SAME}


def save_on_grid(grid: Grid, path: str | os.PathLike[str], kind: str, content: Callable[[], dict[str, Any]]) -> None:
    """Write a result on a grid to an .npz file; collective.

    Args:
        grid: the nodes.
        path: the file, on a disk of rank 0.
        kind: of the result.
        content: what is saved besides the grid; for rank 0, by itself.
    """
    place = on_all_ranks(grid.comm, lambda: target("path", path))

    def save() -> None:
        if grid.comm.rank == 0:
            save_arrays(place, {"kind": kind, "format": FORMAT} | about_grid(grid) | content())

    on_all_ranks(grid.comm, save)


def load_on_grid(
    comm: mpi.Comm | None, path: str | os.PathLike[str], kind: str, names: set[str], optional: set[str]
) -> tuple[Grid, dict[str, np.ndarray]]:
    """The grid of a file, and what it holds besides, the same on all ranks; collective.

    Args:
        comm: the ranks that share the result; None for all.
        path: the file, on a disk of rank 0.
        kind: of the result.
        names: of what it must hold.
        optional: of what it may hold.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not such a file.
    """
    ranks = MPI.COMM_WORLD if comm is None else communicator(comm)

    def read() -> dict[str, np.ndarray] | None:
        if ranks.rank > 0:
            return None
        content = load_arrays(path, kind, FORMAT, {*names, *SAME}, optional)
        try:
            grid_of(content, ranks)
        except (InvalidArgument, TypeError, ValueError) as error:
            raise damaged(path, f"its grid is none ({error})") from None
        return content

    content: dict[str, np.ndarray] = ranks.bcast(on_all_ranks(ranks, read))
    grid = grid_of(content, ranks)
    return grid, {name: value for name, value in content.items() if name not in SAME}


def grid_of(content: Mapping[str, np.ndarray], comm: mpi.Comm) -> Grid:
    """The inverse of `about_grid`."""
    cells, periodic = list(content["cells"]), [bool(wraps) for wraps in content["periodic"]]
    return Grid.of(content["box"], cells, periodic, comm)


def check_equation(
    path: str | os.PathLike[str], grid: Grid, exponent: np.ndarray, equation: ReversibleDiffusion
) -> None:
    """Compare what a file holds with the equation that it is read for; collective.

    Args:
        path: the file.
        grid: of the file.
        exponent: Psi/sigma at its nodes (size,).
        equation: that was given.

    Raises:
        InvalidArgument: it belongs to another one.
    """

    def check() -> None:
        own = equation.grid
        same = all(np.array_equal(getattr(grid, name), getattr(own, name)) for name in SAME)
        if not same or exponent.shape != (own.size,):
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        there, here = exponent[own.own], equation.exponent(own.points)
        with np.errstate(invalid="ignore"):
            close = (there == here) | (np.abs(there - here) <= SAME_EXPONENT)
        if not close.all():
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")

    on_all_ranks(equation.comm, check)


def with_prefix(prefix: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The same with longer names."""
    return {f"{prefix}.{name}": value for name, value in content.items()}


def part_of(content: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What has names with a prefix, without it."""
    return {name[len(prefix) + 1 :]: value for name, value in content.items() if name.startswith(f"{prefix}.")}
