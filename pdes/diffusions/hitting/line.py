"""Hitting problems on a line, with elements of high degree on a mesh that ends where the sets do.

A point is a set too: on a line it is hit with probability one.
"""

from __future__ import annotations

import numpy as np
from dolfinx import fem
from petsc4py import PETSc

from scaling_limits.meshes.backend.compat import geometry_dofmap
from scaling_limits.meshes.box import Grid, box
from scaling_limits.particles import InvalidArgument

from ..generator_forms import NEGLIGIBLE, GeneratorForms
from ..problem import ReversibleDiffusion
from .fields import ScalarField, polynomials_of
from .linear_system import solved, warn_of
from .target_sets import SETTINGS, TargetSet, intervals

DEGREES = (5, 8)
# points in each cell at which two degrees are compared
WATCHED = 4


def hit_on_a_line(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], source: float) -> ScalarField:
    """The solution of -div(sigma pi M grad f) = source pi outside of sets in which it is given; collective.

    Raises:
        InvalidArgument: an empty set, one that covers the box, sets that meet, or that no path reaches.

    Warns:
        Unresolved: the cells are too large, or barriers have cost the digits.
    """
    grid = equation.grid
    parts = intervals(grid, sets)
    highest = equation.generator.lowest - np.log(NEGLIGIBLE)
    for one, part in zip(sets, parts):
        if (equation.exponent(part.reshape(-1, 1)) >= highest).all():
            raise InvalidArgument(one.name, f"is where exp(-Psi/sigma) is below {NEGLIGIBLE:g} of its maximum")
    low, high = grid.box[0]
    mesh = box(grid.box, [_break_points(grid, np.concatenate(parts).ravel())], periodic=grid.periodic, comm=grid.comm)
    looks = np.linspace(low, high, WATCHED * grid.cells[0] + 1)[:, None]
    known = equation.exponent(looks) < highest
    previous: np.ndarray | None = None
    for degree in DEGREES:
        forms = GeneratorForms(mesh, equation.coefficients, equation.generator.lowest, degree)
        function, error = _solved_on_mesh(forms, sets, parts, source, equation)
        polynomials = polynomials_of(function)
        values = polynomials(looks[known, 0])
        if previous is not None:
            warn_of(equation, _error(sets, values, previous, error), "more cells, or, where barriers are high, ")
        previous = values

    def interpolant(x: np.ndarray) -> np.ndarray:
        return np.where(equation.exponent(x) < highest, polynomials(x[:, 0]), np.nan)

    return ScalarField(grid, interpolant, interpolant(grid.nodes), function)


def _error(sets: tuple[TargetSet, ...], values: np.ndarray, previous: np.ndarray, error: float) -> float:
    """The relative error: of the solve, what two degrees do not agree on, and by how much bounds are left."""
    size = max(float(np.abs(values).max(initial=0.0)), 1e-300)
    change = float(np.abs(values - previous).max(initial=0.0)) / size
    beyond = max(-float(values.min(initial=0.0)), float(values.max(initial=0.0)) - 1.0 if len(sets) == 2 else 0.0)
    return max(error, change, beyond / size)


def _break_points(grid: Grid, ends: np.ndarray) -> np.ndarray:
    """The nodes, but those that are almost the end of a set, and the ends."""
    low, high = grid.box[0]
    nodes = np.linspace(low, high, grid.cells[0] + 1)
    far = np.abs(nodes[:, None] - ends[None, :]).min(axis=1) > SETTINGS.tiny * grid.spacing[0]
    far[[0, -1]] = True
    return np.unique(np.concatenate([nodes[far], ends]))


def _solved_on_mesh(
    forms: GeneratorForms,
    sets: tuple[TargetSet, ...],
    parts: list[np.ndarray],
    source: float,
    equation: ReversibleDiffusion,
) -> tuple[fem.Function, float]:
    energy, product, roots = forms.matrices()
    fixed, right = energy.createVecRight(), product.createVecLeft()
    one = roots.copy()
    one.array[np.isinf(one.array)] = 0.0
    product.mult(one, right)
    right.scale(source)
    count, first = forms.space.dofmap.index_map.size_local, energy.getOwnershipRange()[0]
    free = np.ones(count, dtype=bool)
    for target, part in zip(sets, parts):
        dofs = _dofs_in(forms.space, part, equation.grid.spacing[0])
        local = dofs[dofs < count]
        fixed.array[local] = target.value * one.array[local]
        free[local] = False
    mine = np.flatnonzero(~free).astype(PETSc.IntType) + first
    energy.zeroRowsColumns(mine, diag=1.0, x=fixed, b=right)
    function = fem.Function(forms.space, name="f")
    answer, error = solved(energy, right.array.copy(), one.array.copy(), free, equation)
    function.x.array[:count] = answer / roots.array
    function.x.scatter_forward()
    return function, error


def _dofs_in(space: fem.FunctionSpace, parts: np.ndarray, h: float) -> np.ndarray:
    """The unknowns of this rank, with ghosts, in closed intervals (n, 2): those of cells in them, and of their ends."""
    mesh, dofs = space.mesh, space.dofmap.list
    vertices = mesh.geometry.x[geometry_dofmap(mesh), 0]  # of each cell (cells, 2)
    middles = vertices.mean(axis=1)
    within = ((middles[:, None] > parts[:, 0]) & (middles[:, None] < parts[:, 1])).any(axis=1)
    at_ends = (np.abs(vertices[:, :, None] - parts.ravel()) <= 1e-3 * SETTINGS.tiny * h).any(axis=2)
    return np.unique(np.concatenate([dofs[within].ravel(), dofs[:, :2][at_ends]]))
