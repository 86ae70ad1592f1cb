"""Files of densities of actions: u at the nodes of the elements, and the weight w, by which an equation is known."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import check_numbers, load_arrays, save_arrays, target
from scaling_limits.particles.support.checks import shown

from .space import ActionSpace
from .weights import exponential_weights

if TYPE_CHECKING:
    from mpi4py import MPI

FORMAT = 1
# of the elements: ends of the box, cells and parts of each axis, and log w at all nodes, one axis behind the other
ABOUT = {"upper", "cells", "parts", "degree", "logarithms"}
# largest difference of log w at a node between the file and the equation
SAME_LOGARITHM = 1e-6


class Discretised(Protocol):
    """What is asked of an equation that a file is read for."""

    @property
    def discretisation(self) -> Any:
        """Of its stationary law."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""


def about_space(space: ActionSpace) -> dict[str, Any]:
    """What a file holds of the elements."""
    axes = space.axes
    return {
        "upper": np.asarray(space.upper, dtype=float), "degree": space.degree,
        "cells": np.array([len(axis.breaks) - 1 for axis in axes]), "parts": np.array([axis.parts for axis in axes]),
        "logarithms": np.concatenate([axis.logarithm(axis.nodes) for axis in axes]),
    }  # fmt: skip


def save_actions(space: ActionSpace, path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> None:
    """Write what is known of actions to an .npz file; collective, and rank 0 writes."""
    place = on_all_ranks(space.comm, lambda: target("path", path))

    def save() -> None:
        if space.comm.rank == 0:
            save_arrays(place, {"kind": kind, "format": FORMAT} | about_space(space) | content)

    on_all_ranks(space.comm, save)


def load_actions(
    path: str | os.PathLike[str], equation: Discretised, kind: str, names: set[str],
    fits: Callable[[dict[str, np.ndarray], int], bool],
) -> tuple[Any, dict[str, np.ndarray]]:  # fmt: skip
    """The discretisation that a file was made with, and what the file holds besides; collective.

    Args:
        path: the file, on a disk of rank 0.
        equation: the one that was solved.
        kind: of the result.
        names: of what the file holds besides the elements.
        fits: from that and the number of nodes to whether its arrays belong together.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not such a file, or belongs to another equation.
    """
    if not (hasattr(equation, "discretisation") and hasattr(equation, "site_weights")):
        raise InvalidArgument("equation", f"must be the TransportFokkerPlanck that was solved, not {shown(equation)}")
    own, comm = equation.discretisation, equation.comm

    def read() -> dict[str, np.ndarray] | None:
        if comm.rank > 0:
            return None
        content = load_arrays(path, kind, FORMAT, ABOUT | names)
        check_numbers(path, content, {*ABOUT, *names})
        return content

    content: dict[str, np.ndarray] = comm.bcast(on_all_ranks(comm, read))

    def made() -> Any:
        upper, cells, parts = (content[name] for name in ("upper", "cells", "parts"))
        if not upper.shape == cells.shape == parts.shape == own.upper.shape or (cells < 1).any() or (upper <= 0).any():
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        sizes = {"upper": upper, "cells": tuple(cells.tolist()), "degree": int(content["degree"]), "sized": True}
        for weights in (own.weights, own.sites, exponential_weights(own.sites, upper)):
            found = replace(own, weights=weights, **sizes)
            if _same(about_space(found.space), content):
                break
        else:
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        if not fits(content, found.space.size):
            raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: its arrays do not belong together")
        return found

    return on_all_ranks(comm, made), {name: content[name] for name in names}


def _same(about: dict[str, Any], content: dict[str, np.ndarray]) -> bool:
    there, here = content["logarithms"], about["logarithms"]
    return there.shape == here.shape and bool((np.abs(there - here) <= SAME_LOGARITHM).all())
