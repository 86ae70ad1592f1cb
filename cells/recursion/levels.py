"""One level of the recursion: its plan, the coefficient K_k of its cells, and its result K_{k-1}."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.particles.errors import NotConverged

from ..solvers.reduced_basis import ReducedBasis
from ..solvers.symmetric import components, exponential_field, packed, relative_distance, unpacked
from ..spaces.interpolation import interpolate, interpolate_at, on_grid
from ..spaces.tensor_space import TensorSpace
from .scale_splitting import ScaleSplitting

OVERFLOW = 650.0  # log of the largest contrast whose coefficients are numbers
SAFETY = 2.0  # factor on measured errors


@dataclass(frozen=True, eq=False)
class LevelBasis:
    """Spans for the cells of a level, and for their duals where bounds are wanted; the relative error they leave."""

    primal: ReducedBasis
    dual: ReducedBasis | None
    error: float


@dataclass(frozen=True, eq=False)
class LevelPlan:
    """How the cells of a level are solved.

    Args:
        space: trial functions and quadrature.
        checking: the same functions with a better quadrature, where bounds are wanted.
        samples: number of points in each sampled component of y_k.
        tolerance: of the energy, relative.
        interpolation: measured error of log K_k between the samples, of all cells or of each (B,).
        allowed: error of log K_k between the samples in one cell, above which that cell gets more samples.
        iterations: of conjugate gradients, at most.
        basis: correctors in whose span the cells are solved, where there are very many; None: each in the whole space.
    """

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
        found = np.moveaxis(unpacked(interpolate_at(table, between), dim), -1, 1).reshape(-1, dim, dim)
        errors.append(relative_distance(found, exact).reshape(cells, -1).max(axis=1))
    table = on_grid(results.log_partition.reshape(cells, -1, 1), count, axes, dim)
    errors.append(np.abs(interpolate_at(table, between)[:, 0] - true.log_partition.reshape(cells, -1)).max(axis=1))
    return SAFETY * np.max(errors, axis=0)


class LevelFields:
    """log K_k, its lower bound and log Z_k at the nodes of a space, for B cells.

    K_k is handled as a scalar where it is one: at the fastest scale, and where the faster scales hand on a multiple of
    I.
    """

    def __init__(
        self, splitting: ScaleSplitting, level: int, samples: LevelResult, cells: int, plan: LevelPlan
    ) -> None:
        self.splitting, self.level, self.plan = splitting, level, plan
        dim, axes = splitting.dim, splitting.sampled_axes(level)
        self.exact = samples.log_lower is samples.log_tensor  # K_k is its own lower bound, at the fastest scale
        self.scalar = _isotropic(samples.log_tensor) and (self.exact or _isotropic(samples.log_lower))
        tensors = (samples.log_tensor, samples.log_lower)
        entries = [tensor[:, 0, :1] if self.scalar else packed(tensor) for tensor in tensors]
        self.entries = entries[0].shape[1]
        table = np.concatenate([*entries, samples.log_partition[:, None]], axis=1)
        self.samples = on_grid(table.reshape(cells, -1, table.shape[1]), plan.samples, axes, dim)
        self.slack = samples.slack.reshape(cells, -1).max(axis=1) + plan.interpolation
        self.identity = np.ones(1) if self.scalar else packed(np.eye(dim))

    def at(
        self, slow: np.ndarray, rows: slice, space: TensorSpace, *, lower: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Entries of log K_k (B, 1 or d (d+1)/2, q, ...), or of its lower bound, and log Z_k (B, q, ...)."""
        own = self.splitting.exponent(self.level, slow, space.nodes)
        values = interpolate(self.samples[rows], space.nodes)
        shape = (len(slow), self.entries, *space.weights.shape)
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
        raise not_finite(level)
    if (top - bottom > OVERFLOW).any():
        raise NotConverged(
            f"level {level}",
            f"the contrast exp({(top - bottom).max():.4g}) is beyond the range of double precision",
            "raise the temperature",
        )
    return top


def not_finite(level: int) -> NotConverged:
    """What is said of a cell in which V1/sigma is no number."""
    remedy = "raise the temperature, or check the fluctuation there"
    return NotConverged(f"level {level}", "the potential over the temperature is not finite in a cell", remedy)


def log_mean(exponents: np.ndarray, space: TensorSpace) -> np.ndarray:
    """log of the integral of exp over the torus (B,), for exponents (B, q, ...)."""
    flat = exponents.reshape(len(exponents), -1)
    top = flat.max(axis=1)
    return top + np.log(np.exp(flat - top[:, None]) @ space.weights.ravel())
