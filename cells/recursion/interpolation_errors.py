"""What the interpolation of log K_k between samples of y_k errs, at points, and what that changes in K_{k-1}."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..levels.results import LevelResult, Samples, differences, entries_of, weighted

SAFETY = 1.5  # factor on the largest difference at the trial points
FALLING = 0.25  # largest ratio of the waves of a third to those of the third before, where they fall off steadily
STEADY = 2.0  # factor on the error that waves which go on falling like this would leave
LEAST = 0.1  # of an error is counted, whatever averaging leaves of it


@dataclass(frozen=True, eq=False)
class Between:
    """Errors of the interpolation between samples, for B cells.

    Args:
        errors: the largest relative errors of K_k, of its lower bound and of Z_k, times a safety factor (B,).
        falling: whether the waves of log K_k fall off steadily (B,).
        derivatives: those of derivatives by p parameters, absolute (B, p).
        weighted: what these count, compared with `errors` (B,).
    """

    errors: np.ndarray
    falling: np.ndarray
    derivatives: np.ndarray
    weighted: np.ndarray

    def rows(self, index: np.ndarray) -> Between:
        """Those of some of the cells."""
        return Between(self.errors[index], self.falling[index], self.derivatives[index], self.weighted[index])

    def effect(self, averaging: np.ndarray) -> np.ndarray:
        """What they change in K_{k-1}/Z_{k-1} (B,), without bounds.

        An error that oscillates averages out to first order, and its square remains. Where the waves of log K_k do not
        fall off steadily, such as those of period 1/4 between 13 samples, errors may be aliases of long waves: there
        they count in full.

        Args:
            averaging: what averaging leaves of errors with short waves (B,).
        """
        left = self.errors * np.clip(averaging, LEAST, 1.0) + self.errors**2
        return np.where(self.falling, np.minimum(left, self.errors), self.errors)


def errors_between(samples: Samples, true: LevelResult, trials: np.ndarray, unseen: np.ndarray) -> Between:
    """Errors of the interpolation at trial points.

    Args:
        samples: of B cells.
        true: K_k at the trial points of each cell, y_k running fastest.
        trials: values of y_k of each cell (B, T, d).
        unseen: errors by a scan of V1 (B,).
    """

    def largest(first: LevelResult, second: LevelResult) -> np.ndarray:
        return differences(first, second).reshape(samples.cells, -1).max(axis=1)

    half = samples.count // 2
    there, fewer, few = (samples.at(trials, kept) for kept in (None, half * 2 // 3, half // 3))
    errors = np.maximum(largest(there, true), unseen)
    last, middle = largest(there, fewer), largest(fewer, few)
    falling = (errors <= FALLING * last) & (last <= FALLING * middle) & (errors * middle <= STEADY * last**2)
    return Between(SAFETY * errors, falling, *_of_derivatives(samples, true, trials))


def _of_derivatives(samples: Samples, true: LevelResult, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the derivatives by parameters between samples (B, p), and what the largest count (B,)."""
    known = samples.results.sensitivities
    if known is None or true.sensitivities is None:
        return np.zeros((samples.cells, 0)), np.zeros(samples.cells)
    errors = SAFETY * samples.missed_derivatives(true.sensitivities, trials)
    values = entries_of(known)
    scale = np.ptp(values.reshape(samples.cells, -1, *values.shape[1:]), axis=1).max(axis=2)
    return errors, weighted(errors, np.maximum(scale, samples.sensitivities[1])).max(axis=1)
