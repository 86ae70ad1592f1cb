"""Interpolation: trigonometric polynomials on tori, Chebyshev polynomials in a box.

Tensors are interpolated by their logarithms, so that interpolants are positive definite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy import fft

from .tensor_space import LineSpace, apply_along, trigonometric

CHUNK = 4_000_000  # values of Chebyshev polynomials that are computed at once
MANY = 8  # functions from which on one product of matrices for all directions pays
LARGEST = 1_000_000  # entries of this matrix
IN_CACHE = 16_384  # numbers that are held at once where functions are few


def grid(points: int, axes: tuple[int, ...], dim: int) -> np.ndarray:
    """Return an equidistant grid (points^a, d) in the a sampled axes; 0 in the others."""
    ticks = np.arange(points) / points
    mesh = np.meshgrid(*[ticks if axis in axes else np.zeros(1) for axis in range(dim)], indexing="ij")
    return np.stack([values.ravel() for values in mesh], axis=1)


def trial_points(count: int, axes: tuple[int, ...], dim: int) -> np.ndarray:
    """Points (count, d) between all samples, 0 in the directions that are not sampled."""
    between = np.zeros((count, dim))
    trial = np.arange(1, count + 1)[:, None] * np.array([0.754877666, 0.569840291, 0.430159709])
    between[:, list(axes)] = trial[:, : len(axes)] % 1.0
    return between


def on_grid(values: np.ndarray, points: int, axes: tuple[int, ...], dim: int) -> np.ndarray:
    """Reshape samples (B, points^a, C) to (B, C, points or 1, ...), an axis for each direction."""
    lengths = [points if axis in axes else 1 for axis in range(dim)]
    return np.moveaxis(values, -1, 1).reshape(values.shape[0], values.shape[-1], *lengths)


def interpolate(samples: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Interpolate samples on the grid at the products of nodes.

    Args:
        samples: (B, C, m or 1, ...), m odd.
        nodes: the d coordinates, as `TensorSpace.nodes`.

    Returns:
        (B, C, q or 1, ...), of length 1 along the axes that were not sampled.
    """
    dim = len(nodes)
    for axis in range(-dim, 0):
        if samples.shape[axis] > 1:
            samples = apply_along(_matrix(samples.shape[axis], nodes[axis].tobytes()), samples, axis)
    return samples


def interpolate_at(samples: np.ndarray, points: np.ndarray, kept: int | None = None) -> np.ndarray:
    """Interpolate samples (B, C, m or 1, ...) at scattered points, (P, d) or for each its own (B, P, d): (B, C, P)."""
    shape, axes = points.shape[:-1], range(points.shape[-1])
    factors = [_factors(samples.shape[2 + i], points[..., i].ravel(), kept).reshape(*shape, -1) for i in axes]
    return at_scattered(samples, factors)


def at_scattered(values: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
    """Contract values (B, C, q or 1, ...) with rows of matrices, (P, q) or for each its own (B, P, q): (B, C, P).

    Along axes of length 1, where nothing depends on the variable, the matrices are not used.
    """
    count = factors[0].shape[-2]
    many = len(values) >= MANY and count * values[0, 0].size <= LARGEST
    if factors[0].ndim == 2 and many and 1 not in values.shape[2:]:
        products = factors[0].T
        for factor in factors[1:]:
            products = (products[:, None] * factor.T).reshape(-1, count)
        return values.reshape(*values.shape[:2], -1) @ products
    if factors[0].ndim == 2:
        size = max(64, IN_CACHE // max(1, values.size // values.shape[-1]))
        parts = [_at_some(values, [factor[i : i + size] for factor in factors]) for i in range(0, count, size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    columns = [np.ascontiguousarray(factor.swapaxes(-1, -2)) for factor in factors]
    # the last axis is contracted by matmul, for which the one before it is no axis of a batch
    ones = [*range(1, len(columns)), len(columns) - 1]
    columns = [column.reshape(len(column), *[1] * n, *column.shape[1:]) for n, column in zip(ones, columns)]
    result = values @ columns[-1] if values.shape[-1] > 1 else np.broadcast_to(values, (*values.shape[:-1], count))
    for column in columns[-2::-1]:
        result = (result * column).sum(axis=-2) if result.shape[-2] > 1 else result[..., 0, :]
    return result


def _at_some(values: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
    """Contract values (B, C, q or 1, ...) with rows (P, q) that all functions share: (B, C, P)."""
    count = len(factors[0])
    *others, last = factors
    if values.shape[-1] == 1:
        result = np.broadcast_to(values, (*values.shape[:-1], count))
    elif not others or values.shape[-2] == 1:
        result = values @ last.T
    else:
        # rows of points are the order of memory of the factors, so that nothing is copied
        result = np.einsum("...pq,pq->...p", last @ values.swapaxes(-1, -2), others.pop())
    for factor in others[::-1]:
        result = np.einsum("...qp,pq->...p", result, factor) if result.shape[-2] > 1 else result[..., 0, :]
    return result


@lru_cache(maxsize=256)
def _matrix(count: int, nodes: bytes) -> np.ndarray:
    return _factors(count, np.frombuffer(nodes))


def _factors(count: int, points: np.ndarray, kept: int | None = None) -> np.ndarray:
    """The matrix (P, m) of trigonometric interpolation from m equidistant points, m odd."""
    modes = count if kept is None else min(count, 2 * kept + 1)
    values, _, _ = trigonometric(count, points)
    samples, _, _ = trigonometric(count, np.arange(count) / count)
    return values[:, :modes] @ samples[:, :modes].T / count


def from_nodes(line: LineSpace, points: np.ndarray) -> np.ndarray:
    """The matrix (P, q) that interpolates values at the quadrature points of a line space.

    By the trigonometric polynomial through equidistant points, or by polynomials in each element.
    """
    if line.per_element:
        return _from_gauss_points(line, points)
    count, distance = line.points.size, np.pi * (points[:, None] - line.points)
    below = np.sin(distance) if count % 2 else np.tan(distance)
    same = np.abs(np.sin(distance)) < 1e-14
    return np.where(same, 1.0, np.sin(count * distance) / (count * np.where(same, 1.0, below)))


def _from_gauss_points(line: LineSpace, points: np.ndarray) -> np.ndarray:
    per_element = line.per_element
    ends = np.cumsum(line.weights.reshape(-1, per_element).sum(axis=1))
    element = np.minimum(np.searchsorted(ends, points), ends.size - 1)
    nodes = line.points.reshape(-1, per_element)[element]
    result = np.zeros((points.size, line.points.size))
    for i in range(per_element):
        others = np.delete(nodes, i, axis=1)
        basis = ((points[:, None] - others) / (nodes[:, i : i + 1] - others)).prod(axis=1)
        result[np.arange(points.size), element * per_element + i] = basis
    return result


@dataclass(frozen=True, eq=False)
class InElements:
    """Interpolation by polynomials in each element at P scattered points, element by element.

    In a row of the matrices of `from_nodes` there are as many numbers that are not 0 as an element has points, p.

    Args:
        factors: these numbers by direction and by box of the mesh (n^d, M, p), M points in each, some of them empty.
        places: where the points are among the n^d M ones (P,).
        elements: n.
    """

    factors: list[np.ndarray]
    places: np.ndarray
    elements: int

    @classmethod
    def of(cls, line: LineSpace, matrices: list[np.ndarray]) -> InElements:
        """The same interpolation as by the matrices (P, q) of a space of elements, one for each direction."""
        per_element, elements = line.per_element, line.points.size // line.per_element
        count, dim = len(matrices[0]), len(matrices)
        blocks = [matrix.reshape(count, elements, per_element) for matrix in matrices]
        own = [block.any(axis=2).argmax(axis=1) for block in blocks]
        boxes = np.ravel_multi_index(own, (elements,) * dim)
        order, counts = np.argsort(boxes, kind="stable"), np.bincount(boxes, minlength=elements**dim)
        most = int(counts.max())
        places = np.empty(count, dtype=np.intp)
        places[order] = boxes[order] * most + np.arange(count) - (np.cumsum(counts) - counts)[boxes[order]]
        factors = np.zeros((dim, elements**dim * most, per_element))
        for axis in range(dim):
            factors[axis, places] = blocks[axis][np.arange(count), own[axis]]
        return cls(list(factors.reshape(dim, elements**dim, most, per_element)), places, elements)

    def at(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values (B, q, ..., q) at the quadrature points: (B, P)."""
        dim, (boxes, most, per_element) = len(self.factors), self.factors[0].shape
        split = values.reshape(len(values), *(self.elements, per_element) * dim)
        split = split.transpose(0, *range(1, 2 * dim, 2), *range(2, 2 * dim + 1, 2))
        blocks = split.reshape(len(values), boxes, -1, per_element)
        result = self.factors[-1] @ blocks.swapaxes(-1, -2)
        for factor in self.factors[-2::-1]:
            result = np.einsum("bemap,emp->bema", result.reshape(len(values), boxes, most, -1, per_element), factor)
        return result.reshape(len(values), -1)[:, self.places]


def chebyshev_points(degrees: Sequence[int]) -> np.ndarray:
    """Tensor grid of Chebyshev points on [-1, 1] (n_1 ... n_k, k); for k = 0 one point without components."""
    if not degrees:
        return np.zeros((1, 0))
    nodes = [np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in degrees]
    return np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, len(degrees))


def chebyshev_coefficients(values: np.ndarray) -> np.ndarray:
    """Chebyshev coefficients of values at Chebyshev points (F, n_1, ...)."""
    for axis in range(1, values.ndim):
        n = values.shape[axis]
        values = fft.dct(values, type=2, axis=axis) / n
        values[(slice(None),) * axis + (0,)] *= 0.5
    return values


def chebyshev_tail(polynomials: np.ndarray, axis: int) -> float:
    """The largest coefficient among the last third along an axis."""
    n = polynomials.shape[1 + axis]
    last = np.take(np.abs(polynomials), range(2 * n // 3, n), axis=1 + axis)
    return float(last.reshape(len(polynomials), -1).max())


def chebyshev_values(
    polynomials: np.ndarray, bounds: np.ndarray, axes: Sequence[int], x: np.ndarray, along: int | None = None
) -> np.ndarray:
    """Values of the fields at points, or their derivatives along an axis.

    Args:
        polynomials: coefficients (F, n_1, ..., n_k).
        bounds: of the box (d, 2).
        axes: the k components of x that they are polynomials in.
        x: points (P, d); what is outside of the box is taken to its side.
        along: the component of x of the derivative, one of `axes`.

    Returns:
        (F, P).
    """
    if not axes:
        return np.repeat(polynomials[:, None], len(x), axis=1)
    low, high = bounds[list(axes)].T
    scaled = np.clip(2 * (x[:, list(axes)] - low) / (high - low) - 1, -1.0, 1.0)
    if along is not None:
        place = list(axes).index(along)
        polynomials = chebyshev.chebder(polynomials, scl=2 / (high[place] - low[place]), axis=1 + place)
    result = np.empty((len(polynomials), len(x)))
    size = max(64, CHUNK // max(polynomials.shape[1:]))
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        bases = [chebyshev.chebvander(scaled[part, i], n - 1) for i, n in enumerate(polynomials.shape[1:])]
        value = np.tensordot(bases[0], polynomials, axes=(1, 1))  # (P, F, ...)
        for base in bases[1:]:
            value = np.einsum("pn,pfn...->pf...", base, value, optimize=True)
        result[:, part] = value.T
    return result
