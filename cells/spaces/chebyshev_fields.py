"""Fields in a box as Chebyshev polynomials in some components of x, from values at Chebyshev points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import chebyshev
from scipy import fft

CHUNK = 4_000_000  # values of polynomials that are computed at once


def chebyshev_points(degrees: Sequence[int]) -> np.ndarray:
    """Tensor grid of Chebyshev points on [-1, 1] (n_1 ... n_k, k); for k = 0 one point without components."""
    if not degrees:
        return np.zeros((1, 0))
    nodes = [np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in degrees]
    return np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, len(degrees))


def coefficients(values: np.ndarray) -> np.ndarray:
    """Chebyshev coefficients of values at Chebyshev points (F, n_1, ...)."""
    for axis in range(1, values.ndim):
        n = values.shape[axis]
        values = fft.dct(values, type=2, axis=axis) / n
        values[(slice(None),) * axis + (0,)] *= 0.5
    return values


def tail(polynomials: np.ndarray, axis: int) -> float:
    """The largest coefficient among the last third along an axis."""
    n = polynomials.shape[1 + axis]
    last = np.take(np.abs(polynomials), range(2 * n // 3, n), axis=1 + axis)
    return float(last.reshape(len(polynomials), -1).max())


def evaluated(
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
