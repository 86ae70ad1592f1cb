"""Spaces of periodic functions of one variable, from which tensor products make the spaces of the cell problems.

Each is given by dense matrices: what its functions and their derivatives are at quadrature points, and the modes that
diagonalise -u'' in it. The derivatives are functions of a second space, the edge space, so that gradient, curl and
divergence of tensor products form an exact sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import basix
import numpy as np
from scipy.linalg import eigh

TWO_PI = 2.0 * np.pi


@dataclass(frozen=True, eq=False)
class LineSpace:
    """Space of functions u of period 1 with n unknowns, and q quadrature points on [0, 1).

    Args:
        name: for messages and results.
        points: quadrature points (q,).
        weights: their weights (q,), of sum 1.
        values: u at the points from its unknowns (q, n); None where the unknowns are these values.
        derivatives: u' at the points from the unknowns of u (q, n).
        edge_values: functions of the edge space at the points from their n unknowns (q, n); None as for `values`.
        edge_derivative: unknowns of u' in the edge space from those of u (n, n).
        modes: columns v_i (n, n) with int v_i v_j = delta_ij and int v_i' v_j' = lambda_i delta_ij.
        frequencies: lambda_i (n,), ascending, the first is 0.
    """

    name: str
    points: np.ndarray
    weights: np.ndarray
    values: np.ndarray | None
    derivatives: np.ndarray
    edge_values: np.ndarray | None
    edge_derivative: np.ndarray
    modes: np.ndarray
    frequencies: np.ndarray

    @property
    def unknowns(self) -> int:
        """Dimension n of the space."""
        return self.modes.shape[0]

    @property
    def collocated(self) -> bool:
        """Whether the unknowns are the values at the quadrature points."""
        return self.values is None


@lru_cache(maxsize=64)
def fourier(unknowns: int) -> LineSpace:
    """Make the trigonometric polynomials of degree (n - 1)/2, given by their values at n equidistant points, n odd."""
    points = np.arange(unknowns) / unknowns
    modes, slopes, frequencies = trigonometric(unknowns, points)
    derivative = slopes @ modes.T / unknowns
    return LineSpace(
        f"Fourier {unknowns}", points, np.full(unknowns, 1.0 / unknowns), None, derivative, None, derivative,
        modes, frequencies,
    )  # fmt: skip


@lru_cache(maxsize=64)
def equidistant(count: int) -> LineSpace:
    """Make a quadrature without functions: the trapezoidal rule with n points, spectrally accurate."""
    none = np.zeros((0, 0))
    points, weights = np.arange(count) / count, np.full(count, 1.0 / count)
    return LineSpace(f"{count} equidistant points", points, weights, None, none, None, none, none, np.zeros(0))


def trigonometric(unknowns: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the orthonormal 1, sqrt(2) cos, sqrt(2) sin, ... at points (P, n), their derivatives, and (2 pi k)^2."""
    orders = np.arange(1, unknowns // 2 + 1)
    angles = TWO_PI * points[:, None] * orders
    cosines, sines = np.sqrt(2.0) * np.cos(angles), np.sqrt(2.0) * np.sin(angles)
    modes, slopes = np.ones((points.size, unknowns)), np.zeros((points.size, unknowns))
    modes[:, 1::2], modes[:, 2::2] = cosines[:, : unknowns // 2], sines[:, : (unknowns - 1) // 2]
    slopes[:, 1::2] = -TWO_PI * (orders * sines)[:, : unknowns // 2]
    slopes[:, 2::2] = TWO_PI * (orders * cosines)[:, : (unknowns - 1) // 2]
    frequencies = np.zeros(unknowns)
    frequencies[1::2], frequencies[2::2] = (TWO_PI * orders) ** 2, (TWO_PI * orders[: (unknowns - 1) // 2]) ** 2
    return modes, slopes, frequencies


def elements(degree: int, cells: int, extra: int = 1) -> LineSpace:
    """Make the continuous Lagrange elements of a degree on equal cells, with `degree + extra` Gauss points in each."""
    return graded_elements(degree, tuple(i / cells for i in range(cells + 1)), extra)


@lru_cache(maxsize=64)
def graded_elements(degree: int, nodes: tuple[float, ...], extra: int = 1) -> LineSpace:
    """Make the continuous Lagrange elements of a degree between break points 0 = x_0 < ... < x_n = 1 of a circle.

    They have Gauss-Lobatto-Legendre nodes and a Gauss-Legendre rule, and are those of dolfinx:
    ("Lagrange", degree) on intervals, and on boxes their tensor products.
    """
    gauss, gauss_weights = np.polynomial.legendre.leggauss(degree + extra)
    rule, rule_weights = 0.5 * (gauss + 1.0), 0.5 * gauss_weights
    local, local_slopes = _tabulate(degree, rule, discontinuous=False)
    edge, _ = _tabulate(degree - 1, rule, discontinuous=True)
    sizes = np.diff(nodes)
    cells, unknowns, per_cell = len(sizes), len(sizes) * degree, len(rule)
    values, derivatives = np.zeros((cells * per_cell, unknowns)), np.zeros((cells * per_cell, unknowns))
    for cell, size in enumerate(sizes):
        columns = (cell * degree + np.arange(degree + 1)) % unknowns
        rows = slice(cell * per_cell, (cell + 1) * per_cell)
        for place, column in enumerate(columns):
            values[rows, column] += local[:, place]
            derivatives[rows, column] += local_slopes[:, place] / size
    edge_values = np.kron(np.eye(cells), edge)
    weights = np.kron(sizes, rule_weights)
    mass = values.T @ (weights[:, None] * values)
    frequencies, modes = eigh(derivatives.T @ (weights[:, None] * derivatives), mass)
    frequencies[0], modes[:, 0] = 0.0, 1.0  # the constant, which rounding would leave with a frequency of 1e-14
    return LineSpace(
        f"elements of degree {degree} on {cells} cells",
        (np.array(nodes[:-1])[:, None] + sizes[:, None] * rule).ravel(),
        weights,
        values,
        derivatives,
        edge_values,
        np.linalg.lstsq(edge_values, derivatives, rcond=None)[0],
        modes,
        frequencies,
    )


def _tabulate(degree: int, points: np.ndarray, *, discontinuous: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the basis functions (P, degree + 1) on the unit interval, from left to right, and their derivatives."""
    variant = basix.LagrangeVariant.gl_warped if discontinuous else basix.LagrangeVariant.gll_warped
    element = basix.create_element(
        basix.ElementFamily.P, basix.CellType.interval, degree, variant, discontinuous=discontinuous
    )
    order = np.argsort(element.points[:, 0])
    table = element.tabulate(1, points[:, None])[:, :, :, 0]
    return table[0][:, order], table[1][:, order]
