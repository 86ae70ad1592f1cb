"""Choice of space and samples for each level, by trial on a few cells."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.checks import LARGEST_RTOL

from ..recursion.levels import SAFETY, LevelPlan, LevelResult, difference, interpolation_errors
from ..recursion.recursion import SAMPLE_COUNTS, TRIALS, Recursion
from ..recursion.scale_splitting import ScaleSplitting
from ..spaces.discretisations import Discretisation, FiniteElements, FourierGalerkin, choose_route, comparison_space
from ..spaces.interpolation import trial_points
from ..spaces.tensor_space import TensorSpace
from .basis_building import build_basis
from .trials import Candidates, ConvergenceMonitor, promising, spread

PATIENCE = 120  # iterations in a space that may be too coarse
MANY = 300  # cells of a level, above which they are solved in a reduced basis
TYPICAL = 15  # samples in a direction of the levels that are not planned yet
FINER = 1.5  # times the samples, for a look: a few more may miss the same wave
STALLED = 0.5  # part of the last gap above which conjugate gradients are suspected of having stopped too early
TIGHTER = 0.01  # part of the tolerance that is then tried
LOOSE = 0.3  # a space is tried where its quadrature errs by less than this part of the tolerance


@dataclass(frozen=True, eq=False)
class Plan:
    """Plans of the levels.

    Args:
        levels: the plans by k.
        error: that they leave in the tensor, relative.
        result: the tensor, where the trials were for the only point.
        solves: then the numbers of distinct cells solved.
    """

    levels: dict[int, LevelPlan]
    error: float
    result: LevelResult | None = None
    solves: dict[int, int] = field(default_factory=dict)

    def refined(self, splitting: ScaleSplitting) -> Plan:
        """The plan with the next finer space and clearly more samples at each level, and without spans."""
        levels, dim = {}, splitting.dim
        for k, level in self.levels.items():
            refinement = min(level.refinement + 1, level.route.size(dim) - 1)
            space = level.route.space(refinement, dim)
            finer = [count for count in SAMPLE_COUNTS if count >= FINER * level.samples]
            samples = finer[0] if splitting.sampled_axes(k) and finer else level.samples
            levels[k] = replace(level, refinement=refinement, space=space, checking=None, samples=samples, basis=None)
        return Plan(levels, self.error)


@dataclass(frozen=True, eq=False)
class Planner:
    """Chooses the plan of each level, from the fastest to the slowest.

    Args:
        splitting: the potential, split into levels.
        points: macroscopic points (P, d) that the plan is for.
        rtol: relative error of the tensor that is asked for.
        bounds: whether bounds are wanted.
        route: for all levels, or None to choose.
        workers: threads.
        hard: points (F, d) that an earlier plan was not good enough for; spaces are tried on them too.
    """

    splitting: ScaleSplitting
    points: np.ndarray
    rtol: float
    bounds: bool
    route: Discretisation | None
    workers: int
    hard: np.ndarray | None = None

    def plan(self) -> Plan:
        """Return the plan; raises NotConverged where no space or no number of samples is enough."""
        levels: dict[int, LevelPlan] = {}
        error = 0.0
        for k in range(self.splitting.levels, 0, -1):
            recursion = Recursion(self.splitting, levels, self.bounds, self.workers)
            choice = self._choose(k, recursion)
            levels[k] = choice.level
            error = choice.error if self.bounds else error + choice.error + levels[k].tolerance
        if len(self.points) > 1 or choice.probes is None:
            return Plan(levels, error)
        return Plan(levels, error, choice.probes, recursion.solves | {1: 1})

    @property
    def _share(self) -> float:
        """What the space, the samples and the span of one level may each add to the error."""
        return self.rtol / (3.0 * self.splitting.levels)

    def _choose(self, level: int, recursion: Recursion) -> _Choice:
        if self.splitting.is_trivial(level):
            return _Choice(self._level(self._route(0.0), 0, 1), None, 0.0)
        probes, contrast = self._candidates.probes(level)
        axes = self.splitting.sampled_axes(level)
        if not axes:
            one = _Probes(level, recursion, probes, recursion.samples_of(level, probes, 1), 1)
            choice = self._choose_space(one, contrast)
        else:
            choice = self._choose_samples(level, recursion, probes, contrast)
        if self.splitting.dim == 1 or self._expected_cells(level) <= MANY:
            return choice
        return self._with_basis(level, recursion, choice)

    def _route(self, log_contrast: float) -> Discretisation:
        return self.route or choose_route(log_contrast, self.rtol, self.splitting.dim, self.bounds)

    def _expected_cells(self, level: int) -> float:
        """About how many distinct cells there will be."""
        dim = self.splitting.dim
        columns = self.splitting.columns[level]
        points = len(self.points) if any(column < dim for column in columns) else 1
        return points * float(TYPICAL) ** sum(column >= dim for column in columns)

    def _with_basis(self, level: int, recursion: Recursion, choice: _Choice) -> _Choice:
        generator = np.random.Generator(np.random.Philox(key=100 + level))

        def draw(count: int) -> np.ndarray:
            slow = self.points[generator.integers(len(self.points), size=count)]
            return np.concatenate([slow, generator.random((count, (level - 1) * self.splitting.dim))], axis=1)

        basis = build_basis(recursion, level, choice.level, draw, self._share, self._candidates.strata(level))
        if basis is None:
            return choice
        return replace(choice, level=replace(choice.level, basis=basis), error=choice.error + basis.error)

    @cached_property
    def _candidates(self) -> Candidates:
        none = np.zeros((0, self.splitting.dim))
        return Candidates(self.splitting, self.points, none if self.hard is None else self.hard)

    def _level(self, route: Discretisation, refinement: int, samples: int) -> LevelPlan:
        part = self.rtol / self.splitting.levels if self.bounds else self._share  # bounds contain what is left
        allowed = self._share if self.bounds else np.inf
        space = route.space(refinement, self.splitting.dim)
        checking = route.checking_space(refinement, self.splitting.dim) if self.bounds else None
        return LevelPlan(route, refinement, space, checking, samples, 0.1 * part, allowed=allowed)

    def _choose_samples(self, level: int, recursion: Recursion, probes: np.ndarray, contrast: float) -> _Choice:
        """Choose the number of samples of y_k by what more samples change in K_{k-1}.

        That is much less than the error of K_k between the samples, since the oscillating error averages out. Bounds
        need the latter to be small, and cost more samples.
        """
        axes = self.splitting.sampled_axes(level)
        between, true = trial_points(TRIALS, axes, self.splitting.dim), None
        if self.bounds:
            true = recursion.effective(level + 1, recursion.extended(level, probes, between))
        monitor = ConvergenceMonitor()
        error, tried = np.inf, list[tuple[int, float]]()
        least = self._points_to_resolve(level, slower=True)
        for count in SAMPLE_COUNTS:
            if count < least or (tried and count < promising(tried, self._share)):
                continue
            recursion.solves.clear()
            results = recursion.samples_of(level, probes, count)
            if true is not None:
                error = float(interpolation_errors(results, true, between, count, axes, len(probes)).max())
                tried.append((count, error))
                if error > self._share:
                    continue
            interpolation = 0.0 if true is None else error
            choice = self._choose_space(_Probes(level, recursion, probes, results, count), contrast, interpolation)
            if true is not None:
                return choice
            _, error = monitor.add(choice.probes)
            if error <= self._share:
                return replace(choice, error=choice.error + error)
        raise NotConverged(
            f"interpolation of K_{level} in y_{level}",
            f"{SAMPLE_COUNTS[-1]} samples in each direction leave an error of {error:.1e}",
            f"{self._wider(error * self.rtol / self._share)}raise the temperature",
        )

    def _wider(self, rtol: float) -> str:
        """The advice to take a tolerance above some value, where that is one that is taken."""
        return f"take rtol above {rtol:.1e} or " if rtol < LARGEST_RTOL else ""

    def _choose_space(self, probes: _Probes, contrast: float, interpolation: float = 0.0) -> _Choice:
        """Choose a route, and in it a space; where Fourier-Galerkin was chosen and is not enough, elements may be."""
        route = self._route(contrast + spread(probes.results))
        if route.size(self.splitting.dim) == 1 and not self.bounds:
            return self._only(probes, route)
        try:
            return self._refine(probes, route, interpolation)
        except NotConverged:
            if self.route is not None or not isinstance(route, FourierGalerkin):
                raise
        return self._refine(probes, FiniteElements(), interpolation)

    def _only(self, probes: _Probes, route: Discretisation) -> _Choice:
        """The only space of a route: its error is what another one changes, and unknown where there is none."""
        plan = self._level(route, 0, probes.samples)
        patient = replace(plan, iterations=5 * PATIENCE)
        now = probes.solved(patient)
        other = comparison_space(route, self._least_points(probes.level), self.splitting.dim)
        error = np.inf
        if other is not None:
            with suppress(NotConverged):
                error = SAFETY * difference(now, probes.solved(replace(patient, space=other)))
        return _Choice(plan, now, error)

    def _least_points(self, level: int) -> int:
        """Points in a direction that resolve all waves of V1 in y_k."""
        return max(self._points_to_resolve(level, slower=False), self._points_to_resolve(level, slower=True))

    def _refine(self, probes: _Probes, route: Discretisation, interpolation: float) -> _Choice:
        """Choose the coarsest space whose tensor the next ones do not change, or whose bounds are close enough."""
        level, samples, monitor, error = probes.level, probes.samples, ConvergenceMonitor(), np.inf
        size = route.size(self.splitting.dim)
        single = level == 1 and len(self.points) == 1
        least, part = self._least_points(level), 1.0
        for refinement in range(self._first_refinement(level, probes.slow, route), size):
            if route.space(refinement, self.splitting.dim).line.points.size < least:
                continue
            plan = replace(self._level(route, refinement, samples), interpolation=interpolation)
            # where a space is too coarse, iterations are many: on the finest one only they are waited for
            trial = replace(plan, iterations=PATIENCE if refinement < size - 1 else 5 * PATIENCE)
            try:
                if self.bounds:  # the gap between them is what is known of the error
                    now, part = self._narrowed(probes, trial, part, error)
                    error = now.gap()
                    if error <= self._allowed_gap(level):
                        return _Choice(replace(plan, tolerance=part * plan.tolerance), now, error)
                    continue
                now = probes.solved(trial)
            except NotConverged:
                if refinement == size - 1:
                    raise
                monitor = ConvergenceMonitor()
                continue
            change, error = monitor.add(now)
            if change <= self._share and not single:
                return _Choice(self._level(route, refinement - 1, samples), now, change)
            if error <= self._share:
                return _Choice(plan, now, error)
        raise self._too_coarse(level, route, least, error)

    def _narrowed(self, probes: _Probes, plan: LevelPlan, part: float, before: float) -> tuple[LevelResult, float]:
        """Solve with a part of the tolerance, and with less where a finer space hardly brought the bounds together.

        Between narrow wells the energy falls late and at once, so that conjugate gradients may stop too early; then no
        space helps. What quadrature and interpolation add to the gap is not theirs.
        """
        now = probes.solved(replace(plan, tolerance=part * plan.tolerance))
        of_solver = now.gap() - 2.0 * float(now.slack.max())
        if of_solver > max(STALLED * before, 0.5 * self._allowed_gap(probes.level)):
            part *= TIGHTER
            now = probes.solved(replace(plan, tolerance=part * plan.tolerance))
        return now, part

    def _too_coarse(self, level: int, route: Discretisation, least: int, error: float) -> NotConverged:
        finest = route.space(route.size(self.splitting.dim) - 1, self.splitting.dim).line
        what, remedy = f"cells of level {level} by {route.name}", "give a route with finer spaces"
        if finest.points.size < least:
            reason = f"waves of V1 need {least} points in a direction, and the finest space, {finest.name}, has fewer"
        elif not np.isfinite(error):
            reason = f"only the finest space, {finest.name}, resolves the waves of V1: its error is not known"
        else:
            allowed = self._allowed_gap(level) if self.bounds else self._share
            reason = f"the finest space, {finest.name}, leaves an error of {error:.1e}; {allowed:.1e} is allowed"
            remedy = "take a larger rtol, raise the temperature, or give a route with finer spaces"
        return NotConverged(what, reason, remedy)

    def _points_to_resolve(self, level: int, *, slower: bool) -> int:
        """Points in a direction that resolve the waves of U_k in y_k, or those of the faster levels in it."""
        if (level, slower) not in self._resolving:
            levels = range(level + 1, self.splitting.levels + 1) if slower else range(level, level + 1)
            needed = self.splitting.points_to_resolve(levels, level, self.points, 0.1 * self.rtol)
            self._resolving[level, slower] = needed
        return self._resolving[level, slower]

    @cached_property
    def _resolving(self) -> dict[tuple[int, bool], int]:
        return {}

    def _allowed_gap(self, level: int) -> float:
        """How far apart the bounds of a level may be: each level adds to the gap of those before it."""
        return self.rtol * (self.splitting.levels - level + 1) / self.splitting.levels

    def _first_refinement(self, level: int, probes: np.ndarray, route: Discretisation) -> int:
        """Return the first space whose quadrature of exp(-U_k/sigma) and of its inverse is nearly good enough."""
        if not self.splitting.has_terms(level):
            return 0
        size = route.size(self.splitting.dim)
        means = [self._means(level, probes, route.space(0, self.splitting.dim))]
        for refinement in range(size - 2):
            means.append(self._means(level, probes, route.space(refinement + 1, self.splitting.dim)))
            if np.abs(means[-1] - means[-2]).max() <= LOOSE * self._share:
                return refinement
        return max(0, size - 2)

    def _means(self, level: int, probes: np.ndarray, space: TensorSpace) -> np.ndarray:
        exponents = self.splitting.exponent(level, probes, space.nodes)
        full = np.broadcast_to(exponents, (len(exponents), *space.weights.shape))
        return np.stack([space.log_mean(full), space.log_mean(-full)])


@dataclass(frozen=True, eq=False)
class _Choice:
    """The plan of a level with its error, and what it gives for the probes."""

    level: LevelPlan
    probes: LevelResult | None
    error: float


@dataclass(frozen=True, eq=False)
class _Probes:
    """Probe cells of a level: their slow variables, and results of the next level at so many samples of y_k."""

    level: int
    recursion: Recursion
    slow: np.ndarray
    results: LevelResult
    samples: int

    def solved(self, plan: LevelPlan) -> LevelResult:
        """The results of these cells with a plan of their level."""
        return self.recursion.solve_cells(self.level, self.slow, self.results, plan)
