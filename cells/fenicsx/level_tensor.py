"""The coefficient K_k of one cell as a function of y_k, from samples of the faster levels."""

from __future__ import annotations

import numpy as np

from ..levels.results import Samples
from ..levels.scale_splitting import ScaleSplitting
from ..solvers.symmetric import exponential, packed, unpacked
from ..spaces.interpolation import interpolate_at

LOOKED_AT = 512  # points at which the largest entry is looked for


class LevelTensor:
    """Coefficient K_k exp(-log_scale) of a level as a function of y_k (P, d) -> (P, d, d).

    Args:
        splitting: the potential, split into levels.
        level: k.
        slow: x, y_1, ..., y_{k-1} (k d,).
        samples: of the next level, for this cell.
    """

    def __init__(self, splitting: ScaleSplitting, level: int, slow: np.ndarray, samples: Samples) -> None:
        self.samples, self._splitting, self._level, self._slow = samples, splitting, level, slow.reshape(1, -1)
        self._tensors = samples.table(packed(samples.results.log_tensor))
        self._partitions = samples.table(samples.results.log_partition[:, None])
        ticks = np.random.Generator(np.random.Philox(key=0)).random((LOOKED_AT, splitting.dim))
        self.log_scale = 0.0
        diagonal = np.einsum("pii->pi", self.logarithm(ticks))
        self.log_scale, self.log_contrast = float(diagonal.max()), float(np.ptp(diagonal))

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

    def log_partition(self, y: np.ndarray) -> np.ndarray:
        """Logarithm of Z_k (P,)."""
        return interpolate_at(self._partitions, y)[0, 0] + self._own(y)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Tensor K_k exp(-log_scale) (P, d, d) at points y_k (P, d)."""
        return exponential(self.logarithm(y))

    def _own(self, y: np.ndarray) -> np.ndarray:
        """-U_k/sigma (P,)."""
        return np.broadcast_to(self._splitting.exponent(self._level, self._slow, tuple(y.T))[0], len(y))
