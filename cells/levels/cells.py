"""The cells of one level in one space: effective tensors, bounds, the error of each cell, and snapshots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.particles.sampling.workers import Stop

from ..solvers.cell_problem import CellProblem, Field, add_unit_gradients, energy, flux, inverted
from ..solvers.dual_problem import CurlProblem, dual_fields, rotated
from ..solvers.reduced_basis import LevelBasis
from ..solvers.residual_estimates import RicherSpace
from ..solvers.symmetric import logarithm, relative_distance
from ..spaces.tensor_space import SHIFTS, TensorSpace
from .cell_coefficients import CellCoefficients
from .fields import LevelFields
from .results import LevelResult, Sensitivities, empty, gaps, joined, weighted
from .sensitivities import InSpace, InSpan, Trial, by_energies, derivatives_of_correctors, on_a_line

OVERFLOW = 650.0  # log of the largest contrast whose coefficients are numbers
LOST = 250.0  # and of that beyond which, from two dimensions on, conjugate gradients only see rounding
QUADRATURE = 3.0  # factor on what a rule with twice as many points changes
ROUNDING = 1e-12  # by which bounds are widened, relative
PHASES = 0.5  # exp(0.5) - exp(-0.5) = 1.04: where waves n - m and n + m cancel, what is left is as large as the wave n
EPSILON = 3e-15  # of an effective tensor, relative, for each unit of the log of the contrast, and ten more


@dataclass(frozen=True, eq=False)
class CellSpace:
    """The space in which cells are solved, and how.

    Args:
        space: trial functions and quadrature.
        richer: where errors are measured; None where the discretisation has nothing to measure them with.
        checking: the same functions with a better quadrature, where bounds are wanted.
        tolerance: of the energy, relative, by which conjugate gradients are stopped.
        leaves: relative error that they are taken to leave.
        iterations: of conjugate gradients, at most.
        basis: correctors in whose span the cells are solved; None: each in the whole space.
    """

    space: TensorSpace
    richer: RicherSpace | None
    checking: TensorSpace | None
    tolerance: float
    leaves: float
    iterations: int
    basis: LevelBasis | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """Results of B cells with what is known of them.

    Args:
        result: K_{k-1}, Z_{k-1}, bounds and errors.
        own: relative error (B,) that this level adds by its space; infinite where a cell was not solved. Where
            derivatives are wanted, at least what their errors count.
        contrast: log of the contrast of K_k in each cell (B,); NaN where V1 is not finite.
        averaging: part (B,) that averaging over y_k leaves of an error between the samples of y_k whose waves are as
            short as those of the last third of the samples, or shorter; 1 where that is not known.
        converged: whether conjugate gradients have converged (B,).
    """

    result: LevelResult
    own: np.ndarray
    contrast: np.ndarray
    averaging: np.ndarray
    converged: np.ndarray

    def add(self, index: np.ndarray, more: np.ndarray, bounds: bool) -> None:
        """Add errors of some cells to what is known of them; bounds are widened on either side."""
        sides = 2.0 if bounds else 1.0
        self.own[index] += sides * more
        self.result.error[index] += sides * more
        if bounds:
            self.result.slack[index] += more

    def add_to_derivatives(self, index: np.ndarray, more: np.ndarray) -> None:
        """Add errors (C, p) to those of the derivatives of some cells."""
        found = self.result.sensitivities
        assert found is not None  # asked where derivatives are wanted
        found.error[index] += more
        self.own[index] += weighted(more, found.scale[index]).max(axis=1)


MEASURES = ("own", "contrast", "averaging", "converged")


def joined_measures(parts: list[Measured]) -> Measured:
    """The measures of several groups of cells, one after the other."""
    arrays = [np.concatenate([vars(part)[name] for part in parts]) for name in MEASURES]
    return Measured(joined([part.result for part in parts]), *arrays)


def largest_contrast(dim: int) -> float:
    """Log of the largest contrast of a cell that is tried."""
    return OVERFLOW if dim == 1 else LOST


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Minimising fields (F, d, q, ...) of some cells at the points of two quadratures, for reduced bases."""

    primal: list[np.ndarray]
    dual: list[np.ndarray]


class Cells(CellCoefficients):
    """B cells of a level, with K_k at the quadrature points.

    Args:
        fields: of the level.
        rows: which of the cells of `fields` they are (B,).
        how: the space, and its tolerances.
        bounds: whether lower bounds are wanted.
        stop: what ends a solve in a thread.
    """

    def __init__(self, fields: LevelFields, rows: np.ndarray, how: CellSpace, bounds: bool, stop: Stop) -> None:
        stop.check()
        super().__init__(fields, rows, how.space)
        self.how, self.bounds, self._stop = how, bounds, stop
        self.shifts = self.shift[:, None, None] * np.eye(self.space.dim)

    def measured(self) -> Measured:
        """K_{k-1}, Z_{k-1}, bounds and errors of these cells; those that are out of range are left out."""
        good = self.contrast <= largest_contrast(self.space.dim)
        if good.all():
            return self._bounded() if self.bounds else self._estimated()
        dim, count = self.space.dim, len(self.rows)
        result = empty(count, dim, len(self.fields.splitting.parameters))
        own, converged = np.full(count, np.inf), np.ones(count, dtype=bool)
        averaging = np.ones(count)
        result.error[:] = np.inf
        if good.any():
            some = Cells(self.fields, self.rows[good], self.how, self.bounds, self._stop).measured()
            result.put(good, some.result)
            own[good], averaging[good], converged[good] = some.own, some.averaging, some.converged
        return Measured(result, own, self.contrast, averaging, converged)

    def _estimated(self) -> Measured:
        richer = self.how.richer
        test = self.space if richer is None else richer.test
        if self.space.dim == 1 and richer is not None:
            return self._harmonic_means(test)
        trial = self.space if richer is None else richer.trial
        effective, gradients, converged, trial_fields = self._minimised(self.tensor(self.space), trial)
        field = add_unit_gradients(gradients)
        own: np.ndarray = np.full(len(self.rows), np.inf)
        if richer is not None and converged.any():
            error = richer.error(self.tensor(test), field, effective) + self._error_of_partition(test)
            own = np.where(converged, error + self.how.leaves, np.inf)
        averaging = np.ones(len(self.rows))
        if self.fields.samples.axes:
            fluxes = flux(self.tensor(test), field)
            parts = [[f[:, j] * v[:, j] for f, v in zip(fluxes, field)] for j in range(test.dim)]
            averaging = self._averaging(test, [sum(part[1:], part[0]) for part in parts])
        found = None
        if self.wants_derivatives:
            found = by_energies(self, trial_fields, effective, self.space, richer, self.how.tolerance)
        return self._complete(logarithm(effective) + self.shifts, own, averaging, converged, found)

    @property
    def wants_derivatives(self) -> bool:
        """Whether there are parameters by which derivatives are wanted."""
        return bool(self.fields.splitting.parameters)

    def _minimised(self, tensor: np.ndarray, better: TensorSpace) -> tuple[np.ndarray, Field, np.ndarray, Trial]:
        """Energies (B, d, d), gradients of the correctors by a better quadrature, convergence, and the correctors."""
        how = self.how
        if how.basis is not None:
            effective, parts = how.basis.primal.minimised(tensor)
            converged = np.ones(len(tensor), dtype=bool)
            return effective, how.basis.primal.combined(parts), converged, InSpan(how.basis.primal, parts)
        solution = CellProblem(self.space, tensor).solve(how.tolerance, how.iterations, self._stop)
        trial = InSpace(solution.correctors, self.space)
        return solution.effective, trial.gradient(better), solution.converged, trial

    def _harmonic_means(self, better: TensorSpace) -> Measured:
        """In one dimension 1/K_{k-1} = int 1/K_k is exact, and what is left is quadrature."""
        tensor, finer = (-space.log_mean(-self.at(space)[0][:, 0]) for space in (self.space, better))
        own = QUADRATURE * (np.abs(finer - tensor) + self._error_of_partition(better))
        inverse = -self.at(self.space)[0][:, 0]
        densities = [np.exp(inverse - inverse.max(axis=1, keepdims=True))]
        found = on_a_line(self, self.space, better) if self.wants_derivatives else None
        return self._complete(tensor[:, None, None], own, self._averaging(self.space, densities), own < np.inf, found)

    def _complete(
        self, tensor: np.ndarray, own: np.ndarray, averaging: np.ndarray, converged: np.ndarray,
        derivatives: Sensitivities | None,
    ) -> Measured:  # fmt: skip
        error = self.fields.samples.inherited[self.rows] + own + EPSILON * (10.0 + self.contrast)
        partition = self.log_partition(self.space)
        result = LevelResult(tensor, partition, tensor, np.zeros(len(self.rows)), error, derivatives)
        return Measured(result, self._and_derivatives(own, derivatives), self.contrast, averaging, converged)

    def _and_derivatives(self, own: np.ndarray, derivatives: Sensitivities | None) -> np.ndarray:
        """The larger one of errors of this level (B,) and of those that its derivatives have, weighted."""
        if derivatives is None:
            return own
        inherited = self.fields.samples.sensitivities[0][self.rows]
        of_tensor = np.where(own < np.inf, own, 0.0)[:, None] * derivatives.scale
        added = np.maximum(derivatives.error - inherited, 0.0) + of_tensor
        return np.maximum(own, weighted(added, derivatives.scale).max(axis=1))

    def _averaging(self, space: TensorSpace, densities: list[np.ndarray]) -> np.ndarray:
        """See `Measured`: an error d of log K_k changes K_{k-1} by the integral of d times the density of its energy.

        Args:
            space: with the quadrature points.
            densities: of the energies of K_{k-1} (B, q, ...).
        """
        samples = self.fields.samples
        if not samples.axes:
            return np.ones(len(self.rows))
        least = max(1, samples.count // 2 * 2 // 3 + 1)
        parts = [space.largest_wave(density, least, samples.axes) for density in densities]
        return np.max(parts, axis=0) + space.largest_wave(self.weights(space)[0], least, samples.axes)

    def _error_of_partition(self, better: TensorSpace) -> np.ndarray:
        """What another quadrature changes in log Z_{k-1} (B,)."""
        change = np.abs(self.log_partition(better) - self.log_partition(self.space))
        return np.maximum(change, self._aliased(better)) if better.moved else change

    def _aliased(self, moved: TensorSpace) -> np.ndarray:
        """What equidistant points may alias in Z_{k-1}, relative (B,).

        Of the waves a_n, a_-n the rules hold Re(a_n), and Re(a_n exp(2 pi i s)) where they are moved by s/n: for some
        phases these are equal. Multiplied by exp(2 pi i m y_j), the integrand gives the waves n - m and n + m, which
        differ enough in size not to cancel if they fall to the allowed error at n and m is as below.
        """
        assert self.how.richer is not None  # which moved the points
        points = self.space.line.points.size
        number = max(1, round(PHASES * points / -np.log(self.how.richer.allowed)))
        before, after = (space.waves(self.weights(space)[0], number) for space in (self.space, moved))
        sizes: np.ndarray = np.linalg.norm((after - before) / np.sin(np.pi * np.array(SHIFTS[moved.dim])), axis=1)
        return sizes

    def _bounded(self) -> Measured:
        """Energies of trial fields and fluxes, by the better quadrature; what it changes goes into the slack."""
        checking, converged = self._checking, np.ones(len(self.rows), dtype=bool)
        if self.space.dim == 1:
            means = [-space.log_mean(-self.at(space)[0][:, 0])[:, None, None] for space in (self.space, checking)]
            change = QUADRATURE * np.abs(means[1] - means[0])[:, 0, 0]
            found = on_a_line(self, checking, self.space) if self.wants_derivatives else None
            return self._with_slack(means[1], means[1], change, converged, found)
        (upper, fields), (lower, fluxes), converged, correctors = self._primal_and_dual()
        better_upper = energy(self.tensor(checking) * checking.weights, add_unit_gradients(fields))
        better_lower = energy(self._inverse_at(checking) * checking.weights, add_unit_gradients(fluxes))
        tensor, bound = logarithm(better_upper), -logarithm(better_lower)
        slack = relative_distance(tensor, logarithm(upper)) + relative_distance(bound, -logarithm(lower))
        found = None
        if self.wants_derivatives:
            assert correctors is not None  # no spans then
            trial = InSpace(correctors, checking)
            found = by_energies(self, trial, better_upper, checking, self.how.richer, self.how.tolerance)
        return self._with_slack(tensor + self.shifts, bound + self.shifts, slack, converged, found)

    def _primal_and_dual(
        self,
    ) -> tuple[tuple[np.ndarray, Field], tuple[np.ndarray, Field], np.ndarray, np.ndarray | None]:
        """Energies, and fields by the better quadrature, of correctors and of the best fluxes; convergence, correctors.

        In the space, or in spans, which have no correctors.
        """
        space, checking, inverse = self.space, self._checking, self._inverse_at(self.space)
        if self.how.basis is not None:
            primal, dual, converged = self.how.basis.primal, self.how.basis.dual, np.ones(len(self.rows), dtype=bool)
            assert dual is not None  # made together
            (upper, parts), (lower, others) = primal.minimised(self.tensor(space)), dual.minimised(inverse)
            return (upper, primal.combined(parts)), (lower, dual.combined(others)), converged, None
        correctors, upper, potentials, converged = self.minimisers_and_duals()
        lower = energy(inverse * space.weights, add_unit_gradients(dual_fields(space, potentials)))
        fields = checking.gradient(correctors), dual_fields(checking, potentials)
        return (upper, fields[0]), (lower, fields[1]), converged, correctors

    def _with_slack(
        self, upper: np.ndarray, lower: np.ndarray, slack: np.ndarray, converged: np.ndarray,
        derivatives: Sensitivities | None,
    ) -> Measured:  # fmt: skip
        samples, rows = self.fields.samples, self.rows
        slack = slack + self._error_of_partition(self._checking) + samples.slack[rows] + ROUNDING
        partition = self.log_partition(self._checking)
        result = LevelResult(upper, partition, lower, slack, np.zeros(len(rows)), derivatives)
        result.error[:] = np.where(converged, gaps(result), np.inf)
        own = np.maximum(result.error - samples.inherited[rows] - 2.0 * samples.widening[rows], 0.0)
        own = self._and_derivatives(own, derivatives)
        return Measured(result, own, self.contrast, np.ones(len(rows)), converged)

    def minimisers_and_duals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Correctors, energies, potentials of the best fluxes, and convergence; in the plane all are solved at once."""
        how, cells = self.how, len(self.rows)
        if self.space.dim == 3:
            solution = CellProblem(self.space, self.tensor(self.space)).solve(how.tolerance, how.iterations, self._stop)
            potentials, dual = CurlProblem(self.space, self._inverse_at(self.space)).solve(
                how.tolerance, how.iterations, self._stop
            )
            return solution.correctors, solution.effective, potentials, solution.converged & dual
        both = np.concatenate([self.tensor(self.space), rotated(self._inverse_at(self.space))])
        solution = CellProblem(self.space, both).solve(how.tolerance, how.iterations, self._stop)
        converged = solution.converged[:cells] & solution.converged[cells:]
        return solution.correctors[:cells], solution.effective[:cells], solution.correctors[cells:], converged

    def snapshots(self) -> Snapshots:
        """Gradients of correctors, and fluxes if bounds are wanted, at the points of both quadratures."""
        if not self.bounds:
            solution = CellProblem(self.space, self.tensor(self.space)).solve(
                self.how.tolerance, self.how.iterations, self._stop
            )
            spaces = self.space, self.space if self.how.richer is None else self.how.richer.trial
            correctors = solution.correctors
            if self.wants_derivatives:
                others = derivatives_of_correctors(self, correctors, self.how.tolerance, self.how.iterations)
                correctors = np.concatenate([correctors, others], axis=1)
            return Snapshots([_flattened(space.gradient(correctors)) for space in spaces], [])
        correctors, _, potentials, _ = self.minimisers_and_duals()
        spaces = self.space, self._checking
        return Snapshots(
            [_flattened(space.gradient(correctors)) for space in spaces],
            [_flattened(dual_fields(space, potentials)) for space in spaces],
        )

    @property
    def _checking(self) -> TensorSpace:
        assert self.how.checking is not None  # there is one where bounds are wanted
        return self.how.checking

    def _inverse_at(self, space: TensorSpace) -> np.ndarray:
        """The inverse of the lower bound of exp(-shift) K_k at the points of a quadrature."""
        return inverted(self.tensor(space, lower=True), space.dim)


def _flattened(field: Field) -> np.ndarray:
    """Fields (B, L, q, ...) by components as one array (B L, d, q, ...)."""
    whole = np.stack(field, axis=2)
    return whole.reshape(-1, *whole.shape[2:])
