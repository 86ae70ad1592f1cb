"""Hitting problems of a reversible diffusion: mean first passage times, committors, and its Poisson equation.

On a line with elements of high degree (`hitting_line`). In the plane and in space on the lattice, with edges that are
cut where they enter a set: of second order, and monotone, so that committors are in [0, 1]. Where exp(-Psi/sigma) is
nothing, fields are not a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from petsc4py import PETSc

from scaling_limits.meshes.box import Lattice
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import function_at
from ..problem import ReversibleDiffusion
from .fields import LatticeField, LineField
from .line import hit_on_a_line
from .linear_system import solved, warn_of
from .target_sets import TargetSet, bisected, look_along, nodes_of, wrapped

BALANCED = 1e-9  # of the flow: rounding of its sum
SHORTEST = 1e-6  # part of an edge that is left when a node is (nearly) on the boundary of a set


def mean_first_passage_time(equation: ReversibleDiffusion, target: Any) -> LatticeField | LineField:
    """T; see `FokkerPlanck.mean_first_passage_time`."""
    return _hit(equation, (TargetSet("target", target, 0.0),), 1.0)


def committor(equation: ReversibleDiffusion, a: Any, b: Any) -> LatticeField | LineField:
    """q; see `FokkerPlanck.committor`."""
    return _hit(equation, (TargetSet("a", a, 0.0), TargetSet("b", b, 1.0)), 0.0)


def _hit(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], source: float) -> LatticeField | LineField:
    return (hit_on_a_line if equation.dim == 1 else _hit_on_a_lattice)(equation, sets, source)


def poisson(equation: ReversibleDiffusion, source: Any) -> LatticeField:
    """f; see `FokkerPlanck.poisson`."""
    scheme, grid = equation.scheme, equation.lattice

    values = on_all_ranks(grid.comm, lambda: function_at("source", source, grid.points))
    total = grid.comm.allreduce(float((scheme.root**2).sum()))
    mean = grid.comm.allreduce(float((scheme.root**2 * values).sum())) / total
    matrix = scheme.matrix()
    whole_root = grid.whole(scheme.root)
    pin = int(whole_root.argmax())
    mine = np.array([pin] if grid.own.start <= pin < grid.own.stop else [], dtype=PETSc.IntType)
    right = matrix.createVecLeft()
    right.array[:] = scheme.root * (values - mean)
    matrix.zeroRowsColumns(mine, diag=1.0, x=matrix.createVecRight(), b=right)
    free = np.ones(len(values), dtype=bool)
    free[mine - grid.own.start] = False
    answer, error = solved(matrix, right.array.copy(), scheme.root, free, equation)
    warn_of(equation, error)
    solution = answer / np.where(scheme.root > 0, scheme.root, np.inf)
    solution -= grid.comm.allreduce(float((scheme.root**2 * solution).sum())) / total
    return LatticeField(grid, grid.whole(solution), ())


def _hit_on_a_lattice(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], source: float) -> LatticeField:
    grid, scheme = equation.lattice, equation.scheme
    masks = nodes_of(grid, scheme.alive, sets)
    place = np.full(grid.size, -1)
    for number, mask in enumerate(masks):
        place[mask] = number
    tail, head = scheme.edges.tail, scheme.edges.head
    free_tail, free_head = place[tail] < 0, place[head] < 0
    part = np.ones(len(tail))  # of the edge, from its free end to the set
    look_along(grid, scheme.edges, free_tail & free_head, sets)
    out_of, into = free_tail & ~free_head, ~free_tail & free_head
    position = grid.bounds[:, 0] + np.stack(np.unravel_index(tail, grid.shape), axis=1) * grid.spacing
    along = scheme.edges.step * grid.spacing

    def cut() -> None:
        for number, one in enumerate(sets):
            some = np.flatnonzero(out_of & (place[head] == number))
            part[some] = _cut(one, grid, position[some], along[some])
            some = np.flatnonzero(into & (place[tail] == number))
            part[some] = _cut(one, grid, position[some] + along[some], -along[some])

    on_all_ranks(grid.comm, cut)
    across, out, back = (
        np.where(free, rate, 0.0)
        for free, rate in zip((free_tail & free_head, free_tail, free_head), scheme.rates(part))
    )
    matrix = scheme.assembled(tail, head, across, out, back)
    diagonal = matrix.getDiagonal()
    held, lost = place[grid.own] >= 0, scheme.root == 0
    diagonal.array[held | lost] = 1.0
    matrix.setDiagonal(diagonal)
    values = np.array([one.value for one in sets])
    gain = np.bincount(tail, np.where(out_of, out * values[place[head]], 0.0), grid.size)
    gain += np.bincount(head, np.where(into, back * values[place[tail]], 0.0), grid.size)
    gain = grid.comm.allreduce(gain)[grid.own]
    right = np.where(held, values[place[grid.own]] * scheme.root, (source + gain) * scheme.root)
    solution, error = solved(matrix, right, scheme.root, ~held & ~lost, equation)
    if source:
        share = np.where(held, 0.0, scheme.root)
        error = max(error, _imbalance(equation, share, solution, (tail, head), (out, back), (out_of, into)))
    nodal = np.where(lost, np.nan, solution / np.where(lost, 1.0, scheme.root))
    nodal[held] = values[place[grid.own][held]]
    whole = grid.whole(nodal)
    if not source:
        error = max(error, -float(np.nanmin(whole)), float(np.nanmax(whole)) - 1.0)
    warn_of(equation, error)
    return LatticeField(grid, whole, tuple((one.holds, one.value) for one in sets))


def _imbalance(
    equation: ReversibleDiffusion, free: np.ndarray, solution: np.ndarray, ends: tuple[np.ndarray, np.ndarray],
    rates: tuple[np.ndarray, np.ndarray], enters: tuple[np.ndarray, np.ndarray],
) -> float:  # fmt: skip
    """The relative difference of what flows into the sets and what is made outside of them; 0 up to 1e-9."""
    grid = equation.lattice
    share = grid.whole(free * solution)
    flow = sum((rate * share[end])[enter].sum() for rate, end, enter in zip(rates, ends, enters))
    flow, made = grid.comm.allreduce(np.array([flow, (free**2).sum()]))
    found = abs(float(flow / made) - 1.0)
    return 0.0 if found <= BALANCED else found if np.isfinite(found) else np.inf


def _cut(one: TargetSet, grid: Lattice, start: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The part of each edge from its start, outside of a set, to where it enters the set."""
    _, within = bisected(lambda part: one.holds(wrapped(grid, start + part[:, None] * along)), len(start))
    return np.maximum(within, SHORTEST)
