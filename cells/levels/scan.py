"""Scans: what V1 does where neither quadrature points nor samples see it.

V1 is evaluated at quasi-random points and compared with what its values at the quadrature points, or at the samples of
y_k, interpolate there. A wave that the quadrature takes for a slower one, or a well between its points, is far off.
The distance between the points of a scan is the width of what may stay unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..solvers.symmetric import packed
from ..spaces.interpolation import MANY, InElements, at_scattered, from_nodes, grid, interpolate_at, on_grid
from ..spaces.tensor_space import LineSpace, TensorSpace
from .fields import LevelFields
from .results import weighted
from .scale_splitting import ScaleSplitting, extended

IN_ONE_CELL = {1: 1024, 2: 4096, 3: 32768}  # points of a scan of a single cell, by dimension
IN_ALL = 8192  # points for all cells of a call together, where these are many
LEAST = 16  # points in each of many cells
FOR_EXTREMES = 65_536  # more points for all cells together, at which the extremes of U_k are looked for
SEQUENCES, FAR = 8, 1 << 20  # sequences of points that groups of cells are scanned at, and their distance
SHARED = 8  # points at which cells see what other cells do not, and that all are then looked at
IN_SAMPLES = 50_000  # values of V1 for all cells together, by which samples are looked at
MOST_VALUES = 400_000  # numbers that are held at once: their arrays stay in the cache


@lru_cache(maxsize=16)
def steps(dim: int) -> np.ndarray:
    """Irrational steps whose multiples fill the unit cube evenly: powers of 1/g with g^(d+1) = g + 1."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dim + 1))
    return root ** -np.arange(1.0, dim + 1)


@lru_cache(maxsize=16)
def scan_points(count: int, dim: int, start: int = 0) -> np.ndarray:
    """The points number start, ..., start + count - 1 of a quasi-random sequence in the unit cube (count, d); kept."""
    points = (0.5 + np.arange(start + 1, start + count + 1)[:, None] * steps(dim)) % 1.0
    points.flags.writeable = False
    return points


def points_in_each(cells: int, dim: int) -> int:
    """Number of points in each of so many cells, a power of 2."""
    return _power_of_two(IN_ONE_CELL[dim] if cells == 1 else max(LEAST, min(IN_ONE_CELL[dim], IN_ALL // cells)))


def _power_of_two(count: int) -> int:
    return int(2 ** int(np.log2(count)))


@dataclass(frozen=True)
class Scan:
    """Some of the points of the quasi-random sequence, and matrices that interpolate there; the latter are kept.

    Args:
        count: number of points P.
        dim: d.
        start: number of the first one.
    """

    count: int
    dim: int
    start: int

    @property
    def points(self) -> np.ndarray:
        """The points (P, d)."""
        return scan_points(self.count, self.dim, self.start)

    def matrices(self, space: TensorSpace) -> list[np.ndarray]:
        """For each direction the matrix (P, q) that interpolates from the quadrature points of a space."""
        return _matrices(self, space.line)

    def in_elements(self, space: TensorSpace) -> InElements:
        """The same, element by element, in a space of elements."""
        return _in_elements(self, space.line)


@lru_cache(maxsize=64)
def _matrices(scan: Scan, line: LineSpace) -> list[np.ndarray]:
    return [from_nodes(line, scan.points[:, axis]) for axis in range(scan.dim)]


@lru_cache(maxsize=64)
def _in_elements(scan: Scan, line: LineSpace) -> InElements:
    return InElements.of(line, [from_nodes(line, scan.points[:, axis]) for axis in range(scan.dim)])


@dataclass(frozen=True, eq=False)
class Unseen:
    """What interpolation misses in B cells, by a scan.

    Args:
        largest: the largest difference (B,) of log K_k, or of log Z_k, from its interpolation.
        effect: what the differences change in averages of K_k, 1/K_k and log K_k over the cell (B,), relative; 0
            where measured errors account for the differences of all cells.
    """

    largest: np.ndarray
    effect: np.ndarray

    def beyond(self, error: np.ndarray) -> np.ndarray:
        """The part of the effect (B,) that a measured error does not account for.

        The error of an energy is the square of that of the functions. Where the square of the difference is larger
        than the error, the quadrature has not seen what makes the difference.
        """
        return np.where(self.largest**2 <= error, 0.0, np.nan_to_num(self.effect, nan=np.inf))


@dataclass(frozen=True)
class Look:
    """Where the cells of a call are looked at.

    Args:
        scan: points of every cell.
        further: more points, of which those count where U_k is largest or smallest; None for a single cell.
    """

    scan: Scan
    further: Scan | None


def look_at(cells: int, dim: int, number: int) -> Look:
    """Where so many cells are looked at; groups of other numbers are best looked at elsewhere."""
    first = (number % SEQUENCES) * FAR
    further = Scan(_power_of_two(max(LEAST, FOR_EXTREMES // cells)), dim, first + FAR // 2) if cells > 1 else None
    return Look(Scan(points_in_each(cells, dim), dim, first), further)


def unseen(
    fields: LevelFields, rows: np.ndarray, space: TensorSpace, values: list[np.ndarray], look: Look, error: np.ndarray
) -> Unseen:
    """What the values of log K_k and log Z_k at the quadrature points do not tell.

    Points at which some cells miss what their errors do not account for are looked at in all cells.

    Args:
        fields: log K_k.
        rows: numbers of the cells.
        space: whose quadrature it is.
        values: the diagonal entries of log K_k, and log Z_k, there, each (B or 1, q or 1, ...).
        look: where the cells are looked at.
        error: of the cells, measured by quadratures (B,).
    """
    if not (fields.splitting.has_terms(fields.level) or fields.samples.axes or fields.varying):
        return Unseen(np.zeros(len(rows)), np.zeros(len(rows)))
    points, further = look.scan.points, look.further
    looked = [_compared(fields, rows, values, points, _by_scan(look.scan, space, len(rows)))]
    if further is not None:
        extremes = _extremes(fields, rows, further.points)
        matrices = [matrix[extremes] for matrix in further.matrices(space)]
        looked.append(_compared(fields, rows, values, further.points, _by_matrices(matrices, len(rows)), extremes))
        missed = np.concatenate([np.abs(true - found).max(axis=1) for true, found in looked], axis=1)
        hidden = np.flatnonzero(missed.max(axis=1) ** 2 > error)
        worst = hidden[np.argsort(missed[hidden].max(axis=1))[-SHARED:]]
        if worst.size:
            everywhere = np.broadcast_to(points, (len(rows), *points.shape))
            places = np.concatenate([everywhere, further.points[extremes]], axis=1)
            places = places[worst, missed[worst].argmax(axis=1)]
            matrices = [from_nodes(space.line, places[:, axis]) for axis in range(space.dim)]
            looked.append(_compared(fields, rows, values, places, _by_matrices(matrices, len(rows))))
    true, found = (np.concatenate(parts, axis=2) for parts in zip(*looked))
    missed = np.abs(true - found)
    largest = missed.max(axis=(1, 2))
    if (largest**2 <= error).all():
        return Unseen(largest, np.zeros(len(rows)))
    changes = [np.abs(_log_mean(sign * true) - _log_mean(sign * found)) for sign in (1, -1)]
    effect = np.max([*changes, missed.mean(axis=2)], axis=0)
    return Unseen(largest, effect.max(axis=1))


def _log_mean(exponents: np.ndarray) -> np.ndarray:
    """log of the mean of exp along the last axis."""
    top = exponents.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(exponents - top).mean(axis=-1))


def _extremes(fields: LevelFields, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which of the points (P, d) are extremes of U_k in each cell (B, 2)."""
    own = fields.splitting.exponent(fields.level, fields.slow[rows], tuple(points.T))
    return np.broadcast_to(np.stack([own.argmax(axis=1), own.argmin(axis=1)], axis=1), (len(rows), 2))


def _compared(
    fields: LevelFields, rows: np.ndarray, values: list[np.ndarray], points: np.ndarray,
    interpolate: Callable[[np.ndarray], np.ndarray], which: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The same at points (P, d), true and interpolated from the values at quadrature points (B, C, P).

    With `which`, at some of the points in each cell, their numbers being (B, R): (B, C, R).
    """
    cells = len(rows)
    own = fields.splitting.exponent(fields.level, fields.slow[rows], tuple(points.T))
    true = np.broadcast_to(own, (cells, len(points)))
    if which is not None:
        true, points = np.take_along_axis(true, which, axis=1), points[which]
    true = true[:, None]
    if fields.samples.axes or fields.varying:
        true = true + fields.besides(rows, points)
    found = np.concatenate([interpolate(value) for value in values], axis=1)
    return true, np.broadcast_to(found, true.shape)


def _by_scan(scan: Scan, space: TensorSpace, cells: int) -> Callable[[np.ndarray], np.ndarray]:
    """Interpolates values (B or 1, q or 1, ...) at the points of a scan: (B, 1, P)."""

    def interpolate(values: np.ndarray) -> np.ndarray:
        if not space.line.per_element or cells >= MANY or 1 in values.shape[1:]:
            return interpolated(values, scan.matrices(space), cells)
        return np.broadcast_to(scan.in_elements(space).at(values)[:, None], (cells, 1, scan.count))

    return interpolate


def _by_matrices(matrices: list[np.ndarray], cells: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: interpolated(values, matrices, cells)


def interpolated(values: np.ndarray, matrices: list[np.ndarray], cells: int) -> np.ndarray:
    """Interpolate values (B or 1, q or 1, ...) at scattered points (B, 1, P), in pieces that fit into the cache."""
    values = np.broadcast_to(values, (cells, *values.shape[1:]))[:, None] if matrices[0].ndim == 3 else values[:, None]
    count = matrices[0].shape[-2]
    size = max(1, MOST_VALUES // (values.size // values.shape[-1]))
    parts = [[matrix[..., i : i + size, :] for matrix in matrices] for i in range(0, count, size)]
    return np.broadcast_to(np.concatenate([at_scattered(values, part) for part in parts], axis=-1), (cells, 1, count))


def unseen_by_samples(
    splitting: ScaleSplitting, level: int, slow: np.ndarray, count: int, axes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """What samples of y_k do not tell of the dependence of K_k on y_k.

    U = (U_{k+1} + ... + U_N)/sigma is interpolated between the samples, at quasi-random values of the faster variables;
    what this changes in the averages of exp(-U) and exp(U) over these is what it would change in K_k, were they alone.

    Args:
        splitting: the potential.
        level: k.
        slow: x, y_1, ..., y_{k-1} of the cells (B, k d).
        count: number of samples in each sampled component.
        axes: these components.

    Returns:
        The largest change of the logarithm of an average (B,), and where it is, y_k (B, d).
    """
    dim, cells = splitting.dim, len(slow)
    budget = max(LEAST**2, IN_SAMPLES // cells)
    fast = scan_points(max(LEAST, int(budget**0.5)), (splitting.levels - level) * dim)
    points = np.zeros((max(LEAST, budget // len(fast)), dim))
    points[:, list(axes)] = scan_points(len(points), len(axes))
    ticks = grid(count, axes, dim)
    worst, places = np.zeros(cells), np.zeros((cells, dim))
    size = max(1, 10 * MOST_VALUES // (len(fast) * (len(ticks) + len(points))))
    for part in [slice(i, i + size) for i in range(0, cells, size)]:
        samples, true = (_faster_terms(splitting, level, slow[part], y, fast) for y in (ticks, points))
        found = interpolate_at(on_grid(samples, count, axes, dim), points).swapaxes(1, 2)
        changes = [np.abs(_log_mean(sign * true) - _log_mean(sign * found)) for sign in (1, -1)]
        for number in range(len(splitting.parameters)):
            samples, true = (
                _faster_derivatives(splitting, level, slow[part], y, fast, number) for y in (ticks, points)
            )
            found = interpolate_at(on_grid(samples, count, axes, dim), points).swapaxes(1, 2)
            spread = np.ptp(true.reshape(len(true), -1), axis=1)[:, None]
            changes.append(weighted(np.abs(true - found).mean(axis=2), spread))
        missed = np.nan_to_num(np.max(changes, axis=0), nan=np.inf)
        worst[part], places[part] = missed.max(axis=1), points[missed.argmax(axis=1)]
    return worst, places


def _faster_terms(
    splitting: ScaleSplitting, level: int, slow: np.ndarray, points: np.ndarray, fast: np.ndarray
) -> np.ndarray:
    """-(U_{k+1} + ... + U_N)/sigma (B, P, F) at y_k = points (P, d), and values of the faster variables (F, ...)."""
    rows = extended(slow, points)
    total, dim = np.zeros((len(rows), len(fast))), splitting.dim
    for faster in range(level + 1, splitting.levels + 1):
        if splitting.has_terms(faster):
            total += splitting.exponent(faster, rows, tuple(fast[:, : (faster - level) * dim].T))
    if splitting.has_mobility:
        logs = splitting.log_mobility(rows, tuple(fast.T))
        total += logs[:, np.flatnonzero(packed(np.eye(dim)))].mean(axis=1)
    return total.reshape(len(slow), len(points), len(fast))


def _faster_derivatives(
    splitting: ScaleSplitting, level: int, slow: np.ndarray, points: np.ndarray, fast: np.ndarray, number: int
) -> np.ndarray:
    """The derivatives of the same by a parameter, without those of the mobility (B, P, F)."""
    rows = extended(slow, points)
    total, dim = np.zeros((len(rows), len(fast))), splitting.dim
    for faster in range(level + 1, splitting.levels + 1):
        nodes = tuple(fast[:, : (faster - level) * dim].T)
        total += splitting.exponent_sensitivities(faster, rows, nodes)[:, number]
    return total.reshape(len(slow), len(points), len(fast))


def strengths(splitting: ScaleSplitting, level: int, slow: np.ndarray) -> np.ndarray:
    """How much those of U_k/sigma, ..., U_N/sigma that count vary together in each cell (B,), at some points.

    Where K_k depends on y_k by its factor exp(-U_k/sigma) only, U_k alone counts.
    """
    total, last = np.zeros(len(slow)), splitting.levels if splitting.sampled_axes(level) else level
    for faster in range(level, last + 1):
        if splitting.has_terms(faster):
            points = scan_points(LEAST, splitting.dim, faster)
            count = LEAST if faster > level else 1
            fast = np.random.Generator(np.random.Philox(key=[faster, LEAST])).random(
                (count, (faster - level) * splitting.dim)
            )
            rows = extended(slow, fast)
            values = splitting.exponent(faster, rows, tuple(points.T))
            values = np.broadcast_to(values, (len(rows), LEAST)).reshape(len(slow), -1)
            total += np.ptp(values, axis=1)
    return total
