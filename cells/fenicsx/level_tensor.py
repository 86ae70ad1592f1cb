"""The coefficient K_k of one cell as a function of y_k, from samples of the faster levels."""

from __future__ import annotations

import numpy as np

from ..levels.results import Samples
from ..levels.scale_splitting import ScaleSplitting
from ..solvers.symmetric import derivative_of_exponential, exponential, packed, unpacked
from ..spaces.interpolation import interpolate_at

CONSTANT = 1e-9  # part of the size of a derivative that counts where it hardly varies
LOOKED_AT = 512  # points at which the largest entry is looked for


class LevelTensor:
    """Coefficient K_k exp(-log_scale) of a level as a function of y_k (P, d) -> (P, d, d).

    Args:
        splitting: the potential, split into levels.
        level: k.
        slow: x, y_1, ..., y_{k-1} (k d,).
        samples: of the next level, for this cell.

    Attributes:
        log_scale: the largest diagonal entry of log K_k.
        log_contrast: how far these are apart.
        derivative_scale: how far the derivatives by p parameters are apart (p,).
    """

    def __init__(self, splitting: ScaleSplitting, level: int, slow: np.ndarray, samples: Samples) -> None:
        self.samples, self._splitting, self._level, self._slow = samples, splitting, level, slow.reshape(1, -1)
        self._tensors = samples.table(packed(samples.results.log_tensor))
        self._partitions = samples.table(samples.results.log_partition[:, None])
        ticks = np.random.Generator(np.random.Philox(key=0)).random((LOOKED_AT, splitting.dim))
        self.log_scale = 0.0
        diagonal = np.einsum("pii->pi", self.logarithm(ticks))
        self.log_scale, self.log_contrast = float(diagonal.max()), float(np.ptp(diagonal))
        self.derivative_scale = np.zeros(0)
        if splitting.parameters:
            tensor, partition = self.derivatives(ticks)
            values = np.concatenate([tensor.reshape(*partition.shape, -1), partition[..., None]], axis=2)
            self.derivative_scale = np.ptp(values, axis=0).max(axis=1) + CONSTANT * np.abs(values).max(axis=(0, 2))

    @property
    def error(self) -> float:
        """Relative error of the tensor and of Z_k, of the samples and between them."""
        return float((self.samples.inherited + self.samples.widening)[0])

    def logarithm(self, y: np.ndarray) -> np.ndarray:
        """Logarithm of the tensor, log K_k - log_scale (P, d, d)."""
        entries = interpolate_at(self._tensors, y)
        tensor = np.moveaxis(unpacked(entries, self._splitting.dim)[0], -1, 0)
        if self._level == self._splitting.levels and self._splitting.mobility_varies:
            mobility = self._splitting.log_mobility(self._slow, tuple(y.T))
            tensor = tensor + np.moveaxis(unpacked(mobility, self._splitting.dim)[0], -1, 0)
        shift = self._own(y) - self.log_scale
        return tensor + shift[:, None, None] * np.eye(self._splitting.dim)

    def derivatives(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives by p parameters of log K_k (P, p, d, d), and of log Z_k (P, p)."""
        dim, splitting = self._splitting.dim, self._splitting
        own = splitting.exponent_sensitivities(self._level, self._slow, tuple(y.T))[0]
        own = np.broadcast_to(own, (len(own), len(y))).T
        entries = np.moveaxis(self.samples.sensitivities_at(y)[0], -1, 0)
        parts = entries[..., :-1]
        if self._level == splitting.levels and splitting.mobility_varies:
            parts = parts + np.moveaxis(splitting.log_mobility_sensitivities(self._slow, tuple(y.T))[0], -1, 0)
        tensor = unpacked(parts.reshape(-1, parts.shape[2]), dim).reshape(*own.shape, dim, dim)
        return tensor + own[..., None, None] * np.eye(dim), entries[..., -1] + own

    def changes(self, y: np.ndarray) -> np.ndarray:
        """The derivatives of K_k exp(-log_scale) by the p parameters (p, P, d, d), `log_scale` being held."""
        values, vectors = np.linalg.eigh(self.logarithm(y))
        directions = self.derivatives(y)[0].swapaxes(0, 1)
        return np.stack([derivative_of_exponential(values, vectors, direction) for direction in directions])

    def log_partition(self, y: np.ndarray) -> np.ndarray:
        """Logarithm of Z_k (P,)."""
        return interpolate_at(self._partitions, y)[0, 0] + self._own(y)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Tensor K_k exp(-log_scale) (P, d, d) at points y_k (P, d)."""
        return exponential(self.logarithm(y))

    def _own(self, y: np.ndarray) -> np.ndarray:
        """-U_k/sigma (P,)."""
        return np.broadcast_to(self._splitting.exponent(self._level, self._slow, tuple(y.T))[0], len(y))
