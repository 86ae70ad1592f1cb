"""Nodes beside the boundary of a set are moved onto it along edges, so that conforming elements see the set itself.

An edge from a free node x to a node y in the set enters it after a part t, found by bisection. Where t < 1/2, x moves
there and is in the set; else y does. Nodes on the boundary of the mesh move along that boundary only, where it is flat;
corners stay. The cells beside a smooth boundary keep their shape up to a factor, and its polygon is right to second
order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import basix
import numpy as np
from dolfinx import mesh as dolfinx_mesh
from petsc4py import PETSc

from scaling_limits.meshes.backend.compat import geometry_dofmap
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...hitting.target_sets import bisected
from ..problem import DiffusionOnMesh
from .simplices import SLANTED

# part of an edge: up to which a free node moves; below which it needs not; below which it is taken into the set
# where it may not move. The first is less than a half by more than rounding, so that all halved edges do the same
HALF, NOTHING, CLOSE = 0.5 - 1e-6, 1e-6, 0.2
# |sum of normals| by their number, from which the boundary of the mesh is flat at a node
FLAT = 0.97
# part of its Jacobian below which a cell is flat, and turned over if it is negative
LEAST = 0.1
ROUNDS = 8
# part of its Jacobian up to which a cell has no volume; by which ways of its nodes are shortened
VOLUME, SHORTER = 1e-9, 1e-7


@dataclass(frozen=True, eq=False)
class MovedNodes:
    """The nodes in their new places.

    Args:
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,).
        x: of the nodes of the mesh's geometry (nodes, 3).
        moved: whether any has moved, on any rank.
        cut: nodes beside a boundary that have not been moved onto it, over all ranks.
    """

    place: np.ndarray
    x: np.ndarray
    moved: bool
    cut: int


@dataclass(frozen=True, eq=False)
class _Edges:
    """Edges of the cells of this rank, and along which of them nodes may move.

    Args:
        equation: on its mesh.
    """

    equation: DiffusionOnMesh

    @cached_property
    def corners(self) -> np.ndarray:
        """The nodes of the cells of this rank (C, k), without ghosts."""
        mesh = self.equation.mesh
        count = mesh.topology.index_map(mesh.topology.dim).size_local
        return np.asarray(self.equation.space.dofmap.list[:count])

    @cached_property
    def reference(self) -> list[list[list[int]]]:
        """The corners of the entities of the reference cell."""
        return list(basix.topology(self.equation.space.element.basix_element.cell_type))

    @cached_property
    def pairs(self) -> np.ndarray:
        """The two ends of each edge (E, 2), in order."""
        ends = self.corners[:, np.array(self.reference[1]).ravel()].reshape(-1, 2)
        return np.unique(np.sort(ends, axis=1), axis=0)

    @cached_property
    def _facets(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells and local numbers of the facets on the boundary of the mesh."""
        topology = self.equation.mesh.topology
        dim = topology.dim
        topology.create_connectivity(dim - 1, dim)
        topology.create_connectivity(dim, dim - 1)
        outer = np.asarray(dolfinx_mesh.exterior_facet_indices(topology))
        of_cells = topology.connectivity(dim, dim - 1)
        count = len(self.corners)
        facets = of_cells.array[: of_cells.offsets[count]].reshape(count, len(self.reference[dim - 1]))
        cells, numbers = np.nonzero(np.isin(facets, outer))
        return cells, numbers

    @cached_property
    def on_boundary(self) -> np.ndarray:
        """The edges in the boundary of the mesh (B, 2), in order."""
        cells, numbers = self._facets
        dim = self.equation.dim
        if dim == 1:
            return np.empty((0, 2), dtype=np.int64)
        found = [np.empty((0, 2), dtype=self.corners.dtype)]
        for number, of_facet in enumerate(self.reference[dim - 1]):
            here = cells[numbers == number]
            for edge in self.reference[1]:
                if set(edge) <= set(of_facet):
                    found.append(self.corners[here][:, edge])
        return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)

    @cached_property
    def wall(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each node (n,) is on the boundary of the mesh, and whether that is flat there; collective."""
        x, dim = self.equation.all_nodes, self.equation.dim
        sums = np.zeros((len(x), dim + 1))
        cells, numbers = self._facets
        for number, of_facet in enumerate(self.reference[dim - 1]):
            nodes = self.corners[cells[numbers == number]]
            corner = x[nodes[:, of_facet]]
            away = corner.mean(axis=1) - x[nodes].mean(axis=1)
            normal = _normals(corner)
            normal *= np.where((normal * away).sum(axis=1) < 0, -1.0, 1.0)[:, None]
            for node in nodes[:, of_facet].T:
                np.add.at(sums, node, np.concatenate([normal, np.ones((len(normal), 1))], axis=1))
        sums = np.stack([_combined(self.equation, column, PETSc.InsertMode.ADD_VALUES) for column in sums.T], axis=1)
        count = sums[:, -1]
        flat = np.linalg.norm(sums[:, :-1], axis=1) >= FLAT * np.maximum(count, 1.0)
        return count > 0, flat & (dim > 1)


def _normals(corner: np.ndarray) -> np.ndarray:
    """Unit normals (F, d) of facets with corners (F, k, d)."""
    dim = corner.shape[2]
    if dim == 1:
        return np.ones((len(corner), 1))
    along = corner[:, 1] - corner[:, 0]
    normal = np.stack([-along[:, 1], along[:, 0]], 1) if dim == 2 else np.cross(along, corner[:, 2] - corner[:, 0])
    return normal / np.linalg.norm(normal, axis=1)[:, None]


def _combined(equation: DiffusionOnMesh, values: np.ndarray, mode: PETSc.InsertMode) -> np.ndarray:
    """Sums or largest ones of what ranks say of their nodes and of ghosts (n,); collective."""
    layout = equation.space.dofmap.index_map
    ghosts = np.asarray(layout.ghosts, dtype=PETSc.IntType)
    vector = PETSc.Vec().createGhost(ghosts, size=(layout.size_local, layout.size_global), comm=equation.comm)
    with vector.localForm() as local:
        local.array[:] = values
    vector.ghostUpdate(addv=mode, mode=PETSc.ScatterMode.REVERSE)
    vector.ghostUpdate(addv=PETSc.InsertMode.INSERT_VALUES, mode=PETSc.ScatterMode.FORWARD)
    with vector.localForm() as local:
        result = np.array(local.array)
    vector.destroy()
    return result


def _shortest(
    equation: DiffusionOnMesh, node: np.ndarray, part: np.ndarray, vector: np.ndarray, far: np.ndarray
) -> np.ndarray:
    """For each node (n,) the shortest of the ways that ranks have for it (n, d), NaN where there is none; collective.

    Args:
        equation: on its mesh.
        node: to be moved, of each way (W,).
        part: of the edge that a way is (W,).
        vector: the way (W, d).
        far: the node at the other end of the edge (W,), which decides between equal parts.
    """
    largest, layout = PETSc.InsertMode.MAX_VALUES, equation.space.dofmap.index_map
    best = np.full(len(equation.all_nodes), -2.0)
    np.maximum.at(best, node, -part)
    best = _combined(equation, best, largest)
    ties = np.abs(-part - best[node]) <= NOTHING
    # between equal parts first the direction decides, which does not depend on the ranks
    slope = vector @ SLANTED[: vector.shape[1]]
    steepest = np.full(len(best), -np.finfo(float).max)
    np.maximum.at(steepest, node[ties], slope[ties])
    ties &= slope >= _combined(equation, steepest, largest)[node]
    name = layout.local_to_global(far.astype(np.int32)).astype(float)
    chosen = np.full(len(best), -1.0)
    np.maximum.at(chosen, node[ties], name[ties])
    chosen = _combined(equation, chosen, largest)
    ties &= name == chosen[node]
    ways = np.full((len(best), vector.shape[1]), -np.inf)
    for k in range(vector.shape[1]):
        np.maximum.at(ways[:, k], node[ties], vector[ties, k])
        ways[:, k] = _combined(equation, ways[:, k], largest)
    return np.where(np.isfinite(ways), ways, np.nan)


def fits(
    equation: DiffusionOnMesh, place: np.ndarray, indicators: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> bool:
    """Whether the nodes are on the boundaries of sets as they are; collective. The arguments are those of
    `moved_to_boundaries`.
    """
    edges = _Edges(equation)

    def checked() -> bool:
        parts = [_entered(edges, place, number, holds)[2] for number, holds in enumerate(indicators)]
        return all(bool((1.0 - part < NOTHING).all()) for part in parts)

    return all(equation.comm.allgather(on_all_ranks(equation.comm, checked)))


def moved_to_boundaries(
    equation: DiffusionOnMesh, place: np.ndarray, indicators: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> MovedNodes:
    """The nodes beside boundaries of sets in places on these; collective.

    Args:
        equation: on its mesh.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,).
        indicators: of the sets, from points (P, d) to truth values (P,).
    """
    edges, x = _Edges(equation), equation.all_nodes
    place, ways = place.copy(), np.zeros_like(x)
    wall, flat = edges.wall
    cut = np.zeros(len(x), dtype=bool)
    for number, holds in enumerate(indicators):
        # free ends first
        free, inside, part = on_all_ranks(equation.comm, lambda h=holds, n=number: _entered(edges, place, n, h))  # type: ignore[misc]
        within = _known(edges, free, inside)
        may = np.where(wall[free], flat[free] & within, True)
        near = part < HALF
        some = near & (may | (part < NOTHING))
        way = _shortest(equation, free[some], part[some], part[some, None] * (x[inside] - x[free])[some], inside[some])
        taken = np.isfinite(way).all(axis=1)
        ways[taken], place[taken] = way[taken], number
        left = ~taken[free]
        close = _marked(equation, free[left & (part < CLOSE)])
        place[close], cut = np.where(place[close] < 0, number, place[close]), cut | close
        left &= ~close[free]
        may = np.where(wall[inside], flat[inside] & within, True)
        some = left & may
        back = 1.0 - part
        way = _shortest(equation, inside[some], back[some], back[some, None] * (x[free] - x[inside])[some], free[some])
        pulled = np.isfinite(way).all(axis=1)
        ways[pulled] = way[pulled]
        cut |= _marked(equation, inside[left & ~pulled[inside] & (back > NOTHING)])
    place, ways, undone = _untangled(equation, edges, place, ways)
    cut |= undone
    ways = _with_volume(equation, edges, ways)
    return _result(equation, place, ways, int(equation.comm.allreduce(int(cut[: equation.own].sum()))))


def _entered(
    edges: _Edges, place: np.ndarray, number: int, holds: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges that enter a set: the free end, the end within, and the part outside (E,); each rank by itself."""
    both = np.concatenate([edges.pairs, edges.pairs[:, ::-1]])
    both = both[(place[both[:, 0]] < 0) & (place[both[:, 1]] == number)]
    x = edges.equation.all_nodes
    # entities that were tagged end where their nodes are, and so do sets that hold a node but for rounding
    both = both[holds(x[both[:, 1]])] if len(both) else both
    start, along = x[both[:, 0]], x[both[:, 1]] - x[both[:, 0]]
    outside, within = bisected(lambda t: holds(start + t[:, None] * along), len(both))
    return both[:, 0], both[:, 1], 0.5 * (outside + within)


def _known(edges: _Edges, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether edges are in the boundary of the mesh."""
    count = len(edges.equation.all_nodes)
    keys = edges.on_boundary @ np.array([count, 1])
    return np.isin(np.minimum(one, other) * count + np.maximum(one, other), keys)


def _marked(equation: DiffusionOnMesh, nodes: np.ndarray) -> np.ndarray:
    """Whether each node (n,) is among those of any rank; collective."""
    marks = np.zeros(len(equation.all_nodes))
    marks[nodes] = 1.0
    return _combined(equation, marks, PETSc.InsertMode.MAX_VALUES) > 0.5


def _untangled(
    equation: DiffusionOnMesh, edges: _Edges, place: np.ndarray, ways: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places and ways for which no cell with free nodes is turned over or flat, and at which nodes ways were taken
    back; collective.

    The free nodes of cells that have become flat are next to the boundary, and are held where they are.
    """
    x, corners = equation.all_nodes, edges.corners
    undone, before, place = np.zeros(len(x), dtype=bool), _jacobians(edges, x), place.copy()
    for _ in range(ROUNDS):
        part = (_jacobians(edges, x + ways) / before).min(axis=1, initial=1.0)
        bad = (place[corners] < 0).any(axis=1) & (part < LEAST)
        flat = corners[bad & (part > -LEAST)]
        sets = np.full(len(x), -1.0)
        np.maximum.at(sets, flat.ravel(), np.repeat(place[flat].max(axis=1, initial=-1), corners.shape[1]))
        sets = _combined(equation, sets, PETSc.InsertMode.MAX_VALUES)
        held = (place < 0) & (sets >= 0)
        place[held] = sets[held].astype(int)
        back = _marked(equation, corners[bad & (part <= -LEAST)].ravel()) & (ways != 0).any(axis=1)
        if not equation.comm.allreduce(int(back.sum() + held.sum())):
            break
        undone |= back
        ways = np.where(back[:, None], 0.0, ways)
    return place, ways, undone


def _with_volume(equation: DiffusionOnMesh, edges: _Edges, ways: np.ndarray) -> np.ndarray:
    """The ways, a little shorter at nodes of cells without volume, in which gradients would be 0/0; collective.

    All nodes of these are in a set. Shares differ from node to node by a rule that does not depend on the ranks.
    """
    x = equation.all_nodes
    flat = np.abs(_jacobians(edges, x + ways)).max(axis=1) <= VOLUME * np.abs(_jacobians(edges, x)).max(axis=1)
    nodes = _marked(equation, edges.corners[flat].ravel())
    share = SHORTER * (1.0 + 0.5 * np.sin(1e3 * (x @ SLANTED[: x.shape[1]]) / equation.width))
    return np.where(nodes[:, None], (1.0 - share[:, None]) * ways, ways)


def _jacobians(edges: _Edges, x: np.ndarray) -> np.ndarray:
    """The determinants of the edges at each corner of each cell (C, k)."""
    corners, result = edges.corners, []
    for corner in range(corners.shape[1]):
        others = [a if b == corner else b for a, b in edges.reference[1] if corner in (a, b)]
        result.append(np.linalg.det(x[corners[:, others]] - x[corners[:, corner]][:, None]))
    return np.stack(result, axis=1)


def _result(equation: DiffusionOnMesh, place: np.ndarray, ways: np.ndarray, cut: int) -> MovedNodes:
    geometry = equation.mesh.geometry
    moved = bool(equation.comm.allreduce(int((ways != 0).any())))
    x = np.array(geometry.x)
    nodes, unknowns = geometry_dofmap(equation.mesh), equation.space.dofmap.list
    shift = np.zeros((len(x), equation.dim))
    shift[np.asarray(nodes).ravel()] = ways[np.asarray(unknowns).ravel()]
    x[:, : equation.dim] += shift
    return MovedNodes(place, x, moved, cut)
