"""Lagrange elements on the intervals of one action, and quadrature with a weight there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points

from .weights import SingleSiteWeights

GRADING = 1.5  # power of the break points: cells are narrower near I = 0, where most of the mass is
MANY_CELLS = 41  # break points beyond which w varies so little within a cell that fewer points of quadrature do


@dataclass(frozen=True, eq=False)
class ActionAxis:
    """Lagrange elements on the intervals of one axis, and quadrature there.

    Args:
        breaks: ends of the intervals (n + 1,), from 0 to U.
        degree: k of the elements.
        logarithm: log w_j, from actions (P,) to values (P,).
        parts: into which each interval is cut for quadrature, where w varies within it.
    """

    breaks: np.ndarray
    degree: int
    logarithm: Callable[[np.ndarray], np.ndarray]
    parts: int = 1

    @cached_property
    def nodes(self) -> np.ndarray:
        """The nodes (n k + 1,), increasing."""
        inner = self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * lobatto_points(self.degree)[None, :-1]
        return np.append(inner.ravel(), self.breaks[-1])

    @property
    def size(self) -> int:
        """Number of nodes."""
        return (len(self.breaks) - 1) * self.degree + 1

    def local(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first node (P,) of the element of each point, and the values (P, k + 1) of its basis."""
        element = np.clip(np.searchsorted(self.breaks, points, side="right") - 1, 0, len(self.breaks) - 2)
        width = np.diff(self.breaks)[element]
        return element * self.degree, lagrange_basis(self.degree, (points - self.breaks[element]) / width)

    @cached_property
    def rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Legendre points (Q,) and weights (Q,) of all cells, without w."""
        extra = 6 if len(self.breaks) <= MANY_CELLS else 2
        nodes, weights = np.polynomial.legendre.leggauss(self.degree + extra)
        cut = (self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * np.arange(self.parts) / self.parts).ravel()
        width = np.repeat(np.diff(self.breaks) / self.parts, self.parts)
        points = (cut[:, None] + 0.5 * width[:, None] * (nodes + 1.0)).ravel()
        return points, (0.5 * width[:, None] * weights).ravel()

    @cached_property
    def quadrature(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (Q,), weights times w (Q,), and the basis there (Q, size)."""
        points, lengths = self.rule
        return points, lengths * np.exp(self.logarithm(points)), self._tabulated(0)

    @cached_property
    def slopes(self) -> np.ndarray:
        """The derivatives phi_a' at the quadrature points (Q, size)."""
        return self._tabulated(1)

    def _tabulated(self, derivative: int) -> np.ndarray:
        """A derivative of the basis at the quadrature points (Q, size)."""
        points, _ = self.rule
        cells, k = len(self.breaks) - 1, self.degree
        cell = np.repeat(np.arange(cells), points.size // cells)
        width = np.diff(self.breaks)[cell]
        result = np.zeros((points.size, self.size))
        values = lagrange_basis(k, (points - self.breaks[cell]) / width, derivative) / width[:, None] ** derivative
        result[np.arange(points.size)[:, None], cell[:, None] * k + np.arange(k + 1)] = values
        return result

    def error(self, weights: SingleSiteWeights, site: int) -> float:
        """The error, in total variation, of the quadrature's masses of the law of a site alone in the cells."""
        points, lengths = self.rule
        ends, logs = weights.exponents[site].masses(0.0, float(self.breaks[-1]), self.breaks)
        top = float(logs.max())
        with np.errstate(over="ignore"):
            shares = lengths * np.exp(weights.logarithm(site, points) - top)
        masses = np.exp(logs - top)
        places = np.searchsorted(self.breaks[1:-1], 0.5 * (ends[1:] + ends[:-1]))
        exact = np.bincount(places, masses, len(self.breaks) - 1)
        return float(np.abs(shares.reshape(len(exact), -1).sum(axis=1) - exact).sum() / masses.sum())

    def moment(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The integrals int w f phi_a (size,)."""
        points, shares, basis = self.quadrature
        return basis.T @ (shares * function(points))

    @cached_property
    def mass(self) -> np.ndarray:
        """The matrix int w phi_a phi_b (size, size)."""
        _, shares, basis = self.quadrature
        return basis.T @ (shares[:, None] * basis)

    @property
    def representable(self) -> bool:
        """Whether w is neither 0 nor infinite, as numbers, in whole intervals."""
        with np.errstate(over="ignore", invalid="ignore"):
            sizes = np.diag(self.mass)
        return bool(((sizes > 0) & np.isfinite(sizes)).all())


def graded(upper: float, cells: int) -> np.ndarray:
    """Break points (cells + 1,) from 0 to U, closer to one another near 0."""
    return upper * np.linspace(0.0, 1.0, cells + 1) ** GRADING
