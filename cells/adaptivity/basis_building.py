"""Reduced bases for the cells of a level: snapshots are added until other cells are in their span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..recursion.levels import LevelPlan, Snapshots, difference
from ..recursion.recursion import Recursion
from ..solvers.reduced_basis import LARGEST, LevelBasis, ReducedBasis, reduced_basis

SNAPSHOTS = (24, 24, 48, 96)  # cells whose correctors join the basis, until it is good enough
TESTS = 24  # other cells, on which it is tried; of these and of the first snapshots, half are of all contrasts
SAFETY = 8.0  # of the largest error found on them; among thousands there are larger ones
TRIMMINGS = (0.85, 0.85, 0.85, 0.85)  # parts of the last size that are tried
TRUNCATION = 0.03  # singular values below this part of the square root of the accuracy are left out
SMALLEST = 1e-7  # and those which rounding hides


def build_basis(
    recursion: Recursion,
    level: int,
    plan: LevelPlan,
    draw: Callable[[int], np.ndarray],
    accuracy: float,
    strata: np.ndarray,
) -> LevelBasis | None:
    """Make a basis for the cells of a level.

    Args:
        recursion: with the plans of the faster levels.
        level: k.
        plan: of the level, without a basis.
        draw: returns random values (count, k d) of the slow variables.
        accuracy: relative error of K_{k-1} that the span may leave.
        strata: slow variables (S, k d) of cells of all contrasts, in their order: every other one joins the snapshots,
            and the rest the tests.

    Returns:
        The basis, or None where none of a reasonable size is good enough.
    """
    mine, others = strata[1::2], strata[::2]
    tests = np.concatenate([draw(TESTS - len(others)), others])
    samples = recursion.samples_of(level, tests, plan.samples)
    whole = recursion.solve_cells(level, tests, samples, plan)
    snapshots: list[Snapshots] = []
    for count in SNAPSHOTS:
        some = draw(count) if snapshots else np.concatenate([draw(count - len(mine)), mine])
        snapshots += recursion.snapshots(level, some, plan)

        def tried(largest: int, snapshots: list[Snapshots] = snapshots) -> LevelBasis | None:
            basis = _bases(recursion, level, plan, snapshots, accuracy, largest)
            if basis is None:
                return None
            found = recursion.solve_cells(level, tests, samples, replace(plan, basis=basis))
            return replace(basis, error=SAFETY * difference(whole, found))

        basis = tried(LARGEST)
        if basis is None:
            return None
        if basis.error <= accuracy:
            return _trimmed(basis, tried, accuracy)
    return None


def _trimmed(basis: LevelBasis, tried: Callable[[int], LevelBasis | None], accuracy: float) -> LevelBasis:
    """Return a smaller basis that is still good enough: the work grows with the square of its size."""
    for part in TRIMMINGS:
        smaller = tried(int(part * basis.primal.size))
        if smaller is None or smaller.error > accuracy:
            break
        basis = smaller
    return basis


def _bases(
    recursion: Recursion, level: int, plan: LevelPlan, snapshots: list[Snapshots], accuracy: float, largest: int
) -> LevelBasis | None:
    scalar = level == recursion.splitting.levels
    primal = _basis(plan, [snapshot.primal for snapshot in snapshots], accuracy, scalar, largest)
    dual = (
        _basis(plan, [snapshot.dual for snapshot in snapshots], accuracy, scalar, largest) if recursion.bounds else None
    )
    return None if primal is None or (recursion.bounds and dual is None) else LevelBasis(primal, dual, 0.0)


def _basis(
    plan: LevelPlan, fields: list[list[np.ndarray]], accuracy: float, scalar: bool, largest: int
) -> ReducedBasis | None:
    parts = [np.concatenate(part) for part in zip(*fields)]
    return reduced_basis(
        parts[0],
        parts[1] if len(parts) > 1 else None,
        plan.space,
        plan.checking,
        scalar=scalar,
        accuracy=max(SMALLEST, TRUNCATION * np.sqrt(accuracy)),
        largest=largest,
    )
