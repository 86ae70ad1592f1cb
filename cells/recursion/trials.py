"""Error estimates from results in a sequence of spaces, or with a growing number of samples."""

from __future__ import annotations

import numpy as np

from ..solvers.symmetric import packed, relative_distance, unpacked
from ..spaces.torus_interpolation import interpolate_at, on_grid
from .levels import LevelResult, difference

SAFETY = 2.0  # factor on measured errors
HESITATION = 0.7  # the next ratio of changes is taken to be the last one to this power: errors may fall more slowly


class ConvergenceMonitor:
    """Results in a sequence of spaces whose errors fall geometrically, or faster."""

    def __init__(self) -> None:
        self._last: LevelResult | None = None
        self._change = np.inf

    def add(self, result: LevelResult | None) -> tuple[float, float]:
        """Return the change from the last result, about its error, and an estimate of the error of this one."""
        assert result is not None  # levels that are not trivial have probes
        last, before = self._last, self._change
        self._last = result
        if last is None:
            return np.inf, np.inf
        self._change = difference(last, result)
        if not np.isfinite(before) or not self._change:
            return self._change, self._change
        return self._change, SAFETY * self._change * min(1.0, self._change / before) ** HESITATION


def promising(tried: list[tuple[int, float]], share: float) -> float:
    """The number of samples at which an error that falls geometrically would be small enough, or a little less."""
    if len(tried) < 2:
        return tried[-1][0] + 1
    (count, error), (next_count, next_error) = tried[-2:]
    rate = np.log(error / next_error) / (next_count - count)
    if rate <= 0:
        return next_count + 1
    return next_count + min(np.log(next_error / share) / rate - 1.0, next_count)


def interpolation_errors(
    results: LevelResult, true: LevelResult, between: np.ndarray, count: int, axes: tuple[int, ...], cells: int
) -> np.ndarray:
    """The largest relative errors (cells,) of K_k, of its lower bound and of Z_k at trial points, times `SAFETY`."""
    dim = between.shape[1]
    errors = []
    for samples, exact in ((results.log_tensor, true.log_tensor), (results.log_lower, true.log_lower)):
        table = on_grid(packed(samples).reshape(cells, -1, dim * (dim + 1) // 2), count, axes, dim)
        found = np.moveaxis(unpacked(interpolate_at(table, between), dim), -1, 1).reshape(-1, dim, dim)
        errors.append(relative_distance(found, exact).reshape(cells, -1).max(axis=1))
    table = on_grid(results.log_partition.reshape(cells, -1, 1), count, axes, dim)
    errors.append(np.abs(interpolate_at(table, between)[:, 0] - true.log_partition.reshape(cells, -1)).max(axis=1))
    return SAFETY * np.max(errors, axis=0)


def trial_points(count: int, axes: tuple[int, ...], dim: int) -> np.ndarray:
    """Points (count, d) between all samples, 0 in the directions that are not sampled."""
    between = np.zeros((count, dim))
    trial = np.arange(1, count + 1)[:, None] * np.array([0.754877666, 0.569840291, 0.430159709])
    between[:, list(axes)] = trial[:, : len(axes)] % 1.0
    return between


def spread(results: LevelResult) -> float:
    """How far the logarithms of the diagonal entries are apart."""
    diagonal = np.einsum("bii->bi", results.log_tensor)
    return float(np.ptp(diagonal)) if len(diagonal) else 0.0
