"""The space that each cell needs: all are solved in one, and those whose error is too large in finer ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scaling_limits.particles.sampling.workers import Stop, in_order

from ..levels.cells import Cells, CellSpace, Measured, joined_measures, largest_contrast
from ..levels.fields import LevelFields
from ..levels.results import LevelResult, empty
from ..levels.scan import look_at, scan_points, unseen
from ..levels.sensitivities import unseen_derivatives
from ..solvers.reduced_basis import LevelBasis
from ..solvers.residual_estimates import RicherSpace
from ..spaces.discretisations import Discretisation, MeasuredDiscretisation, choose_route
from ..spaces.tensor_space import TensorSpace
from .search import Place, Reason, Search
from .settings import Allowances

CHUNK = 100_000  # unknowns of a chunk of cells: fewer make many small arrays, more do not fit into the cache
SOLVER = 0.1  # part of the allowed error that conjugate gradients may leave
LOOSEST = 1e-5  # tolerance of conjugate gradients: larger ones are reached by chance after a few iterations
SMALLEST = 1e-20  # tolerance of conjugate gradients where derivatives are wanted: its root is the error of theta
LEFT = 2.0  # such parts that are taken to be left, even where they are asked to leave less
OF_SPANS = 1.5  # factor on measured errors in spans: these residuals are no aliases, and as large as the error
SINGLE = 1e-10  # allowed error above which residuals are measured in single precision
LOOSE = 0.3  # part of the allowed error by which the quadrature of exp(-U_k/sigma) may err in the first space
CORRECTORS = 1.3  # points in a direction that correctors need, over those that averages of exp(-U_k/sigma) need
LOOKED_AT = 8  # cells, at most, on which the first space is chosen
LOOKS = 512  # points of each at which the contrast is looked at

Result = TypeVar("Result")


@dataclass(eq=False)
class Solved:
    """Cells of a level after refinement.

    Args:
        result: of the B cells.
        own: the relative error (B,) that this level adds by its space; infinite where it is not known.
        averaging: see `Measured`.
        places: the space of each cell (B,), objects.
        place: the last space that was tried.
        reason: why the errors of some cells are larger than allowed, if they are.
    """

    result: LevelResult
    own: np.ndarray
    averaging: np.ndarray
    places: np.ndarray
    place: Place
    reason: Reason | None = None

    @classmethod
    def unknown(cls, count: int, dim: int, place: Place, parameters: int = 0) -> Solved:
        """Cells that are not solved yet."""
        result = empty(count, dim, parameters)
        result.error[:] = np.inf
        return cls(result, np.full(count, np.inf), np.ones(count), np.full(count, place), place)

    def put(self, index: np.ndarray, measured: Measured, place: Place) -> None:
        """Write cells whose errors are not larger than before."""
        own = measured.own
        better = own <= self.own[index]
        where, self.place = index[better], place
        self.result.put(where, measured.result.rows(better))
        self.result.error[index[~np.isfinite(own) & better]] = np.inf
        self.own[where], self.averaging[where] = own[better], measured.averaging[better]
        self.places[where] = place

    def join(self, index: np.ndarray, other: Solved) -> None:
        """Write cells that were solved by themselves."""
        self.result.put(index, other.result)
        self.own[index], self.averaging[index] = other.own, other.averaging
        self.places[index], self.place = other.places, other.place
        self.explain(other.reason)

    def explain(self, reason: Reason | None) -> None:
        """Note why cells could not be solved as asked."""
        self.reason = reason or self.reason


@dataclass(frozen=True, eq=False)
class CellSolver:
    """Solves cells, each in the first of a sequence of spaces whose error is as allowed.

    Args:
        allowances: of errors.
        route: the sequence of spaces, or None to choose it by contrast.
        workers: threads.
    """

    allowances: Allowances
    route: Discretisation | None
    workers: int

    def first_place(self, fields: LevelFields, rows: np.ndarray) -> Place:
        """The space to begin with: its quadrature of exp(-U_k/sigma) and of its inverse nearly holds in some cells."""
        some = rows[np.unique(np.linspace(0, len(rows) - 1, LOOKED_AT).astype(int))]
        splitting, level, dim = fields.splitting, fields.level, fields.splitting.dim
        exponents = splitting.exponent(level, fields.slow[some], tuple(scan_points(LOOKS, dim).T))
        with np.errstate(invalid="ignore"):  # what is not finite is said where cells are solved
            contrast = float(np.ptp(exponents.reshape(len(exponents), -1), axis=1).max() + fields.spreads(some).max())
        contrast = contrast if np.isfinite(contrast) else 0.0
        route = self.route or choose_route(contrast, self.allowances.rtol, dim, self.allowances.bounds)
        if not splitting.has_terms(level):
            return Place(route, 0)
        means = [_means(fields, some, route.space(0, dim))]
        for refinement in range(route.size(dim) - 2):
            means.append(_means(fields, some, route.space(refinement + 1, dim)))
            if not np.abs(means[-1] - means[-2]).max() > LOOSE * self.allowed(fields):
                # of many cells the few that need it get a finer space
                return Place(route, _finer(route, refinement, dim) if len(rows) <= LOOKED_AT else refinement)
        return Place(route, max(0, route.size(dim) - 2))

    def solve(self, fields: LevelFields, rows: np.ndarray, place: Place) -> Solved:
        """Solve cells, beginning with a space.

        Args:
            fields: K_k.
            rows: numbers of the cells in `fields` (B,).
            place: the space to begin with.

        Returns:
            Their results. Where no space is fine enough, the best ones with their errors, and the reason.
        """
        parameters = len(fields.splitting.parameters)
        found = Solved.unknown(len(rows), fields.splitting.dim, place, parameters)
        pending: np.ndarray = np.arange(len(rows))
        search = Search(self.route, self.allowed(fields), fields.level, fields.splitting.dim)
        while pending.size:
            measured = self.measured(fields, rows[pending], place)
            found.put(pending, measured, place)
            out_of_range = ~(measured.contrast <= largest_contrast(fields.splitting.dim))
            found.explain(_out_of_range(fields.level, measured.contrast[out_of_range]))
            pending = pending[~(measured.own <= self.allowed(fields)) & ~out_of_range]
            if not pending.size:
                break
            worst = float(found.own[pending].max())
            further = search.after(place, worst, bool(measured.converged.all()))
            if further is None:
                found.explain(search.reason(place, worst))
                break
            place = further
        return found

    def measured(
        self, fields: LevelFields, rows: np.ndarray, place: Place, basis: LevelBasis | None = None
    ) -> Measured:
        """Solve cells in one space, or in the span of a basis, by threads, and measure the errors that this leaves.

        Where these are as allowed, a scan adds what the quadrature does not see.
        """
        how, allowed = self.cell_space(place, fields, basis), self.allowed(fields)
        look = look_at(len(rows), fields.splitting.dim, int(rows[0]))

        def work(some: np.ndarray, stop: Stop) -> Measured:
            with np.errstate(all="ignore"):  # what is not finite has an infinite error
                cells = Cells(fields, some, how, self.allowances.bounds, stop)
                measured = cells.measured()
                good = np.flatnonzero(measured.own <= allowed)
                if good.size:
                    error, values = measured.own[good], cells.diagonal(good)
                    more = unseen(fields, some[good], how.space, values, look, error).beyond(error)
                    measured.add(good, more, self.allowances.bounds)
                    if measured.result.sensitivities is not None:
                        found = measured.result.sensitivities
                        measured.add_to_derivatives(good, unseen_derivatives(cells, good, found, look.scan))
            return measured

        parts = self.in_chunks(rows, how, work)
        return parts[0] if len(parts) == 1 else joined_measures(parts)

    def cell_space(self, place: Place, fields: LevelFields, basis: LevelBasis | None = None) -> CellSpace:
        """The space of a place with what belongs to it."""
        dim = fields.splitting.dim
        route, refinement = place.route, place.refinement
        checking = route.checking_space(refinement, dim) if self.allowances.bounds else None
        allowed, space = self.allowed(fields), route.space(refinement, dim)
        tolerance, richer = place.part * min(SOLVER * allowed, LOOSEST), None
        if fields.splitting.parameters:
            # the error of a derivative is that of theta, not its square
            tolerance = min(tolerance, max((SOLVER * allowed) ** 2, SMALLEST))
        if isinstance(route, MeasuredDiscretisation):
            safety = route.safety if basis is None else max(route.safety, OF_SPANS)
            trial, test = route.richer(refinement, dim)
            richer = RicherSpace(trial, test, safety, tolerance, allowed, allowed > SINGLE, basis is not None)
        return CellSpace(space, richer, checking, tolerance, LEFT * SOLVER * allowed, place.iterations, basis)

    def in_chunks(self, rows: np.ndarray, how: CellSpace, work: Callable[[np.ndarray, Stop], Result]) -> list[Result]:
        """Do some work on pieces of the cells, by threads."""
        size = max(1, CHUNK // (how.space.dim * how.space.weights.size))
        chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
        if self.workers > 1 and len(chunks) > 1:
            return list(in_order(work, chunks, self.workers))
        return [work(some, Stop()) for some in chunks]

    def allowed(self, fields: LevelFields) -> float:
        """Relative error that the space of a level may add."""
        return self.allowances.space(fastest=fields.fastest, sampled=bool(fields.samples.axes))


def _finer(route: Discretisation, refinement: int, dim: int) -> int:
    """The first refinement with as many points as correctors need where averages of exp(-U_k/sigma) hold already."""
    wanted = CORRECTORS * route.space(refinement, dim).line.points.size
    finer = range(refinement, route.size(dim))
    return next((r for r in finer if route.space(r, dim).line.points.size >= wanted), finer[-1])


def _means(fields: LevelFields, rows: np.ndarray, space: TensorSpace) -> np.ndarray:
    """Logarithms of the averages of exp(-U_k/sigma), and then of exp(U_k/sigma), in cells (2 B,)."""
    exponents = fields.splitting.exponent(fields.level, fields.slow[rows], space.nodes)
    full = np.broadcast_to(exponents, (len(exponents), *space.weights.shape))
    with np.errstate(invalid="ignore"):
        return space.log_mean(np.concatenate([full, -full]))


def _out_of_range(level: int, contrast: np.ndarray) -> Reason | None:
    if not contrast.size:
        return None
    if np.isnan(contrast).any():
        reason = "the potential over the temperature is not finite in a cell, or the mobility not positive definite"
        return Reason(f"level {level}", reason, "raise the temperature, or check V1 and the mobility there")
    reason = f"the contrast exp({contrast.max():.4g}) is beyond the range of double precision"
    return Reason(f"level {level}", reason, "raise the temperature")
