"""The recursion K_N -> theta_N -> K_{N-1} -> ... -> K_0 for many points at once, with spaces and samples that are given.

K_{k-1} is needed at all quadrature points of the cells of level k - 1. It is computed at a few, equidistant in y_{k-1},
and log K_{k-1} is interpolated in between, apart from the factor exp(-U_{k-1}/sigma), which is known everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from .cell_problem import CellProblem
from .coupling import Coupling
from .dual_problem import lower_bound
from .errors import NotConverged
from .symmetric import components, exponential_field, logarithm, packed, relative_distance
from .tensor_space import TensorSpace
from .torus_interpolation import grid, interpolate, on_grid

CHUNK = 40_000  # unknowns of a chunk of cells: their arrays stay in the cache
SAMPLES = 4096  # cells of the next level for which memory is taken at once
ROUNDING = 1e-12  # of an effective tensor, relative
OVERFLOW = 650.0  # log of the largest contrast whose coefficients are numbers


@dataclass(frozen=True, eq=False)
class LevelPlan:
    """How the cells of a level are solved.

    Args:
        space: trial functions and quadrature.
        checking: the same functions with a better quadrature, where bounds are wanted.
        samples: number of points in each sampled component of y_k.
        tolerance: of the energy, relative.
        interpolation: measured error of log K_k between the samples.
    """

    space: TensorSpace
    checking: TensorSpace | None
    samples: int
    tolerance: float
    interpolation: float = 0.0


@dataclass(frozen=True, eq=False)
class LevelResult:
    """What the cells of a level hand on, for B prefixes; tensors without the factors exp(-U_j/sigma) of lower levels.

    Args:
        log_tensor: log K_{k-1} (B, d, d).
        log_partition: log of the integral over y_k, ..., y_N (B,).
        log_lower: log of a lower bound of K_{k-1} (B, d, d); the same array as log_tensor where none is wanted.
        slack: log of the factor between log_tensor and an upper bound, from quadrature and interpolation (B,).
    """

    log_tensor: np.ndarray
    log_partition: np.ndarray
    log_lower: np.ndarray
    slack: np.ndarray

    def rows(self, index: np.ndarray) -> LevelResult:
        """The results of some prefixes."""
        return LevelResult(
            self.log_tensor[index], self.log_partition[index], self.log_lower[index], self.slack[index]
        )


def _joined(parts: list[LevelResult]) -> LevelResult:
    names = ("log_tensor", "log_partition", "log_lower", "slack")
    return LevelResult(*[np.concatenate([getattr(part, name) for part in parts]) for name in names])


@dataclass(frozen=True, eq=False)
class Recursion:
    """The recursion (15), (16) with one plan for each level.

    Args:
        coupling: the potential, split into levels.
        plans: of the levels k = 1, ..., N, by k.
        bounds: whether lower bounds and slacks are computed.
        workers: threads for the cells of a level.
        solves: counts the distinct cells solved at each level, by k.

    Source: Duncan, Duong and Pavliotis (2023), (14) to (17).
    """

    coupling: Coupling
    plans: dict[int, LevelPlan]
    bounds: bool = False
    workers: int = 1
    solves: dict[int, int] = field(default_factory=dict)

    def effective(self, level: int, prefix: np.ndarray) -> LevelResult:
        """K_{k-1} for prefixes (x, y_1, ..., y_{k-1}) (B, k d); those that agree in what matters share a cell."""
        if level > self.coupling.levels:
            return self._identity(len(prefix))
        columns = list(self.coupling.columns[level])
        _, first, inverse = np.unique(prefix[:, columns], axis=0, return_index=True, return_inverse=True)
        distinct = prefix[first] if columns else prefix[:1]
        inverse = inverse if columns else np.zeros(len(prefix), dtype=int)
        if self.coupling.is_trivial(level):
            result = self.effective(level + 1, self._extended(level, distinct, np.zeros((1, self.coupling.dim))))
        else:
            self.solves[level] = self.solves.get(level, 0) + len(distinct)
            result = _joined([self._solve(level, group) for group in self._groups(level, distinct)])
        return result.rows(inverse.ravel())

    def samples_of(self, level: int, prefix: np.ndarray, count: int) -> LevelResult:
        """What the next level hands on at the samples of y_k, (B times samples^a) results with y_k running fastest."""
        ticks = grid(count, self.coupling.sampled_axes(level), self.coupling.dim)
        return self.effective(level + 1, self._extended(level, prefix, ticks))

    def solve_cells(self, level: int, prefix: np.ndarray, samples: LevelResult, plan: LevelPlan) -> LevelResult:
        """Solve the cells of one level for prefixes (B, k d), from the samples of the next level."""
        fields = _Fields(self.coupling, level, samples, len(prefix), plan)
        size = max(1, CHUNK // (plan.space.dim * plan.space.line.points.size**plan.space.dim))
        chunks = [slice(i, i + size) for i in range(0, len(prefix), size)]

        def solve(rows: slice) -> LevelResult:
            return _solve_chunk(fields, prefix[rows], rows, self.bounds)

        if self.workers > 1 and len(chunks) > 1:
            with ThreadPoolExecutor(self.workers) as pool:
                return _joined(list(pool.map(solve, chunks)))
        return _joined([solve(rows) for rows in chunks])

    def _solve(self, level: int, prefix: np.ndarray) -> LevelResult:
        plan = self.plans[level]
        samples = self.samples_of(level, prefix, plan.samples)
        return self.solve_cells(level, prefix, samples, plan)

    def _groups(self, level: int, prefix: np.ndarray) -> Iterator[np.ndarray]:
        axes = len(self.coupling.sampled_axes(level))
        size = max(1, SAMPLES // self.plans[level].samples ** axes)
        yield from (prefix[i : i + size] for i in range(0, len(prefix), size))

    def _extended(self, level: int, prefix: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        """Prefixes of the next level: each prefix with each value of y_k."""
        return np.concatenate([np.repeat(prefix, len(ticks), axis=0), np.tile(ticks, (len(prefix), 1))], axis=1)

    def _identity(self, count: int) -> LevelResult:
        tensor = np.zeros((count, self.coupling.dim, self.coupling.dim))
        return LevelResult(tensor, np.zeros(count), tensor, np.zeros(count))


class _Fields:
    """log K_k, its lower bound and log Z_k at the nodes of a space, for the cells of some prefixes.

    K_k is handled as a scalar where it is one: at the fastest scale, and where the faster scales hand on a multiple of I.
    """

    def __init__(self, coupling: Coupling, level: int, samples: LevelResult, cells: int, plan: LevelPlan) -> None:
        self.coupling, self.level, self.plan = coupling, level, plan
        dim, axes = coupling.dim, coupling.sampled_axes(level)
        self.scalar = _isotropic(samples.log_tensor) and _isotropic(samples.log_lower)
        tensors = (samples.log_tensor, samples.log_lower)
        entries = [tensor[:, 0, :1] if self.scalar else packed(tensor) for tensor in tensors]
        self.entries = entries[0].shape[1]
        table = np.concatenate([*entries, samples.log_partition[:, None]], axis=1)
        self.samples = on_grid(table.reshape(cells, -1, table.shape[1]), plan.samples, axes, dim)
        self.slack = samples.slack.reshape(cells, -1).max(axis=1) + plan.interpolation
        self.identity = np.ones(1) if self.scalar else packed(np.eye(dim))

    def at(
        self, prefix: np.ndarray, rows: slice, space: TensorSpace, *, lower: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The independent entries of log K_k (B, 1 or d (d+1)/2, q, ...), or of its lower bound, and log Z_k (B, q, ...)."""
        own = self.coupling.exponent(self.level, prefix, space.nodes)
        values = interpolate(self.samples[rows], space.nodes)
        shape = (len(prefix), self.entries, *space.weights.shape)
        mine = values[:, self.entries : -1] if lower else values[:, : self.entries]
        tensor = mine + self.identity.reshape(1, -1, *[1] * space.dim) * own[:, None]
        return np.broadcast_to(tensor, shape), np.broadcast_to(values[:, -1] + own, (shape[0], *shape[2:]))


def _isotropic(log_tensor: np.ndarray) -> bool:
    """Whether all tensors are multiples of the identity."""
    multiples = log_tensor[:, :1, :1] * np.eye(log_tensor.shape[-1])
    return bool(np.allclose(log_tensor, multiples, rtol=0.0, atol=1e-15))


def coefficient(entries: np.ndarray, dim: int, shift: np.ndarray) -> np.ndarray:
    """exp(log K - shift), a scalar (B, q, ...) or a tensor (B, d, d, q, ...)."""
    moved = shift.reshape(-1, *[1] * dim)
    if entries.shape[1] == 1:
        return np.exp(entries[:, 0] - moved)
    diagonal = packed(np.eye(dim)).reshape(1, -1, *[1] * dim)
    return exponential_field(entries - diagonal * moved[:, None], dim)


def largest_exponent(entries: np.ndarray, level: int) -> np.ndarray:
    """The largest diagonal entry of log K in each cell (B,), after a look at the contrast."""
    flat = entries.reshape(*entries.shape[:2], -1)
    if entries.shape[1] > 1:
        flat = flat[:, [i for i, (a, b) in enumerate(components(2 if entries.shape[1] == 3 else 3)) if a == b]]
    top, bottom = flat.max(axis=(1, 2)), flat.min(axis=(1, 2))
    if not np.isfinite(top - bottom).all():
        raise NotConverged(f"level {level}", "the potential is not finite in a cell", "check the fluctuation there")
    if (top - bottom > OVERFLOW).any():
        raise NotConverged(
            f"level {level}",
            f"the contrast exp({(top - bottom).max():.0f}) is beyond the range of double precision",
            "raise the temperature",
        )
    return top


def _solve_chunk(fields: _Fields, prefix: np.ndarray, rows: slice, bounds: bool) -> LevelResult:
    space = fields.plan.space
    entries, log_z = fields.at(prefix, rows, space)
    shift = largest_exponent(entries, fields.level)
    partition = log_mean(log_z, space)
    if space.dim == 1:
        tensor = -log_mean(-entries[:, 0], space)[:, None, None]
        return _checked_line(fields, prefix, rows, LevelResult(tensor, partition, tensor, fields.slack[rows]), bounds)
    problem = CellProblem(space, coefficient(entries, space.dim, shift))
    solution = problem.solve(fields.plan.tolerance)
    if not solution.converged:
        raise NotConverged(
            f"a cell of level {fields.level}",
            f"the energy still fell after {solution.iterations} iterations in {space.line.name}",
            "take a finer space or a lower contrast",
        )
    shifts = shift[:, None, None] * np.eye(space.dim)
    tensor = logarithm(solution.effective) + shifts
    if not bounds:
        return LevelResult(tensor, partition, tensor, fields.slack[rows])
    return _bounded(fields, prefix, rows, solution.correctors, tensor, partition, shift)


def _bounded(
    fields: _Fields,
    prefix: np.ndarray,
    rows: slice,
    correctors: np.ndarray,
    tensor: np.ndarray,
    partition: np.ndarray,
    shift: np.ndarray,
) -> LevelResult:
    """Add the bounds: the energies of both trial fields with a better quadrature, its effect going into the slack."""
    space, checking = fields.plan.space, fields.plan.checking
    assert checking is not None  # plans for bounds have one
    shifts = shift[:, None, None] * np.eye(space.dim)
    better = coefficient(fields.at(prefix, rows, checking)[0], space.dim, shift)
    upper = logarithm(CellProblem(checking, better).effective(correctors)) + shifts
    below, below_fine = (
        coefficient(fields.at(prefix, rows, where, lower=True)[0], space.dim, shift) for where in (space, checking)
    )
    dual, dual_fine = lower_bound(space, checking, below, below_fine, fields.plan.tolerance)
    slack = relative_distance(tensor, upper) + relative_distance(logarithm(dual), logarithm(dual_fine))
    return LevelResult(upper, partition, logarithm(dual_fine) + shifts, fields.slack[rows] + slack + ROUNDING)


def _checked_line(
    fields: _Fields, prefix: np.ndarray, rows: slice, result: LevelResult, bounds: bool
) -> LevelResult:
    """In one dimension the harmonic mean is exact; what is left is quadrature."""
    if not bounds:
        return result
    checking = fields.plan.checking
    assert checking is not None  # plans for bounds have one
    entries, _ = fields.at(prefix, rows, checking)
    slack = np.abs(-log_mean(-entries[:, 0], checking) - result.log_tensor[:, 0, 0])
    return LevelResult(result.log_tensor, result.log_partition, result.log_tensor, result.slack + slack + ROUNDING)


def log_mean(exponents: np.ndarray, space: TensorSpace) -> np.ndarray:
    """log of the integral of exp over the torus (B,), for exponents (B, q, ...)."""
    flat = exponents.reshape(len(exponents), -1)
    top = flat.max(axis=1)
    return top + np.log(np.exp(flat - top[:, None]) @ space.weights.ravel())
