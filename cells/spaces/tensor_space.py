"""Spaces on the torus T^d: periodic functions of one variable, and their tensor products.

A line space is given by dense matrices: what its functions and their derivatives are at quadrature points, and the
modes that diagonalise -u'' in it. The derivatives are functions of a second space, the edge space, so that gradient,
curl and divergence of tensor products form an exact sequence. Gradients of tensor products, and their adjoints, are
made by sum factorisation, with these small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import basix
import numpy as np
from scipy.linalg import eigh

from scaling_limits.meshes.backend.quadrature import composite_gauss, lagrange_basis

TWO_PI = 2.0 * np.pi
# parts of the distance of points by which another rule moves them, by dimension: combinations of these with integers up
# to 4 are far from integers, so that no wave which is aliased, of any direction or period, looks the same to both rules
SHIFTS = {1: (0.381966,), 2: (0.463312, 0.316965), 3: (0.248141, 0.340979, 0.473704)}


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
        per_element: number of points in each element; 0 for equidistant points.
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
    per_element: int = 0

    @property
    def unknowns(self) -> int:
        """Dimension n of the space."""
        return self.modes.shape[0]

    @property
    def nodal(self) -> bool:
        """Whether there are as many quadrature points as unknowns, which are the values there or close by."""
        return self.points.size == self.unknowns


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
def shifted_fourier(unknowns: int, part: float) -> LineSpace:
    """Make the same functions with the quadrature points moved by a part of their distance.

    The unknowns are still the values at the points of `fourier`. What those alias by a n, this rule multiplies by
    exp(2 pi i a s), s being the part.
    """
    base, points = fourier(unknowns), (np.arange(unknowns) + part) / unknowns
    modes, slopes, _ = trigonometric(unknowns, points)
    values, derivatives = modes @ base.modes.T / unknowns, slopes @ base.modes.T / unknowns
    return LineSpace(
        f"Fourier {unknowns}, shifted", points, base.weights, values, derivatives, None, base.edge_derivative,
        base.modes, base.frequencies,
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
    breaks = np.array(nodes)
    sizes, (points, weights) = np.diff(breaks), composite_gauss(breaks, degree + extra)
    (rule,), _ = composite_gauss(np.array([0.0, 1.0]), degree + extra)
    local, slopes = lagrange_basis(degree, rule), lagrange_basis(degree, rule, 1)
    (cells, per_cell), unknowns = points.shape, len(sizes) * degree
    values, derivatives = np.zeros((points.size, unknowns)), np.zeros((points.size, unknowns))
    for cell, size in enumerate(sizes):
        rows = slice(cell * per_cell, (cell + 1) * per_cell)
        for place in range(degree + 1):
            column = (cell * degree + place) % unknowns
            values[rows, column] += local[:, place]
            derivatives[rows, column] += slopes[:, place] / size
    edge_values, weights = np.kron(np.eye(cells), _edge_basis(degree - 1, rule)), weights.ravel()
    mass = values.T @ (weights[:, None] * values)
    frequencies, modes = eigh(derivatives.T @ (weights[:, None] * derivatives), mass)
    frequencies[0], modes[:, 0] = 0.0, 1.0  # the constant, which rounding would leave with a frequency of 1e-14
    return LineSpace(
        f"elements of degree {degree} on {cells} cells",
        points.ravel(), weights, values, derivatives, edge_values,
        np.linalg.lstsq(edge_values, derivatives, rcond=None)[0], modes, frequencies, per_cell,
    )  # fmt: skip


def _edge_basis(degree: int, points: np.ndarray) -> np.ndarray:
    """Lagrange polynomials of the Gauss-Legendre points of the unit interval (P, degree + 1), from left to right."""
    family, cell, variant = basix.ElementFamily.P, basix.CellType.interval, basix.LagrangeVariant.gl_warped
    element = basix.create_element(family, cell, degree, variant, discontinuous=True)
    return element.tabulate(0, points[:, None])[0, :, :, 0][:, np.argsort(element.points[:, 0])]


def apply_along(matrix: np.ndarray | None, array: np.ndarray, axis: int) -> np.ndarray:
    """Apply a matrix (None: the identity) to an array along one of its last axes, axis = -1, -2, ..."""
    if matrix is None:
        return array
    if axis == -1:
        # for many small arrays a copy in the order of memory pays
        return array @ (matrix.T if array.size < 64 * matrix.size else np.ascontiguousarray(matrix.T))
    if axis == -2:
        return matrix @ array
    behind = array.shape[axis + 1 :]
    flat = array.reshape(*array.shape[: axis + 1], -1)
    return (matrix @ flat).reshape(*array.shape[:axis], matrix.shape[0], *behind)


def apply_along_all(matrices: list[np.ndarray | None], array: np.ndarray) -> np.ndarray:
    """Apply one matrix along each of the last axes."""
    for i, matrix in enumerate(matrices):
        array = apply_along(matrix, array, i - len(matrices))
    return array


def transpose(matrix: np.ndarray | None) -> np.ndarray | None:
    """The transpose of a matrix, or None for the identity."""
    return None if matrix is None else np.ascontiguousarray(matrix.T)


@dataclass(frozen=True, eq=False)
class TensorSpace:
    """Tensor products of line spaces on T^d: arrays (..., n, ..., n) of unknowns, (..., q, ..., q) of values.

    Args:
        line: the same space in each direction.
        dim: d.
        moved: the same functions with other quadrature points in each direction (d,); none where these are equal.
    """

    line: LineSpace
    dim: int
    moved: tuple[LineSpace, ...] = ()

    @property
    def lines(self) -> tuple[LineSpace, ...]:
        """The space in each direction."""
        return self.moved or (self.line,) * self.dim

    @cached_property
    def weights(self) -> np.ndarray:
        """Quadrature weights (q, ..., q)."""
        result = self.line.weights
        for _ in range(self.dim - 1):
            result = np.multiply.outer(result, self.line.weights)
        return result

    @cached_property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """The d coordinates of the quadrature points, each of a shape that broadcasts to (q, ..., q)."""
        return tuple(np.meshgrid(*[line.points for line in self.lines], indexing="ij", sparse=True))

    def log_mean(self, exponents: np.ndarray) -> np.ndarray:
        """log of the integral of exp over the torus (B,), for exponents (B, q, ...)."""
        flat = exponents.reshape(len(exponents), -1)
        top = flat.max(axis=1)
        return top + np.log(np.exp(flat - top[:, None]) @ self.weights.ravel())

    def largest_wave(self, values: np.ndarray, least: int, axes: tuple[int, ...]) -> np.ndarray:
        """The largest |integral of f exp(2 pi i m.y)| over that of f (B,), for the values (B, q, ...) of some f > 0.

        Args:
            values: of f, or its products with anything, at the quadrature points.
            least: the largest component of m is at least that, or the largest wave number of the grid.
            axes: the components of m that are not 0.
        """
        largest = 2 * least if self.line.per_element else min(2 * least, (self.line.points.size - 1) // 2)
        numbers = np.arange(-largest, largest + 1)
        rows: list[np.ndarray | None] = []
        for axis, line in enumerate(self.lines):
            waves = np.exp(2j * np.pi * numbers[:, None] * line.points) if axis in axes else np.ones((1, 1))
            rows.append(waves * line.weights)
        sums = np.abs(apply_along_all(rows, values))
        sizes = np.meshgrid(*[np.abs(numbers) if axis in axes else [0] for axis in range(self.dim)], indexing="ij")
        outer = np.max(sizes, axis=0) >= min(least, largest)
        total = sums.reshape(len(sums), -1)[:, sums[0].size // 2]
        return sums[:, outer].max(axis=1) / total

    def waves(self, values: np.ndarray, number: int) -> np.ndarray:
        """Integrals of a function times exp(2 pi i m y_j) over its integral, (B, d), for its values (B, q, ...)."""
        rows: list[np.ndarray | None] = [_rows_of_waves(line, number) for line in self.lines]
        sums = apply_along_all(rows, values).reshape(len(values), -1)
        steps = 3 ** np.arange(self.dim)[::-1]
        return (sums[:, steps] + 1j * sums[:, 2 * steps]) / sums[:, :1]

    @property
    def unknowns(self) -> tuple[int, ...]:
        """Shape of the unknowns of one function."""
        return (self.line.unknowns,) * self.dim

    @cached_property
    def _transposed(self) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
        """The transposes of values and derivatives in each direction."""
        known = {id(line): (transpose(line.values), transpose(line.derivatives)) for line in self.lines}
        return [known[id(line)] for line in self.lines]

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        """The modes and their transpose, both in the order of memory."""
        return np.ascontiguousarray(self.line.modes), np.ascontiguousarray(self.line.modes.T)

    @cached_property
    def _last(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and derivatives in the last direction, below one another (2 q, n), and the transpose of this.

        Only the derivatives where the unknowns are the values.
        """
        line = self.lines[-1]
        both = line.derivatives if line.values is None else np.concatenate([line.values, line.derivatives])
        return np.ascontiguousarray(both), np.ascontiguousarray(both.T)

    def gradient(self, u: np.ndarray) -> list[np.ndarray]:
        """The d components of grad u at the quadrature points."""
        last = self.lines[-1]
        both, count = u @ self._last[1], last.points.size
        parts, u = [both[..., -count:]], u if last.values is None else both[..., :count]
        for axis in range(-2, -self.dim - 1, -1):
            line = self.lines[axis]
            slope = apply_along(line.derivatives, u, axis)
            parts = [apply_along(line.values, part, axis) for part in parts]
            parts.append(slope)
            if axis > -self.dim:
                u = apply_along(line.values, u, axis)
        return parts[::-1]

    def divergence(self, flux: list[np.ndarray]) -> np.ndarray:
        """The adjoint of `gradient`: int flux . grad phi for each basis function phi, the weights being in the flux."""
        if self.dim == 2 and self.lines[-1].values is not None:
            return self._divergence_in_the_plane(*flux)
        parts = list(flux)
        result = np.zeros(())
        for axis in range(-self.dim, 0):
            values, slopes = self._transposed[axis]
            slope = apply_along(slopes, parts[axis], axis)
            result = slope if axis == -self.dim else apply_along(values, result, axis) + slope
            for later in range(axis + 1, 0):
                parts[later] = apply_along(values, parts[later], axis)
        return result

    def _divergence_in_the_plane(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The same; both parts are summed by one product of matrices."""
        values, slopes = self._transposed[0]
        assert values is not None  # asked where the unknowns are not the values
        assert slopes is not None
        count = self.lines[1].points.size
        both = np.empty((*first.shape[:-2], len(values), 2 * count), np.result_type(first, values))
        np.matmul(slopes, first, out=both[..., :count])
        np.matmul(values, second, out=both[..., count:])
        return both @ self._last[0]

    def modes_of(self, residual: np.ndarray) -> np.ndarray:
        """Values of a functional on the products of the modes v_i, from those on the basis functions."""
        modes, transposed = self._modes
        return apply_along_all([*[transposed] * (self.dim - 1), None], residual @ modes)

    def from_modes(self, coefficients: np.ndarray) -> np.ndarray:
        """Unknowns of a linear combination of products of the modes v_i."""
        modes, transposed = self._modes
        return apply_along_all([*[modes] * (self.dim - 1), None], coefficients @ transposed)

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Eigenvalues lambda_i + lambda_j + ... of -Laplace (n, ..., n); infinite for the constant."""
        total = np.zeros(self.unknowns)
        for frequencies in np.meshgrid(*[self.line.frequencies] * self.dim, indexing="ij", sparse=True):
            total += frequencies
        total.flat[0] = np.inf
        return total

    def diagonal(self, tensor: np.ndarray) -> np.ndarray:
        """Diagonal of the stiffness matrix, int grad phi . K grad phi for each basis function phi.

        Args:
            tensor: K times the weights (B, d, d, q, ..., q), or a scalar K (B, q, ..., q).
        """
        result = np.zeros(())
        for i in range(self.dim):
            for j in range(i, self.dim):
                if tensor.ndim == self.dim + 1:
                    entry = tensor if i == j else None
                else:
                    entry = tensor[:, i, j] if i == j else 2.0 * tensor[:, i, j]
                if entry is not None:
                    kinds = [(axis == i) + (axis == j) for axis in range(self.dim)]
                    products: list[np.ndarray | None] = [self._products[axis][kind] for axis, kind in enumerate(kinds)]
                    result = result + apply_along_all(products, entry)
        return result

    @cached_property
    def _products(self) -> list[list[np.ndarray]]:
        """Products phi phi, phi phi' and phi' phi' at the points, transposed, in each direction."""
        known = {id(line): _products_of(line) for line in self.lines}
        return [known[id(line)] for line in self.lines]


@lru_cache(maxsize=64)
def _rows_of_waves(line: LineSpace, number: int) -> np.ndarray:
    """1, cos(2 pi m y) and sin(2 pi m y) at the points (3, q)."""
    angles = TWO_PI * number * line.points
    return np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)])


def _products_of(line: LineSpace) -> list[np.ndarray]:
    slope = line.derivatives
    value = np.eye(*slope.shape) if line.values is None else line.values
    return [np.ascontiguousarray(product.T) for product in (value**2, value * slope, slope**2)]
