"""Bounds of the frequency of transitions between two sets, by the principles of Dirichlet and Thomson."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import integer, number

from ..hitting.target_sets import Indicator, TargetSet
from ..problem import ReversibleDiffusion
from .cell_elements import gauss
from .cell_integrals import Measured, Medium, cell_sums, first_order
from .dirichlet import check_apart, upper_energy
from .mesh_choice import Division, finer, first_division
from .thomson import Current, best_current


@dataclass(frozen=True)
class BoundSettings:
    """What the numbers allow.

    Args:
        most: degree that may be asked for.
        wide: relative width from which finer cells are taken, where none of this is asked for.
        rounding: of sums and solves, relative, beside that of Psi/sigma.
    """

    most: int = 6
    wide: float = 1e-4
    rounding: float = 1e-13


SETTINGS = BoundSettings()


@dataclass(frozen=True)
class FrequencyBounds:
    """An interval that contains the frequency nu of transitions from A to B in equilibrium, in units of 1/time.

    The error of quadrature is measured, by three rules; what lies between the points at which sets, M and Psi were
    looked at is not seen. All else is certain, whatever the solvers did.

    Args:
        lower: at most nu, by a current.
        upper: at least nu, by a function.
        error_of_quadrature: by how much the interval was widened for integrals and rounding, both sides together.
        error_of_coefficients: the same for the error that M and Psi themselves are said to have.
        degree: of the elements.
        cells: of the mesh, along each direction.
        fitted: whether unions of cells are the sets themselves; if not, the interval is as wide as cells are.
    """

    lower: float
    upper: float
    error_of_quadrature: float
    error_of_coefficients: float
    degree: int
    cells: tuple[int, ...]
    fitted: bool

    @property
    def width(self) -> float:
        """(upper - lower)/upper."""
        return (self.upper - self.lower) / self.upper

    def within(self, other: FrequencyBounds) -> FrequencyBounds:
        """The part of this interval that lies in another one of the same frequency."""
        return replace(self, lower=max(self.lower, other.lower), upper=min(self.upper, other.upper))


def frequency_bounds(
    equation: ReversibleDiffusion, a: Indicator, b: Indicator, *, degree: int | None = None
) -> FrequencyBounds:
    """Bounds of nu = min int sigma mu M grad f . grad f, f = 0 on A and 1 on B, mu = exp(-Psi/sigma)/Z; collective.

    Args:
        equation: M, Psi, sigma, the box and its cells.
        a: the set A, from points (P, d) to truth values (P,).
        b: the set B.
        degree: of the elements; None chooses it, and cells of another size than the equation's where that is better.

    Returns:
        The interval, the same on all ranks.

    Raises:
        InvalidArgument: no such callables, an empty set, sets that meet or touch in these cells; a degree out of range.
        NotConverged: pi varies too much for double precision, or in a cell; the linear solver has failed.

    Warns:
        Unresolved: the lower bound is 0, for a set holds no cell, or rounding has spoilt the current.

    Source: Bovier and den Hollander, Metastability (2015), section 7.3.
    """
    comm = equation.grid.comm
    chosen = on_all_ranks(comm, lambda: None if degree is None else integer("degree", degree, 1, SETTINGS.most))
    same_on_all_ranks(comm, degree=chosen)
    error = on_all_ranks(comm, lambda: _error_of(equation))
    targets = (TargetSet("a", a, 0.0), TargetSet("b", b, 1.0))
    division: Division | None = first_division(equation.grid, targets, chosen)
    best: FrequencyBounds | None = None
    while division is not None:
        try:
            found = _on_cells(equation, division, error)
        except NotConverged:
            if best is None:
                raise
            break
        best = found if best is None else found.within(best)
        sets = division.sets
        own = best.upper - best.lower - best.error_of_coefficients
        division = None if own <= SETTINGS.wide * best.upper else finer(equation.grid, targets, division)
    assert best is not None
    if best.lower == 0.0 and comm.rank == 0:
        empty = [one.name for one in sets if not one.inner.any() and not one.inner_faces.any()]
        reason = f"{empty[0]} holds no cell" if empty else "of no current the flux is known"
        warn(f"the lower bound of the frequency is 0, since {reason}; take more cells, or larger sets", Unresolved)
    return best


def _on_cells(equation: ReversibleDiffusion, division: Division, error: float) -> FrequencyBounds:
    mesh, sets, degree = division.mesh, division.sets, division.degree
    check_apart(mesh, *sets)
    medium = Medium(mesh, equation.coefficients, equation.library)
    lowest, highest = medium.extremes()
    bottom = float(lowest.min())
    function = upper_energy(medium, *sets, degree, (lowest, highest))
    current = best_current(medium, *sets, degree, highest)
    return _bounds(division, function, current, (_partition(medium, bottom, degree), bottom), error)


def _partition(medium: Medium, bottom: float, degree: int) -> Measured:
    """The integral of exp(bottom - Psi/sigma) over the box."""
    mesh = medium.mesh

    def part(cells: np.ndarray, order: int) -> np.ndarray:
        with np.errstate(over="ignore"):
            pi = np.exp(bottom - medium.exponents(cells, order))
        return np.asarray(pi @ gauss(mesh.dim, order).weights * np.prod(mesh.widths(cells), axis=1))

    found = cell_sums(mesh, mesh.own, part, first_order(mesh, degree))
    if not found.error < 0.5 * found.value:
        raise NotConverged(
            "the integral of exp(-Psi/sigma)", f"it is known to {found.error / found.value:.1g} only",
            "take more cells",
        )  # fmt: skip
    return found


def _bounds(
    division: Division,
    function: tuple[Measured, float],
    current: Current | None,
    integral: tuple[Measured, float],
    error: float,
) -> FrequencyBounds:
    """Put the three integrals together, and the relative error of the coefficients."""
    (energy, above), (partition, bottom) = function, integral
    rounding = SETTINGS.rounding + 8 * np.finfo(float).eps * max(abs(above), abs(bottom))
    scale = float(np.exp(bottom - above))
    upper = energy.value * scale / partition.value
    upper_safe = (energy.value + energy.error) * (1 + rounding) * scale / (partition.value - partition.error)
    lower = lower_safe = 0.0
    if current is not None and np.isfinite(current.resistance.value + current.resistance.error):
        scale = float(np.exp(bottom - current.height))
        resistance, flux = current.resistance, max(current.flux - current.defect, 0.0)
        lower = flux**2 / resistance.value * scale / partition.value
        lower_safe = flux**2 / (resistance.value + resistance.error) * (1 - rounding) * scale
        lower_safe /= partition.value + partition.error
    least, most = lower_safe * (1 - error) ** 2 / (1 + error), upper_safe * (1 + error) ** 2 / (1 - error)
    if not (0.0 <= least <= most and 0.0 < most < np.inf):
        raise NotConverged(
            "the bounds of the frequency", f"they are {least:.6g} and {most:.6g}, by integrals with too few points",
            "take more cells",
        )  # fmt: skip
    quadrature, inherited = upper_safe - upper + lower - lower_safe, most - upper_safe + lower_safe - least
    ends, errors = (float(least), float(most)), (float(quadrature), float(inherited))
    return FrequencyBounds(*ends, *errors, division.degree, division.mesh.shape, division.fitted)


def _error_of(equation: ReversibleDiffusion) -> float:
    """The relative error that the coefficients say they have."""
    error = getattr(equation.coefficients, "error", None)
    if error is None:
        return 0.0
    value = number("error of the coefficients", error, least=0.0)
    if value >= 0.5:
        raise InvalidArgument("coefficients", f"must have a relative error below 0.5, not {value:g}")
    return value
