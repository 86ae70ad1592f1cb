"""What the interpolation of log K_k between samples of y_k errs, at points, and what that changes in K_{k-1}."""

from __future__ import annotations

import numpy as np

from ..levels.results import LevelResult, Samples, differences

SAFETY = 1.5  # factor on measured errors


def errors_between(
    samples: Samples, true: LevelResult, trials: np.ndarray, unseen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the interpolation at trial points.

    Args:
        samples: of B cells.
        true: K_k at the trial points of each cell, y_k running fastest.
        trials: values of y_k of each cell (B, T, d).
        unseen: errors by a scan of V1 (B,).

    Returns:
        For each cell the largest relative error of K_k, of its lower bound and of Z_k, times a safety factor (B,); and
        by how much it exceeds what the last third of the waves makes there (B,).
    """
    kept = max(1, (samples.count // 2) * 2 // 3)
    there = samples.at(trials)
    errors = np.maximum(differences(there, true).reshape(samples.cells, -1).max(axis=1), unseen)
    waves = differences(there, samples.at(trials, kept)).reshape(samples.cells, -1).max(axis=1)
    ratios = np.divide(errors, waves, out=np.zeros_like(errors), where=waves > 0)
    return SAFETY * errors, np.where(waves > 0, ratios, np.inf)


def effect_on_cells(errors: np.ndarray, changes: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """What the errors between the samples change in K_{k-1}/Z_{k-1} (B,).

    An error that oscillates averages out to first order: what remains is in proportion to what the last waves of the
    interpolation change there, and its square. It is never more than the largest error of K_k.

    Args:
        errors: the largest errors between the samples (B,).
        changes: of K_{k-1}/Z_{k-1}, relative, where the last third of the waves is left out (B,).
        ratios: of the errors to these waves, at trial points (B,).
    """
    known = np.isfinite(ratios)
    estimate = SAFETY * changes * np.where(known, ratios, 0.0) + errors**2
    return np.where(known, np.minimum(errors, estimate), errors)
