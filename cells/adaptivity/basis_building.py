"""Reduced bases for the cells of a level: snapshots are added until other cells are in their span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..recursion.levels import LevelPlan, Snapshots, difference
from ..recursion.recursion import Recursion
from ..solvers.reduced_basis import LARGEST, LevelBasis, reduced_basis

SNAPSHOTS = (24, 24, 48, 96)  # cells whose correctors join the basis, until it is good enough
TESTS = 24  # other cells, on which it is tried; of these and of the first snapshots, half are of all contrasts
SAFETY = 8.0  # of the largest error found on them; among thousands there are larger ones
TRIMMING = 0.85  # part of the last size at which a smaller basis is tried
TRIMMINGS = 4  # times, at most
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
    exact = recursion.solve_cells(level, tests, samples, plan)
    snapshots: list[Snapshots] = []

    def basis_of(largest: int) -> LevelBasis | None:
        basis = _basis(recursion, level, plan, snapshots, accuracy, largest)
        if basis is None:
            return None
        reduced = recursion.solve_cells(level, tests, samples, replace(plan, basis=basis))
        return replace(basis, error=SAFETY * difference(exact, reduced))

    for count in SNAPSHOTS:
        some = draw(count) if snapshots else np.concatenate([draw(count - len(mine)), mine])
        snapshots.extend(recursion.snapshots(level, some, plan))
        basis = basis_of(LARGEST)
        if basis is None:
            return None
        if basis.error <= accuracy:
            return _trimmed(basis, basis_of, accuracy)
    return None


def _trimmed(basis: LevelBasis, basis_of: Callable[[int], LevelBasis | None], accuracy: float) -> LevelBasis:
    """Return a smaller basis that is still good enough: the work grows with the square of its size."""
    for _ in range(TRIMMINGS):
        smaller = basis_of(int(TRIMMING * basis.primal.size))
        if smaller is None or smaller.error > accuracy:
            break
        basis = smaller
    return basis


def _basis(
    recursion: Recursion, level: int, plan: LevelPlan, snapshots: list[Snapshots], accuracy: float, largest: int
) -> LevelBasis | None:
    """The spans of the snapshots, of at most so many fields; None where one of them would not fit into memory."""
    scalar = level == recursion.splitting.levels
    least = max(SMALLEST, TRUNCATION * np.sqrt(accuracy))
    spans = []
    for fields in zip(*[(one.primal, one.dual) if recursion.bounds else (one.primal,) for one in snapshots]):
        own, *better = [np.concatenate(parts) for parts in zip(*fields)]
        checking = better[0] if better else None
        span = reduced_basis(own, checking, plan.space, plan.checking, scalar=scalar, accuracy=least, largest=largest)
        if span is None:
            return None
        spans.append(span)
    return LevelBasis(spans[0], spans[1] if recursion.bounds else None, 0.0)
