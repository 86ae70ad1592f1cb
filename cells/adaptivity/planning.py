"""Choice of space and samples for each level, by trial on a few cells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from scaling_limits.particles.errors import NotConverged

from ..recursion.levels import LevelPlan, LevelResult, difference, log_mean
from ..recursion.recursion import SAMPLE_COUNTS, TRIALS, Recursion
from ..recursion.scale_splitting import Coupling
from ..recursion.trials import SAFETY, Ladder, interpolation_errors, promising, spread, trial_points
from ..spaces.discretisations import FiniteElements, FourierGalerkin, Route, choose_route, comparison_space
from ..spaces.tensor_space import TensorSpace
from .basis_building import build_basis
from .candidates import Candidates

PATIENCE = 120  # iterations in a space that may be too coarse
MANY = 300  # cells of a level, above which they are solved in the span of the correctors of a few
TYPICAL = 15  # samples in a direction of the levels that are not planned yet
FINER = 1.5  # times the samples, for a look: a few more may miss the same wave
STALLED = 0.5  # part of the last gap above which conjugate gradients are suspected of having stopped too early
TIGHTER = 0.01  # part of the tolerance that is then tried
LARGEST_RTOL = 0.1  # that effective_tensor takes
LOOSE = 0.3  # a quadrature whose error is that many tolerances is worth a solve


@dataclass(frozen=True, eq=False)
class Plan:
    """Plans of the levels.

    Args:
        levels: the plans by k.
        routes: the routes taken.
        rungs: the numbers of the spaces in them.
        error: that they leave in the tensor, relative.
        result: the tensor, where the trials were for the only point.
        solves: then the numbers of distinct cells solved.
    """

    levels: dict[int, LevelPlan]
    routes: dict[int, Route]
    rungs: dict[int, int]
    error: float
    result: LevelResult | None = None
    solves: dict[int, int] = field(default_factory=dict)

    def refined(self, coupling: Coupling) -> Plan:
        """The plan with the next finer space and clearly more samples at each level, and without spans."""
        levels, rungs = {}, {}
        for k, level in self.levels.items():
            rungs[k] = min(self.rungs[k] + 1, self.routes[k].size(coupling.dim) - 1)
            finer = [count for count in SAMPLE_COUNTS if count >= FINER * level.samples]
            samples = finer[0] if coupling.sampled_axes(k) and finer else level.samples
            finer_level = _with_space(level, self.routes[k], rungs[k], coupling.dim, False)
            levels[k] = replace(finer_level, samples=samples, basis=None)
        return Plan(levels, self.routes, rungs, self.error)


@dataclass(frozen=True, eq=False)
class Planner:
    """Chooses the plan of each level, from the fastest to the slowest.

    Args:
        coupling: the potential, split into levels.
        points: macroscopic points (P, d) that the plan is for.
        rtol: relative error of the tensor that is asked for.
        bounds: whether bounds are wanted.
        route: for all levels, or None to choose.
        workers: threads.
        hard: points (F, d) that an earlier plan was not good enough for; spaces are tried on them too.
    """

    coupling: Coupling
    points: np.ndarray
    rtol: float
    bounds: bool
    route: Route | None
    workers: int
    hard: np.ndarray | None = None

    def plan(self) -> Plan:
        """Return the plan; raises NotConverged where no space or no number of samples is enough."""
        levels: dict[int, LevelPlan] = {}
        routes: dict[int, Route] = {}
        rungs: dict[int, int] = {}
        error = 0.0
        for k in range(self.coupling.levels, 0, -1):
            recursion = Recursion(self.coupling, levels, self.bounds, self.workers)
            choice = self._choose(k, recursion)
            levels[k], routes[k], rungs[k] = choice.level, choice.route, choice.rung
            error = choice.error if self.bounds else error + choice.error + levels[k].tolerance
        if len(self.points) > 1 or choice.pilots is None:
            return Plan(levels, routes, rungs, error)
        return Plan(levels, routes, rungs, error, choice.pilots, recursion.solves | {1: 1})

    @property
    def _share(self) -> float:
        """What the space, the samples and the span of one level may each add to the error."""
        return self.rtol / (3.0 * self.coupling.levels)

    def _choose(self, level: int, recursion: Recursion) -> _Choice:
        if self.coupling.is_trivial(level):
            route = self._route(0.0)
            return _Choice(self._level(route, 0, 1), route, 0, None, 0.0)
        pilots, contrast = self._candidates.pilots(level)
        axes = self.coupling.sampled_axes(level)
        if not axes:
            results = recursion.samples_of(level, pilots, 1)
            choice = self._choose_rung(level, recursion, pilots, results, 1, contrast)
        else:
            choice = self._choose_samples(level, recursion, pilots, contrast)
        if self.coupling.dim == 1 or self._expected_cells(level) <= MANY:
            return choice
        return self._with_basis(level, recursion, choice)

    def _route(self, log_contrast: float) -> Route:
        return self.route or choose_route(log_contrast, self.rtol, self.coupling.dim, self.bounds)

    def _expected_cells(self, level: int) -> float:
        """About how many distinct cells there will be."""
        dim = self.coupling.dim
        columns = self.coupling.columns[level]
        points = len(self.points) if any(column < dim for column in columns) else 1
        return points * float(TYPICAL) ** sum(column >= dim for column in columns)

    def _with_basis(self, level: int, recursion: Recursion, choice: _Choice) -> _Choice:
        generator = np.random.Generator(np.random.Philox(key=100 + level))

        def draw(count: int) -> np.ndarray:
            slow = self.points[generator.integers(len(self.points), size=count)]
            return np.concatenate([slow, generator.random((count, (level - 1) * self.coupling.dim))], axis=1)

        basis = build_basis(recursion, level, choice.level, draw, self._share, self._candidates.strata(level))
        if basis is None:
            return choice
        return replace(choice, level=replace(choice.level, basis=basis), error=choice.error + basis.error)

    @cached_property
    def _candidates(self) -> Candidates:
        none = np.zeros((0, self.coupling.dim))
        return Candidates(self.coupling, self.points, none if self.hard is None else self.hard)

    def _level(self, route: Route, rung: int, samples: int) -> LevelPlan:
        part = self.rtol / self.coupling.levels if self.bounds else self._share  # bounds contain what is left
        allowed = self._share if self.bounds else np.inf
        empty = LevelPlan(route.space(rung, self.coupling.dim), None, samples, 0.1 * part, allowed=allowed)
        return _with_space(empty, route, rung, self.coupling.dim, self.bounds)

    def _choose_samples(self, level: int, recursion: Recursion, pilots: np.ndarray, contrast: float) -> _Choice:
        """Choose the number of samples of y_k by what more samples change in K_{k-1}.

        That is much less than the error of K_k between the samples, since the oscillating error averages out. Bounds
        need the latter to be small, and cost more samples.
        """
        axes = self.coupling.sampled_axes(level)
        between, true = trial_points(TRIALS, axes, self.coupling.dim), None
        if self.bounds:
            true = recursion.effective(level + 1, recursion.extended(level, pilots, between))
        ladder = Ladder()
        error, tried = np.inf, list[tuple[int, float]]()
        least = self._points_to_resolve(level, slower=True)
        for count in SAMPLE_COUNTS:
            if count < least or (tried and count < promising(tried, self._share)):
                continue
            recursion.solves.clear()
            results = recursion.samples_of(level, pilots, count)
            if true is not None:
                error = float(interpolation_errors(results, true, between, count, axes, len(pilots)).max())
                tried.append((count, error))
                if error > self._share:
                    continue
            interpolation = 0.0 if true is None else error
            choice = self._choose_rung(level, recursion, pilots, results, count, contrast, interpolation)
            if true is not None:
                return choice
            _, error = ladder.add(choice.pilots)
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

    def _choose_rung(
        self,
        level: int,
        recursion: Recursion,
        pilots: np.ndarray,
        results: LevelResult,
        samples: int,
        contrast: float,
        interpolation: float = 0.0,
    ) -> _Choice:
        """Choose a route, and in it a space; where Fourier-Galerkin was chosen and is not enough, elements may be."""
        route = self._route(contrast + spread(results))
        if route.size(self.coupling.dim) == 1 and not self.bounds:
            return self._only(level, recursion, pilots, results, samples, route)
        try:
            return self._climb(level, recursion, pilots, results, samples, route, interpolation)
        except NotConverged:
            if self.route is not None or not isinstance(route, FourierGalerkin):
                raise
        return self._climb(level, recursion, pilots, results, samples, FiniteElements(), interpolation)

    def _only(
        self, level: int, recursion: Recursion, pilots: np.ndarray, results: LevelResult, samples: int, route: Route
    ) -> _Choice:
        """The only space of a route: its error is what another one changes, and unknown where there is none."""
        plan = self._level(route, 0, samples)
        patient = replace(plan, iterations=5 * PATIENCE)
        now = recursion.solve_cells(level, pilots, results, patient)
        other = comparison_space(route, self._least_points(level), self.coupling.dim)
        error = np.inf
        if other is not None:
            try:
                known = recursion.solve_cells(level, pilots, results, replace(patient, space=other))
                error = SAFETY * difference(now, known)
            except NotConverged:
                pass
        return _Choice(plan, route, 0, now, error)

    def _least_points(self, level: int) -> int:
        """Points in a direction that resolve all waves of V1 in y_k."""
        return max(self._points_to_resolve(level, slower=False), self._points_to_resolve(level, slower=True))

    def _climb(
        self,
        level: int,
        recursion: Recursion,
        pilots: np.ndarray,
        results: LevelResult,
        samples: int,
        route: Route,
        interpolation: float,
    ) -> _Choice:
        """Choose the coarsest space whose tensor the next ones do not change, or whose bounds are close enough."""
        ladder, error = Ladder(), np.inf
        size = route.size(self.coupling.dim)
        single = level == 1 and len(self.points) == 1
        least, part = self._least_points(level), 1.0
        for rung in range(self._first_rung(level, pilots, route), size):
            if route.space(rung, self.coupling.dim).line.points.size < least:
                continue
            plan = replace(self._level(route, rung, samples), interpolation=interpolation)
            most = PATIENCE if rung < size - 1 else 5 * PATIENCE  # where a space is too coarse, iterations are many
            try:
                if self.bounds:  # the gap between them is what is known of the error
                    now, part = self._narrowed(
                        level, recursion, pilots, results, replace(plan, iterations=most), part, error
                    )
                    error = now.gap()
                    if error <= self._allowed_gap(level):
                        return _Choice(replace(plan, tolerance=part * plan.tolerance), route, rung, now, error)
                    continue
                now = recursion.solve_cells(level, pilots, results, replace(plan, iterations=most))
            except NotConverged:
                if rung == size - 1:
                    raise
                ladder = Ladder()
                continue
            change, error = ladder.add(now)
            if change <= self._share and not single:
                return _Choice(self._level(route, rung - 1, samples), route, rung - 1, now, change)
            if error <= self._share:
                return _Choice(plan, route, rung, now, error)
        raise self._too_coarse(level, route, least, error)

    def _narrowed(
        self,
        level: int,
        recursion: Recursion,
        pilots: np.ndarray,
        results: LevelResult,
        plan: LevelPlan,
        part: float,
        before: float,
    ) -> tuple[LevelResult, float]:
        """Solve with a part of the tolerance, and with less where a finer space hardly brought the bounds together.

        Between narrow wells the energy falls late and at once, so that conjugate gradients may stop too early; then no
        space helps. What quadrature and interpolation add to the gap is not theirs.
        """
        now = recursion.solve_cells(level, pilots, results, replace(plan, tolerance=part * plan.tolerance))
        of_solver = now.gap() - 2.0 * float(now.slack.max())
        if of_solver > max(STALLED * before, 0.5 * self._allowed_gap(level)):
            part *= TIGHTER
            now = recursion.solve_cells(level, pilots, results, replace(plan, tolerance=part * plan.tolerance))
        return now, part

    def _too_coarse(self, level: int, route: Route, least: int, error: float) -> NotConverged:
        finest = route.space(route.size(self.coupling.dim) - 1, self.coupling.dim).line
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
            levels = range(level + 1, self.coupling.levels + 1) if slower else range(level, level + 1)
            needed = self.coupling.points_to_resolve(levels, level, self.points, 0.1 * self.rtol)
            self._resolving[level, slower] = needed
        return self._resolving[level, slower]

    @cached_property
    def _resolving(self) -> dict[tuple[int, bool], int]:
        return {}

    def _allowed_gap(self, level: int) -> float:
        """How far apart the bounds of a level may be: each level adds to the gap of those before it."""
        return self.rtol * (self.coupling.levels - level + 1) / self.coupling.levels

    def _first_rung(self, level: int, pilots: np.ndarray, route: Route) -> int:
        """Return the first space whose quadrature of exp(-U_k/sigma) and of its inverse is nearly good enough."""
        if not self.coupling.has_terms(level):
            return 0
        size = route.size(self.coupling.dim)
        means = [self._means(level, pilots, route.space(0, self.coupling.dim))]
        for rung in range(size - 2):
            means.append(self._means(level, pilots, route.space(rung + 1, self.coupling.dim)))
            if np.abs(means[-1] - means[-2]).max() <= LOOSE * self._share:
                return rung
        return max(0, size - 2)

    def _means(self, level: int, pilots: np.ndarray, space: TensorSpace) -> np.ndarray:
        exponents = self.coupling.exponent(level, pilots, space.nodes)
        full = np.broadcast_to(exponents, (len(exponents), *space.weights.shape))
        return np.stack([log_mean(full, space), log_mean(-full, space)])


@dataclass(frozen=True, eq=False)
class _Choice:
    """The plan of a level with its error, and what it gives for the pilots."""

    level: LevelPlan
    route: Route
    rung: int
    pilots: LevelResult | None
    error: float


def _with_space(level: LevelPlan, route: Route, rung: int, dim: int, bounds: bool) -> LevelPlan:
    checking = route.checking_space(rung, dim) if bounds else None
    return replace(level, space=route.space(rung, dim), checking=checking)
