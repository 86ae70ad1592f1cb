"""The sets of hitting problems on a mesh: as nodes, whose places the boundaries of the sets decide on."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from scaling_limits.meshes.backend.compat import moved_mesh
from scaling_limits.meshes.shared_values import check_shared
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import mask, shown

from ..problem import DiffusionOnMesh
from .moved_nodes import MovedNodes, fits, moved_to_boundaries
from .simplices import simplices_of

Indicator = Callable[[np.ndarray], np.ndarray]
# a set as a user gives it: an indicator, or facets (or other entities) with one of the values of their tags
GivenSet = Indicator | tuple[dolfinx_mesh.MeshTags, int]
# tags that are named where another one is not there
MANY = 8
# part of the extent of a mesh, and of its distance from 0, that nodes on a wall may be off by
ROUNDING = 1e-13
# the same of nodes that were moved onto the boundary of a set
ON_BOUNDARY = 1e-6


@dataclass(frozen=True, eq=False)
class MeshSet:
    """A set on which the solution is given.

    Args:
        name: of the argument that it was given by.
        given: as the user gave it.
        value: of the solution in it.
    """

    name: str
    given: GivenSet
    value: float

    @property
    def indicator(self) -> Indicator | None:
        """From points (P, d) to truth values (P,); None where the set is one of tagged entities."""
        return self.given if callable(self.given) else None

    @property
    def kind(self) -> tuple[int, float] | None:
        """The dimension of tagged entities and the value of their tags; None where the set is an indicator."""
        return None if callable(self.given) else (self.given[0].dim, float(self.given[1]))

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Whether points (P, d) are in the set (P,); none is where it is one of tagged entities.

        Raises:
            InvalidArgument: no such callable.
        """
        if not callable(self.given):
            return np.zeros(len(points), dtype=bool)
        return mask(self.name, self.given, points)

    def holds_nearly(self, points: np.ndarray, tiny: float) -> np.ndarray:
        """Whether points (P, d) are in the set, or nearer to it than a length along an axis (P,).

        Raises:
            InvalidArgument: no such callable.
        """
        inside = self.holds(points)
        for shift in tiny * np.eye(points.shape[1]):
            for beside in (points + shift, points - shift):
                # outside of the mesh a function of the user's need not have values
                with suppress(InvalidArgument):
                    inside = inside | self.holds(beside)
        return inside

    def check(self, equation: DiffusionOnMesh) -> None:
        """Check what was given, on this rank.

        Raises:
            InvalidArgument: neither a callable nor tags of entities of this mesh with a whole number.
        """
        if callable(self.given):
            return
        pair = isinstance(self.given, tuple) and len(self.given) == 2
        if not pair or not isinstance(self.given[0], dolfinx_mesh.MeshTags):
            expected = "a callable from points (P, d) to truth values (P,), or a pair (mesh tags, value)"
            raise InvalidArgument(self.name, f"must be {expected}, not {shown(self.given)}")
        if self.given[0].topology.index_map(0) != equation.mesh.topology.index_map(0):
            raise InvalidArgument(self.name, "must be tags of the mesh of the equation")
        tags, value = self.given
        real = isinstance(value, float) and tags.values.dtype.kind == "f"
        if not (real or isinstance(value, int | np.integer)) or isinstance(value, bool):
            message = f"must be a pair (mesh tags, value) with one whole number, not {shown(value)}"
            raise InvalidArgument(self.name, f"{message}; give entities of several tags a tag of their own")

    def nodes(self, equation: DiffusionOnMesh) -> np.ndarray:
        """Whether each node of this rank and of its ghosts is in the set (n,); collective."""
        if callable(self.given):
            tiny = ROUNDING * max(equation.width, equation.farthest)
            held = on_all_ranks(equation.comm, lambda: self.holds_nearly(equation.all_nodes, tiny))
            found = equation.found(held.astype(float), self.name)
            check_shared(found, self.name)
            return np.asarray(found.x.array > 0.5)
        tags, value = self.given
        equation.mesh.topology.create_connectivity(tags.dim, equation.mesh.topology.dim)
        marks = fem.Function(equation.space)
        marks.x.array[fem.locate_dofs_topological(equation.space, tags.dim, tags.find(value))] = 1.0
        marks.x.scatter_forward()
        return np.asarray(marks.x.array > 0.5)


@dataclass(frozen=True, eq=False)
class SetsOnMesh:
    """Sets and a mesh whose nodes lie on their boundaries.

    Args:
        equation: on that mesh.
        sets: one, or two that do not meet.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,).
        cut: nodes beside the boundary of a set that could not be moved onto it, over all ranks.
    """

    equation: DiffusionOnMesh
    sets: tuple[MeshSet, ...]
    place: np.ndarray
    cut: int

    @property
    def held(self) -> np.ndarray:
        """Whether each node of this rank is in a set (m,)."""
        return np.asarray(self.place[: self.equation.own] >= 0)


def resolved(equation: DiffusionOnMesh, *sets: MeshSet) -> SetsOnMesh:
    """The sets on a mesh of the same cells, with nodes moved along edges onto their boundaries; collective.

    Raises:
        InvalidArgument: not such sets; one without a node, or with all of them; sets that meet or touch.

    Warns:
        Unresolved: a set, or a part of it, is smaller than the cells can tell; nodes could not be moved.
    """
    for one in sets:
        on_all_ranks(equation.comm, partial(one.check, equation))
        same_on_all_ranks(equation.comm, **{one.name: one.kind})
    place, indicators = _places(equation, sets), [one.holds for one in sets]
    boxes = equation.mesh.topology.cell_name() in ("quadrilateral", "hexahedron")
    if boxes and all(one.indicator for one in sets) and not fits(equation, place, indicators):
        # a boundary along the diagonal of a quadrilateral is not to be had by moving its corners
        equation = replace(equation, mesh=simplices_of(equation.mesh))
        place = _places(equation, sets)
    found = moved_to_boundaries(equation, place, indicators)
    if found.moved:
        equation = replace(equation, mesh=moved_mesh(equation.mesh, found.x))
    result = SetsOnMesh(equation, sets, found.place, found.cut)
    _check_gap(result)
    if not equation.quiet:
        _say(result, found)
    return result


def _places(equation: DiffusionOnMesh, sets: tuple[MeshSet, ...]) -> np.ndarray:
    """The set that each node is in, -1 for none (n,); collective."""
    place = np.full(len(equation.all_nodes), -1)
    for number, one in enumerate(sets):
        held = one.nodes(equation)
        if _anywhere(equation, held & (place >= 0)):
            raise InvalidArgument(one.name, f"must not meet {sets[0].name}")
        place[held] = number
        _check_extent(equation, one, held)
    return place


def _anywhere(equation: DiffusionOnMesh, true: np.ndarray) -> bool:
    return bool(equation.comm.allreduce(bool(true.any()), MPI.LOR))


def _check_extent(equation: DiffusionOnMesh, one: MeshSet, held: np.ndarray) -> None:
    count = equation.comm.allreduce(int(held[: equation.own].sum()))
    if count == 0:
        _check_tags(equation, one)
        raise InvalidArgument(one.name, "has no node of the mesh in it; refine the mesh there, or take a larger set")
    if count == equation.size:
        raise InvalidArgument(one.name, "covers the whole mesh")


def _check_tags(equation: DiffusionOnMesh, one: MeshSet) -> None:
    """Say of a set of tagged entities which tags there are, on any rank; collective."""
    if callable(one.given):
        return
    tags, value = one.given
    known = sorted(set().union(*equation.comm.allgather(np.unique(tags.values)[: MANY + 1].tolist())))
    there = ", ".join(map(str, known[:MANY])) + (", ..." if len(known) > MANY else "") if known else "none"
    raise InvalidArgument(
        one.name, f"is empty: no entity of the mesh has the tag {value}; tags that are there: {there}"
    )


def _check_gap(found: SetsOnMesh) -> None:
    """Refuse sets without a free node between them."""
    equation = found.equation
    corners = found.place[equation.space.dofmap.list]
    if len(found.sets) == 2 and _anywhere(equation, (corners == 0).any(axis=1) & (corners == 1).any(axis=1)):
        message = f"is joined to {found.sets[0].name} by single cells: their gap is not resolved"
        raise InvalidArgument(found.sets[1].name, f"{message}; refine the mesh there")
    if not _anywhere(equation, found.place < 0):
        raise InvalidArgument(found.sets[-1].name, "leaves no node of the mesh free; refine the mesh")


def _say(found: SetsOnMesh, moved: MovedNodes) -> None:
    """Warn of what the cells do not resolve."""
    equation = found.equation
    corners = found.place[equation.space.dofmap.list]
    points = equation.all_nodes[equation.space.dofmap.list].mean(axis=1)
    missed, thin = [], []
    for number, one in enumerate(found.sets):
        inside = corners == number
        hits = on_all_ranks(equation.comm, lambda one=one: one.holds(points))  # type: ignore[misc]
        missed.append(_anywhere(equation, hits & ~inside.any(axis=1)))
        # capacities of points are 0 in the plane and in space
        pairs = _anywhere(equation, inside.sum(axis=1) > 1)
        thin.append(equation.dim > 1 and not pairs)
    if equation.comm.rank > 0:
        return
    for one, alone, point in zip(found.sets, missed, thin):
        if alone:
            warn(f"{one.name} has a part that is smaller than a cell and is left out; refine there", Unresolved)
        if point:
            warn(f"{one.name} has single nodes only: its size is not resolved; refine the mesh there", Unresolved)
    if moved.cut:
        message = f"{moved.cut} nodes beside boundaries of sets could not be moved onto them"
        warn(f"{message}: these are off by up to a cell there; refine the mesh, or make it fit the sets", Unresolved)


def check_held(path: str | os.PathLike[str], equation: DiffusionOnMesh, place: np.ndarray, one: MeshSet) -> None:
    """Compare a set with the one that a file is of, by nodes that are in it, which may be moved onto its boundary, and
    nodes that are not; collective. A set of tagged entities is known by its nodes only.

    Args:
        path: the file.
        equation: on the mesh of the file.
        place: 0 for nodes of this rank and of its ghosts that were in the set, else -1 (n,).
        one: the set that was given.

    Raises:
        InvalidArgument: it is another one, or none.
    """
    if not callable(one.given) and not isinstance(one.given, tuple):
        raise InvalidArgument(one.name, f"must be the set that was given before, not {shown(one.given)}")
    if one.indicator is None:
        return
    nearly = ON_BOUNDARY * max(equation.width, equation.farthest)

    def differs() -> bool:
        held, x = place >= 0, equation.all_nodes
        return bool((~one.holds_nearly(x[held], nearly)).any() or one.holds(x[~held]).any())

    if equation.comm.allreduce(on_all_ranks(equation.comm, differs), MPI.LOR):
        raise InvalidArgument(one.name, f"is not the set that {os.fsdecode(path)} was made for")
