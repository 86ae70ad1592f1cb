"""What the cells of a level give: K_{k-1}, Z_{k-1}, their bounds and the error of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..solvers.symmetric import packed, relative_distance, unpacked
from ..spaces.interpolation import interpolate_at, on_grid


@dataclass(frozen=True, eq=False)
class LevelResult:
    """Result of B cells of a level; the tensors are without the factors exp(-U_j/sigma) of the slower levels j < k.

    Args:
        log_tensor: log K_{k-1} (B, d, d).
        log_partition: log of the integral over y_k, ..., y_N (B,).
        log_lower: log of a lower bound of K_{k-1} (B, d, d); the same array as log_tensor where none is wanted.
        slack: log of the factor between log_tensor and an upper bound, from quadrature and interpolation (B,); 0
            without bounds.
        error: relative error of K_{k-1}/Z_{k-1} (B,), that of the faster levels included: an estimate, or with bounds
            the distance between them; infinite where a cell could not be solved.
    """

    log_tensor: np.ndarray
    log_partition: np.ndarray
    log_lower: np.ndarray
    slack: np.ndarray
    error: np.ndarray

    def __len__(self) -> int:
        return len(self.error)

    def rows(self, index: np.ndarray | slice) -> LevelResult:
        """The results of some of the cells."""
        return LevelResult(*[array[index] for array in vars(self).values()])

    def put(self, index: np.ndarray, other: LevelResult) -> None:
        """Write the results of some of the cells."""
        for mine, theirs in zip(vars(self).values(), vars(other).values()):
            mine[index] = theirs


def empty(count: int, dim: int) -> LevelResult:
    """Results with K = I and Z = 1, of error 0: those of a level that does nothing, or to be written into."""
    tensor = np.zeros((count, dim, dim))
    return LevelResult(tensor, np.zeros(count), tensor.copy(), np.zeros(count), np.zeros(count))


def joined(parts: list[LevelResult]) -> LevelResult:
    """The results of several groups of cells, one after the other."""
    return LevelResult(*[np.concatenate(arrays) for arrays in zip(*[vars(part).values() for part in parts])])


def gaps(result: LevelResult) -> np.ndarray:
    """The relative distances (B,) between the two bounds, and so bounds of the errors."""
    widened = result.log_tensor + 2.0 * result.slack[:, None, None] * np.eye(result.log_tensor.shape[-1])
    return relative_distance(result.log_lower, widened)


def differences(first: LevelResult, second: LevelResult) -> np.ndarray:
    """The relative differences (B,), the largest of the tensors, their lower bounds and the partition functions."""
    tensors = relative_distance(first.log_tensor, second.log_tensor)
    lower = relative_distance(first.log_lower, second.log_lower)
    return np.max([tensors, lower, np.abs(first.log_partition - second.log_partition)], axis=0)


@dataclass(frozen=True, eq=False)
class Samples:
    """Results of the next level on the grid of the sampled components of y_k, for B cells.

    Args:
        results: of the B count^a cells of the next level, y_k running fastest.
        count: number of samples in each sampled component, odd.
        axes: the a components of y_k that are sampled.
        widening: error of log K_k between the samples of each cell (B,), which bounds are widened by.
    """

    results: LevelResult
    count: int
    axes: tuple[int, ...]
    widening: np.ndarray

    @property
    def cells(self) -> int:
        """Number B of cells."""
        return len(self.widening)

    @cached_property
    def slack(self) -> np.ndarray:
        """What bounds of each cell are widened by (B,): the samples' own slack, and the error between them."""
        return self.results.slack.reshape(self.cells, -1).max(axis=1) + self.widening

    @cached_property
    def inherited(self) -> np.ndarray:
        """The largest error of the samples of each cell (B,)."""
        return self.results.error.reshape(self.cells, -1).max(axis=1)

    def rows(self, index: np.ndarray) -> Samples:
        """The samples of some of the cells."""
        places = np.arange(len(self.results)).reshape(self.cells, -1)[index].ravel()
        return Samples(self.results.rows(places), self.count, self.axes, self.widening[index])

    def widened(self, errors: np.ndarray) -> Samples:
        """The same samples with errors between them (B,)."""
        return Samples(self.results, self.count, self.axes, errors)

    def table(self, values: np.ndarray) -> np.ndarray:
        """Values (B count^a, C) of the samples as (B, C, count or 1, ...), an axis for each direction."""
        dim = self.results.log_tensor.shape[-1]
        return on_grid(values.reshape(self.cells, -1, values.shape[-1]), self.count, self.axes, dim)

    def at(self, points: np.ndarray, kept: int | None = None) -> LevelResult:
        """The interpolated results at P points of each cell, y_k running fastest.

        Args:
            points: y_k, the same for all cells (P, d), or for each its own (B, P, d).
            kept: wave numbers that are kept, none above; None for all.
        """
        dim, results = points.shape[-1], self.results

        def tensors(values: np.ndarray) -> np.ndarray:
            entries = interpolate_at(self.table(packed(values)), points, kept)
            return np.moveaxis(unpacked(entries, dim), -1, 1).reshape(-1, dim, dim)

        partition = interpolate_at(self.table(results.log_partition[:, None]), points, kept).reshape(-1)
        none = np.zeros(len(partition))
        return LevelResult(tensors(results.log_tensor), partition, tensors(results.log_lower), none, none)
