"""Sets as unions of cells, from inside and from outside; planes at which sets end.

Sets are looked at in points of each cell, many more near where they end. What lies between these points is not seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..hitting.target_sets import TargetSet, bisected
from .tensor_mesh import TensorMesh


@dataclass(frozen=True)
class CellSetSettings:
    """How finely sets are looked at.

    Args:
        looks: points along each direction of a cell, by the dimension of space.
        near: the same in cells near the end of a set.
        shrunk: part of a cell by which these points are away from its faces.
        lines: random lines along each direction on which planes are looked for, and as many through each set.
        tries: random points of the box among which such of a set are looked for.
        on_a_line: points of a line at least, and in each cell.
        same: part of a cell below which two ends of a set on different lines lie in one plane.
        planes: most planes along a direction.
        at_once: points that are looked at in one call.
    """

    looks: tuple[int, int, int] = (65, 6, 4)
    near: tuple[int, int, int] = (257, 33, 11)
    shrunk: float = 1e-9
    lines: int = 24
    tries: int = 4096
    on_a_line: tuple[int, int] = (512, 8)
    same: float = 1e-7
    planes: int = 16
    at_once: int = 2**18


SETTINGS = CellSetSettings()


@dataclass(frozen=True, eq=False)
class CellSet:
    """A set between two unions of closed cells and of faces in walls, one inside of it and one around it.

    Args:
        name: of the argument that it was given by.
        inner: whether all points of a cell that were looked at are in the set (cells,).
        outer: whether some are (cells,).
        inner_faces: whether all points of a face in a wall are in the set (faces,); False for faces inside the box.
        outer_faces: whether some are (faces,).
    """

    name: str
    inner: np.ndarray
    outer: np.ndarray
    inner_faces: np.ndarray
    outer_faces: np.ndarray

    @property
    def fitted(self) -> bool:
        """Whether the two unions are the same."""
        return bool((self.inner == self.outer).all() and (self.inner_faces == self.outer_faces).all())


def cell_set(mesh: TensorMesh, one: TargetSet) -> CellSet:
    """The unions of cells inside of a set and around it; collective.

    Raises:
        InvalidArgument: no such set, an empty one, or one that covers the box.
    """
    looks = SETTINGS.looks[mesh.dim - 1]
    inner, outer = (mesh.whole(part) for part in on_all_ranks(mesh.comm, lambda: _seen(mesh, one, mesh.own, looks)))
    near = _near_an_end(mesh, inner, outer)
    share = np.array_split(np.flatnonzero(near), mesh.comm.size)[mesh.comm.rank]
    fine = on_all_ranks(mesh.comm, lambda: _seen(mesh, one, share, SETTINGS.near[mesh.dim - 1]))
    inner[near] &= mesh.whole(fine[0])
    outer[near] |= mesh.whole(fine[1])
    inner_faces, outer_faces = on_all_ranks(mesh.comm, lambda: _walls(mesh, one))
    if not outer.any() and not outer_faces.any():
        raise InvalidArgument(one.name, "has no point in the box that was looked at; take more cells, or a larger set")
    if inner.all():
        raise InvalidArgument(one.name, "covers the whole box")
    return CellSet(one.name, inner, outer, inner_faces, outer_faces)


def _lattice(count: int, dim: int, shrunk: float) -> np.ndarray:
    ticks = np.linspace(shrunk, 1.0 - shrunk, count)
    return np.array(list(itertools.product(ticks, repeat=dim))).reshape(count**dim, dim)


def _seen(mesh: TensorMesh, one: TargetSet, cells: np.ndarray, looks: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether all points, and whether some points of cells are in the set."""
    ticks = _lattice(looks, mesh.dim, SETTINGS.shrunk)
    inner, outer = np.zeros(len(cells), dtype=bool), np.zeros(len(cells), dtype=bool)
    step = max(1, SETTINGS.at_once // len(ticks))
    for start in range(0, len(cells), step):
        part = slice(start, start + step)
        held = one.holds(mesh.points(cells[part], ticks)).reshape(-1, len(ticks))
        inner[part], outer[part] = held.all(axis=1), held.any(axis=1)
    return inner, outer


def _near_an_end(mesh: TensorMesh, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Cells with a corner that belongs to a cell which is cut, or to both kinds of cells."""
    corners = mesh.nodes(np.arange(mesh.size), 1)
    touches = np.zeros((2, mesh.node_count(1)), dtype=bool)
    touches[0, corners[outer]] = True
    touches[1, corners[~inner]] = True
    both: np.ndarray = touches[0] & touches[1]
    return np.asarray(both[corners].any(axis=1))


def _walls(mesh: TensorMesh, one: TargetSet) -> tuple[np.ndarray, np.ndarray]:
    """Whether all points, and whether some points of each face in a wall are in the set."""
    inner, outer = np.zeros(mesh.face_count, dtype=bool), np.zeros(mesh.face_count, dtype=bool)
    for i, side in itertools.product(range(mesh.dim), (0, 1)):
        if mesh.periodic[i]:
            continue
        cells = np.flatnonzero(mesh.index(np.arange(mesh.size))[:, i] == side * (mesh.shape[i] - 1))
        ticks = np.insert(_lattice(SETTINGS.near[mesh.dim - 1], mesh.dim - 1, SETTINGS.shrunk), i, side, axis=1)
        faces = mesh.faces(cells)[:, 2 * i + side]
        step = max(1, SETTINGS.at_once // len(ticks))
        for start in range(0, len(cells), step):
            part = slice(start, start + step)
            x = mesh.points(cells[part], ticks)
            x[:, i] = mesh.breaks[i][-side]
            held = one.holds(x).reshape(-1, len(ticks))
            inner[faces[part]], outer[faces[part]] = held.all(axis=1), held.any(axis=1)
    return inner, outer


# --- planes -----------------------------------------------------------------------------------------------------


def planes(grid: Grid, sets: tuple[TargetSet, ...]) -> list[np.ndarray]:
    """For each direction the x_i at which sets end on several random lines alike; collective.

    Cells that end there hold half spaces, strips and boxes exactly; a plane too many does no harm.
    """
    return on_all_ranks(grid.comm, lambda: [_planes_along(grid, i, sets) for i in range(grid.dim)])


def _planes_along(grid: Grid, i: int, sets: tuple[TargetSet, ...]) -> np.ndarray:
    low, high = grid.box.T
    generator = np.random.Generator(np.random.Philox(key=SETTINGS.lines + i))
    tries = low + (high - low) * generator.random((SETTINGS.tries, grid.dim))
    chosen = [np.flatnonzero(one.holds(tries))[: SETTINGS.lines] for one in sets]
    lines = tries[np.unique(np.concatenate([*chosen, np.arange(SETTINGS.lines)]))]
    count = max(SETTINGS.on_a_line[0], SETTINGS.on_a_line[1] * grid.cells[i])
    ticks = np.linspace(low[i], high[i], count + 1)
    ends = []
    for one in sets:
        x = np.repeat(lines[:, None], len(ticks), axis=1)
        x[:, :, i] = ticks
        held = one.holds(x.reshape(-1, grid.dim)).reshape(len(lines), -1)
        line, tick = np.nonzero(held[:, 1:] != held[:, :-1])
        ends.append(_ends(one.holds, lines[line], i, ticks[tick], ticks[tick + 1]))
    close = SETTINGS.same * grid.spacing[i]
    found = np.sort(np.concatenate(ends))
    found = found[(found - low[i] > close) & (high[i] - found > close)]
    groups = np.split(found, np.flatnonzero(np.diff(found) > close) + 1) if found.size else []
    groups = sorted((g for g in groups if len(g) > 1 or grid.dim == 1), key=len, reverse=True)[: SETTINGS.planes]
    return np.sort([_on_a_node(grid, i, float(np.median(group))) for group in groups])


def _ends(
    holds: Callable[[np.ndarray], np.ndarray], lines: np.ndarray, i: int, start: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Where a set ends on parts of lines along direction i."""

    def at(part: np.ndarray) -> np.ndarray:
        x = lines.copy()
        x[:, i] = start + part * (stop - start)
        return holds(x)

    if not len(lines):
        return np.zeros(0)
    first = at(np.zeros(len(lines)))
    outside, within = bisected(lambda part: at(part) != first, len(lines))
    return start + 0.5 * (outside + within) * (stop - start)


def _on_a_node(grid: Grid, i: int, x: float) -> float:
    """The node at x to rounding, if there is one."""
    low, high = grid.box[i]
    part = round((x - low) / grid.spacing[i])
    node = float(low + (high - low) * part / grid.cells[i])
    return node if abs(node - x) <= 1e-12 * max(abs(x), high - low) else x
