"""Derivatives of effective tensors and of partition functions by parameters, cell by cell.

K_{k-1} is a minimum over the correctors, so that its derivative by a parameter p needs no derivative of theta (envelope
theorem): d K_{k-1}/dp = int (I + grad theta)^T dK_k/dp (I + grad theta). With theta from a space and integrals by its
quadrature this is the derivative of the discrete K_{k-1}, exactly, and its error is of the order of that of K_{k-1}.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

import numpy as np

from ..solvers.cell_problem import CellProblem, Field, add_unit_gradients, energy, flux
from ..solvers.conjugate_gradients import minimise
from ..solvers.reduced_basis import ReducedBasis
from ..solvers.residual_estimates import RicherSpace, relative_size
from ..solvers.symmetric import derivative_of_logarithm, derivatives_of_exponential_field
from ..spaces.tensor_space import TensorSpace
from .cell_coefficients import CellCoefficients
from .results import Sensitivities
from .scan import Scan, interpolated

SAFETY = 3.0  # factor on what a richer quadrature and a better corrector change
ROUNDING = 1e-14  # of derivatives, relative to how far d log K_k/dp varies in the cell
CONSTANT = 1e-9  # part of the size of d log K_k/dp that counts where it hardly varies
TINY = 1e-300  # where d log K_k/dp is 0
SOLVER = 2.0  # factor on the root of the tolerance of conjugate gradients, the error of theta


def on_a_line(cells: CellCoefficients, space: TensorSpace, better: TensorSpace) -> Sensitivities:
    """In one dimension, where d log K_{k-1}/dp is the average of d log K_k/dp by the weight 1/K_k.

    Args:
        cells: with K_k and its derivatives.
        space: with the quadrature of the result.
        better: by which its error is measured.
    """

    def averages(space: TensorSpace) -> tuple[np.ndarray, np.ndarray]:
        inverse = -cells.at(space)[0][:, 0]
        weights = np.exp(inverse - inverse.max(axis=1, keepdims=True))
        derivatives, of_z = cells.sensitivities(space)
        return _averaged(space, weights, derivatives[:, :, 0]), _averaged(space, cells.weights(space)[0], of_z)

    (tensor, partition), others = averages(space), averages(better)
    errors = SAFETY * (np.abs(others[0] - tensor) + np.abs(others[1] - partition))
    return _completed(cells, tensor[..., None, None], partition, errors)


class Trial(Protocol):
    """The correctors of some cells."""

    def energies(self, tensor: np.ndarray) -> np.ndarray:
        """Energies (B, d, d) with any symmetric tensor in the place of K, by the quadrature of the result."""

    def gradient(self, space: TensorSpace) -> Field:
        """Their gradients at the points of a richer quadrature."""


class InSpace:
    """Correctors by their coefficients.

    Args:
        correctors: theta (B, d, n, ...).
        quadrature: the functions of their space with the quadrature of the result.
    """

    def __init__(self, correctors: np.ndarray, quadrature: TensorSpace) -> None:
        self.correctors, self._quadrature = correctors, quadrature

    @cached_property
    def field(self) -> Field:
        """e_j + grad theta_j at the points of the quadrature."""
        return add_unit_gradients(self._quadrature.gradient(self.correctors))

    def energies(self, tensor: np.ndarray) -> np.ndarray:
        """See `Trial`."""
        return energy(tensor * self._quadrature.weights, self.field)

    def gradient(self, space: TensorSpace) -> Field:
        """See `Trial`."""
        return space.gradient(self.correctors)


class InSpan:
    """Correctors by their parts of a basis.

    Args:
        basis: the span.
        parts: (B, r, d).
    """

    def __init__(self, basis: ReducedBasis, parts: np.ndarray) -> None:
        self._basis, self._parts = basis, parts

    def energies(self, tensor: np.ndarray) -> np.ndarray:
        """See `Trial`."""
        return self._basis.energies(tensor, self._parts)

    def gradient(self, space: TensorSpace) -> Field:
        """See `Trial`; the points are those for which the basis was made."""
        return self._basis.combined(self._parts)


def by_energies(
    cells: CellCoefficients, trial: Trial, effective: np.ndarray, quadrature: TensorSpace,
    richer: RicherSpace | None, tolerance: float,
) -> Sensitivities:  # fmt: skip
    """In two and three dimensions.

    Args:
        cells: with K_k and its derivatives.
        trial: their correctors.
        effective: K_{k-1} exp(-shift) (B, d, d).
        quadrature: of the result.
        richer: where errors are measured; None where there is nothing to measure them with.
        tolerance: of the energy, relative, by which conjugate gradients were stopped.
    """
    tensor = np.stack([trial.energies(change) for change in _changes(cells, quadrature)], axis=1)
    partition = _of_partition(cells, quadrature)
    errors = np.full(partition.shape, np.inf)
    if richer is not None:
        field = add_unit_gradients(trial.gradient(richer.trial))
        coefficient = cells.tensor(richer.test)
        correction = richer.test.gradient(richer.correction(coefficient, field, effective))
        field, weights = [v - w for v, w in zip(field, correction)], richer.test.weights
        better = np.stack([energy(change * weights, field) for change in _changes(cells, richer.test)], axis=1)
        changes = [relative_size(change, effective) for change in (better - tensor).swapaxes(0, 1)]
        errors = np.stack(changes, axis=1) + np.abs(_of_partition(cells, richer.test) - partition)
        errors = SAFETY * errors
    logarithms = derivative_of_logarithm(effective[:, None], tensor)
    found = _completed(cells, logarithms, partition, errors)
    found.error[:] += SOLVER * np.sqrt(tolerance) * found.scale
    return found


def derivatives_of_correctors(
    cells: CellCoefficients, correctors: np.ndarray, tolerance: float, iterations: int
) -> np.ndarray:
    """d theta/dp over how far d log K_k/dp varies (B, p d, n, ...): div( K grad(d theta) + dK (grad theta + e) ) = 0.

    Args:
        cells: with K_k and its derivatives.
        correctors: theta in their space (B, d, n, ...).
        tolerance: of the energies, relative.
        iterations: of conjugate gradients, at most.
    """
    space, problem = cells.space, CellProblem(cells.space, cells.tensor(cells.space))
    field = add_unit_gradients(space.gradient(correctors))
    scale = _variation(cells)
    loads = [
        -space.divergence(flux(change * space.weights, field)) / scale[:, p].reshape(-1, *[1] * (space.dim + 1))
        for p, change in enumerate(_changes(cells, space))
    ]
    top = np.einsum("bii->bi", problem.effective(correctors)).max(axis=1, keepdims=True)
    load = np.concatenate(loads, axis=1)
    # these energies fall by no more than the variance of d log K_k/dp, over its scale, times K_{k-1}
    start = np.repeat(4.0 * top, load.shape[1], axis=1)
    found = minimise(problem.apply, problem.precondition, load, lambda u: start, start, tolerance, iterations)
    return found.minimisers


def _changes(cells: CellCoefficients, space: TensorSpace) -> Iterator[np.ndarray]:
    """dK_k/dp over exp(shift) at the points of a quadrature, a scalar or a tensor, for each parameter."""
    directions = cells.sensitivities(space)[0].swapaxes(0, 1)
    if cells.fields.scalar:
        return (cells.tensor(space) * direction[:, 0] for direction in directions)
    return derivatives_of_exponential_field(cells.shifted(space), directions, space.dim)


def _of_partition(cells: CellCoefficients, space: TensorSpace) -> np.ndarray:
    """Derivatives of log Z_{k-1} (B, p)."""
    return _averaged(space, cells.weights(space)[0], cells.sensitivities(space)[1])


def _averaged(space: TensorSpace, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Averages (B, p) of functions (B, p, q, ...) by weights (B, q, ...)."""
    density = weights.reshape(len(weights), -1) * space.weights.ravel()
    means = np.einsum("bq,bpq->bp", density, values.reshape(*values.shape[:2], -1))
    return means / density.sum(axis=1, keepdims=True)


def _completed(cells: CellCoefficients, tensor: np.ndarray, partition: np.ndarray, errors: np.ndarray) -> Sensitivities:
    """With what is left by the faster levels, and by rounding."""
    scale = _variation(cells)
    inherited, scales = (array[cells.rows] for array in cells.fields.samples.sensitivities)
    scale = np.maximum(scale, scales)
    rounding = ROUNDING * (10.0 + cells.contrast[:, None]) * scale
    return Sensitivities(tensor, partition, errors + inherited + rounding, scale)


def _variation(cells: CellCoefficients) -> np.ndarray:
    """How far d log K_k/dp and d log Z_k/dp vary in each cell (B, p)."""
    derivatives, of_z = cells.sensitivities(cells.space)
    values = np.concatenate([derivatives, of_z[:, :, None]], axis=2)
    values = values.reshape(*values.shape[:2], -1)
    return np.ptp(values, axis=2) + CONSTANT * np.abs(values).max(axis=2) + TINY


def unseen_derivatives(cells: CellCoefficients, index: np.ndarray, found: Sensitivities, scan: Scan) -> np.ndarray:
    """What the quadrature does not see of d log K_k/dp, where errors do not account for it: added errors (C, p).

    Args:
        cells: with K_k and its derivatives.
        index: some of them (C,).
        found: derivatives and errors of all.
        scan: where they are looked at.
    """
    fields, rows = cells.fields, cells.rows[index]
    own, there = (
        fields.splitting.exponent_sensitivities(fields.level, fields.slow[rows], nodes)
        for nodes in (tuple(scan.points.T), cells.space.nodes)
    )
    shape, matrices = (len(rows), own.shape[1], len(scan.points)), scan.matrices(cells.space)
    there = np.broadcast_to(there, (len(rows), *there.shape[1:]))
    known = np.stack([interpolated(values, matrices, len(rows))[:, 0] for values in there.swapaxes(0, 1)], axis=1)
    missed, scale = np.abs(np.broadcast_to(own, shape) - known), found.scale[index]
    hidden = missed.max(axis=2) ** 2 > found.error[index] * scale
    return np.where(hidden, np.nan_to_num(missed.mean(axis=2), nan=np.inf), 0.0)
