"""One level of the recursion: its plan, the coefficient K_k of its cells, their solves, and the result K_{k-1}."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.workers import Stop

from ..solvers.cell_problem import CellProblem, Field, add_unit_gradients, energy, inverted
from ..solvers.dual_problem import CurlProblem, dual_fields, rotated
from ..solvers.reduced_basis import LevelBasis
from ..solvers.symmetric import exponential_field, logarithm, packed, relative_distance, unpacked
from ..spaces.discretisations import Discretisation
from ..spaces.interpolation import interpolate, interpolate_at, on_grid
from ..spaces.tensor_space import TensorSpace
from .scale_splitting import ScaleSplitting

OVERFLOW = 650.0  # log of the largest contrast whose coefficients are numbers
SAFETY = 2.0  # factor on measured errors
ROUNDING = 1e-12  # of an effective tensor, relative


@dataclass(frozen=True, eq=False)
class LevelPlan:
    """How the cells of a level are solved.

    Args:
        route: the discretisation.
        refinement: the number of the space in it.
        space: trial functions and quadrature.
        checking: the same functions with a better quadrature, where bounds are wanted.
        samples: number of points in each sampled component of y_k.
        tolerance: of the energy, relative.
        interpolation: measured error of log K_k between the samples, of all cells or of each (B,).
        allowed: error of log K_k between the samples in one cell, above which that cell gets more samples.
        iterations: of conjugate gradients, at most.
        basis: correctors in whose span the cells are solved, where there are very many; None: each in the whole space.
    """

    route: Discretisation
    refinement: int
    space: TensorSpace
    checking: TensorSpace | None
    samples: int
    tolerance: float
    interpolation: float | np.ndarray = 0.0
    basis: LevelBasis | None = None
    iterations: int = 400
    allowed: float = np.inf


@dataclass(frozen=True, eq=False)
class LevelResult:
    """Result of B cells of a level; the tensors are without the factors exp(-U_j/sigma) of the slower levels j < k.

    Args:
        log_tensor: log K_{k-1} (B, d, d).
        log_partition: log of the integral over y_k, ..., y_N (B,).
        log_lower: log of a lower bound of K_{k-1} (B, d, d); the same array as log_tensor where none is wanted.
        slack: log of the factor between log_tensor and an upper bound, from quadrature and interpolation (B,); without
            bounds, from interpolation where it is watched.
    """

    log_tensor: np.ndarray
    log_partition: np.ndarray
    log_lower: np.ndarray
    slack: np.ndarray

    def gaps(self) -> np.ndarray:
        """The relative distances (B,) between the two bounds, and so bounds of the errors."""
        widened = self.log_tensor + 2.0 * self.slack[:, None, None] * np.eye(self.log_tensor.shape[-1])
        return relative_distance(self.log_lower, widened)

    def gap(self) -> float:
        """The largest of these distances."""
        return float(self.gaps().max(initial=0.0))

    def rows(self, index: np.ndarray) -> LevelResult:
        """The results of some of the cells."""
        return LevelResult(*[array[index] for array in vars(self).values()])


def joined(parts: list[LevelResult]) -> LevelResult:
    """The results of several groups of cells, one after the other."""
    return LevelResult(*[np.concatenate(arrays) for arrays in zip(*[vars(part).values() for part in parts])])


def differences(first: LevelResult, second: LevelResult) -> np.ndarray:
    """The relative differences (B,), the largest of the tensors, their lower bounds and the partition functions."""
    tensors = relative_distance(first.log_tensor, second.log_tensor)
    lower = relative_distance(first.log_lower, second.log_lower)
    return np.max([tensors, lower, np.abs(first.log_partition - second.log_partition)], axis=0)


def difference(first: LevelResult, second: LevelResult) -> float:
    """The largest of these differences."""
    return float(differences(first, second).max())


def interpolation_errors(
    results: LevelResult, true: LevelResult, between: np.ndarray, count: int, axes: tuple[int, ...], cells: int
) -> np.ndarray:
    """The largest relative errors (cells,) of K_k, of its lower bound and of Z_k at trial points, times `SAFETY`."""
    dim = between.shape[1]
    errors = []
    for samples, exact in ((results.log_tensor, true.log_tensor), (results.log_lower, true.log_lower)):
        table = on_grid(packed(samples).reshape(cells, -1, dim * (dim + 1) // 2), count, axes, dim)
        interpolated = np.moveaxis(unpacked(interpolate_at(table, between), dim), -1, 1).reshape(-1, dim, dim)
        errors.append(relative_distance(interpolated, exact).reshape(cells, -1).max(axis=1))
    table = on_grid(results.log_partition.reshape(cells, -1, 1), count, axes, dim)
    errors.append(np.abs(interpolate_at(table, between)[:, 0] - true.log_partition.reshape(cells, -1)).max(axis=1))
    return SAFETY * np.max(errors, axis=0)


class LevelFields:
    """log K_k, its lower bound and log Z_k at the nodes of a space, for B cells.

    K_k is handled as a scalar where it is one: at the fastest scale, and where the faster scales hand on a multiple of
    I.

    Args:
        splitting: the potential, split into levels.
        level: k.
        slow: x, y_1, ..., y_{k-1} of the cells (B, k d).
        samples: results of the next level at the samples of y_k, those of one cell after the other.
        plan: of the level.
    """

    def __init__(
        self, splitting: ScaleSplitting, level: int, slow: np.ndarray, samples: LevelResult, plan: LevelPlan
    ) -> None:
        self.splitting, self.level, self.slow, self.plan = splitting, level, slow, plan
        cells, dim, axes = len(slow), splitting.dim, splitting.sampled_axes(level)
        self.exact = samples.log_lower is samples.log_tensor  # K_k is its own lower bound, at the fastest scale
        self.scalar = _isotropic(samples.log_tensor) and (self.exact or _isotropic(samples.log_lower))
        tensors = (samples.log_tensor, samples.log_lower)
        entries = [tensor[:, 0, :1] if self.scalar else packed(tensor) for tensor in tensors]
        self.entries = entries[0].shape[1]
        table = np.concatenate([*entries, samples.log_partition[:, None]], axis=1)
        self.samples = on_grid(table.reshape(cells, -1, table.shape[1]), plan.samples, axes, dim)
        self.slack = samples.slack.reshape(cells, -1).max(axis=1) + plan.interpolation
        self.identity = np.ones(1) if self.scalar else packed(np.eye(dim))

    def at(self, rows: slice, space: TensorSpace, *, lower: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Entries of log K_k (B, 1 or d (d+1)/2, q, ...), or of its lower bound, and log Z_k (B, q, ...)."""
        own = self.splitting.exponent(self.level, self.slow[rows], space.nodes)
        values = interpolate(self.samples[rows], space.nodes)
        shape = (len(values), self.entries, *space.weights.shape)
        mine = values[:, self.entries : -1] if lower else values[:, : self.entries]
        tensor = mine + self.identity.reshape(1, -1, *[1] * space.dim) * own[:, None]
        return np.broadcast_to(tensor, shape), np.broadcast_to(values[:, -1] + own, (shape[0], *shape[2:]))


def _isotropic(log_tensor: np.ndarray) -> bool:
    """Whether all tensors are multiples of the identity."""
    multiples = log_tensor[:, :1, :1] * np.eye(log_tensor.shape[-1])
    return bool(np.allclose(log_tensor, multiples, rtol=0.0, atol=1e-15))


def not_finite(level: int) -> NotConverged:
    """What is said of a cell in which V1/sigma is no number."""
    remedy = "raise the temperature, or check the fluctuation there"
    return NotConverged(f"level {level}", "the potential over the temperature is not finite in a cell", remedy)


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Minimising fields (F, d, q, ...) of some cells at the points of one quadrature or of two, for reduced bases."""

    primal: list[np.ndarray]
    dual: list[np.ndarray]


class Cells:
    """B cells of a level, with K_k at the quadrature points.

    Args:
        fields: of the level.
        rows: which of the cells of `fields` they are.
        stop: what ends a solve in a thread.
    """

    def __init__(self, fields: LevelFields, rows: slice, stop: Stop) -> None:
        self.fields, self.rows, self._stop = fields, rows, stop
        stop.check()
        self.plan, self.space = fields.plan, fields.plan.space
        self._values: dict[tuple[bool, bool], tuple[np.ndarray, np.ndarray]] = {}
        self.entries, self.log_z = self.at()
        self.shift = self._largest_exponent()
        self.shifts = self.shift[:, None, None] * np.eye(self.space.dim)

    def at(self, *, checking: bool = False, lower: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """log K_k, or its lower bound, and log Z_k at the points of one of the two quadratures; computed once."""
        key = checking, lower and not self.fields.exact
        if key not in self._values:
            space = self._checking if checking else self.space
            self._values[key] = self.fields.at(self.rows, space, lower=key[1])
        return self._values[key]

    def _largest_exponent(self) -> np.ndarray:
        """The largest diagonal entry of log K_k in each cell (B,), after a look at the contrast."""
        diagonal = self.entries[:, self.fields.identity > 0].reshape(len(self.entries), -1)
        top, bottom = diagonal.max(axis=1), diagonal.min(axis=1)
        if not np.isfinite(top - bottom).all():
            raise not_finite(self.fields.level)
        if (top - bottom > OVERFLOW).any():
            raise NotConverged(
                f"level {self.fields.level}",
                f"the contrast exp({(top - bottom).max():.4g}) is beyond the range of double precision",
                "raise the temperature",
            )
        return top

    def tensor(self, *, checking: bool = False, lower: bool = False) -> np.ndarray:
        """exp(-shift) K_k at the points of one of the two quadratures, or its lower bound.

        A scalar (B, q, ...) or a tensor (B, d, d, q, ...).
        """
        entries, dim = self.at(checking=checking, lower=lower)[0], self.space.dim
        shifts = self.shift[:, None] * self.fields.identity
        entries = entries - shifts.reshape(*shifts.shape, *[1] * dim)
        return np.exp(entries[:, 0]) if self.fields.scalar else exponential_field(entries, dim)

    def minimisers(self) -> tuple[np.ndarray, np.ndarray]:
        """Correctors theta_k (B, d, n, ...) and their energies exp(-shift) K_{k-1} (B, d, d)."""
        return self._minimised(self.tensor())

    def minimisers_and_duals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Correctors, energies, and the potentials of the best fluxes; in the plane all are solved at once."""
        if self.space.dim == 3:
            dual = CurlProblem(self.space, self._inverse)
            return *self.minimisers(), dual.solve(self.plan.tolerance, self.plan.iterations, self._stop)
        solved, energies = self._minimised(np.concatenate([self.tensor(), rotated(self._inverse)]))
        cells = len(self.entries)
        return solved[:cells], energies[:cells], solved[cells:]

    def _minimised(self, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        solution = CellProblem(self.space, tensor).solve(self.plan.tolerance, self.plan.iterations, self._stop)
        if not solution.converged:
            raise NotConverged(
                f"a cell of level {self.fields.level}",
                f"the energy still fell after {solution.iterations} iterations in {self.space.line.name}",
                "take a finer space or a lower contrast",
            )
        return solution.correctors, solution.effective

    def result(self, bounds: bool) -> LevelResult:
        """K_{k-1}, Z_{k-1} and bounds of these cells."""
        if self.space.dim == 1:
            return self._harmonic_means(bounds)
        if self.plan.basis is not None:
            return self._in_the_span(self.plan.basis, bounds)
        if not bounds:
            return self._packed(self.minimisers()[1])
        correctors, effective, potentials = self.minimisers_and_duals()
        checking = self._checking
        weighted = self.tensor(checking=True) * checking.weights
        better = energy(weighted, add_unit_gradients(checking.gradient(correctors)))
        duals = []
        for space, inverse in ((self.space, self._inverse), (checking, self._inverse_checking)):
            duals.append(energy(inverse * space.weights, add_unit_gradients(dual_fields(space, potentials))))
        return self._bounded(effective, better, duals[0], duals[1])

    def snapshots(self, bounds: bool) -> Snapshots:
        """Gradients of correctors, and fluxes if bounds are wanted, at the points of both quadratures."""
        if not bounds:
            return Snapshots([_flattened(self.space.gradient(self.minimisers()[0]))], [])
        correctors, _, potentials = self.minimisers_and_duals()
        spaces = self.space, self._checking
        return Snapshots(
            [_flattened(space.gradient(correctors)) for space in spaces],
            [_flattened(dual_fields(space, potentials)) for space in spaces],
        )

    def _in_the_span(self, basis: LevelBasis, bounds: bool) -> LevelResult:
        if not bounds:
            return self._packed(basis.primal.energies(self.tensor())[0])
        assert basis.dual is not None  # made together
        energies = basis.primal.energies(self.tensor(), self.tensor(checking=True))
        return self._bounded(*energies, *basis.dual.energies(self._inverse, self._inverse_checking))

    def _harmonic_means(self, bounds: bool) -> LevelResult:
        """In one dimension 1/K_{k-1} = int 1/K_k is exact, and what is left is quadrature."""
        tensor = -self.space.log_mean(-self.entries[:, 0])[:, None, None]
        if not bounds:
            return LevelResult(tensor, self.space.log_mean(self.log_z), tensor, self.fields.slack[self.rows])
        entries, _ = self.at(checking=True)
        slack = np.abs(-self._checking.log_mean(-entries[:, 0]) - tensor[:, 0, 0])
        partition, error = self._partition()
        return LevelResult(tensor, partition, tensor, self.fields.slack[self.rows] + slack + error + ROUNDING)

    @property
    def _checking(self) -> TensorSpace:
        assert self.plan.checking is not None  # plans for bounds have one
        return self.plan.checking

    @cached_property
    def _inverse(self) -> np.ndarray:
        return inverted(self.tensor(lower=True), self.space.dim)

    @cached_property
    def _inverse_checking(self) -> np.ndarray:
        return inverted(self.tensor(checking=True, lower=True), self.space.dim)

    def _packed(self, effective: np.ndarray) -> LevelResult:
        tensor = logarithm(effective) + self.shifts
        return LevelResult(tensor, self.space.log_mean(self.log_z), tensor, self.fields.slack[self.rows])

    def _bounded(
        self, upper: np.ndarray, upper_better: np.ndarray, dual: np.ndarray, dual_better: np.ndarray
    ) -> LevelResult:
        """Energies of both trial fields with the better quadrature; what it changes goes into the slack."""
        tensor, lower = logarithm(upper_better), -logarithm(dual_better)
        slack = relative_distance(tensor, logarithm(upper)) + relative_distance(lower, -logarithm(dual))
        partition, error = self._partition()
        slack = slack + error + self.fields.slack[self.rows] + ROUNDING
        return LevelResult(tensor + self.shifts, partition, lower + self.shifts, slack)

    def _partition(self) -> tuple[np.ndarray, np.ndarray]:
        """log of the partition function of these cells, by the better quadrature, and what the other one errs."""
        _, log_z = self.at(checking=True)
        partition = self._checking.log_mean(log_z)
        return partition, np.abs(partition - self.space.log_mean(self.log_z))


def _flattened(field: Field) -> np.ndarray:
    """Fields (B, L, q, ...) by components as one array (B L, d, q, ...)."""
    whole = np.stack(field, axis=2)
    return whole.reshape(-1, *whole.shape[2:])
