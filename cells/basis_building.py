"""Spans for the cells of a level: correctors of some cells, until others are in their span to the accuracy asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .level_solver import Trials
from .levels import LevelBasis, LevelPlan, difference
from .recursion import Recursion
from .reduced_basis import ReducedBasis, reduced_basis

SNAPSHOTS = (24, 48, 96, 192)  # cells whose correctors make a basis, more until it is good enough
TESTS = 24  # other cells, on which it is tried
SAFETY = 2.0  # of the error found on them
TRUNCATION = 0.03  # singular values below this part of the square root of the accuracy are left out
SMALLEST = 1e-7  # and those which rounding hides


def build_basis(
    recursion: Recursion, level: int, plan: LevelPlan, draw: Callable[[int], np.ndarray], accuracy: float
) -> LevelBasis | None:
    """Make a basis for the cells of a level.

    Args:
        recursion: with the plans of the faster levels.
        level: k.
        plan: of the level, without a basis.
        draw: returns random prefixes, as many as it is told.
        accuracy: relative error of K_{k-1} that the span may leave.

    Returns:
        The basis, or None where none of a reasonable size is good enough.
    """
    tests = draw(TESTS)
    samples = recursion.samples_of(level, tests, plan.samples)
    whole = recursion.solve_cells(level, tests, samples, plan)
    trials: list[Trials] = []
    for count in SNAPSHOTS:
        trials += recursion.trials(level, draw(count - sum(SNAPSHOTS[: SNAPSHOTS.index(count)][-1:])), plan)
        scalar = level == recursion.coupling.levels
        primal = _basis(plan, [trial.primal for trial in trials], accuracy, scalar)
        dual = _basis(plan, [trial.dual for trial in trials], accuracy, scalar) if recursion.bounds else None
        if primal is None or (recursion.bounds and dual is None):
            return None
        basis = LevelBasis(primal, dual, 0.0)
        found = recursion.solve_cells(level, tests, samples, replace(plan, basis=basis))
        error = SAFETY * difference(whole, found)
        if error <= accuracy:
            return replace(basis, error=error)
    return None


def _basis(plan: LevelPlan, fields: list[list[np.ndarray]], accuracy: float, scalar: bool) -> ReducedBasis | None:
    parts = [np.concatenate(part) for part in zip(*fields)]
    return reduced_basis(
        parts[0],
        parts[1] if len(parts) > 1 else None,
        plan.space,
        plan.checking,
        scalar=scalar,
        accuracy=max(SMALLEST, TRUNCATION * np.sqrt(accuracy)),
    )
