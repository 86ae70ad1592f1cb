"""Trigonometric interpolation on tori; tensors by their logarithms, so that interpolants are positive definite."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .line_space import trigonometric
from .tensor_space import apply_along


def grid(points: int, axes: tuple[int, ...], dim: int) -> np.ndarray:
    """Return an equidistant grid (points^a, d) in the a sampled axes; 0 in the others."""
    ticks = np.arange(points) / points
    mesh = np.meshgrid(*[ticks if axis in axes else np.zeros(1) for axis in range(dim)], indexing="ij")
    return np.stack([values.ravel() for values in mesh], axis=1)


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


def interpolate_at(samples: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Interpolate samples (B, C, m or 1, ...) at scattered points (P, d): (B, C, P)."""
    letters = "ijk"[: points.shape[1]]
    factors = [_factors(samples.shape[2 + axis], points[:, axis]) for axis in range(points.shape[1])]
    subscripts = ",".join(["bc" + letters, *["p" + letter for letter in letters]]) + "->bcp"
    return np.einsum(subscripts, samples, *factors, optimize=True)


@lru_cache(maxsize=256)
def _matrix(count: int, nodes: bytes) -> np.ndarray:
    return _factors(count, np.frombuffer(nodes))


def _factors(count: int, points: np.ndarray) -> np.ndarray:
    """The matrix (P, m) of trigonometric interpolation from m equidistant points, m odd."""
    values, _, _ = trigonometric(count, points)
    samples, _, _ = trigonometric(count, np.arange(count) / count)
    return values @ samples.T / count
