"""Choice of space and samples for each level, by trial on a few cells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .basis_building import build_basis
from .coupling import Coupling
from .errors import NotConverged
from .levels import LevelPlan, LevelResult, difference, log_mean
from .line_space import equidistant
from .recursion import Recursion
from .routes import FiniteElements, FourierGalerkin, Route, choose_route
from .symmetric import packed, relative_distance, unpacked
from .tensor_space import TensorSpace
from .torus_interpolation import interpolate_at, on_grid

SAMPLE_COUNTS = (5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97, 129)
PATIENCE = 120  # iterations in a space that may be too coarse
CANDIDATES = 64  # prefixes, at least, among which the hardest are taken
MOST_VALUES = 2_000_000  # of the potential for that, at most, where there are many points
PILOTS = 3  # prefixes on which spaces are tried
TRIALS = 4  # points between the samples at which the interpolation is tried
SAFETY = 2.0  # of the errors that are measured
MANY = 300  # cells of a level, above which they are solved in the span of the correctors of a few
TYPICAL = 15  # samples in a direction of the levels that are not planned yet
HESITATION = 0.7  # power of the last ratio of changes that the next is trusted to have
LOOSE = 0.3  # a quadrature whose error is that many tolerances is worth a solve
COARSE = 24  # points in each direction of the grid on which the contrast is looked at


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
        """The plan with the next finer space and more samples at each level, and without spans."""
        levels, rungs = {}, {}
        for k, level in self.levels.items():
            rungs[k] = min(self.rungs[k] + 1, self.routes[k].size(coupling.dim) - 1)
            finer = [count for count in SAMPLE_COUNTS if count > level.samples]
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
    """

    coupling: Coupling
    points: np.ndarray
    rtol: float
    bounds: bool
    route: Route | None
    workers: int

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
        pilots, contrast = self._pilots(level)
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

        basis = build_basis(recursion, level, choice.level, draw, self._share)
        if basis is None:
            return choice
        return replace(choice, level=replace(choice.level, basis=basis), error=choice.error + basis.error)

    def _level(self, route: Route, rung: int, samples: int) -> LevelPlan:
        part = self.rtol / self.coupling.levels if self.bounds else self._share  # bounds contain what is left
        empty = LevelPlan(route.space(rung, self.coupling.dim), None, samples, 0.1 * part)
        return _with_space(empty, route, rung, self.coupling.dim, self.bounds)

    def _pilots(self, level: int) -> tuple[np.ndarray, float]:
        """Prefixes with the largest spread of U_k among many, and one of the others; and that spread, over sigma."""
        generator = np.random.Generator(np.random.Philox(key=level))
        grid = TensorSpace(equidistant(COARSE), self.coupling.dim)
        count = max(CANDIDATES, min(len(self.points), MOST_VALUES // grid.weights.size))
        slow = self.points[np.linspace(0, len(self.points) - 1, count).astype(int)]
        fast = generator.random((count, (level - 1) * self.coupling.dim))
        prefix = np.concatenate([slow, fast], axis=1)
        columns = list(self.coupling.columns[level])
        _, first = np.unique(prefix[:, columns], axis=0, return_index=True)
        prefix = prefix[np.sort(first)] if columns else prefix[:1]
        if not self.coupling.has_terms(level):
            return prefix[:PILOTS], 0.0
        exponents = self.coupling.exponent(level, prefix, grid.nodes)
        spread = np.ptp(exponents.reshape(len(exponents), -1), axis=1)
        if not np.isfinite(spread).all():
            raise NotConverged(f"level {level}", "the potential is not finite in a cell", "check the fluctuation there")
        order = np.argsort(-np.broadcast_to(spread, len(prefix)), kind="stable")
        chosen = np.unique(np.append(order[: PILOTS - 1], order[-1]))
        return prefix[chosen], float(spread.max())

    def _choose_samples(self, level: int, recursion: Recursion, pilots: np.ndarray, contrast: float) -> _Choice:
        """Choose the number of samples of y_k by what more samples change in K_{k-1}.

        That is much less than the error of K_k between the samples, since the oscillating error averages out. Bounds
        need the latter to be small, and cost more samples.
        """
        axes = self.coupling.sampled_axes(level)
        between, true = self._trial_points(level, recursion, pilots) if self.bounds else (np.zeros((0, 0)), None)
        ladder = _Ladder()
        error, tried = np.inf, list[tuple[int, float]]()
        least = self._points_to_resolve(level, slower=True)
        for count in SAMPLE_COUNTS:
            if count < least or (tried and count < _promising(tried, self._share)):
                continue
            recursion.solves.clear()
            results = recursion.samples_of(level, pilots, count)
            if true is not None:
                error = SAFETY * _interpolation_error(results, true, between, count, axes, len(pilots))
                tried.append((count, error))
                if error > self._share:
                    continue
            choice = self._choose_rung(level, recursion, pilots, results, count, contrast)
            if true is not None:
                return replace(choice, level=replace(choice.level, interpolation=error))
            _, error = ladder.add(choice.pilots)
            if error <= self._share:
                return replace(choice, error=choice.error + error)
        raise NotConverged(
            f"interpolation of K_{level} in y_{level}",
            f"{SAMPLE_COUNTS[-1]} samples in each direction leave an error of {error:.1e}",
            f"take rtol above {error * self.rtol / self._share:.1e} or raise the temperature",
        )

    def _trial_points(self, level: int, recursion: Recursion, pilots: np.ndarray) -> tuple[np.ndarray, LevelResult]:
        """Points between all samples, and K_k there."""
        axes = list(self.coupling.sampled_axes(level))
        between = np.zeros((TRIALS, self.coupling.dim))
        trial = np.arange(1, TRIALS + 1)[:, None] * np.array([0.754877666, 0.569840291, 0.430159709])
        between[:, axes] = trial[:, : len(axes)] % 1.0
        return between, recursion.effective(level + 1, recursion.extended(level, pilots, between))

    def _choose_rung(
        self,
        level: int,
        recursion: Recursion,
        pilots: np.ndarray,
        results: LevelResult,
        samples: int,
        contrast: float,
    ) -> _Choice:
        """Choose a route, and in it a space; where Fourier-Galerkin was chosen and is not enough, elements may be."""
        route = self._route(contrast + _spread(results))
        try:
            return self._climb(level, recursion, pilots, results, samples, route)
        except NotConverged:
            if self.route is not None or not isinstance(route, FourierGalerkin):
                raise
        return self._climb(level, recursion, pilots, results, samples, FiniteElements())

    def _climb(
        self,
        level: int,
        recursion: Recursion,
        pilots: np.ndarray,
        results: LevelResult,
        samples: int,
        route: Route,
    ) -> _Choice:
        """Choose the coarsest space whose tensor the next ones do not change."""
        ladder, error = _Ladder(), np.inf
        size = route.size(self.coupling.dim)
        single = level == 1 and len(self.points) == 1
        least = max(self._points_to_resolve(level, slower=False), self._points_to_resolve(level, slower=True))
        for rung in range(self._first_rung(level, pilots, route), size):
            if route.space(rung, self.coupling.dim).line.points.size < least:
                continue
            plan = self._level(route, rung, samples)
            most = PATIENCE if rung < size - 1 else 5 * PATIENCE  # where a space is too coarse, iterations are many
            try:
                now = recursion.solve_cells(level, pilots, results, replace(plan, iterations=most))
            except NotConverged:
                if rung == size - 1:
                    raise
                ladder = _Ladder()
                continue
            if self.bounds:  # the gap between them is what is known of the error
                error = now.gap()
                if error <= self._allowed_gap(level):
                    return _Choice(plan, route, rung, now, error)
                continue
            change, error = ladder.add(now)
            if change <= self._share and not single:
                return _Choice(self._level(route, rung - 1, samples), route, rung - 1, now, change)
            if error <= self._share:
                return _Choice(plan, route, rung, now, error)
        raise NotConverged(
            f"cells of level {level} by {route.name}",
            f"the finest space, {route.space(size - 1, self.coupling.dim).line.name}, leaves an error of {error:.1e}",
            "take a larger rtol, raise the temperature, or give a route with finer spaces",
        )

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
        return size - 2

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


class _Ladder:
    """Results in a sequence of spaces whose errors fall geometrically, or faster."""

    def __init__(self) -> None:
        self._last: LevelResult | None = None
        self._change = np.inf

    def add(self, result: LevelResult | None) -> tuple[float, float]:
        """Return the change from the last result, about its error, and an estimate of the error of this one."""
        assert result is not None  # levels that are not trivial have pilots
        last, before = self._last, self._change
        self._last = result
        if last is None:
            return np.inf, np.inf
        self._change = difference(last, result)
        if not np.isfinite(before) or not self._change:
            return self._change, self._change
        return self._change, SAFETY * self._change * min(1.0, self._change / before) ** HESITATION


def _with_space(level: LevelPlan, route: Route, rung: int, dim: int, bounds: bool) -> LevelPlan:
    checking = route.checking_space(rung, dim) if bounds else None
    return replace(level, space=route.space(rung, dim), checking=checking)


def _promising(tried: list[tuple[int, float]], share: float) -> float:
    """The number of samples at which an error that falls geometrically would be small enough, or a little less."""
    if len(tried) < 2:
        return tried[-1][0] + 1
    (count, error), (next_count, next_error) = tried[-2:]
    rate = np.log(error / next_error) / (next_count - count)
    if rate <= 0:
        return next_count + 1
    return next_count + min(np.log(next_error / share) / rate - 1.0, next_count)


def _interpolation_error(
    results: LevelResult, true: LevelResult, between: np.ndarray, count: int, axes: tuple[int, ...], cells: int
) -> float:
    """The largest relative error of K_k, of its lower bound and of Z_k at trial points."""
    dim = between.shape[1]
    errors = []
    for samples, exact in ((results.log_tensor, true.log_tensor), (results.log_lower, true.log_lower)):
        table = on_grid(packed(samples).reshape(cells, -1, dim * (dim + 1) // 2), count, axes, dim)
        found = np.moveaxis(unpacked(interpolate_at(table, between), dim), -1, 1).reshape(-1, dim, dim)
        errors.append(relative_distance(found, exact).max())
    table = on_grid(results.log_partition.reshape(cells, -1, 1), count, axes, dim)
    errors.append(np.abs(interpolate_at(table, between).ravel() - true.log_partition).max())
    return float(max(errors))


def _spread(results: LevelResult) -> float:
    diagonal = np.einsum("bii->bi", results.log_tensor)
    return float(np.ptp(diagonal)) if len(diagonal) else 0.0
