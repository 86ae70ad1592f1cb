"""The recursion K_N -> theta_N -> K_{N-1} -> ... -> K_0 for many points, with spaces and samples that are given.

K_{k-1} is needed at all quadrature points of the cells of level k - 1. It is computed at a few, equidistant in y_{k-1},
and log K_{k-1} is interpolated in between, apart from the factor exp(-U_{k-1}/sigma), which is known everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from mpi4py import MPI

from scaling_limits.particles.sampling.workers import Stop, in_order
from scaling_limits.particles.support.progress import watched

from ..spaces.torus_interpolation import grid
from .level_solver import Cells, Trials
from .levels import LevelFields, LevelPlan, LevelResult, joined
from .scale_splitting import Coupling
from .trials import interpolation_errors, trial_points

Result = TypeVar("Result")
CHUNK = 40_000  # unknowns of a chunk of cells: their arrays stay in the cache
SAMPLE_COUNTS = (5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97, 129)
TRIALS = 4  # points between the samples at which the interpolation is tried
SAMPLES = 4096  # cells of the next level for which memory is taken at once


@dataclass(frozen=True, eq=False)
class Recursion:
    """The recursion (15), (16) with one plan for each level.

    Args:
        coupling: the potential, split into levels.
        plans: of the levels k = 1, ..., N, by k.
        bounds: whether lower bounds and slacks are computed.
        workers: threads for the cells of a level.
        solves: counts the distinct cells solved at each level, by k.
        progress: whether a bar counts the groups of points x.
        watch: whether slacks are computed without bounds too, from what the interpolation errs in each cell.

    Source: Duncan, Duong and Pavliotis (2023), (14) to (17).
    """

    coupling: Coupling
    plans: dict[int, LevelPlan]
    bounds: bool = False
    workers: int = 1
    solves: dict[int, int] = field(default_factory=dict)
    progress: bool = False
    watch: bool = False

    def effective(self, level: int, prefix: np.ndarray) -> LevelResult:
        """K_{k-1} for prefixes (x, y_1, ..., y_{k-1}) (B, k d); those that agree in what matters share a cell."""
        if level > self.coupling.levels or not len(prefix):
            return self._identity(len(prefix))
        columns = list(self.coupling.columns[level])
        _, first, inverse = np.unique(prefix[:, columns], axis=0, return_index=True, return_inverse=True)
        distinct = prefix[first] if columns else prefix[:1]
        inverse = inverse if columns else np.zeros(len(prefix), dtype=int)
        if self.coupling.is_trivial(level):
            result = self.effective(level + 1, self.extended(level, distinct, np.zeros((1, self.coupling.dim))))
        else:
            self.solves[level] = self.solves.get(level, 0) + len(distinct)
            result = joined(
                [self._solve(level, group, self.plans[level]) for group in self._watched_groups(level, distinct)]
            )
        return result.rows(inverse.ravel())

    def samples_of(self, level: int, prefix: np.ndarray, count: int) -> LevelResult:
        """What the next level hands on at the samples of y_k, (B times samples^a) results with y_k running fastest."""
        ticks = grid(count, self.coupling.sampled_axes(level), self.coupling.dim)
        return self.effective(level + 1, self.extended(level, prefix, ticks))

    def solve_cells(self, level: int, prefix: np.ndarray, samples: LevelResult, plan: LevelPlan) -> LevelResult:
        """Solve the cells of one level for prefixes (B, k d), from the samples of the next level."""
        return joined(self._in_chunks(level, prefix, samples, plan, lambda cells: cells.result(self.bounds)))

    def trials(self, level: int, prefix: np.ndarray, plan: LevelPlan) -> list[Trials]:
        """Solve the cells of one level, and return what bases are made of."""
        samples = self.samples_of(level, prefix, plan.samples)
        return self._in_chunks(level, prefix, samples, plan, lambda cells: cells.trials(self.bounds))

    def _in_chunks(
        self, level: int, prefix: np.ndarray, samples: LevelResult, plan: LevelPlan, work: Callable[[Cells], Result]
    ) -> list[Result]:
        fields = LevelFields(self.coupling, level, samples, len(prefix), plan)
        size = max(1, CHUNK // (plan.space.dim * plan.space.line.points.size**plan.space.dim))
        chunks = [slice(i, i + size) for i in range(0, len(prefix), size)]

        def one(rows: slice, stop: Stop) -> Result:
            return work(Cells(fields, prefix[rows], rows, stop))

        if self.workers > 1 and len(chunks) > 1:
            return list(in_order(one, chunks, self.workers))
        return [one(rows, Stop()) for rows in chunks]

    def _solve(self, level: int, prefix: np.ndarray, plan: LevelPlan) -> LevelResult:
        samples = self.samples_of(level, prefix, plan.samples)
        axes = self.coupling.sampled_axes(level)
        if axes and (self.bounds or self.watch):  # the plan was made for other cells
            between = trial_points(TRIALS, axes, self.coupling.dim)
            true = self.effective(level + 1, self.extended(level, prefix, between))
            errors = interpolation_errors(samples, true, between, plan.samples, axes, len(prefix))
            more = next((count for count in SAMPLE_COUNTS if count > plan.samples), None)
            if more is not None and (errors > plan.allowed).any():
                return self._split(level, prefix, plan, errors > plan.allowed, more)
            plan = replace(plan, interpolation=np.maximum(plan.interpolation, errors))
        return self.solve_cells(level, prefix, samples, plan)

    def _split(self, level: int, prefix: np.ndarray, plan: LevelPlan, poor: np.ndarray, more: int) -> LevelResult:
        """Solve the cells in which the samples are too few with more of them, and the others as planned."""
        parts = []
        for rows, samples in ((~poor, plan.samples), (poor, more)):
            if rows.any():
                parts.append(self._solve(level, prefix[rows], replace(plan, samples=samples)))
        return joined(parts).rows(np.argsort(np.argsort(poor, kind="stable"), kind="stable"))

    def _groups(self, level: int, prefix: np.ndarray) -> Iterator[np.ndarray]:
        axes = len(self.coupling.sampled_axes(level))
        size = max(1, SAMPLES // self.plans[level].samples ** axes)
        yield from (prefix[i : i + size] for i in range(0, len(prefix), size))

    def _watched_groups(self, level: int, prefix: np.ndarray) -> Iterable[np.ndarray]:
        groups = list(self._groups(level, prefix))
        return watched(groups, len(groups), self.progress and level == 1, MPI.COMM_WORLD, "group of points")

    def extended(self, level: int, prefix: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        """Prefixes of the next level: each prefix with each value of y_k."""
        return np.concatenate([np.repeat(prefix, len(ticks), axis=0), np.tile(ticks, (len(prefix), 1))], axis=1)

    def _identity(self, count: int) -> LevelResult:
        tensor = np.zeros((count, self.coupling.dim, self.coupling.dim))
        return LevelResult(tensor, np.zeros(count), tensor, np.zeros(count))
