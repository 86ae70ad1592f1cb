"""Logarithms and exponentials of symmetric positive definite tensors, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def components(dim: int) -> list[tuple[int, int]]:
    """Pairs (i, j), i <= j, of the independent entries of a symmetric matrix."""
    return [(i, j) for i in range(dim) for j in range(i, dim)]


def composed(values: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Symmetric tensors Q diag(values) Q^T from eigenvalues (..., d) and eigenvectors Q (..., d, d)."""
    return (vectors * values[..., None, :]) @ vectors.swapaxes(-1, -2)


def logarithm(tensor: np.ndarray) -> np.ndarray:
    """Logarithms of symmetric positive definite tensors (..., d, d)."""
    values, vectors = np.linalg.eigh(tensor)
    return composed(np.log(values), vectors)


def exponential(log_tensor: np.ndarray) -> np.ndarray:
    """Exponentials of symmetric tensors (..., d, d)."""
    values, vectors = np.linalg.eigh(log_tensor)
    return composed(np.exp(values), vectors)


def derivative_of_exponential(values: np.ndarray, vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Derivative D exp(L)[E] of the exponential at L = Q diag(values) Q^T in directions E (..., d, d), symmetric."""
    first, second = values[..., :, None], values[..., None, :]
    half = 0.5 * (first - second)
    sinhc = np.divide(np.sinh(half), half, out=np.ones_like(half), where=np.abs(half) > 1e-8)
    rotated = vectors.swapaxes(-1, -2) @ direction @ vectors
    return vectors @ (rotated * np.exp(0.5 * (first + second)) * sinhc) @ vectors.swapaxes(-1, -2)


def derivative_of_logarithm(tensor: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Derivative D log(A)[E] of the logarithm at positive definite A (..., d, d) in the directions E, symmetric."""
    values, vectors = np.linalg.eigh(tensor)
    half = 0.5 * (np.log(values)[..., :, None] - np.log(values)[..., None, :])
    sinhc = np.divide(np.sinh(half), half, out=np.ones_like(half), where=np.abs(half) > 1e-8)
    means = np.sqrt(values[..., :, None] * values[..., None, :]) * sinhc
    rotated = vectors.swapaxes(-1, -2) @ direction @ vectors
    return vectors @ (rotated / means) @ vectors.swapaxes(-1, -2)


def derivatives_of_exponential_field(
    entries: np.ndarray, directions: Iterable[np.ndarray], dim: int
) -> Iterator[np.ndarray]:
    """Derivatives D exp(L)[E] of the exponential of a field of symmetric tensors in several directions.

    Args:
        entries: the independent entries of L (B, d (d + 1)/2, ...), in the order of `components`.
        directions: those of each E, likewise.
        dim: d.

    Returns:
        The derivatives (B, d, d, ...), one after the other.
    """
    values, vectors = np.linalg.eigh(np.moveaxis(unpacked(entries, dim), (1, 2), (-2, -1)))
    for direction in directions:
        change = np.moveaxis(unpacked(direction, dim), (1, 2), (-2, -1))
        yield np.moveaxis(derivative_of_exponential(values, vectors, change), (-2, -1), (1, 2))


def exponential_field(entries: np.ndarray, dim: int) -> np.ndarray:
    """Exponential exp L of a field of symmetric tensors.

    Args:
        entries: the independent entries of L (B, d (d + 1)/2, ...), in the order of `components`.
        dim: d.

    Returns:
        exp L (B, d, d, ...).
    """
    if dim == 2:
        a, b, c = entries[:, 0], entries[:, 1], entries[:, 2]
        middle, half = 0.5 * (a + c), 0.5 * (a - c)
        spread, size = np.hypot(half, b), np.abs(half)
        factor = np.exp(middle)
        sinhc = factor * np.divide(np.sinh(spread), spread, out=np.ones_like(spread), where=spread > 1e-8)
        large = factor * np.cosh(spread) + sinhc * size
        gap = np.divide(b * b, spread + size, out=np.zeros_like(spread), where=spread > 0)  # spread - size
        small = factor * np.exp(-spread) + sinhc * gap  # no cancellation, however anisotropic
        result = np.empty((entries.shape[0], 2, 2, *entries.shape[2:]))
        result[:, 0, 0], result[:, 1, 1] = np.where(half > 0, large, small), np.where(half > 0, small, large)
        result[:, 0, 1] = result[:, 1, 0] = sinhc * b
        return result
    tensor = np.moveaxis(unpacked(entries, dim), (1, 2), (-2, -1))
    return np.moveaxis(exponential(tensor), (-2, -1), (1, 2))


def packed(tensor: np.ndarray) -> np.ndarray:
    """The independent entries (..., d (d + 1)/2) of symmetric tensors (..., d, d)."""
    rows, columns = zip(*components(tensor.shape[-1]))
    return tensor[..., rows, columns]


def unpacked(entries: np.ndarray, dim: int) -> np.ndarray:
    """Symmetric tensors (B, d, d, ...) from entries (B, d (d + 1)/2, ...)."""
    result = np.empty((entries.shape[0], dim, dim, *entries.shape[2:]))
    for place, (i, j) in enumerate(components(dim)):
        result[:, i, j] = result[:, j, i] = entries[:, place]
    return result


def relative_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Relative distance (...,) of A and B, the smallest c with exp(-c) A <= B <= exp(c) A.

    That is the largest |log| of the eigenvalues of A^-1 B.

    Args:
        first: log A (..., d, d).
        second: log B, likewise.
    """
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.exp(-0.5 * values)[..., None, :]
    pencil = root.swapaxes(-1, -2) @ exponential(second) @ root
    return np.abs(np.log(np.maximum(np.linalg.eigvalsh(pencil), 1e-300))).max(axis=-1)
