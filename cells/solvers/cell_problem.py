"""The cell problem: correctors and effective tensors of many cells at once, as minima of the energy of trial fields.

The energy int (e_i + v_i) . K (e_j + v_j) of any trial fields v bounds the effective tensor from above. A field is a
list of its d components, arrays (B, L, q, ...): B cells, one field for each direction e_j, j = 1, ..., L. K is a scalar
(B, q, ...) or a tensor (B, d, d, q, ...).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scaling_limits.particles.sampling.workers import Stop

from ..spaces.tensor_space import TensorSpace
from .conjugate_gradients import Minimum, Operator, minimise
from .sparse_factorisation import can_be_factorised, factorised
from .wells import basins

ITERATIONS = 200
INEXACT = 0.5  # part by which a factorised matrix may be off, and still be a preconditioner
REFINEMENTS = 40  # of conjugate gradients with a factorised matrix, which is exact up to rounding
HIGH_CONTRAST = 15.0  # log of the contrast from which wells are treated by a coarse problem
LENIENCE = 10.0  # the energy that steps between wells may still gain, in tolerances
# of the Laplacian in the preconditioner, as a part of (2 pi log contrast)^2: with 0, 0.01, 0.1 and 1 there are 108, 72,
# 84 and 174 iterations for exp(18 cos cos) by elements of degree 8 on 10 x 10 cells, to 1e-8
SHIFT = 0.01

# exponents of the diagonal scaling in conjugate gradients, below 1 since high modes see K through its average: with 1
# and 0.85 there are 27 and 17 iterations for exp(2 cos x + 2 cos y + cos(x + y)) by 21 points, to 1e-9; and with 1 and
# 0.95 there are 20 and 16 for exp(6 ...) by elements of degree 4 on 10 x 10 cells
OF_VALUES, OF_ELEMENTS = 0.85, 0.95

Field = list[np.ndarray]


@dataclass(frozen=True, eq=False)
class CellSolution:
    """Correctors theta (B, d, n, ..., n), effective tensors (B, d, d) and convergence (B,) of B cells; iterations."""

    correctors: np.ndarray
    effective: np.ndarray
    converged: np.ndarray
    iterations: int


@dataclass(frozen=True, eq=False)
class Wells:
    """The wells of one cell: indicators Z (W, n, ...), K grad Z with weights, the inverse of int grad Z . K grad Z."""

    indicators: np.ndarray
    fluxes: Field
    inverse: np.ndarray

    def load(self, field: Field) -> np.ndarray:
        """Coarse load int v_j . K grad Z_w (L, W); grad Z is 0 but between wells, where K is small: no cancellation."""
        axes = tuple(range(1, field[0].ndim - 1))
        parts = [np.tensordot(v[0], f[0], axes=(axes, axes)) for v, f in zip(field, self.fluxes)]
        return sum(parts[1:], parts[0])


@dataclass(frozen=True, eq=False)
class CellProblem:
    """div( K (grad theta_j + e_j) ) = 0 on T^d, and K_eff = int (I + grad theta)^T K (I + grad theta), for B cells.

    Written as the minimum of the energy int (e_j + grad theta_j) . K (e_j + grad theta_j): its error is the square of
    that of the corrector, and what is returned is never below the exact K_eff of a K integrated exactly.

    Args:
        space: trial functions and quadrature.
        coefficient: K at the quadrature points, a scalar (B, q, ..., q) or a symmetric tensor (B, d, d, q, ..., q).

    Source: Duncan, Duong and Pavliotis (2023), (15), (16), (28) to (30).
    """

    space: TensorSpace
    coefficient: np.ndarray

    def solve(self, tolerance: float, iterations: int = ITERATIONS, stop: Stop | None = None) -> CellSolution:
        """Minimise the energy of each direction to a relative tolerance.

        Where there are several wells, conjugate gradients may stop short of the last ones: between these the energy
        falls late and at once. So the energy that steps between wells could still gain is computed, and they join the
        preconditioner where that is too much; in the preconditioner from the first they would only bring rounding in.
        """
        units, start = flux_of_unit_gradients(self._weighted, self.space.dim)
        load = -self.space.divergence(units)
        done = 0
        for preconditioner in (self.precondition, self._precondition_with_wells):
            minimum = minimise(
                self.apply, preconditioner, load, self._energies, start, tolerance, iterations, stop=stop
            )
            theta, done = minimum.minimisers, done + minimum.iterations
            field = add_unit_gradients(self.space.gradient(theta))
            effective = energy(self._weighted, field)
            missed = self._missed_between_wells(field) > LENIENCE * tolerance * np.einsum("bii->bi", effective)
            converged = minimum.converged & ~missed.any(axis=1)
            if not self._wells or converged.all():
                break
        if not converged.all() and can_be_factorised(self.space):
            minimum = self.factorised_where_needed(replace(minimum, converged=converged), load, start, tolerance, stop)
            theta, converged = minimum.minimisers, minimum.converged
            effective = energy(self._weighted, add_unit_gradients(self.space.gradient(theta)))
        return CellSolution(theta, effective, converged, done)

    def factorised_where_needed(
        self, minimum: Minimum, load: np.ndarray, start: np.ndarray, tolerance: float, stop: Stop | None = None
    ) -> Minimum:
        """What `minimise` found, with the cells that have not converged solved by sparse factorisations.

        Args:
            minimum: of B cells.
            load: right hand sides (B, L, n, n).
            start: energies without correctors (B, L).
            tolerance: of the energies, relative.
            stop: asked whether to go on.
        """
        theta, converged = minimum.minimisers, minimum.converged.copy()
        for cell in np.flatnonzero(~converged):
            one = slice(cell, cell + 1)
            problem = CellProblem(self.space, self.coefficient[one])
            try:
                inverse = factorised(self.space, problem._weighted[0])
            except RuntimeError:  # SuperLU: singular up to rounding; the cell stays unconverged
                continue
            if not problem.is_inverted(inverse, load[one]):
                continue
            found = minimise(
                problem.apply, inverse, load[one], problem._energies, start[one], tolerance, REFINEMENTS, stop=stop
            )
            theta[one], converged[one] = found.minimisers, found.converged
        return replace(minimum, minimisers=theta, converged=converged)

    def is_inverted(self, inverse: Operator, load: np.ndarray) -> bool:
        """Whether an inverse of the stiffness matrix is one: then z = A^-1 b has b.z = z.Az.

        At the highest contrasts, rounding leaves factors that are not; conjugate gradients with them stand still.
        """
        z = inverse(load)
        with np.errstate(all="ignore"):
            ratios = (load * z).sum(axis=tuple(range(2, z.ndim))) / (z * self.apply(z)).sum(
                axis=tuple(range(2, z.ndim))
            )
        nothing = ~load.any(axis=tuple(range(2, z.ndim)))
        return bool((nothing | (np.abs(ratios - 1.0) < INEXACT)).all())

    def _missed_between_wells(self, field: Field) -> np.ndarray:
        """Energy (B, d) that e + grad theta could still lose by the best steps between wells."""
        decrements = np.zeros(field[0].shape[:2])
        for cell, wells in self._wells.items():
            load = wells.load([component[cell : cell + 1] for component in field])
            decrements[cell] = np.einsum("lw,wv,lv->l", load, wells.inverse, load)
        return decrements

    def _precondition_with_wells(self, residual: np.ndarray) -> np.ndarray:
        result = self.precondition(residual)
        for cell, wells in self._wells.items():
            flat = residual[cell].reshape(residual.shape[1], -1)
            indicators = wells.indicators.reshape(len(wells.indicators), -1)
            result[cell] += (flat @ indicators.T @ wells.inverse @ indicators).reshape(residual.shape[1:])
        return result

    def apply(self, u: np.ndarray) -> np.ndarray:
        """Apply the stiffness operator: int grad phi . K grad u for each basis function phi."""
        return self.space.divergence(flux(self._weighted, self.space.gradient(u)))

    def precondition(self, residual: np.ndarray) -> np.ndarray:
        """Precondition a residual: S^p A0^-1 S^p r, p < 1, a shifted Laplacian inverted between scalings."""
        coefficients = self.space.modes_of(self._damped_scaling * residual)
        coefficients *= self._inverse_frequencies
        result = self.space.from_modes(coefficients)
        result *= self._damped_scaling
        return result

    def dual_products(self, residuals: np.ndarray) -> np.ndarray:
        """Products r_i . P r_j (B, L, L) of residuals r (B, L, n, ...), P = S A0^-1 S being as large as A^-1."""
        coefficients = self.space.modes_of(self._scaling * residuals)
        rows = *coefficients.shape[:2], -1
        weighted = (coefficients * self._inverse_frequencies).reshape(rows)
        return coefficients.reshape(rows) @ weighted.swapaxes(1, 2)

    @cached_property
    def _inverse_frequencies(self) -> np.ndarray:
        """1/(lambda + c) for each cell (B, 1, n, ..., n), with lambda of the Laplacian or, if K is a tensor, stretched.

        For a scalar K and u = sqrt(K) theta the operator is -Laplace + W with W = Laplace(sqrt K)/sqrt K, which grows
        like the square of log K; c stands for W.
        """
        shift = (SHIFT * (2.0 * np.pi * self._log_contrast) ** 2).reshape(-1, 1, *[1] * self.space.dim)
        if self._anisotropy is None:
            return 1.0 / (self.space.frequencies + shift)
        parts = self._anisotropy.T.reshape(self.space.dim, *shift.shape)
        lines = np.meshgrid(*[self.space.line.frequencies] * self.space.dim, indexing="ij", sparse=True)
        total = sum((part * line for part, line in zip(parts, lines)), np.zeros(()))
        total.reshape(len(total), -1)[:, 0] = np.inf
        return 1.0 / (total + shift)

    @cached_property
    def _anisotropy(self) -> np.ndarray | None:
        """Geometric means of K_ii over trace(K)/d (B, d); None for a scalar K."""
        if self.coefficient.ndim == self.space.dim + 1:
            return None
        entries = np.einsum("bii...->bi...", self.coefficient)
        ratios = np.log(entries / entries.mean(axis=1, keepdims=True))
        return np.exp(ratios.reshape(*ratios.shape[:2], -1) @ self.space.weights.ravel())

    @cached_property
    def _log_contrast(self) -> np.ndarray:
        """Log of the contrast of each cell (B,), the largest over the smallest K around an unknown."""
        flat = self._scaling.reshape(len(self._scaling), -1)
        return 2.0 * np.log(flat.max(axis=1) / flat.min(axis=1))

    @cached_property
    def _wells(self) -> dict[int, Wells]:
        """The wells of the cells of high contrast that have several."""
        result = {}
        local = self._scaling[:, 0] ** -2
        for cell in np.flatnonzero(self._log_contrast > HIGH_CONTRAST):
            indicators = basins(local[cell])
            if indicators is not None:
                steps = self.space.gradient(indicators[None])
                energies = energy(self._weighted[cell : cell + 1], steps)[0]
                fluxes = flux(self._weighted[cell : cell + 1], steps)
                result[int(cell)] = Wells(indicators, fluxes, np.linalg.pinv(energies, 1e-13, True))
        return result

    def effective(self, correctors: np.ndarray) -> np.ndarray:
        """Energies int (I + grad theta)^T K (I + grad theta) (B, d, d), for any theta (B, d, n, ..., n)."""
        return energy(self._weighted, add_unit_gradients(self.space.gradient(correctors)))

    def _energies(self, correctors: np.ndarray) -> np.ndarray:
        return np.einsum("bii->bi", self.effective(correctors))

    @cached_property
    def _weighted(self) -> np.ndarray:
        return self.coefficient * self.space.weights

    @cached_property
    def _damped_scaling(self) -> np.ndarray:
        """Some power of S, with which conjugate gradients need fewer iterations."""
        result: np.ndarray = self._scaling ** (OF_VALUES if self.space.line.nodal else OF_ELEMENTS)
        return result

    @cached_property
    def _scaling(self) -> np.ndarray:
        """Diagonal scaling S = sqrt(diag A0 / diag A), (B, 1, n, ..., n)."""
        if self.space.line.nodal:
            if self.coefficient.ndim == self.space.dim + 1:
                local = self.coefficient
            else:
                local = np.einsum("bii...->b...", self.coefficient) / self.space.dim
            return 1.0 / np.sqrt(local)[:, None]
        if self._anisotropy is None:
            laplacian = self.space.diagonal(self.space.weights[None])
        else:
            scales = self._anisotropy[:, :, None] * np.eye(self.space.dim)
            laplacian = self.space.diagonal(scales.reshape(*scales.shape, *[1] * self.space.dim) * self.space.weights)
        return np.sqrt(laplacian / self.space.diagonal(self._weighted))[:, None]


def flux(tensor: np.ndarray, field: Field) -> Field:
    """Flux K v of a field v, by components."""
    dim = len(field)
    if tensor.ndim == dim + 1:
        return [tensor[:, None] * component for component in field]
    spread = tensor[:, :, :, None]
    return [sum((spread[:, i, j] * field[j] for j in range(dim)), np.zeros(())) for i in range(dim)]


def add_unit_gradients(field: Field) -> Field:
    """Add the unit gradients e_j to fields v_j, in place; returns the same list."""
    for i, component in enumerate(field):
        component[:, i] += 1.0
    return field


def flux_of_unit_gradients(weighted: np.ndarray, dim: int) -> tuple[Field, np.ndarray]:
    """Fluxes K e_j of the unit gradients by components (B, d, q, ...), and their energies int e_j . K e_j (B, d).

    Args:
        weighted: K times the quadrature weights.
        dim: dimension d of space.
    """
    shape = (len(weighted), dim, *weighted.shape[-dim:])
    units = flux(weighted, add_unit_gradients([np.zeros(shape) for _ in range(dim)]))
    sums = [units[i][:, i].reshape(len(weighted), -1).sum(axis=1) for i in range(dim)]
    return units, np.stack(sums, axis=1)


def energy(weighted: np.ndarray, field: Field) -> np.ndarray:
    """Energies int v_i . K v_j (B, L, L) of fields, from K times the quadrature weights."""
    return products(flux(weighted, field), field)


def products(fluxes: Field, field: Field) -> np.ndarray:
    """Sums (B, L, L) over the components and the points of fluxes times fields."""
    rows = *field[0].shape[:2], -1
    parts = [np.matmul(f.reshape(rows), v.reshape(rows).swapaxes(1, 2)) for f, v in zip(fluxes, field)]
    return sum(parts[1:], parts[0])


def inverted(tensor: np.ndarray, dim: int) -> np.ndarray:
    """Inverse K^-1 of a scalar or a tensor field."""
    if tensor.ndim == dim + 1:
        return 1.0 / tensor
    if dim == 2:
        a, b, c = tensor[:, 0, 0], tensor[:, 0, 1], tensor[:, 1, 1]
        return np.stack([np.stack([c, -b], axis=1), np.stack([-b, a], axis=1)], axis=1) / (a * c - b * b)[:, None, None]
    return np.moveaxis(np.linalg.inv(np.moveaxis(tensor, (1, 2), (-2, -1))), (-2, -1), (1, 2))
