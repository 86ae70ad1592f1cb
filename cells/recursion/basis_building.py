"""Many cells of one level by a reduced basis: snapshots of some, spans for the others, and each of these is measured.

A cell whose error in the span is larger than allowed joins the next snapshots, or is solved in the whole space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..levels.cells import Cells, Snapshots
from ..levels.fields import LevelFields
from ..levels.scan import scan_points
from ..solvers.reduced_basis import LevelBasis, ReducedBasis, reduced_basis
from .refinement import CellSolver, Solved
from .search import Place

SNAPSHOTS = 24  # cells whose correctors join the basis at once
ROUNDS = 4  # of snapshots, at most
FIRST = 8  # of them that are solved by themselves, to choose the space of the others
FEW = 0.25  # part of some cells that may not fit a basis before it is extended
MANY = 300  # cells, above which a basis pays
LOOKS = 32  # points of each cell at which its contrast is looked at
TRUNCATION = 0.03  # singular values below this part of the root of the allowed error are left out
SMALLEST = 1e-7  # and those which rounding hides


@dataclass(eq=False)
class BasisOfLevel:
    """A basis that grows with the cells of a level that it does not fit.

    Args:
        place: the space of the snapshots.
        basis: the spans; None where none is made, or none fits into memory.
        snapshots: the fields that it is made of.
    """

    place: Place
    basis: LevelBasis | None
    snapshots: list[Snapshots]


def solve_many(
    solver: CellSolver, fields: LevelFields, place: Place, known: BasisOfLevel | None
) -> tuple[Solved, BasisOfLevel]:
    """Solve all cells of a level, in a basis where it fits them.

    Args:
        solver: of cells in whole spaces.
        fields: K_k.
        place: the space to begin with.
        known: the basis of other cells of this level, which is extended where it has to be.

    Returns:
        The cells, and the basis.
    """
    count, dim = len(fields.slow), fields.splitting.dim
    found, pending = Solved.unknown(count, dim, place, len(fields.splitting.parameters)), np.arange(count)
    basis = known or BasisOfLevel(place, None, [])
    for _ in range(ROUNDS if count > MANY else 0):
        some = _stratified(fields, pending)
        if not basis.snapshots:
            solved = some[:: len(some) // FIRST or 1]
            found.join(solved, solver.solve(fields, solved, place))
            pending = np.setdiff1d(pending, solved)
            if not _begin(solver, fields, found, some, solved, basis):
                break
        misfits = _in_the_span(solver, fields, found, some, basis)
        pending = np.setdiff1d(pending, np.setdiff1d(some, misfits))
        if misfits.size <= FEW * some.size:
            pending = _in_the_span(solver, fields, found, pending, basis)
            if pending.size <= MANY:
                break
            misfits = _stratified(fields, pending)
        found.join(misfits, solver.solve(fields, misfits, basis.place))
        pending = np.setdiff1d(pending, misfits)
        if not _extend(solver, fields, found, misfits, basis):
            break
    else:
        pending = _in_the_span(solver, fields, found, pending, basis)
    if pending.size:
        found.join(pending, solver.solve(fields, pending, basis.place))
    return found, basis


def _in_the_span(
    solver: CellSolver, fields: LevelFields, found: Solved, pending: np.ndarray, basis: BasisOfLevel
) -> np.ndarray:
    """Solve cells in the span, where there is one for tensors of this kind; returns those that it does not fit."""
    if not pending.size or basis.basis is None or basis.basis.primal.scalar != fields.scalar:
        return pending
    measured = solver.measured(fields, pending, basis.place, basis.basis)
    found.put(pending, measured, basis.place)
    return pending[~(measured.own <= solver.allowed(fields))]


def _stratified(fields: LevelFields, pending: np.ndarray) -> np.ndarray:
    """Cells of all contrasts, from the least to the largest."""
    splitting, dim = fields.splitting, fields.splitting.dim
    exponents = splitting.exponent(fields.level, fields.slow[pending], tuple(scan_points(LOOKS, dim).T))
    spreads = np.broadcast_to(np.ptp(exponents.reshape(len(exponents), -1), axis=1), len(pending)) + fields.spreads(
        pending
    )
    order = pending[np.argsort(spreads, kind="stable")]
    return np.sort(order[np.unique(np.linspace(0, len(order) - 1, SNAPSHOTS).astype(int))])


def _begin(
    solver: CellSolver, fields: LevelFields, found: Solved, chosen: np.ndarray, solved: np.ndarray, basis: BasisOfLevel
) -> bool:
    """Make a basis of cells in the space that most of some solved ones needed; False if it does not fit into memory."""
    order = sorted(found.places[solved], key=lambda place: place.points(fields.splitting.dim))
    basis.place = order[3 * len(order) // 4]
    return _add(solver, fields, chosen, basis)


def _extend(solver: CellSolver, fields: LevelFields, found: Solved, chosen: np.ndarray, basis: BasisOfLevel) -> bool:
    """Add solved cells to a basis, those that needed no finer space than its own; False if none is left."""
    route, refinement = basis.place.route, basis.place.refinement
    fits = [place.route == route and place.refinement <= refinement for place in found.places[chosen]]
    fitting = chosen[np.array(fits)]
    return bool(fitting.size) and _add(solver, fields, fitting, basis)


def _add(solver: CellSolver, fields: LevelFields, chosen: np.ndarray, basis: BasisOfLevel) -> bool:
    """Add the correctors of cells; False if the basis does not fit into memory."""
    how = solver.cell_space(basis.place, fields)
    basis.snapshots += solver.in_chunks(
        chosen, how, lambda some, stop: Cells(fields, some, how, solver.allowances.bounds, stop).snapshots()
    )
    basis.basis = _basis_of(solver, fields, basis)
    return basis.basis is not None


def _basis_of(solver: CellSolver, fields: LevelFields, basis: BasisOfLevel) -> LevelBasis | None:
    space = basis.place.route.space(basis.place.refinement, fields.splitting.dim)
    accuracy = max(SMALLEST, TRUNCATION * np.sqrt(solver.allowed(fields)))
    if fields.splitting.parameters:
        accuracy = SMALLEST

    def made(parts: list[list[np.ndarray]]) -> ReducedBasis | None:
        there, better = [np.concatenate(part) for part in zip(*parts)]
        return reduced_basis(there, better, space, scalar=fields.scalar, accuracy=accuracy)

    primal = made([snapshot.primal for snapshot in basis.snapshots])
    if primal is None or not solver.allowances.bounds:
        return None if primal is None else LevelBasis(primal, None)
    dual = made([snapshot.dual for snapshot in basis.snapshots])
    return None if dual is None else LevelBasis(primal, dual)
