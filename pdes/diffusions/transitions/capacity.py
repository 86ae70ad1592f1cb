"""Bounds of the frequency of transitions between two sets, by the principles of Dirichlet and Thomson."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import integer, number

from ..hitting.target_sets import Indicator, TargetSet
from ..problem import ReversibleDiffusion
from .cell_elements import gauss
from .cell_integrals import Measured, Medium, cell_sums, first_order
from .cell_sets import CellSet, cell_set, planes
from .dirichlet import check_apart, upper_energy
from .tensor_mesh import TensorMesh
from .thomson import Current, best_current


@dataclass(frozen=True)
class BoundSettings:
    """Cells and degrees, where none is given.

    Args:
        unknowns: potentials on faces or values at nodes at most, by the dimension of space.
        fitted: degrees where the cells hold both sets exactly, the best first.
        cut: the degree where they do not, and the error is that of the sets.
        parts: into how many parts along each direction cells are cut then, at most.
        most: degree that may be asked for.
        range: of Psi/sigma between the pass and the lowest point.
        rounding: of sums and solves, relative, beside that of Psi/sigma.
    """

    unknowns: tuple[int, int, int] = (100_000, 100_000, 30_000)
    fitted: tuple[tuple[int, ...], ...] = ((6,), (3, 2), (2,))
    cut: int = 1
    parts: int = 4
    most: int = 6
    range: float = 600.0
    rounding: float = 1e-13


SETTINGS = BoundSettings()


@dataclass(frozen=True)
class FrequencyBounds:
    """An interval that contains the frequency nu of transitions from A to B in equilibrium, in units of 1/time.

    The error of quadrature is measured, by two rules; what lies between the points at which sets, M and Psi were looked at is
    not seen. All else is certain, whatever the solvers did.

    Args:
        lower: at most nu, by a current.
        upper: at least nu, by a function.
        error_of_quadrature: by how much the interval was widened for integrals and rounding, both sides together.
        error_of_coefficients: the same for the error that M and Psi themselves are said to have.
        degree: of the elements.
        cells: of the mesh, along each direction.
        fitted: whether unions of cells are the sets themselves; if not, more cells make the interval smaller, in the first
            order of their size.
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
        Unresolved: a set holds no cell, so that the lower bound is 0.

    Source: Bovier and den Hollander, Metastability (2015), section 7.3; mu and M as in Duncan, Duong and Pavliotis (2023).
    """
    comm = equation.grid.comm
    chosen = on_all_ranks(comm, lambda: None if degree is None else integer("degree", degree, 1, SETTINGS.most))
    same_on_all_ranks(comm, degree=chosen)
    targets = (TargetSet("a", a, 0.0), TargetSet("b", b, 1.0))
    mesh, sets, order = _mesh(equation, targets, chosen)
    check_apart(mesh, *sets)
    medium = Medium(mesh, equation.coefficients)
    lowest, highest = medium.extremes()
    upper, pass_above = upper_energy(medium, *sets, order, highest)
    current = best_current(medium, *sets, order, highest)
    bottom = float(lowest.min())
    partition = _partition(medium, bottom, order)
    return _bounds(equation, mesh, sets, order, (upper, pass_above), current, (partition, bottom))


def _mesh(
    equation: ReversibleDiffusion, targets: tuple[TargetSet, TargetSet], degree: int | None
) -> tuple[TensorMesh, tuple[CellSet, CellSet], int]:
    """The mesh, the sets in it, and the degree."""
    grid = equation.grid
    ends = planes(grid, targets)
    most = SETTINGS.unknowns[grid.dim - 1]

    def made(divide: int, skip: int) -> tuple[TensorMesh, tuple[CellSet, CellSet]]:
        mesh = TensorMesh.of(grid, ends, divide, skip)
        first, second = (cell_set(mesh, one) for one in targets)
        return mesh, (first, second)

    mesh, sets = made(1, 1)
    if degree is not None:
        if _unknowns(mesh, degree) > 2 * most:
            count = f"{_unknowns(mesh, degree)} unknowns, whose factors do not fit into memory"
            raise InvalidArgument("degree", f"{degree} gives {count}; take a lower degree or None, or fewer cells")
        return mesh, sets, degree
    fitted = all(one.fitted for one in sets)
    degrees = SETTINGS.fitted[grid.dim - 1] if fitted else (SETTINGS.cut,)
    for order in degrees:
        if _unknowns(mesh, order) <= most:
            parts = 1 if fitted else int((most / _unknowns(mesh, order)) ** (1 / grid.dim))
            return (*(made(min(parts, SETTINGS.parts), 1) if parts > 1 else (mesh, sets)), order)
    order, skip = degrees[-1], 1
    while _unknowns(mesh, order) > most:
        skip += 1
        mesh = TensorMesh.of(grid, ends, 1, skip)
    return (*made(1, skip), order)


def _unknowns(mesh: TensorMesh, degree: int) -> int:
    return max(mesh.face_count * degree ** (mesh.dim - 1), mesh.node_count(degree))


def _partition(medium: Medium, bottom: float, degree: int) -> Measured:
    """The integral of exp(bottom - Psi/sigma) over the box."""
    mesh = medium.mesh

    def part(cells: np.ndarray, order: int) -> np.ndarray:
        exponent = medium.exponents(cells, order)
        volumes = np.prod(mesh.widths(cells), axis=1)
        return np.asarray(np.exp(np.minimum(bottom - exponent, SETTINGS.range)) @ gauss(mesh.dim, order).weights * volumes)

    found = cell_sums(mesh, mesh.own, part, first_order(mesh.dim, degree))
    if not found.error < 0.5 * found.value:
        raise NotConverged(
            "the integral of exp(-Psi/sigma)", f"it is known to {found.error / found.value:.1g} only",
            "take more cells",
        )  # fmt: skip
    return found


def _bounds(
    equation: ReversibleDiffusion,
    mesh: TensorMesh,
    sets: tuple[CellSet, CellSet],
    degree: int,
    function: tuple[Measured, float],
    current: Current | None,
    integral: tuple[Measured, float],
) -> FrequencyBounds:
    """Put the three integrals together."""
    (energy, above), (partition, bottom) = function, integral
    _check_range(above - bottom)
    rounding = SETTINGS.rounding + 8 * np.finfo(float).eps * max(abs(above), abs(bottom))
    scale = float(np.exp(bottom - above))
    upper = energy.value * scale / partition.value
    upper_safe = (energy.value + energy.error) * (1 + rounding) * scale / (partition.value - partition.error)
    lower = lower_safe = 0.0
    if current is None:
        empty = next(one for one in sets if not one.inner.any() and not one.inner_faces.any())
        if mesh.comm.rank == 0:
            warn(f"{empty.name} holds no cell, so that the lower bound is 0; take more cells, or a larger set", Unresolved)
    else:
        scale = float(np.exp(bottom - current.height))
        resistance, flux = current.resistance, max(current.flux - current.defect, 0.0)
        lower = flux**2 / resistance.value * scale / partition.value
        lower_safe = flux**2 / (resistance.value + resistance.error) * (1 - rounding) * scale
        lower_safe /= partition.value + partition.error
    error = _error_of(equation)
    least, most = lower_safe * (1 - error) ** 2 / (1 + error), upper_safe * (1 + error) ** 2 / (1 - error)
    if not (0.0 <= least <= most and 0.0 < most < np.inf):
        raise NotConverged(
            "the bounds of the frequency", f"they are {least:.6g} and {most:.6g}, which integrals by too few points explain",
            "take more cells",
        )  # fmt: skip
    quadrature, inherited = upper_safe - upper + lower - lower_safe, most - upper_safe + lower_safe - least
    fitted = all(one.fitted for one in sets)
    return FrequencyBounds(least, most, quadrature, inherited, degree, mesh.shape, fitted)


def _check_range(height: float) -> None:
    if not height < SETTINGS.range:
        raise NotConverged(
            "bounds of the frequency", f"the pass between a and b is {height:.4g} sigma above the lowest point",
            f"take a higher temperature: in double precision it must be less than {SETTINGS.range:g}",
        )  # fmt: skip


def _error_of(equation: ReversibleDiffusion) -> float:
    """The relative error that the coefficients say they have."""
    error = getattr(equation.coefficients, "error", None)
    if error is None:
        return 0.0
    value = number("error of the coefficients", error, least=0.0)
    if value >= 0.5:
        raise InvalidArgument("coefficients", f"must have a relative error below 0.5, not {value:g}")
    return value
