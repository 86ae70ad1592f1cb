"""Functions of the position that a file can hold: polynomials on panels of a line, tables of the cells of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.polynomial import legendre

from scaling_limits.meshes.box import Grid

from ..interpolation import corners, interpolated

ON_PANELS = ("ends", "panels", "closed", "limits", "parts", "held")
IN_CELLS = ("cut", "corners", "limits")


@runtime_checkable
class KeptFunction(Protocol):
    """A function of points that knows what a file needs of it."""

    @property
    def content(self) -> dict[str, np.ndarray]:
        """What is saved of it, besides its values at the nodes."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P,) or (P, d) at points (P, d), each rank by itself."""


@dataclass(frozen=True, eq=False)
class OnPanels:
    """A function on a line: a polynomial on each panel within limits, given numbers in sets, NaN where no path goes.

    Args:
        ends: of the panels (N + 1,).
        panels: Legendre coefficients of the polynomials (N, n).
        closed: panels where no path goes (N,).
        limits: the least and the largest value of the polynomials (2,).
        parts: intervals of the sets (m, 2).
        held: the value in each of them (m,).
    """

    ends: np.ndarray
    panels: np.ndarray
    closed: np.ndarray
    limits: np.ndarray
    parts: np.ndarray
    held: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P,) at points (P, 1)."""
        panel = np.clip(np.searchsorted(self.ends, x[:, 0], side="right") - 1, 0, len(self.panels) - 1)
        place = 2.0 * (x[:, 0] - self.ends[panel]) / (self.ends[panel + 1] - self.ends[panel]) - 1.0
        basis = legendre.legvander(place, self.panels.shape[1] - 1)
        result = np.clip((basis * self.panels[panel]).sum(axis=1), *self.limits)
        result = np.where(self.closed[panel], np.nan, result)
        for part, value in zip(self.parts, self.held):
            result[(x[:, 0] >= part[0]) & (x[:, 0] <= part[1])] = value
        return result

    @property
    def content(self) -> dict[str, np.ndarray]:
        """See `KeptFunction`."""
        return {name: getattr(self, name) for name in ON_PANELS}

    @classmethod
    def read(cls, content: Mapping[str, np.ndarray], prefix: str = "") -> Self:
        """The inverse of `content`, whose names have a prefix."""
        return cls(*(content[f"{prefix}{name}"] for name in ON_PANELS))

    @property
    def fits(self) -> bool:
        """Whether its arrays belong together."""
        count = len(self.panels)
        good = (
            self.panels.ndim == 2
            and self.ends.shape == (count + 1,)
            and self.closed.shape == (count,)
            and self.closed.dtype == bool
        )
        good = good and self.limits.shape == (2,) and self.parts.shape == (len(self.held), 2)
        return bool(good and (np.diff(self.ends) > 0).all() and np.isfinite(self.panels[~self.closed]).all())


@dataclass(frozen=True, eq=False)
class InCells:
    """Interpolation between the nodes of a grid, in cells that a set cuts between numbers of their own.

    Args:
        grid: the nodes.
        nodal: f at the nodes (size,).
        cut: the numbers of these cells, in C order, increasing (C,).
        corners: the numbers at their corners (C, 2^d).
        limits: the least and the largest value there (2,).
    """

    grid: Grid
    nodal: np.ndarray
    cut: np.ndarray
    corners: np.ndarray
    limits: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P,) at points (P, d)."""
        result = interpolated(self.grid, self.nodal, x)
        if len(self.cut):
            _, cell, weights = corners(self.grid, x)
            numbers = np.ravel_multi_index(tuple(cell.T), self.grid.cells)
            row = np.minimum(np.searchsorted(self.cut, numbers), len(self.cut) - 1)
            own = self.cut[row] == numbers
            values = (weights[own] * self.corners[row[own]]).sum(axis=1)
            result[own] = np.clip(values, *self.limits)
        return result

    @property
    def content(self) -> dict[str, np.ndarray]:
        """See `KeptFunction`."""
        return {name: getattr(self, name) for name in IN_CELLS}

    @classmethod
    def read(cls, grid: Grid, nodal: np.ndarray, content: Mapping[str, np.ndarray], prefix: str = "") -> Self:
        """The inverse of `content`, whose names have a prefix."""
        return cls(grid, nodal, *(content[f"{prefix}{name}"] for name in IN_CELLS))

    @cached_property
    def fits(self) -> bool:
        """Whether its arrays belong together."""
        good = self.nodal.shape == (self.grid.size,) and self.limits.shape == (2,)
        good = good and self.cut.ndim == 1 and self.corners.shape == (len(self.cut), 2**self.grid.dim)
        return bool(good and (np.diff(self.cut) > 0).all())


@dataclass(frozen=True, eq=False)
class InSteps:
    """A vector on a line that is constant on each panel.

    Args:
        ends: of the panels (N + 1,).
        steps: the values on them (N,).
    """

    ends: np.ndarray
    steps: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P, 1) at points (P, 1)."""
        panel = np.clip(np.searchsorted(self.ends, x[:, 0], side="right") - 1, 0, len(self.steps) - 1)
        return np.asarray(self.steps[panel])[:, None]

    @property
    def content(self) -> dict[str, np.ndarray]:
        """See `KeptFunction`."""
        return {"ends": self.ends, "steps": self.steps}


@dataclass(frozen=True, eq=False)
class BesideSets:
    """A vector field between the nodes, continued into cells that a set cuts.

    Args:
        grid: the nodes.
        nodal: at the nodes (size, d).
        numbers: of nodes in sets beside which it is not 0 (K,).
        continued: the values there (K, d), for interpolation.
    """

    grid: Grid
    nodal: np.ndarray
    numbers: np.ndarray
    continued: np.ndarray

    @cached_property
    def _filled(self) -> np.ndarray:
        result = self.nodal.copy()
        result[self.numbers] = self.continued
        return result

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P, d) at points (P, d)."""
        return interpolated(self.grid, self._filled, x)

    @property
    def content(self) -> dict[str, np.ndarray]:
        """See `KeptFunction`."""
        return {"numbers": self.numbers, "continued": self.continued}
