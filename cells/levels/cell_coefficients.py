"""K_k and Z_k of some cells of a level at the points of quadratures, with their derivatives by parameters."""

from __future__ import annotations

import numpy as np

from ..solvers.symmetric import exponential_field
from ..spaces.tensor_space import TensorSpace
from .fields import LevelFields


class CellCoefficients:
    """K_k, its lower bound and Z_k of B cells; what was asked for is kept.

    Args:
        fields: of the level.
        rows: which of the cells of `fields` they are (B,).
        space: at whose quadrature points the contrast is looked at.
    """

    def __init__(self, fields: LevelFields, rows: np.ndarray, space: TensorSpace) -> None:
        self.fields, self.rows, self.space = fields, rows, space
        self._values: dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]] = {}
        self._tensors: dict[tuple[int, bool], np.ndarray] = {}
        self._sensitivities: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.entries, _ = self.at(self.space)
        self.shift, self.contrast = self._largest_exponent()

    def at(self, space: TensorSpace, *, lower: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """log K_k, or its lower bound, and log Z_k at the points of a quadrature; computed once."""
        key = id(space), lower and not self.fields.exact
        if key not in self._values:
            self._values[key] = self.fields.at(self.rows, space, lower=key[1])
        return self._values[key]

    def diagonal(self, index: np.ndarray) -> list[np.ndarray]:
        """The diagonal of log K_k, and log Z_k, at the quadrature points; -U_k/sigma where nothing is sampled."""
        entries, log_z = self.at(self.space)
        if not self.fields.samples.axes and not self.fields.varying:
            return [entries[index, 0] - self.fields.table[self.rows[index], 0]]
        return [*(entries[index, i] for i in np.flatnonzero(self.fields.identity)), log_z[index]]

    def _largest_exponent(self) -> tuple[np.ndarray, np.ndarray]:
        """The largest diagonal entry of log K_k in each cell (B,), and the log of the contrast."""
        diagonal = self.entries[:, self.fields.identity > 0].reshape(len(self.rows), -1)
        top, bottom = diagonal.max(axis=1), diagonal.min(axis=1)
        with np.errstate(all="ignore"):
            return top, top - bottom

    def tensor(self, space: TensorSpace, *, lower: bool = False) -> np.ndarray:
        """exp(-shift) K_k at the points of a quadrature, or its lower bound.

        A scalar (B, q, ...) or a tensor (B, d, d, q, ...).
        """
        fields, dim = self.fields, space.dim
        key = id(space), lower and not fields.exact
        if key not in self._tensors:
            entries = self.shifted(space, lower=lower)
            self._tensors[key] = np.exp(entries[:, 0]) if fields.scalar else exponential_field(entries, dim)
        return self._tensors[key]

    def log_partition(self, space: TensorSpace) -> np.ndarray:
        """log Z_{k-1} by a quadrature (B,): at the fastest scale the integral of the scalar K_N."""
        values, shift = self.weights(space)
        return shift + np.log(values.reshape(len(values), -1) @ space.weights.ravel())

    def weights(self, space: TensorSpace) -> tuple[np.ndarray, np.ndarray]:
        """Z_k at the points of a quadrature times exp(-shift), (B, q, ...), and the shift (B,)."""
        if self.fields.plain:
            return self.tensor(space), self.shift
        log_z = self.at(space)[1]
        shift = log_z.max(axis=tuple(range(1, log_z.ndim)))
        return np.exp(log_z - shift.reshape(-1, *[1] * space.dim)), shift

    def sensitivities(self, space: TensorSpace) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the entries of log K_k and of log Z_k by p parameters at the points of a quadrature.

        (B, p, 1 or d (d + 1)/2, q, ...) and (B, p, q, ...); computed once.
        """
        if id(space) not in self._sensitivities:
            self._sensitivities[id(space)] = self.fields.sensitivities_at(self.rows, space)
        return self._sensitivities[id(space)]

    def shifted(self, space: TensorSpace, *, lower: bool = False) -> np.ndarray:
        """The entries of log K_k - shift, or of its lower bound (B, 1 or d (d + 1)/2, q, ...)."""
        entries, _ = self.at(space, lower=lower)
        shifts = self.shift[:, None] * self.fields.identity
        return entries - shifts.reshape(*shifts.shape, *[1] * space.dim)
