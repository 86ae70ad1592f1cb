"""Functions of elements of degree p on a box: their values at points, as functions of dolfinx, and in files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.backend.quadrature import lagrange_basis
from scaling_limits.meshes.box import Grid, box
from scaling_limits.meshes.spread_values import SpreadRows

from ..capacity.tensor_mesh import TensorMesh
from .box_unknowns import BoxUnknowns

if TYPE_CHECKING:
    from dolfinx import fem

# values of the basis that are made at a time
AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class BoxFunctions:
    """Functions f_1 ... f_k of elements on unions of the cells of a grid.

    Args:
        grid: the cells.
        unknowns: of the elements.
        values: of the functions at the unknowns (k, m), those of each rank.
    """

    grid: Grid
    unknowns: BoxUnknowns
    values: SpreadRows

    def at(self, x: np.ndarray) -> np.ndarray:
        """The values (k, P) at points (P, d) of the box; each rank by itself."""
        step = max(1, AT_ONCE // (self.unknowns.degree + 1) ** self.grid.dim)
        parts = [self._some(x[first : first + step]) for first in range(0, max(len(x), 1), step)]
        return np.concatenate(parts, axis=1)

    def _some(self, x: np.ndarray) -> np.ndarray:
        degree = self.unknowns.degree
        numbers, basis = [], []
        for ends, line, column in zip(self.unknowns.mesh.breaks, self.unknowns.lines, x.T):
            element = np.clip(np.searchsorted(ends, column, side="right") - 1, 0, len(ends) - 2)
            numbers.append(line.numbers[element])
            basis.append(lagrange_basis(degree, (column - ends[element]) / (ends[element + 1] - ends[element])))
        result = np.zeros((len(self.values.own), len(x)))
        for corner in itertools.product(range(degree + 1), repeat=self.grid.dim):
            index = tuple(number[:, a] for number, a in zip(numbers, corner))
            flat = np.ravel_multi_index(index, self.unknowns.shape)
            weight = np.prod([b[:, a] for b, a in zip(basis, corner)], axis=0)
            for k, row in enumerate(result):
                row += weight * self.values.take(k, flat)
        return result

    def functions(self) -> list[fem.Function]:
        """The same as functions of dolfinx; collective.

        Raises:
            MissingFEniCSx: it is not here.
        """
        with needed_by("a function of dolfinx"):
            from dolfinx import fem
        grid, unknowns = self.grid, self.unknowns
        mesh = box(grid.box, list(unknowns.mesh.breaks), periodic=grid.periodic, comm=grid.comm)
        space = fem.functionspace(mesh, ("Lagrange", unknowns.degree))
        x = space.tabulate_dof_coordinates()[:, : grid.dim]
        index = []
        for ends, ticks, column in zip(unknowns.mesh.breaks, unknowns.ticks, x.T):
            # of a periodic direction, both ends are the first unknown
            every = np.append(ticks[ticks < ends[-1]], ends[-1])
            index.append(np.searchsorted(0.5 * (every[1:] + every[:-1]), column) % len(ticks))
        numbers = np.ravel_multi_index(tuple(index), unknowns.shape)
        result = []
        for k in range(len(self.values.own)):
            result.append(fem.Function(space, name=f"f_{k}"))
            result[-1].x.array[:] = self.values.take(k, numbers)
        return result

    @property
    def content(self) -> dict[str, Any]:
        """What a file holds of them, besides the grid and the degree; for rank 0, by itself."""
        breaks = {f"breaks{k}": ends for k, ends in enumerate(self.unknowns.mesh.breaks)}
        return breaks | {"values": self.values.table()}

    @classmethod
    def read(cls, grid: Grid, degree: int, content: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `content`; collective. ValueError where its arrays do not belong together."""
        breaks = tuple(content[f"breaks{k}"] for k in range(grid.dim))
        for ends, (low, high) in zip(breaks, grid.box):
            if ends.ndim != 1 or ends.size < 2 or not (np.diff(ends) > 0).all() or ends[0] != low or ends[-1] != high:
                raise ValueError("its elements do not fill the box")
        unknowns, values = BoxUnknowns(TensorMesh(breaks, grid.periodic, grid.comm), degree), content["values"]
        if values.ndim != 2 or values.shape[1] != unknowns.size or np.isnan(values).any():
            raise ValueError("its functions have no values, or not one for each unknown")
        return cls(grid, unknowns, SpreadRows.of(unknowns, np.ascontiguousarray(values[:, unknowns.own])))
