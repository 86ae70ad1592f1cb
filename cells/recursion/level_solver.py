"""The cells of one level: effective tensors, bounds, and snapshots for reduced bases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.workers import Stop

from ..solvers.cell_problem import CellProblem, Field, add_unit_gradients, energy, inverted
from ..solvers.dual_problem import CurlProblem, dual_fields, rotated
from ..solvers.symmetric import logarithm, relative_distance
from ..spaces.tensor_space import TensorSpace
from .levels import LevelBasis, LevelFields, LevelResult, coefficient, largest_exponent, log_mean

ROUNDING = 1e-12  # of an effective tensor, relative


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Minimising fields (F, d, q, ...) of some cells at the points of one quadrature or of two, for reduced bases."""

    primal: list[np.ndarray]
    dual: list[np.ndarray]


class Cells:
    """B cells of a level, with K_k at the quadrature points.

    Args:
        fields: of the level.
        slow: x, y_1, ..., y_{k-1} of these cells (B, k d).
        rows: which of the cells of `fields` they are.
        stop: what ends a solve in a thread.
    """

    def __init__(self, fields: LevelFields, slow: np.ndarray, rows: slice, stop: Stop) -> None:
        self.fields, self.slow, self.rows, self._stop = fields, slow, rows, stop
        stop.check()
        self.plan, self.space = fields.plan, fields.plan.space
        self._values: dict[tuple[bool, bool], tuple[np.ndarray, np.ndarray]] = {}
        self.entries, self.log_z = self.at()
        self.shift = largest_exponent(self.entries, fields.level)
        self.shifts = self.shift[:, None, None] * np.eye(self.space.dim)

    def at(self, *, checking: bool = False, lower: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """log K_k, or its lower bound, and log Z_k at the points of one of the two quadratures; computed once."""
        key = checking, lower and not self.fields.exact
        if key not in self._values:
            space = self._checking if checking else self.space
            self._values[key] = self.fields.at(self.slow, self.rows, space, lower=key[1])
        return self._values[key]

    def tensor(self, *, checking: bool = False, lower: bool = False) -> np.ndarray:
        """exp(-shift) K_k, or its lower bound, at the points of one of the two quadratures."""
        return coefficient(self.at(checking=checking, lower=lower)[0], self.space.dim, self.shift)

    def minimisers(self) -> tuple[np.ndarray, np.ndarray]:
        """Correctors theta_k (B, d, n, ...) and their energies exp(-shift) K_{k-1} (B, d, d)."""
        return self._minimised(self.tensor())

    def minimisers_and_duals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Correctors, energies, and the potentials of the best fluxes; in the plane all are solved at once."""
        if self.space.dim == 3:
            dual = CurlProblem(self.space, self._inverse)
            return *self.minimisers(), dual.solve(self.plan.tolerance, self.plan.iterations, self._stop)
        solved, energies = self._minimised(np.concatenate([self.tensor(), rotated(self._inverse)]))
        cells = len(self.slow)
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
        better = energy(
            self.tensor(checking=True) * checking.weights, add_unit_gradients(checking.gradient(correctors))
        )
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
        tensor = -log_mean(-self.entries[:, 0], self.space)[:, None, None]
        if not bounds:
            return LevelResult(tensor, log_mean(self.log_z, self.space), tensor, self.fields.slack[self.rows])
        entries, _ = self.at(checking=True)
        slack = np.abs(-log_mean(-entries[:, 0], self._checking) - tensor[:, 0, 0])
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
        return LevelResult(tensor, log_mean(self.log_z, self.space), tensor, self.fields.slack[self.rows])

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
        partition = log_mean(log_z, self._checking)
        return partition, np.abs(partition - log_mean(self.log_z, self.space))


def _flattened(field: Field) -> np.ndarray:
    """Fields (B, L, q, ...) by components as one array (B L, d, q, ...)."""
    whole = np.stack(field, axis=2)
    return whole.reshape(-1, *whole.shape[2:])
