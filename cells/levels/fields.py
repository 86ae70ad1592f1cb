"""The coefficient K_k of the cells of a level at the nodes of a space, from samples of the faster levels."""

from __future__ import annotations

import numpy as np

from ..solvers.symmetric import packed
from ..spaces.interpolation import interpolate, interpolate_at
from ..spaces.tensor_space import TensorSpace
from .results import Samples, entries_of
from .scale_splitting import ScaleSplitting


class LevelFields:
    """log K_k, its lower bound and log Z_k at the nodes of a space, for B cells.

    K_k is handled as a scalar where it is one: at the fastest scale, and where the faster scales hand on a multiple of
    I.

    Args:
        splitting: the potential.
        level: k.
        slow: x, y_1, ..., y_{k-1} of the cells (B, k d).
        samples: of the next level, for each of these cells.
    """

    def __init__(self, splitting: ScaleSplitting, level: int, slow: np.ndarray, samples: Samples) -> None:
        self.splitting, self.level, self.slow, self.samples = splitting, level, slow, samples
        results, dim = samples.results, splitting.dim
        self.fastest = level == splitting.levels
        self.varying = self.fastest and splitting.mobility_varies
        # K_N = exp(-V1/sigma), whose integral is Z
        self.plain = self.fastest and not splitting.has_mobility
        self.exact = self.fastest or results.log_lower is results.log_tensor
        self.scalar = _isotropic(results.log_tensor) and (self.exact or _isotropic(results.log_lower))
        self.scalar = self.scalar and not (self.varying and dim > 1)
        if results.sensitivities is not None:
            self.scalar = self.scalar and _isotropic(results.sensitivities.log_tensor.reshape(-1, dim, dim))
        tensors = (results.log_tensor, results.log_lower)
        entries = [tensor[:, 0, :1] if self.scalar else packed(tensor) for tensor in tensors]
        self.entries = entries[0].shape[1]
        self.table = samples.table(np.concatenate([*entries, results.log_partition[:, None]], axis=1))
        self.identity = np.ones(1) if self.scalar else packed(np.eye(dim))
        if results.sensitivities is not None:
            derivatives = entries_of(results.sensitivities)
            if self.scalar:
                derivatives = derivatives[..., [0, -1]]
            self.derivatives = samples.table(derivatives.reshape(len(derivatives), -1))

    def at(self, rows: np.ndarray, space: TensorSpace, *, lower: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """log K_k, or its lower bound, and log Z_k at the quadrature points of a space.

        Args:
            rows: numbers of the cells (C,).
            space: whose quadrature points are meant.
            lower: whether the lower bound is wanted.

        Returns:
            Entries (C, 1 or d (d+1)/2, q, ...) of log K_k, and log Z_k (C, q, ...).
        """
        own = self.splitting.exponent(self.level, self.slow[rows], space.nodes)
        values = interpolate(self.table[rows], space.nodes)
        shape = (len(rows), self.entries, *space.weights.shape)
        mine = values[:, self.entries : -1] if lower else values[:, : self.entries]
        if self.varying:
            mine = mine + self.splitting.log_mobility(self.slow[rows], space.nodes)
        tensor = mine + self.identity.reshape(1, -1, *[1] * space.dim) * own[:, None]
        return np.broadcast_to(tensor, shape), np.broadcast_to(values[:, -1] + own, (shape[0], *shape[2:]))

    def sensitivities_at(self, rows: np.ndarray, space: TensorSpace) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of log K_k and of log Z_k by p parameters at the quadrature points of a space.

        Args:
            rows: numbers of the cells (C,).
            space: whose quadrature points are meant.

        Returns:
            Entries (C, p, 1 or d (d+1)/2, q, ...) of d log K_k/dp, and d log Z_k/dp (C, p, q, ...).
        """
        own = self.splitting.exponent_sensitivities(self.level, self.slow[rows], space.nodes)
        shape = (len(rows), own.shape[1], *space.weights.shape)
        values = interpolate(self.derivatives[rows], space.nodes)
        values = values.reshape(len(rows), own.shape[1], self.entries + 1, *values.shape[2:])
        tensor = values[:, :, :-1]
        if self.varying:
            tensor = tensor + self.splitting.log_mobility_sensitivities(self.slow[rows], space.nodes)
        tensor = tensor + self.identity.reshape(1, 1, -1, *[1] * space.dim) * own[:, :, None]
        whole = np.broadcast_to(tensor, (*shape[:2], self.entries, *shape[2:]))
        return whole, np.broadcast_to(values[:, :, -1] + own, shape)

    def besides(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The diagonal entries of log K_k, and log Z_k, without U_k, at points (P, d) or (C, P, d): (C, entries, P)."""
        total = np.zeros((len(rows), int(self.identity.sum()) + 1, points.shape[-2]))
        if self.samples.axes:
            total += interpolate_at(self.sampled(rows), points)
        if self.varying:
            total[:, :-1] += self._mobility_at(rows, points)[:, self.identity > 0]
        return total

    def _mobility_at(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        if points.ndim == 2:
            return self.splitting.log_mobility(self.slow[rows], tuple(points.T))
        flat = np.concatenate(
            [np.repeat(self.slow[rows], points.shape[1], axis=0), points.reshape(-1, points.shape[2])], axis=1
        )
        entries = self.splitting.log_mobility(flat, ())
        return np.moveaxis(entries.reshape(len(rows), points.shape[1], -1), -1, 1)

    def sampled(self, rows: np.ndarray) -> np.ndarray:
        """Samples of the diagonal entries of log K_k, and of log Z_k, without U_k: (C, entries, count or 1, ...)."""
        return self.table[rows][:, [*np.flatnonzero(self.identity), -1]]

    def spreads(self, rows: np.ndarray) -> np.ndarray:
        """How far the logarithms of each diagonal entry vary among the samples of a cell, the largest of them (C,).

        Not how far those of different entries are apart: anisotropy is no contrast.
        """
        diagonal = self.table[rows][:, : self.entries][:, self.identity > 0]
        return np.ptp(diagonal.reshape(*diagonal.shape[:2], -1), axis=2).max(axis=1)


def _isotropic(log_tensor: np.ndarray) -> bool:
    """Whether all tensors are multiples of the identity."""
    multiples = log_tensor[:, :1, :1] * np.eye(log_tensor.shape[-1])
    return bool(np.allclose(log_tensor, multiples, rtol=0.0, atol=1e-15))
