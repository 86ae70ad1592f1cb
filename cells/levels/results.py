"""What the cells of a level give: K_{k-1}, Z_{k-1}, their bounds and the error of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np

from ..solvers.symmetric import packed, relative_distance, unpacked
from ..spaces.interpolation import interpolate_at, on_grid

WEIGHT = 0.1  # of relative errors of derivatives by parameters
FLOOR = 1e-9  # below which they do not count


class Rows:
    """Dataclass of arrays with a row for each of B cells; some of the fields may be such dataclasses, or None."""

    def rows(self, index: np.ndarray | slice) -> Self:
        """Those of some of the cells."""
        parts = vars(self).values()
        return type(self)(*[part.rows(index) if isinstance(part, Rows) else _at(part, index) for part in parts])

    def put(self, index: np.ndarray, other: Self) -> None:
        """Write those of some of the cells."""
        for mine, theirs in zip(vars(self).values(), vars(other).values()):
            if isinstance(mine, Rows):
                mine.put(index, theirs)
            elif mine is not None:
                mine[index] = theirs


@dataclass(frozen=True, eq=False)
class Sensitivities(Rows):
    """Derivatives of the results of B cells by p parameters.

    Args:
        log_tensor: d log K_{k-1}/dp (B, p, d, d).
        log_partition: d log Z_{k-1}/dp (B, p).
        error: of both, absolute, in the unit of 1/p (B, p): an estimate.
        scale: how far d log K_k/dp varies in the cell, or in those of faster levels (B, p); errors are relative to it.
    """

    log_tensor: np.ndarray
    log_partition: np.ndarray
    error: np.ndarray
    scale: np.ndarray


def relative(errors: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Errors over their scale; 0 where there is no error, whatever the scale."""
    with np.errstate(divide="ignore"):
        return np.divide(errors, scale, out=np.zeros_like(errors), where=errors != 0)


def weighted(errors: np.ndarray, scale: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """What errors of derivatives count, compared with relative errors of tensors.

    They may be ten times as large, relative to their scale, and those below the floor do not count: the error of a
    derivative is that of theta, whose digits rounding takes at high contrast.
    """
    parts = relative(errors, scale)
    return np.where(parts <= floor, 0.0, WEIGHT * parts)


@dataclass(frozen=True, eq=False)
class LevelResult(Rows):
    """Result of B cells of a level; the tensors are without the factors exp(-U_j/sigma) of the slower levels j < k.

    Args:
        log_tensor: log K_{k-1} (B, d, d).
        log_partition: log of the integral over y_k, ..., y_N (B,).
        log_lower: log of a lower bound of K_{k-1} (B, d, d); the same array as log_tensor where none is wanted.
        slack: log of the factor between log_tensor and an upper bound, from quadrature and interpolation (B,); 0
            without bounds.
        error: relative error of K_{k-1}/Z_{k-1} (B,), that of the faster levels included: an estimate, or with bounds
            the distance between them; infinite where a cell could not be solved.
        sensitivities: derivatives by parameters, where these are wanted.
    """

    log_tensor: np.ndarray
    log_partition: np.ndarray
    log_lower: np.ndarray
    slack: np.ndarray
    error: np.ndarray
    sensitivities: Sensitivities | None = None

    def __len__(self) -> int:
        return len(self.error)


def empty(count: int, dim: int, parameters: int = 0) -> LevelResult:
    """Results with K = I and Z = 1, of error 0: those of a level that does nothing, or to be written into."""
    tensor = np.zeros((count, dim, dim))
    sensitivities = None
    if parameters:
        numbers = [np.zeros((count, parameters)) for _ in range(3)]
        sensitivities = Sensitivities(np.zeros((count, parameters, dim, dim)), *numbers)
    return LevelResult(tensor, np.zeros(count), tensor.copy(), np.zeros(count), np.zeros(count), sensitivities)


AnyRows = TypeVar("AnyRows", bound=Rows)


def joined(parts: list[AnyRows]) -> AnyRows:
    """The results of several groups of cells, one after the other."""
    columns = zip(*[vars(part).values() for part in parts])
    return type(parts[0])(*[_joined(list(column)) for column in columns])


def _joined(column: list[Any]) -> Any:
    if column[0] is None:
        return None
    return joined(column) if isinstance(column[0], Rows) else np.concatenate(column)


def _at(part: np.ndarray | None, index: np.ndarray | slice) -> np.ndarray | None:
    return None if part is None else part[index]


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
        missed: errors of derivatives by p parameters between the samples (B, p), where these are wanted.
    """

    results: LevelResult
    count: int
    axes: tuple[int, ...]
    widening: np.ndarray
    missed: np.ndarray | None = None

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

    def missed_derivatives(self, true: Sensitivities, points: np.ndarray) -> np.ndarray:
        """How far interpolated derivatives are from the true ones at P points of each cell, at most (B, p)."""
        found = np.moveaxis(self.sensitivities_at(points), -1, 1)
        missed = np.abs(found - entries_of(true).reshape(found.shape))
        return missed.max(axis=(1, 3))

    @cached_property
    def sensitivities(self) -> tuple[np.ndarray, np.ndarray]:
        """The largest errors of the derivatives of the samples of each cell (B, p), and the largest scales."""
        found = self.results.sensitivities
        assert found is not None  # asked where derivatives are wanted
        shape = (self.cells, -1, found.error.shape[1])
        return found.error.reshape(shape).max(axis=1), found.scale.reshape(shape).max(axis=1)

    def sensitivities_at(self, points: np.ndarray) -> np.ndarray:
        """The interpolated derivatives by p parameters at P points of each cell (B, p, entries and 1, P).

        Of the independent entries of log K_k and of log Z_k.
        """
        assert self.results.sensitivities is not None  # asked where derivatives are wanted
        entries = entries_of(self.results.sensitivities)
        values = interpolate_at(self.table(entries.reshape(len(entries), -1)), points)
        return values.reshape(self.cells, *entries.shape[1:], points.shape[-2])


def entries_of(sensitivities: Sensitivities) -> np.ndarray:
    """Derivatives of the independent entries of the logarithms of tensors, and of log Z (B, p, entries and 1)."""
    return np.concatenate([packed(sensitivities.log_tensor), sensitivities.log_partition[..., None]], axis=2)
