"""Which cells and which degree: high degrees where cells hold both sets exactly, more cells where they cut them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument

from ..hitting.target_sets import TargetSet
from .cell_sets import CellSet, cell_set, planes
from .tensor_mesh import TensorMesh


@dataclass(frozen=True)
class ChoiceSettings:
    """Cells and degrees, where none is given.

    Args:
        unknowns: potentials on faces or values at nodes at most, by the dimension of space.
        fitted: degrees where the cells hold both sets exactly, the best first.
        cut: the degree where they do not, and the error is that of the sets.
        parts: into how many parts along each direction cells are divided at most, where they hold both sets and not.
    """

    unknowns: tuple[int, int, int] = (100_000, 100_000, 60_000)
    fitted: tuple[tuple[int, ...], ...] = ((6,), (3, 2), (2,))
    cut: int = 1
    parts: tuple[int, int] = (4, 8)


SETTINGS = ChoiceSettings()


@dataclass(frozen=True, eq=False)
class Division:
    """Cells, the sets in them, and the degree of the elements.

    Args:
        mesh: the cells.
        sets: A and B.
        degree: p.
        parts: into how many the cells of the grid are cut along each direction; 0 where that is not to be changed.
        planes: at which sets end, for each direction.
    """

    mesh: TensorMesh
    sets: tuple[CellSet, CellSet]
    degree: int
    parts: int
    planes: list[np.ndarray]

    @property
    def fitted(self) -> bool:
        """Whether both sets are unions of cells."""
        return all(one.fitted for one in self.sets)


def first_division(grid: Grid, targets: tuple[TargetSet, TargetSet], degree: int | None) -> Division:
    """The cells to begin with; collective.

    Args:
        grid: the cells of the equation.
        targets: A and B.
        degree: of the elements on these cells; None chooses it, and other cells where that is better.

    Raises:
        InvalidArgument: a set that is none, is empty or covers the box; a degree whose matrices are too large.
    """
    ends, most = planes(grid, targets), SETTINGS.unknowns[grid.dim - 1]
    plain = _divided(grid, targets, ends, degree or 1, 0 if degree else 1)
    if degree is not None:
        if _unknowns(plain.mesh, degree) > 2 * most:
            count = f"{_unknowns(plain.mesh, degree)} unknowns, whose factors may not fit into memory"
            raise InvalidArgument("degree", f"{degree} gives {count}; take a lower degree or None, or fewer cells")
        return plain
    degrees = SETTINGS.fitted[grid.dim - 1] if plain.fitted else (SETTINGS.cut,)
    for order in degrees:
        if _unknowns(plain.mesh, order) <= most:
            room = int((most / _unknowns(plain.mesh, order)) ** (1 / grid.dim))
            if plain.fitted or room < 2:
                return replace(plain, degree=order)
            return _divided(grid, targets, ends, order, min(room, SETTINGS.parts[1]))
    skip = 2
    while _unknowns(TensorMesh.of(grid, ends, 1, skip), degrees[-1]) > most:
        skip += 1
    return _divided(grid, targets, ends, degrees[-1], 0, skip)


def finer(grid: Grid, targets: tuple[TargetSet, TargetSet], division: Division) -> Division | None:
    """A division into cells half as wide, None where there is none or it would be too expensive; collective."""
    parts = 2 * division.parts
    if not (division.fitted and 0 < parts <= SETTINGS.parts[0]):
        return None
    mesh = TensorMesh.of(grid, division.planes, parts)
    if _unknowns(mesh, division.degree) > SETTINGS.unknowns[grid.dim - 1]:
        return None
    return _divided(grid, targets, division.planes, division.degree, parts)


def _divided(
    grid: Grid, targets: tuple[TargetSet, TargetSet], ends: list[np.ndarray], degree: int, parts: int, skip: int = 1
) -> Division:
    mesh = TensorMesh.of(grid, ends, max(parts, 1), skip)
    first, second = (cell_set(mesh, one) for one in targets)
    return Division(mesh, (first, second), degree, parts, ends)


def _unknowns(mesh: TensorMesh, degree: int) -> int:
    return max(mesh.face_count * degree ** (mesh.dim - 1), mesh.node_count(degree))
