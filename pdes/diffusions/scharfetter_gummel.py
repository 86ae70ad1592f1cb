"""The Scharfetter-Gummel generator on the nodes of a grid: edges with exponentially fitted conductances.

For rho = pi u, pi = exp(-Psi/sigma), the equation d_t rho = div(M (rho grad Psi + sigma grad rho)) is the gradient flow
d_t (pi u) = div(sigma pi M grad u). At a node x of volume |x| the tensor is a sum M(x) = sum_i lambda_i e_i e_i^T over
steps e_i of the grid (`meshes/selling.py`), so that

    int sigma pi <M grad u, grad u>  ~  sum_edges c_xy (u_y - u_x)^2,
    c_xy = sigma w_xy pi_xy,    1/pi_xy = int_0^1 exp((Psi_x + s (Psi_y - Psi_x) - s (1 - s) kappa/2)/sigma) ds,

where w_xy collects |x| lambda_i of both ends, and kappa is the second difference of Psi along the edge. With a
diagonal M these are the Scharfetter-Gummel fluxes; with a moderate M_12 they are those of finite elements of degree 1
on triangles, averaged along edges (Xu and Zikatanov, Math. Comp. 68 (1999) 1429). No conductance is negative, for any
tensor: densities stay positive, the free energy decreases, and exp(-Psi/sigma) is stationary, all exactly.

Unknowns are s = r/sqrt(m), with r the probability at a node and m = |x| pi. In them the generator is the symmetric
matrix -S, whose entries depend on differences of Psi only: nothing overflows where pi is 1e-300. Where it is below
exp(-1300) of its maximum, no path goes, and there is a wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from scipy.special import exprel

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.linear_algebra.assembly import table_of
from scaling_limits.meshes.neighbour_values import NearValues
from scaling_limits.meshes.selling import decomposition
from scaling_limits.meshes.spread_values import SpreadRows
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks

from .coefficients import Coefficients, check_units, checked_coefficients, exponent_at, mobility_at

if TYPE_CHECKING:
    from petsc4py import PETSc

# part of the mass of equilibrium where the diagonal of M may stand in; nodes near walls have less
STANDS_IN = 0.5
# ratio of e.M^-1 e at both ends of an edge e, from which M is not resolved along it
TURNED = 4.0
# value of (Psi - min Psi)/sigma beyond which sqrt(pi) underflows, and there is a wall
HIGHEST = 1300.0
# nodes or edges that are worked on at a time, so that what is made for a while stays in the cache
AT_ONCE = 2**13
# of the logarithm of the factor by which the curvature of Psi changes a conductance: edges beyond resolve no curvature
MOST_BENT = 0.5


@dataclass(frozen=True, eq=False)
class Edges:
    """All edges that the nodes of this rank contribute.

    Args:
        tail: place of x in the whole grid (E,).
        head: place of y (E,).
        step: y - x (E, d), in units of the grid, not wrapped.
        weight: the part of w_xy that comes from x (E,), in units of volume over time and energy.
        widest: the largest component of a step, 1 where neighbours are enough.
        diagonal: whether the diagonal of M stands in for M, at the nodes of this rank (m,).
    """

    tail: np.ndarray
    head: np.ndarray
    step: np.ndarray
    weight: np.ndarray
    widest: int
    diagonal: np.ndarray

    def among(self, kept: np.ndarray) -> Edges:
        """Some of the edges, given as truth values (E,)."""
        if kept.all():
            return self
        tail, head, step, weight = (array[kept] for array in (self.tail, self.head, self.step, self.weight))
        return Edges(tail, head, step, weight, self.widest, self.diagonal)


def edges(grid: Grid, tensors: np.ndarray) -> Edges:
    """The edges of a tensor field on a grid.

    A node near a wall takes a difference to one side only where the other would leave the box; where both would, as at
    a corner, it takes the diagonal of M.

    Args:
        grid: the nodes.
        tensors: M (m, d, d) at the nodes of this rank.
    """
    found: tuple[list[tuple[np.ndarray, ...]], ...] = ([], [])
    stuck = np.zeros(len(tensors), dtype=bool)
    # some nodes at a time, which take memory for a while; the order of edges does not tell
    for some in slices(len(tensors)):
        stuck[some] = _some_edges(grid, some, tensors[some], found)
    tail, head, step, weight = (np.concatenate(column) for column in zip(*found[0], *found[1]))
    widest = int(np.abs(step).max(initial=1))
    # once around the box and back is no edge
    proper = tail != head
    widest = grid.comm.allreduce(widest, MPI.MAX)
    if not proper.all():
        tail, head, step, weight = (column[proper] for column in (tail, head, step, weight))
    return Edges(tail, head, step, weight, widest, stuck)


def slices(count: int) -> list[slice]:
    """All of `count` numbers, some at a time."""
    return [slice(low, min(low + AT_ONCE, count)) for low in range(0, count, AT_ONCE)]


def _some_edges(
    grid: Grid, nodes: slice, tensors: np.ndarray, found: tuple[list[tuple[np.ndarray, ...]], ...]
) -> np.ndarray:
    """Append the edges of some nodes along and against their steps; and return where the diagonal stands in (P,)."""
    scaled = tensors / (grid.spacing[:, None] * grid.spacing[None, :])
    flat = np.arange(grid.own.start + nodes.start, grid.own.start + nodes.stop)
    weights, steps = decomposition(scaled)
    heads = [_heads(grid, flat, steps, side) for side in (1, -1)]
    stuck = np.asarray(((weights > 0) & (heads[0] < 0) & (heads[1] < 0)).any(axis=1))
    if stuck.any():
        diagonal = scaled[stuck] * np.eye(grid.dim)
        weights[stuck], steps[stuck] = decomposition(diagonal)
        heads = [_heads(grid, flat, steps, side) for side in (1, -1)]
    sides = (heads[0] >= 0).astype(float) + (heads[1] >= 0)
    share = grid.volumes[nodes, None] * weights / np.maximum(sides, 1.0)
    for side, head, parts in zip((1, -1), heads, found):
        node, term = np.nonzero((head >= 0) & (weights > 0))
        parts.append((flat[node], head[node, term], side * steps[node, term], share[node, term]))
    return stuck


def _heads(grid: Grid, flat: np.ndarray, steps: np.ndarray, side: int) -> np.ndarray:
    """The numbers (P, m) of the nodes to which steps (P, m, d) lead, or those against them; -1 behind a wall."""
    tails = np.repeat(flat, steps.shape[1])
    return grid.stepped(tails, steps.reshape(-1, grid.dim), side).reshape(steps.shape[:2])


def _largest_rate(grid: Grid, temperature: float, tensors: np.ndarray) -> float:
    """The largest sigma M_ii/h_i^2 of all nodes, where M (m, d, d) is at those of this rank; collective."""
    diagonals = np.diagonal(tensors, axis1=1, axis2=2).max(axis=0, initial=0.0)
    with np.errstate(all="ignore"):
        largest = float((temperature * grid.comm.allreduce(diagonals, np.maximum) / grid.spacing / grid.spacing).max())
    return largest


def bernoulli(difference: np.ndarray) -> np.ndarray:
    """d/(exp(d) - 1), the harmonic mean of exp along an edge, relative to its tail."""
    return np.asarray(1.0 / exprel(difference))


def bent(difference: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """By how much the harmonic mean of exp(-u) along an edge is larger because u is bent, u'' = kappa.

    That is exp(kappa m/2), with the mean m of s (1 - s) over exp(s d), (d coth(d/2) - 2)/d^2.

    Args:
        difference: d = u_y - u_x.
        curvature: kappa, in units of the edge.
    """
    d = np.maximum(np.abs(difference), 0.02)
    mean = (d / np.tanh(0.5 * d) - 2.0) / d**2
    return np.exp(np.clip(0.5 * curvature * mean, -MOST_BENT, MOST_BENT))


def symmetric_bernoulli(difference: np.ndarray) -> np.ndarray:
    """(d/2)/sinh(d/2), the same relative to the geometric mean of both ends."""
    size = np.abs(difference)
    return np.asarray(np.exp(-0.5 * size) / exprel(-size))


def _around(grid: Grid, everywhere: Edges) -> Iterator[np.ndarray]:
    """The heads of edges, and the nodes behind them and before their tails, some at a time."""
    for some in slices(everywhere.tail.size):
        for times in (-1, 1, 2):
            numbers = grid.stepped(everywhere.tail[some], everywhere.step[some], times)
            yield numbers[numbers >= 0]


class ScharfetterGummel:
    """The matrix S and the measure m of an effective equation on a grid.

    Args:
        grid: the nodes.
        coefficients: M, Psi, sigma.
        quiet: whether nothing is said of what the grid does not resolve.

    Raises:
        InvalidArgument: on all ranks, if Psi is not finite, or M is not symmetric and positive definite somewhere, or
            too large or small for doubles.
    """

    def __init__(self, grid: Grid, coefficients: Coefficients, quiet: bool = False) -> None:
        self.grid, self.quiet = grid, quiet
        self.temperature = float(checked_coefficients(coefficients).temperature)
        mine, tensors = on_all_ranks(
            grid.comm,
            lambda: (exponent_at(coefficients, grid.points), mobility_at(coefficients, grid.points)),
        )
        check_units(grid, _largest_rate(grid, self.temperature, tensors))
        self.lowest = float(grid.comm.allreduce(float(mine.min(initial=np.inf)), MPI.MIN))
        # Psi/sigma at the nodes of this rank, above the minimum of all
        own = mine - self.lowest
        # the same at all nodes, for who asks by number
        self.exponents = SpreadRows.of(grid, own[None]).row(0)
        everywhere = edges(grid, tensors)
        self._near = NearValues.of(grid.comm, grid.ends, own, _around(grid, everywhere))
        self.edges = everywhere.among(
            (own[everywhere.tail - grid.own.start] <= HIGHEST) & (self._near.take(everywhere.head) <= HIGHEST)
        )
        # sqrt(m)
        self.root = np.where(own <= HIGHEST, np.sqrt(grid.volumes) * np.exp(-0.5 * own), 0.0)
        # the sum of m
        self.partition = float(grid.comm.allreduce(float((self.root**2).sum())))
        self.traits = self._traits(tensors)
        self.tensors = tensors
        self._warn_of_diagonals(everywhere.diagonal)

    @cached_property
    def exponent(self) -> np.ndarray:
        """Psi/sigma above its minimum at all nodes (size,); this rank by itself. Evolutions do without."""
        return self.exponents.whole()

    @cached_property
    def alive(self) -> np.ndarray:
        """Whether paths go to a node (size,); this rank by itself."""
        return self.exponent <= HIGHEST

    @cached_property
    def volumes(self) -> np.ndarray:
        """The volume that belongs to each node (size,)."""
        return self.grid.volumes_at(np.arange(self.grid.size))

    def _warn_of_diagonals(self, diagonal: np.ndarray) -> None:
        """Warn where the diagonal of M stands in for M at more than some nodes near corners."""
        mass = np.array([(self.root[diagonal] ** 2).sum(), (self.root**2).sum()])
        some, all_ = self.grid.comm.allreduce(mass)
        if some > STANDS_IN * all_ and self.grid.comm.rank == 0 and not self.quiet:
            part = f"{some / all_:.2g} of the mass"
            message = f"M is so anisotropic that its differences leave the box at nodes with {part}"
            warn(
                f"{message} of equilibrium, where its diagonal stands in: results are those of another M; "
                "turn the axes along M, or take more cells",
                Unresolved,
            )

    @cached_property
    def turning(self) -> float:
        """The part of the mass of equilibrium at nodes with wide edges along which M turns or changes; collective."""
        return self.turning_part(self.root**2)

    def turning_part(self, probabilities: np.ndarray) -> float:
        """The same part of the mass of other probabilities at the nodes of this rank (m,); collective."""
        mass = np.array([probabilities[self.turned].sum(), probabilities.sum()])
        some, all_ = self.grid.comm.allreduce(mass)
        return float(some / all_) if all_ > 0 else 0.0

    @cached_property
    def turned(self) -> np.ndarray:
        """Whether M turns or changes along the wide edges of a node, at the nodes of this rank (m,); collective.

        That is e.M(y)^-1 e more than `TURNED` times e.M(x)^-1 e along an edge e = y - x, or the other way round.
        """
        nodes = np.zeros(len(self.root), dtype=bool)
        if self.edges.widest < 2:
            return nodes
        grid = self.grid
        wide = np.abs(self.edges.step).max(axis=1, initial=0) > 1
        tail, head = self.edges.tail[wide], self.edges.head[wide]
        inverse = NearValues.of(grid.comm, grid.ends, np.linalg.inv(self.tensors), [head])
        along = self.edges.step[wide] * grid.spacing
        here, there = (np.einsum("ei,eij,ej->e", along, inverse.take(end), along) for end in (tail, head))
        turned = np.abs(np.log(there / here)) > np.log(TURNED)
        nodes[tail[turned] - grid.own.start] = True
        return nodes

    def _traits(self, tensors: np.ndarray) -> np.ndarray:
        """Numbers that tell Psi/sigma and M at all nodes from others: sums with random signs, for each of both."""
        diagonal = np.diagonal(tensors, axis1=1, axis2=2)
        upper = np.triu_indices(self.grid.dim, 1)
        ratios = tensors / np.sqrt(diagonal[:, :, None] * diagonal[:, None, :])
        fields = [np.minimum(self.exponents.own, HIGHEST)[:, None], np.log(diagonal)]
        return self.grid.signed_sums(np.concatenate([*fields, ratios[:, upper[0], upper[1]]], axis=1))

    def matrix(self) -> PETSc.Mat:
        """S, symmetric and positive semidefinite, with kernel sqrt(m), in PETSc; in units of rate."""
        from scaling_limits.meshes.linear_algebra.petsc_matrix import matrix_of_rows

        return matrix_of_rows(self.grid.comm, self.rows(self.edges.tail, self.edges.head, *self.rates()))

    def rates(
        self, part: np.ndarray | float = 1.0, part_back: np.ndarray | float = 1.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The contributions of the edges to the entries (x, y) and (y, x), to (x, x), and to (y, y) of S.

        Args:
            part: of each edge, from x to where a set begins, (E,) or 1; it changes the rate out of x only.
            part_back: from y, likewise.
        """
        tail, head, weight = self.edges.tail, self.edges.head, self.temperature * self.edges.weight
        difference = self._near.take(head) - self._near.take(tail)
        at_tail, at_head = self.grid.volumes[tail - self.grid.own.start], self.grid.volumes_at(head)
        bend = bent(difference, self.curvature)
        across = -weight * bend * symmetric_bernoulli(difference) / np.sqrt(at_tail * at_head)
        # of a whole edge that is the same for both ends
        bends = [bent(t * difference, t**2 * self.curvature) if np.ndim(t) else bend for t in (part, part_back)]
        out = weight / part * bends[0] * bernoulli(part * difference) / at_tail
        back = weight / part_back * bends[1] * bernoulli(part_back * -difference) / at_head
        return across, out, back

    def rates_back(self, part: np.ndarray) -> np.ndarray:
        """The rates (E,) from the tails of edges against their steps, to where a set begins.

        Args:
            part: of a step, to there (E,).
        """
        tail, weight = self.edges.tail, self.temperature * self.edges.weight
        slope = self._near.take(tail) - self._near.take(self.edges.head)
        # Psi goes on beyond the tail with the slope and the curvature that it has along the edge
        difference = part * slope + 0.5 * part * (1.0 + part) * self.curvature
        bend = bent(difference, part**2 * self.curvature)
        return np.asarray(weight / part * bend * bernoulli(difference) / self.grid.volumes[tail - self.grid.own.start])

    @cached_property
    def curvature(self) -> np.ndarray:
        """The second difference of Psi/sigma along each edge (E,): of those at its two ends the smaller one, and 0
        where they have not the same sign, as beside a jump.
        """
        parts = [self._curvature(some) for some in slices(self.edges.tail.size)]
        return np.concatenate([np.empty(0), *parts])

    def _curvature(self, some: slice) -> np.ndarray:
        grid, edges, near_by = self.grid, self.edges, self._near
        tail, head, step = edges.tail[some], edges.head[some], edges.step[some]
        own, other = near_by.take(tail), near_by.take(head)
        ends = []
        for times, near, far in ((-1, own, other), (2, other, own)):
            beyond = grid.stepped(tail, step, times)
            next_one = near_by.take(np.where(beyond >= 0, beyond, tail))
            ends.append((beyond >= 0, next_one - 2.0 * near + far))
        (first, one), (last, two) = ends
        one, two = np.where(first, one, two), np.where(last, two, one)
        agree = (one * two > 0) & (first | last)
        return np.where(agree, np.where(np.abs(one) < np.abs(two), one, two), 0.0)

    def rows(
        self, tail: np.ndarray, head: np.ndarray, across: np.ndarray, out: np.ndarray, back: np.ndarray
    ) -> scipy.sparse.csr_array:
        """The rows of this rank (m, size) of the symmetric matrix of what edges contribute to the entries (x, y),
        (y, x), (x, x) and (y, y), with all of the diagonal; collective.

        Args:
            tail: places x, all on this rank (E,).
            head: places y, on any rank (E,).
            across: for (x, y) and (y, x).
            out: for (x, x).
            back: for (y, y).
        """
        comm, size, mine, start = self.grid.comm, self.grid.size, self.root.size, self.grid.own.start
        owner = np.searchsorted(self.grid.ends, head, side="right") - 1
        abroad = [np.flatnonzero((owner == rank) & (rank != comm.rank)) for rank in range(comm.size)]
        received = comm.alltoall([(head[e], tail[e], across[e], back[e]) for e in abroad])
        here = owner == comm.rank
        theirs, ours, theirs_across, theirs_back = (np.concatenate(column) for column in zip(*received))
        rows = np.concatenate([tail, head[here], theirs]) - start
        columns = np.concatenate([head, tail[here], ours])
        diagonal = np.bincount(rows, np.concatenate([out, back[here], theirs_back]), mine)
        entries = np.concatenate([across, across[here], theirs_across])
        return scipy.sparse.csr_array(table_of(rows, columns, entries, diagonal, start), shape=(mine, size))
