"""The energy int (e_i + v_i) . K (e_j + v_j) of trial fields, which bounds an effective tensor from above.

A field is a list of its d components, arrays (B, L, q, ...): B cells, one field for each direction e_j, j = 1, ..., L.
K is a scalar (B, q, ...) or a tensor (B, d, d, q, ...).
"""

from __future__ import annotations

import numpy as np

Field = list[np.ndarray]


def flux(tensor: np.ndarray, field: Field) -> Field:
    """Flux K v of a field v, by components."""
    dim = len(field)
    if tensor.ndim == dim + 1:
        return [tensor[:, None] * component for component in field]
    spread = tensor[:, :, :, None]
    return [sum((spread[:, i, j] * field[j] for j in range(dim)), np.zeros(())) for i in range(dim)]


def add_unit_gradients(field: Field) -> Field:
    """Add the unit gradients e_j to fields v_j, in place; returns the same list."""
    for i, component in enumerate(field):
        component[:, i] += 1.0
    return field


def flux_of_unit_gradients(weighted: np.ndarray, dim: int) -> tuple[Field, np.ndarray]:
    """Fluxes K e_j of the unit gradients by components (B, d, q, ...), and their energies int e_j . K e_j (B, d).

    Args:
        weighted: K times the quadrature weights.
        dim: dimension d of space.
    """
    shape = (len(weighted), dim, *weighted.shape[-dim:])
    units = flux(weighted, add_unit_gradients([np.zeros(shape) for _ in range(dim)]))
    sums = [units[i][:, i].reshape(len(weighted), -1).sum(axis=1) for i in range(dim)]
    return units, np.stack(sums, axis=1)


def energy(weighted: np.ndarray, field: Field) -> np.ndarray:
    """Energies int v_i . K v_j (B, L, L) of fields, from K times the quadrature weights."""
    rows = *field[0].shape[:2], -1
    parts = [np.matmul(f.reshape(rows), v.reshape(rows).swapaxes(1, 2)) for f, v in zip(flux(weighted, field), field)]
    return sum(parts[1:], parts[0])


def inverted(tensor: np.ndarray, dim: int) -> np.ndarray:
    """Inverse K^-1 of a scalar or a tensor field."""
    if tensor.ndim == dim + 1:
        return 1.0 / tensor
    if dim == 2:
        a, b, c = tensor[:, 0, 0], tensor[:, 0, 1], tensor[:, 1, 1]
        return np.stack([np.stack([c, -b], axis=1), np.stack([-b, a], axis=1)], axis=1) / (a * c - b * b)[:, None, None]
    return np.moveaxis(np.linalg.inv(np.moveaxis(tensor, (1, 2), (-2, -1))), (-2, -1), (1, 2))
