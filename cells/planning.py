"""Choice of space and samples for each level, by trial on a few cells, so that the tensor has the accuracy asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .coupling import Coupling
from .errors import NotConverged
from .recursion import LevelPlan, LevelResult, Recursion, log_mean
from .routes import Route, choose_route
from .symmetric import packed, relative_distance, unpacked
from .tensor_space import TensorSpace
from .torus_interpolation import interpolate_at, on_grid

SAMPLE_COUNTS = (5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97, 129)
CANDIDATES = 64  # prefixes among which the hardest are taken
PILOTS = 3  # prefixes on which spaces are tried
TRIALS = 4  # points between the samples at which the interpolation is tried
SAFETY = 2.0  # of the errors that are measured
LOOSE = 30.0  # a quadrature whose error is that many tolerances is worth a solve
COARSE = 64.0  # points in all directions of the grid on which the contrast is looked at


@dataclass(frozen=True, eq=False)
class Plan:
    """Plans of the levels by k, the routes taken, and the error of the tensor that they leave, relative."""

    levels: dict[int, LevelPlan]
    routes: dict[int, Route]
    rungs: dict[int, int]
    error: float

    def refined(self, coupling: Coupling, bounds: bool) -> Plan:
        """The plan with the next finer space and more samples at each level."""
        levels, rungs = {}, {}
        for k, level in self.levels.items():
            rungs[k] = min(self.rungs[k] + 1, self.routes[k].size(coupling.dim) - 1)
            finer = [count for count in SAMPLE_COUNTS if count > level.samples]
            samples = finer[0] if coupling.sampled_axes(k) and finer else level.samples
            levels[k] = replace(_with_space(level, self.routes[k], rungs[k], coupling.dim, bounds), samples=samples)
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
        share = self.rtol / (2.0 * self.coupling.levels)
        for k in range(self.coupling.levels, 0, -1):
            if self.coupling.is_trivial(k):
                routes[k], rungs[k] = self.route or choose_route(0.0, self.coupling.dim, self.bounds), 0
                levels[k] = self._level(routes[k], 0, 1, share)
                continue
            recursion = Recursion(self.coupling, levels, self.bounds, self.workers)
            pilots, contrast = self._pilots(k)
            samples, results, interpolation = self._choose_samples(k, recursion, pilots, share)
            log_contrast = contrast + _spread(results)
            routes[k] = self.route or choose_route(log_contrast, self.coupling.dim, self.bounds)
            rungs[k], discretisation = self._choose_rung(k, recursion, pilots, results, samples, routes[k], share)
            levels[k] = replace(self._level(routes[k], rungs[k], samples, share), interpolation=interpolation)
            error += interpolation + discretisation
        return Plan(levels, routes, rungs, error)

    def _level(self, route: Route, rung: int, samples: int, share: float) -> LevelPlan:
        empty = LevelPlan(route.space(rung, self.coupling.dim), None, samples, 0.1 * share)
        return _with_space(empty, route, rung, self.coupling.dim, self.bounds)

    def _pilots(self, level: int) -> tuple[np.ndarray, float]:
        """Prefixes with the largest spread of U_k among many, and one of the others; and that spread, over sigma."""
        generator = np.random.Generator(np.random.Philox(key=level))
        slow = self.points[np.linspace(0, len(self.points) - 1, CANDIDATES).astype(int)]
        fast = generator.random((CANDIDATES, (level - 1) * self.coupling.dim))
        prefix = np.concatenate([slow, fast], axis=1)
        columns = list(self.coupling.columns[level])
        _, first = np.unique(prefix[:, columns], axis=0, return_index=True)
        prefix = prefix[np.sort(first)] if columns else prefix[:1]
        if not self.coupling.has_terms(level):
            return prefix[:PILOTS], 0.0
        count = int(COARSE ** (2.0 / max(2, self.coupling.dim)))
        ticks = np.meshgrid(*[np.arange(count) / count] * self.coupling.dim, indexing="ij", sparse=True)
        exponents = self.coupling.exponent(level, prefix, tuple(ticks))
        spread = np.ptp(exponents.reshape(len(exponents), -1), axis=1)
        if not np.isfinite(spread).all():
            raise NotConverged(f"level {level}", "the potential is not finite in a cell", "check the fluctuation there")
        order = np.argsort(-np.broadcast_to(spread, len(prefix)), kind="stable")
        chosen = order[: PILOTS - 1].tolist() + order[-1:].tolist()
        return prefix[sorted(set(chosen))], float(spread.max())

    def _choose_samples(
        self, level: int, recursion: Recursion, pilots: np.ndarray, share: float
    ) -> tuple[int, LevelResult, float]:
        """Choose the number of samples of y_k so that log K_k is right between them; return the samples, and the error."""
        axes = self.coupling.sampled_axes(level)
        if not axes:
            return 1, recursion.samples_of(level, pilots, 1), 0.0
        between = np.zeros((TRIALS, self.coupling.dim))
        trial = np.arange(1, TRIALS + 1)[:, None] * np.array([0.754877666, 0.569840291, 0.430159709])
        between[:, list(axes)] = trial[:, : len(axes)] % 1.0
        true = recursion.effective(level + 1, recursion._extended(level, pilots, between))
        tried: list[tuple[int, float]] = []
        error = np.inf
        for count in SAMPLE_COUNTS:
            if tried and count < _promising(tried, share):
                continue
            results = recursion.samples_of(level, pilots, count)
            error = SAFETY * _interpolation_error(results, true, between, count, axes, len(pilots))
            if error <= share:
                return count, results, error
            tried.append((count, error))
        raise NotConverged(
            f"interpolation of K_{level} in y_{level}",
            f"{SAMPLE_COUNTS[-1]} samples in each direction leave an error of {error:.1e}",
            f"take rtol above {error * self.rtol / share:.1e} or raise the temperature",
        )

    def _choose_rung(
        self,
        level: int,
        recursion: Recursion,
        pilots: np.ndarray,
        results: LevelResult,
        samples: int,
        route: Route,
        share: float,
    ) -> tuple[int, float]:
        """Choose the coarsest space whose tensor the next ones do not change; return its rung and error."""
        last: LevelResult | None = None
        change = before = np.inf
        size = route.size(self.coupling.dim)
        for rung in range(self._first_rung(level, pilots, route, share), size):
            try:
                now = recursion.solve_cells(level, pilots, results, self._level(route, rung, samples, share))
            except NotConverged:
                if rung == size - 1:
                    raise
                last = None
                continue
            if last is not None:
                before, change = change, _difference(last, now)
                expected = change * min(1.0, SAFETY * change / before) if np.isfinite(before) else change
                if change <= share:
                    return (rung - 1 if len(self.points) > 1 or level > 1 else rung), change
                if expected <= share / SAFETY:
                    return rung, SAFETY * expected
            last = now
        raise NotConverged(
            f"cells of level {level} by {route.name}",
            f"the finest space, {route.space(size - 1, self.coupling.dim).line.name}, leaves an error of {change:.1e}",
            "take a larger rtol, raise the temperature, or give a route with finer spaces",
        )

    def _first_rung(self, level: int, pilots: np.ndarray, route: Route, share: float) -> int:
        """Return the first space whose quadrature of exp(-U_k/sigma) and of its inverse is nearly good enough."""
        if not self.coupling.has_terms(level):
            return 0
        size = route.size(self.coupling.dim)
        means = [self._means(level, pilots, route.space(0, self.coupling.dim))]
        for rung in range(size - 2):
            means.append(self._means(level, pilots, route.space(rung + 1, self.coupling.dim)))
            if np.abs(means[-1] - means[-2]).max() <= LOOSE * share:
                return rung
        return size - 2

    def _means(self, level: int, pilots: np.ndarray, space: TensorSpace) -> np.ndarray:
        exponents = self.coupling.exponent(level, pilots, space.nodes)
        full = np.broadcast_to(exponents, (len(exponents), *space.weights.shape))
        return np.stack([log_mean(full, space), log_mean(-full, space)])


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


def _difference(first: LevelResult, second: LevelResult) -> float:
    tensors = relative_distance(first.log_tensor, second.log_tensor).max()
    lower = relative_distance(first.log_lower, second.log_lower).max()
    return float(max(tensors, lower, np.abs(first.log_partition - second.log_partition).max()))


def _spread(results: LevelResult) -> float:
    diagonal = np.einsum("bii->bi", results.log_tensor)
    return float(np.ptp(diagonal)) if len(diagonal) else 0.0
