"""The recursion K_N -> theta_N -> K_{N-1} -> ... -> K_0 for many points, each cell as accurate as it has to be.

K_{k-1} is needed at all quadrature points of the cells of level k - 1. It is computed at a few, equidistant in y_{k-1},
and log K_{k-1} is interpolated in between, apart from the factor exp(-U_{k-1}/sigma), which is known everywhere.
Every cell has an error of its own: that of its space and that between its samples, both measured in it, and the largest
error of its samples. A cell in which one of them is larger than allowed gets a finer space, or more samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from scaling_limits.particles.support.progress import watched

from ..levels.fields import LevelFields
from ..levels.results import LevelResult, Samples, empty, joined
from ..levels.scale_splitting import ScaleSplitting, extended
from ..levels.scan import strengths, unseen_by_samples
from ..spaces.discretisations import Discretisation, choose_route
from ..spaces.interpolation import grid, trial_points
from .basis_building import MANY, BasisOfLevel, solve_many
from .interpolation_errors import LEAST, errors_between
from .refinement import CellSolver, Solved
from .search import Place, Reason, explained
from .settings import MOST_SAMPLES, SAMPLE_COUNTS, Allowances

if TYPE_CHECKING:
    from mpi4py import MPI

TRIALS = 5  # points between the samples at which the interpolation is tried; the last where a scan finds the worst
SEEN = 1e-10  # what a scan finds because of rounding
SAMPLES = 4096  # cells of the next level for which memory is taken at once
PILOTS = 1  # cells that are solved before many others, to know where to begin with these
LOOKED_AT = 256  # cells, at most, among which these are chosen


class Recursion:
    """The recursion (15), (16) for one potential and one tolerance; it remembers what cells needed before.

    Args:
        splitting: the potential, split into levels.
        allowances: of errors.
        route: the spaces of all levels, or None to choose by contrast, for each level.
        workers: threads for the cells of a level.
        comm: communicator that the progress bar is of; None for no bar.

    Attributes:
        solves: counts of the distinct cells solved at each level, by k.
        places: the finest space that a cell of each level needed.
        reasons: why cells of a level have larger errors than allowed, by k.

    Source: Duncan, Duong and Pavliotis (2023), (14) to (17).
    """

    def __init__(
        self,
        splitting: ScaleSplitting,
        allowances: Allowances,
        route: Discretisation | None = None,
        workers: int = 1,
        comm: MPI.Comm | None = None,
    ) -> None:
        self.splitting, self.allowances = splitting, allowances
        self.solves = dict.fromkeys(range(1, splitting.levels + 1), 0)
        self.places: dict[int, Place] = {}
        self.reasons: dict[int, Reason] = {}
        self._solver = CellSolver(allowances, route, workers)
        self._counts: dict[int, int] = {}
        self._bases: dict[int, BasisOfLevel] = {}
        self._without_bases: set[int] = set()
        self._comm = comm

    def effective(self, level: int, slow: np.ndarray) -> LevelResult:
        """K_{k-1} at (x, y_1, ..., y_{k-1}) (B, k d); points that agree in the components that matter share a cell."""
        splitting = self.splitting
        if not len(slow):
            return self._empty(0)
        if level > splitting.levels:
            return splitting.beyond_fastest(slow)
        first, numbers = splitting.distinct(level, slow)
        distinct = slow[first]
        if splitting.is_trivial(level):
            nowhere = np.zeros((1, splitting.dim))
            return self.effective(level + 1, extended(distinct, nowhere)).rows(numbers)
        self.solves[level] += len(distinct)
        order = self._pilots_first(level, distinct)
        parts = [self._solve(level, distinct[some]) for some in self._groups(level, order)]
        return joined(parts).rows(np.argsort(order, kind="stable")).rows(numbers)

    def names_of(self, level: int) -> tuple[int, str, str]:
        """Points in a direction of the finest space of a level, and the names of its route and of the space."""
        place = self.places.get(level) or Place(
            self._solver.route or choose_route(0.0, 1e-8, self.splitting.dim, False), 0
        )
        space = place.route.space(place.refinement, self.splitting.dim).line
        return space.points.size, place.route.name, space.name

    def samples(self, level: int, slow: np.ndarray) -> Samples:
        """As many samples of the next level as one cell (1, k d) needs, with the error that they leave in K_{k-1}.

        Raises:
            NotConverged: that error is larger than the tolerance.
        """
        if not self.splitting.sampled_axes(level):
            return self._sampled(level, slow, 1)
        error = self._solve(level, slow).error
        samples = self._sampled(level, slow, self._counts[level])
        if not error[0] <= self.allowances.rtol:
            known = f"an error of {error[0]:.1e} is left for rtol = {self.allowances.rtol:g}"
            raise explained(self.reasons, known).error(known)
        return samples.widened(np.maximum(error - samples.inherited, 0.0))

    def _sampled(self, level: int, slow: np.ndarray, count: int) -> Samples:
        axes, dim = self.splitting.sampled_axes(level), self.splitting.dim
        results = self.effective(level + 1, extended(slow, grid(count, axes, dim)))
        return Samples(results, count, axes, np.zeros(len(slow)))

    def _solve(self, level: int, slow: np.ndarray) -> LevelResult:
        """Cells of a level, each with as many samples as it needs."""
        axes = self.splitting.sampled_axes(level)
        if not axes:
            return self._with_samples(level, slow, self._sampled(level, slow, 1)).result
        found, tried = self._empty(len(slow)), list[tuple[int, float]]()
        pending: np.ndarray = np.arange(len(slow))
        counts = [count for count in SAMPLE_COUNTS if count <= MOST_SAMPLES[len(axes)]]
        for count in counts:
            last = count == counts[-1]
            least = promising(tried, self._limit) if tried else self._counts.get(level, 0)
            if count < least and not last:
                continue
            errors, solved, result = self._solve_with(level, slow[pending], count, last)
            found.put(pending[solved], result)
            tried.append((count, float(errors.max())))
            pending = pending[errors > self.allowances.samples]
            if not pending.size or last:
                break
            if noisy(tried):
                # values in a span and those in the whole space differ by more than the interpolation may
                self._without_bases.add(level + 1)
        self._counts[level] = max(count, self._counts.get(level, 0))
        if pending.size:
            self.reasons[level] = _too_few(level, *tried[-1])
        return found

    def _solve_with(
        self, level: int, slow: np.ndarray, count: int, last: bool
    ) -> tuple[np.ndarray, np.ndarray, LevelResult]:
        """Solve cells with so many samples, as far as these may do.

        Returns:
            The errors of the interpolation between the samples (B,), the numbers of the cells that were solved, and
            their results.
        """
        allowed, axes, dim = self.allowances, self.splitting.sampled_axes(level), self.splitting.dim
        errors: np.ndarray = np.full(len(slow), np.inf)
        missed, worst = unseen_by_samples(self.splitting, level, slow, count, axes)
        some = np.flatnonzero((missed <= self._limit) | last)
        if not some.size:
            return errors, some, self._empty(0)
        trials = np.repeat(trial_points(TRIALS, axes, dim)[None], len(some), axis=0)
        trials[:, -1] = np.where(missed[some, None] > SEEN, worst[some], trials[:, -1])
        samples, true = self._sampled_and_tried(level, slow[some], count, trials)
        between = errors_between(samples, true, trials, missed[some])
        errors[some] = np.maximum(between.errors, between.weighted)
        able = np.flatnonzero((errors[some] <= self._limit) | last)
        some = some[able]
        if not some.size:
            return errors, some, self._empty(0)
        between = between.rows(able)
        known = np.isfinite(between.errors)
        solved = self._with_samples(level, slow[some], samples.rows(able).widened(np.where(known, between.errors, 0.0)))
        solved.result.error[~known] = np.inf
        if solved.result.sensitivities is not None:
            solved.result.sensitivities.error[:] += between.derivatives
        if not allowed.bounds:
            errors[some] = between.effect(solved.averaging)
            solved.result.error[:] += errors[some]
            errors[some] = np.maximum(errors[some], between.weighted)
        return errors, some, solved.result

    def _empty(self, count: int) -> LevelResult:
        return empty(count, self.splitting.dim, len(self.splitting.parameters))

    @property
    def _limit(self) -> float:
        """The largest error between samples of which so much may be left by averaging as is allowed."""
        return self.allowances.samples if self.allowances.bounds else self.allowances.samples / LEAST

    def _sampled_and_tried(
        self, level: int, slow: np.ndarray, count: int, trials: np.ndarray
    ) -> tuple[Samples, LevelResult]:
        """Samples, and K_k at y_k = trials (B, T, d): solved together, by the same spaces and bases."""
        axes, dim = self.splitting.sampled_axes(level), self.splitting.dim
        at_samples = extended(slow, grid(count, axes, dim))
        repeated = np.repeat(slow, trials.shape[1], axis=0)
        at_trials = np.concatenate([repeated, trials.reshape(-1, dim)], axis=1)
        results = self.effective(level + 1, np.concatenate([at_samples, at_trials]))
        samples, true = (results.rows(part) for part in (slice(len(at_samples)), slice(len(at_samples), None)))
        return Samples(samples, count, axes, np.zeros(len(slow))), true

    def _with_samples(self, level: int, slow: np.ndarray, samples: Samples) -> Solved:
        fields = LevelFields(self.splitting, level, slow, samples)
        rows = np.arange(len(slow))
        place = self.places.get(level) or self._solver.first_place(fields, rows)
        # with bounds the fields of a span are not kept where errors of derivatives are measured
        spans = not (self.splitting.parameters and self.allowances.bounds)
        many = (len(slow) > MANY or level in self._bases) and spans
        if many and self.splitting.dim > 1 and level not in self._without_bases:
            solved, self._bases[level] = solve_many(self._solver, fields, place, self._bases.get(level))
        else:
            solved = self._solver.solve(fields, rows, place)
        self.places[level] = solved.place
        if solved.reason is not None:
            self.reasons[level] = solved.reason
        return solved

    def _pilots_first(self, level: int, slow: np.ndarray) -> np.ndarray:
        """The order in which cells are solved: at first some of all strengths of the faster scales."""
        numbers = np.arange(len(slow))
        if level in self.places or len(slow) <= 2 * PILOTS:
            return numbers
        some = numbers[:: max(1, len(slow) // LOOKED_AT)]
        order = some[np.argsort(strengths(self.splitting, level, slow[some]), kind="stable")]
        pilots = order[-PILOTS:]
        return np.concatenate([pilots, np.setdiff1d(numbers, pilots)])

    def _groups(self, level: int, order: np.ndarray) -> Iterable[np.ndarray]:
        """Groups of cells, small enough for the memory of their samples."""
        axes = len(self.splitting.sampled_axes(level))
        pilots = PILOTS if axes and level not in self.places and len(order) > 2 * PILOTS else 0
        groups = [order[:pilots]] if pilots else []
        size = max(1, SAMPLES // self._counts.get(level, 11) ** axes)
        groups += [order[i : i + size] for i in range(pilots, len(order), size)]
        return watched(groups, len(groups), self._comm is not None and level == 1, self._comm, "group of points")


def _too_few(level: int, count: int, error: float) -> Reason:
    what = f"leave an error of {error:.1e}" if np.isfinite(error) else "do not resolve what V1 does between them"
    return Reason(
        f"interpolation of K_{level} in y_{level}", f"{count} samples in each direction {what}",
        "take a larger rtol or raise the temperature",
    )  # fmt: skip


def noisy(tried: list[tuple[int, float]]) -> bool:
    """Whether many more samples did not make the error smaller."""
    return any(tried[-1][0] >= 1.5 * count and tried[-1][1] > 0.5 * error for count, error in tried if error < np.inf)


def promising(tried: list[tuple[int, float]], allowed: float) -> float:
    """The number of samples at which an error that falls geometrically would be small enough, or a little less."""
    known = [(count, error) for count, error in tried if 0.0 < error < np.inf]
    if not known or not np.isfinite(tried[-1][1]):
        return tried[-1][0] + 1
    (first, error), (last, last_error) = known[0], known[-1]
    if len(known) == 1:
        # half as many as if a single sample had an error of 1
        return last + min(0.5 * np.log(last_error / allowed) / max(-np.log(error), 0.1) * (first - 1), last)
    rate = np.log(error / last_error) / (last - first)
    if not rate > 0:
        return last + 1
    # errors of entire functions fall faster and faster
    return last + min(0.6 * np.log(last_error / allowed) / rate, last)
