"""Hitting problems of a reversible diffusion: mean first passage times, committors, and its Poisson equation.

On a line with elements of high degree, on a mesh that ends where the sets do. In the plane and in space on the lattice,
with edges that are cut where they enter a set: of second order, and monotone, so that committors are in [0, 1]. Where
exp(-Psi/sigma) is nothing, fields are not a number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from dolfinx import fem
from petsc4py import PETSc

from ..cells.krylov import configured
from ..meshes._compat import geometry_dofmap
from ..meshes.box import Lattice, box
from ..meshes.evaluation import evaluate
from ..particles import InvalidArgument
from ..particles._checks import real_array
from .density import LatticeField, inside
from .errors import NotConverged, Unresolved
from .generator_forms import NEGLIGIBLE, GeneratorForms
from .resolvents import default_options

if TYPE_CHECKING:
    from .fokker_planck import FokkerPlanck

Indicator = Callable[[np.ndarray], np.ndarray]
Sets = tuple[tuple[Indicator, float], ...]
BISECTIONS = 50
LOOKS = 8  # points in each cell of a line at which a set is looked for
LINE_DEGREES = (5, 8)
LOST = "a higher temperature: barriers cost digits, and double precision has 16"
SHORTEST = 1e-6  # part of an edge that is left when a node is (nearly) on the boundary of a set


@dataclass(frozen=True, eq=False)
class LineField:
    """A function f(x) on a line, a finite element function of high degree.

    Args:
        lattice: of the interval.
        function: f.
        known: whether f is known at points (P, 1): where exp(-Psi/sigma) is not negligible.
    """

    lattice: Lattice
    function: fem.Function
    known: Indicator

    def at(self, points: Any) -> np.ndarray:
        """f(x); collective.

        Args:
            points: x (P, 1), in the box.

        Returns:
            f (P,); not a number where exp(-Psi/sigma) is nothing.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = inside(self.lattice, points)
        return np.where(self.known(x), evaluate(self.function, x), np.nan)


def mean_first_passage_time(equation: FokkerPlanck, target: Any) -> LatticeField | LineField:
    """T; see `FokkerPlanck.mean_first_passage_time`."""
    return _hit(equation, ((_indicator("target", target, equation), 0.0),), ("target",), 1.0)


def committor(equation: FokkerPlanck, a: Any, b: Any) -> LatticeField | LineField:
    """q; see `FokkerPlanck.committor`."""
    sets = (_indicator("a", a, equation), 0.0), (_indicator("b", b, equation), 1.0)
    return _hit(equation, sets, ("a", "b"), 0.0)


def poisson(equation: FokkerPlanck, source: Any) -> LatticeField:
    """f; see `FokkerPlanck.poisson`."""
    if not callable(source):
        raise InvalidArgument("source", f"must be a callable from points (P, d) to values (P,), not {source!r}")
    scheme, grid = equation.scheme, equation.lattice
    values = real_array("source", np.broadcast_to(source(grid.points), scheme.root.shape))
    total = grid.comm.allreduce(float((scheme.root**2).sum()))
    mean = grid.comm.allreduce(float((scheme.root**2 * values).sum())) / total
    matrix = scheme.matrix()
    whole_root = grid.whole(scheme.root)
    pin = int(whole_root.argmax())
    mine = np.array([pin] if grid.own.start <= pin < grid.own.stop else [], dtype=PETSc.IntType)
    right = matrix.createVecLeft()
    right.array[:] = scheme.root * (values - mean)
    matrix.zeroRowsColumns(mine, diag=1.0, x=matrix.createVecRight(), b=right)
    solution = _solve(matrix, right.array.copy(), equation) / np.where(scheme.root > 0, scheme.root, np.inf)
    solution -= grid.comm.allreduce(float((scheme.root**2 * solution).sum())) / total
    return LatticeField(grid, grid.whole(solution), ())


def _indicator(name: str, function: Any, equation: FokkerPlanck) -> Indicator:
    """A checked indicator of a set."""
    if not callable(function):
        raise InvalidArgument(name, f"must be a callable from points (P, d) to truth values (P,), not {function!r}")

    def checked(points: np.ndarray) -> np.ndarray:
        values = np.asarray(function(points))
        if values.shape != (len(points),) or values.dtype != bool:
            raise InvalidArgument(
                name, f"must return truth values of shape {(len(points),)}, not {values.dtype} of shape {values.shape}"
            )
        return values

    return checked


def _hit(equation: FokkerPlanck, sets: Sets, names: tuple[str, ...], source: float) -> LatticeField | LineField:
    return (_on_a_line if equation.dim == 1 else _on_a_lattice)(equation, sets, names, source)


def _check_sets(masks: list[np.ndarray], names: tuple[str, ...]) -> None:
    for mask, name in zip(masks, names):
        if not mask.any():
            raise InvalidArgument(name, "has no node in the box; take more cells, or a larger set")
    if sum(mask.astype(int) for mask in masks).max() > 1:  # type: ignore[union-attr]
        raise InvalidArgument(names[1], f"must not meet {names[0]}")
    if np.logical_or.reduce(masks).all():
        raise InvalidArgument(names[0], "covers the whole box")


# --- on a line ---------------------------------------------------------------------------------------------


def _on_a_line(equation: FokkerPlanck, sets: Sets, names: tuple[str, ...], source: float) -> LineField:
    grid = equation.lattice
    low, high = grid.bounds[0]
    looks = np.linspace(low, high, LOOKS * grid.cells[0] + 1)
    masks = [indicator(looks[:, None]) for indicator, _ in sets]
    _check_sets(masks, names)
    ends = np.concatenate([_ends(indicator, looks, mask) for (indicator, _), mask in zip(sets, masks)])
    nodes = np.linspace(low, high, grid.cells[0] + 1)
    tiny = 1e-6 * grid.spacing[0]
    far = np.abs(nodes[:, None] - ends[None, :]).min(axis=1, initial=np.inf) > tiny
    far[[0, -1]] = True
    points = np.unique(np.concatenate([nodes[far], ends[(ends > low + tiny) & (ends < high - tiny)]]))
    mesh = box(grid.bounds, [points], periodic=grid.periodic, comm=grid.comm)
    highest = equation.scheme.lowest - np.log(NEGLIGIBLE)
    previous: np.ndarray | None = None
    for degree in LINE_DEGREES:
        forms = GeneratorForms(mesh, equation.coefficients, equation.scheme.lowest, degree)
        function = _solved_on_mesh(forms, sets, source, equation)
        values = evaluate(function, looks[:: LOOKS // 2, None])
        if previous is not None:
            known = equation.exponent(looks[:: LOOKS // 2, None]) < highest
            change = float(np.abs(values - previous)[known].max() / np.abs(values[known]).max())
            if change > equation.rtol and grid.comm.rank == 0:
                message = f"the solution changed by {change:.1e} with the degree of the elements; take more cells"
                warnings.warn(f"{message}, or, where times are beyond 1e12, {LOST}", Unresolved, stacklevel=5)
        previous = values
    return LineField(grid, function, lambda x: equation.exponent(x) < highest)


def _ends(indicator: Indicator, looks: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The boundary points of a set on a line, by bisection."""
    changes = np.flatnonzero(mask[1:] != mask[:-1])
    left, right = looks[changes].copy(), looks[changes + 1].copy()
    for _ in range(BISECTIONS):
        middle = 0.5 * (left + right)
        same = indicator(middle[:, None]) == mask[changes]
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    return 0.5 * (left + right)


def _solved_on_mesh(forms: GeneratorForms, sets: Sets, source: float, equation: FokkerPlanck) -> fem.Function:
    energy, product, roots = forms.matrices()
    space, mesh = forms.space, forms.mesh
    cells = np.arange(mesh.topology.index_map(1).size_local + mesh.topology.index_map(1).num_ghosts)
    middles = mesh.geometry.x[geometry_dofmap(mesh)].mean(axis=1)[:, :1]
    fixed, right = energy.createVecRight(), product.createVecLeft()
    one = roots.copy()
    one.array[np.isinf(one.array)] = 0.0
    product.mult(one, right)
    right.scale(source)
    rows: list[np.ndarray] = []
    count, first = space.dofmap.index_map.size_local, energy.getOwnershipRange()[0]
    for indicator, value in sets:
        dofs = np.unique(space.dofmap.list[cells[indicator(middles)]]) if len(cells) else np.zeros(0, dtype=np.int32)
        local = dofs[dofs < count]
        fixed.array[local] = value * one.array[local]
        rows.append(local)
    mine = np.unique(np.concatenate(rows)).astype(PETSc.IntType) + first
    energy.zeroRowsColumns(mine, diag=1.0, x=fixed, b=right)
    function = fem.Function(space, name="f")
    function.x.array[:count] = _solve(energy, right.array.copy(), equation) / roots.array
    function.x.scatter_forward()
    return function


# --- on a lattice ------------------------------------------------------------------------------------------


def _on_a_lattice(equation: FokkerPlanck, sets: Sets, names: tuple[str, ...], source: float) -> LatticeField:
    grid, scheme = equation.lattice, equation.scheme
    masks = [grid.whole(indicator(grid.points)) for indicator, _ in sets]
    _check_sets(masks, names)
    place = np.full(grid.size, -1)
    for number, mask in enumerate(masks):
        place[mask] = number
    tail, head = scheme.edges.tail, scheme.edges.head
    free_tail, free_head = place[tail] < 0, place[head] < 0
    part = np.ones(len(tail))  # of the edge, from its free end to the set
    out_of, into = free_tail & ~free_head, ~free_tail & free_head
    position = grid.bounds[:, 0] + np.stack(np.unravel_index(tail, grid.shape), axis=1) * grid.spacing
    along = scheme.edges.step * grid.spacing
    for number, (indicator, _) in enumerate(sets):
        some = np.flatnonzero(out_of & (place[head] == number))
        part[some] = _cut(indicator, grid, position[some], along[some])
        some = np.flatnonzero(into & (place[tail] == number))
        part[some] = _cut(indicator, grid, position[some] + along[some], -along[some])
    across, out, back = (
        np.where(free, rate, 0.0)
        for free, rate in zip((free_tail & free_head, free_tail, free_head), scheme.rates(part))
    )
    matrix = scheme.assembled(tail, head, across, out, back)
    diagonal = matrix.getDiagonal()
    held, lost = place[grid.own] >= 0, scheme.root == 0
    diagonal.array[held | lost] = 1.0
    matrix.setDiagonal(diagonal)
    values = np.array([value for _, value in sets])
    gain = np.bincount(tail, np.where(out_of, out * values[place[head]], 0.0), grid.size)
    gain += np.bincount(head, np.where(into, back * values[place[tail]], 0.0), grid.size)
    gain = grid.comm.allreduce(gain)[grid.own]
    right = np.where(held, values[place[grid.own]] * scheme.root, (source + gain) * scheme.root)
    solution = _solve(matrix, right, equation)
    if source:
        _check_balance(equation, np.where(held, 0.0, scheme.root), solution, tail, head, (out, back), (out_of, into))
    nodal = np.where(lost, np.nan, solution / np.where(lost, 1.0, scheme.root))
    nodal[held] = values[place[grid.own][held]]
    return LatticeField(grid, grid.whole(nodal), sets)


def _check_balance(
    equation: FokkerPlanck, free: np.ndarray, solution: np.ndarray, tail: np.ndarray, head: np.ndarray,
    rates: tuple[np.ndarray, np.ndarray], enters: tuple[np.ndarray, np.ndarray],
) -> None:  # fmt: skip
    """Warn if what flows into the sets is not what is made outside of them: then the solve has lost its digits."""
    grid = equation.lattice
    share = grid.whole(free * solution)
    flow = (rates[0] * share[tail])[enters[0]].sum() + (rates[1] * share[head])[enters[1]].sum()
    flow, made = grid.comm.allreduce(np.array([flow, (free**2).sum()]))
    if abs(flow / made - 1) > max(equation.rtol, 1e-9) and grid.comm.rank == 0:
        warnings.warn(
            f"times are known to about {abs(flow / made - 1):.0e} only; take {LOST}", Unresolved, stacklevel=6
        )


def _cut(indicator: Indicator, grid: Lattice, start: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The part of each edge from its start, outside of a set, to where it enters the set."""
    outside: np.ndarray = np.zeros(len(start))
    within: np.ndarray = np.ones(len(start))
    for _ in range(BISECTIONS if len(start) else 0):
        middle = 0.5 * (outside + within)
        hits = indicator(inside(grid, start + middle[:, None] * along))
        outside, within = np.where(hits, outside, middle), np.where(hits, middle, within)
    return np.maximum(within, SHORTEST)


def _solve(matrix: PETSc.Mat, right_hand_side: np.ndarray, equation: FokkerPlanck) -> np.ndarray:
    """The solution on the rows of this rank."""
    options = default_options(equation.comm, equation.dim, matrix.getSize()[0])
    matrix.setOption(PETSc.Mat.Option.SPD, True)
    solver = configured(matrix, "fokker_planck_hitting_", options, equation.petsc_options)
    right, left = matrix.createVecs()
    right.array[:] = right_hand_side
    solver.solve(right, left)
    finite = all(equation.comm.allgather(bool(np.isfinite(left.array).all())))
    if solver.getConvergedReason() < 0 or not finite:
        raise NotConverged(
            "a hitting problem", f"PETSc reason {solver.getConvergedReason()}", "try petsc_options of a direct solver"
        )
    return left.array.copy()
