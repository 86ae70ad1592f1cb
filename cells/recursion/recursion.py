"""The recursion K_N -> theta_N -> K_{N-1} -> ... -> K_0 for many points, with spaces and samples that are given.

K_{k-1} is needed at all quadrature points of the cells of level k - 1. It is computed at a few, equidistant in y_{k-1},
and log K_{k-1} is interpolated in between, apart from the factor exp(-U_{k-1}/sigma), which is known everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from mpi4py import MPI

from scaling_limits.particles.sampling.workers import Stop, in_order
from scaling_limits.particles.support.progress import watched

from ..spaces.interpolation import grid, trial_points
from .levels import Cells, LevelFields, LevelPlan, LevelResult, Snapshots, interpolation_errors, joined
from .scale_splitting import ScaleSplitting

Result = TypeVar("Result")
CHUNK = 40_000  # unknowns of a chunk of cells: their arrays stay in the cache
SAMPLE_COUNTS = (5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97, 129)
TRIALS = 4  # points between the samples at which the interpolation is tried
SAMPLES = 4096  # cells of the next level for which memory is taken at once


@dataclass(frozen=True, eq=False)
class Recursion:
    """The recursion (15), (16) with one plan for each level.

    Args:
        splitting: the potential, split into levels.
        plans: of the levels k = 1, ..., N, by k.
        bounds: whether lower bounds and slacks are computed.
        workers: threads for the cells of a level.
        solves: counts the distinct cells solved at each level, by k.
        progress: whether a bar counts the groups of points x.
        watch: whether slacks are computed without bounds too, from what the interpolation errs in each cell.

    Source: Duncan, Duong and Pavliotis (2023), (14) to (17).
    """

    splitting: ScaleSplitting
    plans: dict[int, LevelPlan]
    bounds: bool = False
    workers: int = 1
    solves: dict[int, int] = field(default_factory=dict)
    progress: bool = False
    watch: bool = False

    def effective(self, level: int, slow: np.ndarray) -> LevelResult:
        """K_{k-1} at (x, y_1, ..., y_{k-1}) (B, k d); points that agree in the components that matter share a cell."""
        if level > self.splitting.levels or not len(slow):
            return self._identity(len(slow))
        first, numbers = self.splitting.distinct(level, slow)
        distinct = slow[first]
        if self.splitting.is_trivial(level):
            result = self.effective(level + 1, self.extended(level, distinct, np.zeros((1, self.splitting.dim))))
        else:
            self.solves[level] = self.solves.get(level, 0) + len(distinct)
            groups = self._groups(level, distinct)
            result = joined([self._solve(level, group, self.plans[level]) for group in groups])
        return result.rows(numbers)

    def samples_of(self, level: int, slow: np.ndarray, count: int) -> LevelResult:
        """Results of the next level at the samples of y_k: B times samples^a of them, y_k running fastest."""
        ticks = grid(count, self.splitting.sampled_axes(level), self.splitting.dim)
        return self.effective(level + 1, self.extended(level, slow, ticks))

    def solve_cells(self, level: int, slow: np.ndarray, samples: LevelResult, plan: LevelPlan) -> LevelResult:
        """Solve the cells of one level at slow variables (B, k d), from the samples of the next level."""
        return joined(self._in_chunks(level, slow, samples, plan, lambda cells: cells.result(self.bounds)))

    def snapshots(self, level: int, slow: np.ndarray, plan: LevelPlan) -> list[Snapshots]:
        """Solve the cells of one level, and return their minimising fields."""
        samples = self.samples_of(level, slow, plan.samples)
        return self._in_chunks(level, slow, samples, plan, lambda cells: cells.snapshots(self.bounds))

    def _in_chunks(
        self, level: int, slow: np.ndarray, samples: LevelResult, plan: LevelPlan, work: Callable[[Cells], Result]
    ) -> list[Result]:
        fields = LevelFields(self.splitting, level, slow, samples, plan)
        size = max(1, CHUNK // (plan.space.dim * plan.space.line.points.size**plan.space.dim))
        chunks = [slice(i, i + size) for i in range(0, len(slow), size)]

        def one(rows: slice, stop: Stop) -> Result:
            return work(Cells(fields, rows, stop))

        if self.workers > 1 and len(chunks) > 1:
            return list(in_order(one, chunks, self.workers))
        return [one(rows, Stop()) for rows in chunks]

    def _solve(self, level: int, slow: np.ndarray, plan: LevelPlan) -> LevelResult:
        samples = self.samples_of(level, slow, plan.samples)
        axes = self.splitting.sampled_axes(level)
        if axes and (self.bounds or self.watch):  # the plan was made for other cells
            between = trial_points(TRIALS, axes, self.splitting.dim)
            true = self.effective(level + 1, self.extended(level, slow, between))
            errors = interpolation_errors(samples, true, between, plan.samples, axes, len(slow))
            more = next((count for count in SAMPLE_COUNTS if count > plan.samples), None)
            if more is not None and (errors > plan.allowed).any():
                return self._split(level, slow, plan, errors > plan.allowed, more)
            plan = replace(plan, interpolation=np.maximum(plan.interpolation, errors))
        return self.solve_cells(level, slow, samples, plan)

    def _split(self, level: int, slow: np.ndarray, plan: LevelPlan, poor: np.ndarray, more: int) -> LevelResult:
        """Solve the cells in which the samples are too few with more of them, and the others as planned."""
        parts = []
        for rows, samples in ((~poor, plan.samples), (poor, more)):
            if rows.any():
                parts.append(self._solve(level, slow[rows], replace(plan, samples=samples)))
        return joined(parts).rows(np.argsort(np.argsort(poor, kind="stable"), kind="stable"))

    def _groups(self, level: int, slow: np.ndarray) -> Iterable[np.ndarray]:
        size = max(1, SAMPLES // self.plans[level].samples ** len(self.splitting.sampled_axes(level)))
        groups = [slow[i : i + size] for i in range(0, len(slow), size)]
        if self.progress and level == 1:
            return watched(groups, len(groups), True, MPI.COMM_WORLD, "group of points")
        return groups

    def extended(self, level: int, slow: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        """Slow variables of the next level: each row with each value of y_k."""
        return np.concatenate([np.repeat(slow, len(ticks), axis=0), np.tile(ticks, (len(slow), 1))], axis=1)

    def _identity(self, count: int) -> LevelResult:
        tensor = np.zeros((count, self.splitting.dim, self.splitting.dim))
        return LevelResult(tensor, np.zeros(count), tensor, np.zeros(count))
