"""M and Psi at Gauss points of cells, and integrals over cells by three rules, whose differences are their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scaling_limits.meshes.linear_algebra.choice import matrix_type
from scaling_limits.meshes.linear_algebra.sparse_matrix import SparseMatrix
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import Coefficients, exponent_at, mobility_at
from .cell_elements import gauss
from .tensor_mesh import TensorMesh


@dataclass(frozen=True)
class QuadratureSettings:
    """How integrals over cells are taken.

    Measured with jumps, kinks and cusps at random places of a cell: of two rules with n and n + 2 points the better one
    is off by more than three times their difference in 5 to 16 of a hundred cases, up to four times the mean error; of
    three rules it is in 1 to 4 of a hundred, most of them so close to a face that the error is small.

    Args:
        more: points along each direction of a cell beyond the degree of the elements, by the dimension of space.
        plenty: points along each direction of a cell where cells are few.
        first: evaluations in all up to which there are as many.
        rules: points more in each of the rules than in the first; the last is the one that counts.
        safety: factor on the largest difference of two rules.
        rtol: relative difference that is looked for, of the whole integral.
        doublings: of the number of points, in cells where the difference is too large.
        evaluations: of the integrand on all ranks in each such attempt, and where the integral is hardly known.
        known: relative difference below which an integral is known well enough for the smaller number.
        at_once: points that are looked at in one call.
        kept: points whose coefficients are kept.
    """

    more: tuple[int, int, int] = (4, 2, 2)
    plenty: int = 10
    first: int = 200_000
    rules: tuple[int, ...] = (0, 1, 3)
    safety: float = 5.0
    rtol: float = 1e-9
    doublings: int = 4
    evaluations: tuple[int, int] = (300_000, 3_000_000)
    known: float = 1e-3
    at_once: int = 2**17
    kept: int = 1_500_000


SETTINGS = QuadratureSettings()


@dataclass(frozen=True, eq=False)
class Medium:
    """M and Psi at Gauss points of the cells of this rank; kept where they are asked for again.

    Args:
        mesh: gives the cells.
        coefficients: M, Psi, sigma.
        library: of matrices.
    """

    mesh: TensorMesh
    coefficients: Coefficients
    library: type[SparseMatrix] = field(default_factory=lambda: matrix_type(None))
    _kept: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def at(self, cells: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Psi/sigma (n, Q) and sigma M (n, Q, d, d).

        Args:
            cells: numbers of cells of this rank (n,).
            order: Gauss points along each direction.
        """
        own = self.mesh.own
        count = len(gauss(self.mesh.dim, order).weights)
        if order not in self._kept and len(cells) == len(own) and len(own) * count <= SETTINGS.kept:
            self._kept[order] = self._looked_up(cells, order)
        if order in self._kept and len(own):
            exponent, tensors = self._kept[order]
            return exponent[cells - own[0]], tensors[cells - own[0]]
        return self._looked_up(cells, order)

    def exponents(self, cells: np.ndarray, order: int) -> np.ndarray:
        """Psi/sigma (n, Q) alone, as `at`."""
        if order in self._kept:
            return self.at(cells, order)[0]
        ticks = gauss(self.mesh.dim, order).ticks
        step = max(1, SETTINGS.at_once // len(ticks))
        parts = [self.mesh.points(cells[start : start + step], ticks) for start in range(0, len(cells), step)]
        values = [exponent_at(self.coefficients, x) for x in parts]
        return np.concatenate([np.zeros(0), *values]).reshape(len(cells), len(ticks))

    def _looked_up(self, cells: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
        ticks, dim = gauss(self.mesh.dim, order).ticks, self.mesh.dim
        exponent, tensors = np.zeros((len(cells), len(ticks))), np.zeros((len(cells), len(ticks), dim, dim))
        sigma = float(self.coefficients.temperature)
        step = max(1, SETTINGS.at_once // len(ticks))
        for start in range(0, len(cells), step):
            part = slice(start, start + step)
            x = self.mesh.points(cells[part], ticks)
            exponent[part] = exponent_at(self.coefficients, x).reshape(-1, len(ticks))
            tensors[part] = sigma * mobility_at(self.coefficients, x).reshape(-1, len(ticks), dim, dim)
        return exponent, tensors

    def extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest Psi/sigma (cells,) of all cells that corners and middles show; collective."""
        ticks = np.array(np.meshgrid(*[[0.0, 0.5, 1.0]] * self.mesh.dim)).reshape(self.mesh.dim, -1).T
        own = self.mesh.own

        def looked() -> np.ndarray:
            x = self.mesh.points(own, ticks)
            values = exponent_at(self.coefficients, x) if len(own) else np.zeros(0)
            values = values.reshape(-1, len(ticks))
            return np.stack([values.min(axis=1), values.max(axis=1)], axis=1)

        least, largest = self.mesh.whole(on_all_ranks(self.mesh.comm, looked)).T
        return least, largest


@dataclass(frozen=True)
class Measured:
    """An integral, and how far it may be off, by the differences of rules and the safety factor.

    Args:
        value: of the better rule.
        error: of it.
    """

    value: float
    error: float


def first_order(mesh: TensorMesh, degree: int) -> int:
    """Gauss points along each direction of a cell for elements of a degree."""
    affordable = int((SETTINGS.first / mesh.size) ** (1 / mesh.dim))
    return max(degree + SETTINGS.more[mesh.dim - 1], min(SETTINGS.plenty, affordable))


def cell_sums(
    mesh: TensorMesh, cells: np.ndarray, integrand: Callable[[np.ndarray, int], np.ndarray], order: int
) -> Measured:
    """The integral of something that is not negative over cells, with more points where the rules differ; collective.

    Args:
        mesh: gives the ranks.
        cells: of this rank (n,).
        integrand: from cells and Gauss points along each direction to the integral over each cell.
        order: the number of points to begin with.
    """
    comm, value, error = mesh.comm, 0.0, 0.0
    left = cells
    for doubling in range(SETTINGS.doublings + 1):
        orders = [order + more for more in SETTINGS.rules]
        values = on_all_ranks(comm, lambda left=left, orders=orders: np.array([integrand(left, n) for n in orders]))  # type: ignore[misc]
        fine, change = values[-1], values.max(axis=0) - values.min(axis=0)
        order *= 2
        points = sum(float(order + more) ** mesh.dim for more in SETTINGS.rules)
        bad = np.zeros(len(left), dtype=bool)
        if doubling < SETTINGS.doublings:
            sums = comm.allreduce(np.array([fine.sum(), change.sum()]))
            bad = _worst(mesh, change, value + sums[0], error + sums[1], points)
        value += comm.allreduce(float(fine[~bad].sum()))
        error += comm.allreduce(float(change[~bad].sum()))
        left = left[bad]
        if comm.allreduce(len(left)) == 0:
            break
    return Measured(value, SETTINGS.safety * error)


def _worst(mesh: TensorMesh, change: np.ndarray, total: float, error: float, points: float) -> np.ndarray:
    """The cells of this rank in which the rules differ most, as many as are affordable.

    Args:
        mesh: gives the ranks.
        change: difference in each cell (n,).
        total: the whole integral.
        error: the sum of all differences.
        points: in a cell, of the next rules.
    """
    most = SETTINGS.evaluations[not error < SETTINGS.known * total]
    if not np.isfinite(total):
        return np.zeros(len(change), dtype=bool)
    level = SETTINGS.rtol * total / mesh.size
    while True:
        bad = change > level
        if mesh.comm.allreduce(int(bad.sum())) * points <= most:
            return bad
        level = max(4.0 * level, 1e-300)
