"""Hitting problems of a reversible diffusion: mean first passage times, committors, and its Poisson equation.

On a line with elements of high degree (`line`). In the plane and in space on the grid, with edges that are
cut where they enter a set: of second order, and monotone, so that committors are in [0, 1]. Where
exp(-Psi/sigma) underflows, the fields are NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from petsc4py import PETSc

from scaling_limits.meshes.box import Grid
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import function_at
from ..problem import ReversibleDiffusion
from ..scharfetter_gummel import Edges
from .between_nodes import BetweenNodes
from .fields import ScalarField
from .line import hit_on_a_line
from .linear_system import solved, warn_of
from .target_sets import TargetSet, bisected, look_along, nodes_of, wrapped

# part of the flow that rounding of its sum leaves
BALANCED = 1e-9
# part of an edge that is left when a node is (nearly) on the boundary of a set
SHORTEST = 1e-6


def hit(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], source: float) -> ScalarField:
    """The field f with -div(sigma pi M grad f) = source pi outside of the sets, which have its values in them.

    A mean first passage time has one set and the source 1, a committor two sets and no source.
    """
    return (hit_on_a_line if equation.dim == 1 else _hit_on_a_grid)(equation, sets, source)


def poisson(equation: ReversibleDiffusion, source: Callable[[np.ndarray], ArrayLike]) -> ScalarField:
    """The field f; see `FokkerPlanck.poisson`."""
    generator, grid = equation.generator, equation.grid

    values = on_all_ranks(grid.comm, lambda: function_at("source", source, grid.points))
    total = grid.comm.allreduce(float((generator.root**2).sum()))
    mean = grid.comm.allreduce(float((generator.root**2 * values).sum())) / total
    matrix = generator.matrix()
    whole_root = grid.whole(generator.root)
    pin = int(whole_root.argmax())
    mine = np.array([pin] if grid.own.start <= pin < grid.own.stop else [], dtype=PETSc.IntType)
    right = matrix.createVecLeft()
    right.array[:] = generator.root * (values - mean)
    matrix.zeroRowsColumns(mine, diag=1.0, x=matrix.createVecRight(), b=right)
    free = np.ones(len(values), dtype=bool)
    free[mine - grid.own.start] = False
    answer, error = solved(matrix, right.array.copy(), generator.root, free, equation)
    warn_of(equation, error)
    solution = answer / np.where(generator.root > 0, generator.root, np.inf)
    solution -= grid.comm.allreduce(float((generator.root**2 * solution).sum())) / total
    nodal = grid.whole(solution)
    return ScalarField(grid, BetweenNodes(grid, nodal, ()), nodal)


def _hit_on_a_grid(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], source: float) -> ScalarField:
    grid, generator = equation.grid, equation.generator
    masks = nodes_of(grid, generator.alive, sets)
    place = np.full(grid.size, -1)
    for number, mask in enumerate(masks):
        place[mask] = number
    tail, head = generator.edges.tail, generator.edges.head
    free_tail, free_head = place[tail] < 0, place[head] < 0
    look_along(grid, generator.edges, free_tail & free_head, sets)
    out_of, into = free_tail & ~free_head, ~free_tail & free_head
    part = on_all_ranks(grid.comm, lambda: _parts_outside(grid, generator.edges, sets, place))
    across, out, back = (
        np.where(free, rate, 0.0)
        for free, rate in zip((free_tail & free_head, free_tail, free_head), generator.rates(part))
    )
    matrix = generator.assembled(tail, head, across, out, back)
    diagonal = matrix.getDiagonal()
    held, lost = place[grid.own] >= 0, generator.root == 0
    diagonal.array[held | lost] = 1.0
    matrix.setDiagonal(diagonal)
    values = np.array([one.value for one in sets])
    gain = np.bincount(tail, np.where(out_of, out * values[place[head]], 0.0), grid.size)
    gain += np.bincount(head, np.where(into, back * values[place[tail]], 0.0), grid.size)
    gain = grid.comm.allreduce(gain)[grid.own]
    right = np.where(held, values[place[grid.own]] * generator.root, (source + gain) * generator.root)
    solution, error = solved(matrix, right, generator.root, ~held & ~lost, equation)
    if source:
        share = np.where(held, 0.0, generator.root)
        error = max(error, _imbalance(equation, share, solution, (tail, head), (out, back), (out_of, into)))
    nodal = np.where(lost, np.nan, solution / np.where(lost, 1.0, generator.root))
    nodal[held] = values[place[grid.own][held]]
    whole = grid.whole(nodal)
    if not source:
        error = max(error, -float(np.nanmin(whole)), float(np.nanmax(whole)) - 1.0)
    warn_of(equation, error)
    return ScalarField(grid, BetweenNodes(grid, whole, tuple((one.holds, one.value) for one in sets)), whole)


def _imbalance(
    equation: ReversibleDiffusion, free: np.ndarray, solution: np.ndarray, ends: tuple[np.ndarray, np.ndarray],
    rates: tuple[np.ndarray, np.ndarray], enters: tuple[np.ndarray, np.ndarray],
) -> float:  # fmt: skip
    """The relative difference of what flows into the sets and what is made outside of them; 0 up to 1e-9."""
    grid = equation.grid
    share = grid.whole(free * solution)
    flow = sum((rate * share[end])[enter].sum() for rate, end, enter in zip(rates, ends, enters))
    flow, made = grid.comm.allreduce(np.array([flow, (free**2).sum()]))
    difference = abs(float(flow / made) - 1.0)
    if difference <= BALANCED:
        return 0.0
    return difference if np.isfinite(difference) else np.inf


def _parts_outside(grid: Grid, edges: Edges, sets: tuple[TargetSet, ...], place: np.ndarray) -> np.ndarray:
    """The part (E,) of each edge from its free end to the set that it enters, 1 where it enters none."""
    part, tail, head = np.ones(len(edges.tail)), place[edges.tail], place[edges.head]
    start, along = grid.coordinates(edges.tail), edges.step * grid.spacing
    for number, one in enumerate(sets):
        some = np.flatnonzero((tail < 0) & (head == number))
        part[some] = _cut(one, grid, start[some], along[some])
        some = np.flatnonzero((head < 0) & (tail == number))
        part[some] = _cut(one, grid, start[some] + along[some], -along[some])
    return part


def _cut(one: TargetSet, grid: Grid, start: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The part of each edge from its start, outside of a set, to where it enters the set."""
    _, within = bisected(lambda part: one.holds(wrapped(grid, start + part[:, None] * along)), len(start))
    return np.maximum(within, SHORTEST)
