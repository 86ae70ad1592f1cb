"""A density at time 0, as probabilities at the nodes of a grid.

A node stands for the density times its volume. In cells that an absorbing set cuts it does not, since the density may
jump there and a part of the volume is dead: there the density is integrated by many points, each of which belongs to
the nodes of its cell that are on its side of the boundary.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import compare_function, function_at
from ..hitting.killed_chain import KilledChain
from ..hitting.target_sets import TargetSet
from ..problem import ReversibleDiffusion, integral
from ..scharfetter_gummel import HIGHEST
from .point_start import PointStart

Density = Callable[[np.ndarray], ArrayLike]
Initial = Density | PointStart


@dataclass(frozen=True)
class StartSettings:
    """How a density at time 0 is looked at.

    Args:
        between: Gauss points along each direction of a cell, at which it is compared with its nodes.
        unseen: largest relative difference of its integrals by these points and by nodes; where the density jumps,
            both may differ by the mass of a cell.
        beyond: part of its mass that may be behind walls where no path goes.
        points: along each direction of a cell that a set cuts, by the dimension.
        at_once: such points that are looked at together.
    """

    between: int = 3
    unseen: float = 0.1
    beyond: float = 1e-12
    points: tuple[int, int, int] = (256, 16, 6)
    at_once: int = 2**18


SETTINGS = StartSettings()


def start_probabilities(equation: ReversibleDiffusion, initial: Initial, chain: KilledChain) -> np.ndarray:
    """Probabilities (m,) at the nodes of this rank, which add up to 1 over all ranks, and are 0 where no path goes.

    Those in absorbing sets are dead at once: where no node is free they are 0, and the sum is less. Collective.

    Args:
        equation: gives the nodes.
        initial: the density, or the point where all paths start.
        chain: with the absorbing sets.

    Raises:
        InvalidArgument: a density that is negative, 0 at all nodes, not the same on all ranks, or where no path goes.

    Warns:
        Unresolved: it varies faster than the cells.
    """
    comm, grid = equation.comm, equation.grid
    if isinstance(initial, PointStart):
        return on_all_ranks(comm, lambda: initial.probabilities(grid, chain.all_free))[grid.own]
    compare_function(grid, "initial", initial)
    values = on_all_ranks(comm, lambda: function_at("initial", initial, grid.points, nonnegative=True))
    largest = float(comm.allreduce(float(values.max(initial=0.0)), MPI.MAX))
    if largest <= 0:
        raise InvalidArgument("initial", "is 0 at all nodes; take more cells, or a wider density")

    def relative(x: np.ndarray) -> np.ndarray:
        # sums of the largest doubles are infinite
        with np.errstate(over="ignore"):
            return np.asarray(function_at("initial", initial, x, nonnegative=True) / largest)

    masses = on_all_ranks(comm, lambda: _masses(grid, values / largest, relative, chain))
    total = float(comm.allreduce(float(masses.sum())))
    if not equation.generator.quiet:
        _look_between_nodes(equation, relative, total)
    probabilities, alive = masses / total, equation.generator.root > 0
    beyond = comm.allreduce(float(probabilities[~alive].sum()))
    if beyond > SETTINGS.beyond:
        message = f"puts {beyond:.1e} of its mass where exp(-Psi/sigma) is below exp(-{HIGHEST:g}) of its maximum"
        raise InvalidArgument("initial", message)
    living = np.where(alive, probabilities, 0.0) / (1.0 - beyond) if beyond > 0 else probabilities
    return np.where(chain.free | ~alive, living, 0.0)


def _look_between_nodes(equation: ReversibleDiffusion, density: Density, total: float) -> None:
    """Warn where the sum of the density over the nodes is not its integral over the cells; collective."""
    in_cells = float(integral(equation.grid, lambda x, weights: weights @ density(x), SETTINGS.between))
    # one that is 0 at all those points is meant to live on nodes: a start at one of them
    seen = in_cells == 0 or abs(in_cells - total) <= SETTINGS.unseen * min(max(in_cells, total), np.finfo(float).max)
    if not seen and equation.comm.rank == 0:
        message = f"the integral of the initial density is {in_cells / total:.3g} times its sum over the nodes"
        warn(f"{message}: it varies faster than the cells; take more cells", Unresolved)


def _masses(grid: Grid, values: np.ndarray, density: Density, chain: KilledChain) -> np.ndarray:
    """The integrals (m,) that the nodes of this rank stand for, of a density with values (m,) there."""
    result = values * grid.volumes
    held = chain.place >= 0
    cells = _cut_cells(grid, held)
    if not len(cells):
        return np.asarray(result)
    count = SETTINGS.points[grid.dim - 1]
    inner = np.array(list(itertools.product((np.arange(count) + 0.5) / count, repeat=grid.dim)))
    corners = np.array(list(itertools.product((0, 1), repeat=grid.dim)))
    shares = np.prod(np.where(corners, inner[:, None], 1.0 - inner[:, None]), axis=2)
    for part in np.array_split(cells, max(1, len(cells) * len(inner) // SETTINGS.at_once)):
        nodes = grid.flat((part[:, None] + corners) % grid.shape)
        x = grid.box[:, 0] + (part[:, None] + inner) * grid.spacing
        weights = np.prod(grid.spacing) / len(inner) * np.asarray(density(x.reshape(-1, grid.dim)))
        inside = _inside(chain.sets, x.reshape(-1, grid.dim)).reshape(x.shape[:2])
        # to the corners on the same side
        own = shares * (inside[:, :, None] == held[nodes][:, None, :])
        found = np.einsum("cp,cpk->ck", weights.reshape(x.shape[:2]), own / own.sum(axis=2, keepdims=True))
        _exchange(grid, result, values, nodes, found)
    return np.maximum(result, 0.0)


def _exchange(grid: Grid, result: np.ndarray, values: np.ndarray, nodes: np.ndarray, found: np.ndarray) -> None:
    """Put what was found in cells (C, 2^d) at their nodes (C, 2^d) in place of values times volumes."""
    mine = (nodes >= grid.own.start) & (nodes < grid.own.stop)
    # a density that is not 0 at a node only is meant to live there
    mine &= (found > 0).any(axis=1, keepdims=True)
    place = nodes[mine] - grid.own.start
    np.add.at(result, place, found[mine] - values[place] * np.prod(grid.spacing) / nodes.shape[1])


def _cut_cells(grid: Grid, held: np.ndarray) -> np.ndarray:
    """The places (C, d) of cells beside nodes of this rank, with nodes in sets and nodes outside of them."""
    modes = ["wrap" if wraps else "nearest" for wraps in grid.periodic]
    field = held.reshape(grid.shape)
    near = (ndimage.maximum_filter(field, 3, mode=modes) != ndimage.minimum_filter(field, 3, mode=modes)).ravel()
    index = grid.index[near[grid.own]]
    cells = np.concatenate([index - offset for offset in itertools.product((0, 1), repeat=grid.dim)])
    wraps = np.array(grid.periodic)
    cells = np.where(wraps, cells % np.array(grid.cells), cells)
    cells = np.unique(cells[((cells >= 0) & (cells < grid.cells)).all(axis=1)], axis=0)
    corners = np.array(list(itertools.product((0, 1), repeat=grid.dim)))
    inside = held[grid.flat((cells[:, None] + corners) % grid.shape)].sum(axis=1)
    return np.asarray(cells[(inside > 0) & (inside < len(corners))])


def _inside(sets: tuple[TargetSet, ...], x: np.ndarray) -> np.ndarray:
    """Whether points (P, d) are in one of the sets (P,)."""
    return np.any([one.holds(x) for one in sets], axis=0)
