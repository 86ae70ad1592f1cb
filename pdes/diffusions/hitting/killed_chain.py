"""The generator on the nodes of a grid, with edges cut where they enter a set: a Markov chain that is killed there.

An edge from x that enters a set after the part t of its way leads into the set at the rate of an edge of that length;
the flux along it is fitted as along any other (`scharfetter_gummel`). What a wide edge meets on its way stops it, from
both of its ends: no edge leads through a set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.neighbour_values import NeighbourValues
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..scharfetter_gummel import Edges, ScharfetterGummel
from .target_sets import TargetSet, bisected, nodes_of, wrapped

# part of an edge that is left when a node is (nearly) on the boundary of a set
SHORTEST = 1e-6
# points at which a set is looked for in every cell that an edge crosses
LOOKS = 3


@dataclass(frozen=True, eq=False)
class CutEdges:
    """Edges that lead from nodes into sets.

    Args:
        node: the node, in the whole grid (C,).
        step: of the whole edge, in units of the grid (C, d).
        rate: from the node into the set (C,).
        set: its number (C,).
    """

    node: np.ndarray
    step: np.ndarray
    rate: np.ndarray
    set: np.ndarray


@dataclass(frozen=True, eq=False)
class KilledChain:
    """Rates between the nodes outside of sets, and into the sets.

    Args:
        generator: of the chain without sets.
        sets: in which paths are killed; none leaves the chain as it is.
        place: the number of the set that each node is in, else -1 (size,).
        tail: ends x of the edges of this rank that are whole (E,).
        head: their ends y, in the whole grid (E,).
        across: -S_xy (E,).
        step: y - x, in units of the grid (E, d).
        out: the rate from x to y (E,).
        back: that from y to x (E,).
        cut: the edges of this rank that lead into sets.
        killing: the rates from the nodes of this rank into each set (m, sets).
    """

    generator: ScharfetterGummel
    sets: tuple[TargetSet, ...]
    place: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    across: np.ndarray
    step: np.ndarray
    out: np.ndarray
    back: np.ndarray
    cut: CutEdges
    killing: np.ndarray

    @classmethod
    def of(cls, generator: ScharfetterGummel, sets: tuple[TargetSet, ...]) -> KilledChain:
        """Cut the edges of a generator; collective.

        Raises:
            InvalidArgument: a set without a node, or without one that paths reach; one that covers the box; sets that
                meet.

        Warns:
            Unresolved: a set, or a part of it, is smaller than the cells can tell.
        """
        if not sets:
            return cls._without_sets(generator)
        grid, edges = generator.grid, generator.edges
        place = np.full(grid.size, -1)
        for number, held in enumerate(nodes_of(grid, generator.alive, sets, generator.quiet)):
            place[held] = number
        first, last = on_all_ranks(grid.comm, lambda: _entrances(grid, edges, sets, place))
        outer = on_all_ranks(grid.comm, lambda: _outer_entrances(grid, edges, sets, place))
        tail, head = edges.tail, edges.head
        across, out, back = generator.rates(np.minimum(first.part, 1.0), np.minimum(last.part, 1.0))
        # where the way back from a node leads out of the box through a set, its difference goes to both sides, and the
        # way back counts in full, as for the two ends of an edge
        half = outer.set >= 0
        across, out, back = (np.where(half, 0.5, 1.0) * each for each in (across, out, back))
        leaving = generator.rates_back(np.where(half, outer.part, 1.0))
        parts = [(tail[half], -edges.step[half], leaving[half], outer.set[half])]
        for end, step, rate, entrance in ((tail, edges.step, out, first), (head, -edges.step, back, last)):
            enters = (entrance.set >= 0) & (place[end] < 0)
            parts.append((end[enters], step[enters], rate[enters], entrance.set[enters]))
        cut = CutEdges(*(np.concatenate(column) for column in zip(*parts)))
        nodes = NeighbourValues.of(grid.comm, grid.ends, cut.node)
        count = len(generator.root)
        killing = np.stack(
            [nodes.added(np.where(cut.set == k, cut.rate, 0.0), count) for k in range(len(sets))], axis=1
        )
        whole = (first.set < 0) & (last.set < 0) & (place[tail] < 0) & (place[head] < 0)
        step = edges.step[whole]
        return cls(
            generator,
            sets,
            place,
            tail[whole],
            head[whole],
            -across[whole],
            step,
            out[whole],
            back[whole],
            cut,
            killing,
        )

    @classmethod
    def _without_sets(cls, generator: ScharfetterGummel) -> KilledChain:
        """The chain of a generator as it is: no edge is looked at."""
        grid, edges = generator.grid, generator.edges
        across, out, back = generator.rates()
        nothing, none = np.zeros(0), np.zeros(0, dtype=np.int64)
        cut = CutEdges(none, np.zeros((0, grid.dim), dtype=np.int64), nothing, none)
        nowhere = np.broadcast_to(np.int64(-1), (grid.size,))
        no_killing = np.zeros((len(generator.root), 0))
        return cls(
            generator, (), nowhere, edges.tail, edges.head, -across, edges.step, out, back, cut, no_killing
        )  # fmt: skip

    @property
    def grid(self) -> Grid:
        """The nodes."""
        return self.generator.grid

    @cached_property
    def free(self) -> np.ndarray:
        """Whether a node of this rank is outside of all sets, and paths go there (m,)."""
        return np.asarray((self.place[self.grid.own] < 0) & (self.generator.root > 0))

    @cached_property
    def all_free(self) -> np.ndarray:
        """Whether a node is outside of all sets, and paths go there (size,)."""
        return np.asarray((self.place < 0) & self.generator.alive)

    @cached_property
    def heads(self) -> NeighbourValues:
        """Brings values of nodes to the heads of edges, and what these get back to them; collective the first time."""
        return NeighbourValues.of(self.grid.comm, self.grid.ends, self.head)

    def rows(self) -> scipy.sparse.csr_array:
        """The rows of this rank (m, size) of the matrix S of the chain, with the fastest rate on the diagonal of nodes
        that are not free; collective.
        """
        rows = self.generator.rows(self.tail, self.head, -self.across, self.out, self.back)
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        diagonal = row + self.grid.own.start == rows.indices
        rates = rows.data[diagonal] + self.killing.sum(axis=1)
        top = self.grid.comm.allreduce(float(rates.max(initial=0.0)), MPI.MAX)
        rows.data[diagonal] = np.where(self.free, rates, top if top > 0 else 1.0)
        return rows

    def differences(self, *terms: np.ndarray) -> np.ndarray:
        """f_y - f_x along the whole edges (E,) of a sum f of fields at all nodes (size,), each difference by itself."""
        return np.asarray(sum(term[self.head] - term[self.tail] for term in reversed(terms)))

    def at_nodes(self, along_out: np.ndarray, along_back: np.ndarray) -> np.ndarray:
        """Sums (m,) at the nodes of this rank of what edges give to their ends x and y; collective."""
        count = len(self.generator.root)
        at_tails = np.bincount(self.tail - self.grid.own.start, along_out, count)
        return at_tails + self.heads.added(along_back, count)

    def applied(self, *terms: np.ndarray) -> np.ndarray:
        """-L f (m,) for a sum f of fields at all nodes (size,): no digit of f that is the same at both ends counts."""
        change = self.differences(*terms)
        own = sum(term[self.grid.own] for term in terms)
        return np.asarray(self.at_nodes(-self.out * change, self.back * change) + self.killing.sum(axis=1) * own)

    def spread(self, *terms: np.ndarray) -> np.ndarray:
        """2 sigma <M grad f, grad f> (m,) of the chain: sum_y k_xy (f_y - f_x)^2, with f = 0 in the sets."""
        change = self.differences(*terms) ** 2
        own = sum(term[self.grid.own] for term in terms)
        return np.asarray(self.at_nodes(self.out * change, self.back * change) + self.killing.sum(axis=1) * own**2)


@dataclass(frozen=True, eq=False)
class _Entrances:
    """Where ways enter sets.

    Args:
        part: of each way that is outside of all sets (E,); infinite where it enters none.
        set: the number of the set that is entered first, else -1 (E,).
    """

    part: np.ndarray
    set: np.ndarray


def _entrances(
    grid: Grid, edges: Edges, sets: tuple[TargetSet, ...], place: np.ndarray
) -> tuple[_Entrances, _Entrances]:
    """Where each edge enters a set from its tail, and where from its head."""
    start, along = grid.coordinates(edges.tail), edges.step * grid.spacing
    end_sets = place[edges.tail], place[edges.head]
    cells = np.abs(edges.step).max(axis=1, initial=0)
    near = _near(grid, place)
    looked = (cells > 1) | near[edges.tail] | near[edges.head]
    count = len(edges.tail)
    results = []
    for begin, way, own, other in ((start, along, *end_sets), (start + along, -along, *end_sets[::-1])):
        part, number = np.full(count, np.inf), np.full(count, -1)
        for wide in np.unique(cells[looked]) if sets else ():
            some = np.flatnonzero(looked & (cells == wide) & (own < 0))
            for k, one in enumerate(sets):
                within = _first(grid, one, begin[some], way[some], other[some] == k, LOOKS * int(wide))
                closer = within < part[some]
                part[some[closer]], number[some[closer]] = within[closer], k
        results.append(_Entrances(np.maximum(part, SHORTEST), number))
    return results[0], results[1]


def _first(
    grid: Grid, one: TargetSet, begin: np.ndarray, way: np.ndarray, ends_in: np.ndarray, looks: int
) -> np.ndarray:
    """The part (E,) of ways that begin outside of a set up to where they first enter it; infinite where they do not."""
    before, after = np.zeros(len(begin)), np.where(ends_in, 1.0, np.inf)
    found = np.zeros(len(begin), dtype=bool)
    for k in range(1, looks):
        t = k / looks
        hits = ~found & one.holds(wrapped(grid, begin + t * way))
        after[hits], found[hits] = t, True
        before[~found] = t
    inside = np.flatnonzero(np.isfinite(after))
    low, length, x, along = before[inside], (after - before)[inside], begin[inside], way[inside]
    _, within = bisected(lambda part: one.holds(wrapped(grid, x + (low + part * length)[:, None] * along)), len(inside))
    result = np.full(len(begin), np.inf)
    result[inside] = low + within * length
    return result


def _outer_entrances(grid: Grid, edges: Edges, sets: tuple[TargetSet, ...], place: np.ndarray) -> _Entrances:
    """Where the ways from the tails of edges back against their steps enter a set before or when they leave the box.

    A node from which such a way leaves the box takes its difference to the other side (`scharfetter_gummel.edges`).
    """
    index = np.stack(np.unravel_index(edges.tail, grid.shape), axis=1)
    walls, last = ~np.array(grid.periodic), np.array(grid.shape) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(
            edges.step > 0, index / edges.step, np.where(edges.step < 0, (index - last) / edges.step, np.inf)
        )
    exit_part = np.where(walls, room, np.inf).min(axis=1, initial=np.inf)
    part, number = np.full(len(edges.tail), np.inf), np.full(len(edges.tail), -1)
    some = (
        np.flatnonzero((exit_part > 0.0) & (exit_part < 1.0) & (place[edges.tail] < 0))
        if sets
        else np.zeros(0, dtype=int)
    )
    begin = grid.coordinates(edges.tail[some])
    way = -exit_part[some, None] * edges.step[some] * grid.spacing
    looks = LOOKS * max(1, edges.widest)
    for k, one in enumerate(sets):
        within = _first(grid, one, begin, way, one.holds(wrapped(grid, begin + way)), looks) if some.size else way[:, 0]
        closer = within * exit_part[some] < part[some]
        part[some[closer]], number[some[closer]] = (within * exit_part[some])[closer], k
    return _Entrances(np.maximum(part, SHORTEST), number)


def _near(grid: Grid, place: np.ndarray) -> np.ndarray:
    """Whether a node is at most one cell from a set (size,)."""
    near = (place >= 0).reshape(grid.shape)
    for axis, wraps in enumerate(grid.periodic):
        width = [(int(i == axis),) * 2 for i in range(grid.dim)]
        padded = np.pad(near, width, mode="wrap" if wraps else "edge")
        middle = [slice(None)] * grid.dim
        shifted = []
        for offset in (0, 1, 2):
            middle[axis] = slice(offset, offset + grid.shape[axis])
            shifted.append(padded[tuple(middle)])
        near = np.logical_or.reduce(shifted)
    return near.ravel()
