"""The start of an evolution on a mesh: a density of the user's, or a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dolfinx import fem, la
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature
from scaling_limits.meshes.evaluation import Places
from scaling_limits.meshes.shared_values import check_shared
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import function_at, mobility_at
from .problem import DiffusionOnMesh

# largest relative difference of the integrals of an initial density by nodes and by points in cells
UNSEEN = 0.1
# of the quadrature by which it is looked at between the nodes
DEGREE = 5


@dataclass(frozen=True)
class AtPoint:
    """All paths start at one point (d,)."""

    point: np.ndarray


Initial = Callable[[np.ndarray], ArrayLike] | AtPoint


def probabilities_of(equation: DiffusionOnMesh, initial: Initial) -> np.ndarray:
    """Probabilities (m,) of the nodes of this rank, which add up to 1 over all ranks; collective.

    Raises:
        InvalidArgument: a density that is negative, not finite or 0 at all nodes, or differs between ranks; a point
            outside of the mesh.

    Warns:
        Unresolved: the density varies faster than the cells.
    """
    if isinstance(initial, AtPoint):
        return _at_point(equation, initial.point)
    nodes = equation.all_nodes
    everywhere = on_all_ranks(equation.comm, lambda: function_at("initial", initial, nodes, nonnegative=True))
    check_shared(equation.found(everywhere, "initial"), "initial")
    values = everywhere[: equation.own]
    # by the largest of them, so that no sum is beyond the doubles
    top = equation.comm.allreduce(float(values.max(initial=0.0)), MPI.MAX)
    if not top > 0:
        raise InvalidArgument("initial", "is 0 at all nodes; refine the mesh, or take a wider density")
    weights = values / top * equation.volumes
    total = equation.total(weights)
    if not equation.quiet:
        _look_between_nodes(equation, initial, total, top)
    return weights / total


def _look_between_nodes(
    equation: DiffusionOnMesh, initial: Callable[[np.ndarray], ArrayLike], total: float, top: float
) -> None:
    """Warn where the sum of the initial density over the nodes is not its integral over the cells, by its largest."""
    rule = MeshQuadrature(equation.mesh, DEGREE)
    values = on_all_ranks(equation.comm, lambda: function_at("initial", initial, rule.points, nonnegative=True))
    in_cells = equation.forms.integral(rule.function((), values / top) * rule.dx)
    if in_cells > 0 and abs(in_cells - total) > UNSEEN * max(in_cells, total) and equation.comm.rank == 0:
        found = f"{in_cells * top:.3g} by points in cells, and {total * top:.3g} by nodes"
        message = f"the integral of the initial density is {found}"
        warn(f"{message}: it varies faster than the cells; refine the mesh", Unresolved)


def _at_point(equation: DiffusionOnMesh, point: np.ndarray) -> np.ndarray:
    """The probabilities of linear interpolation at a point."""
    own = np.maximum(functions_at(equation, equation.space, point), 0.0)
    return np.asarray(own / equation.total(own))


def functions_at(equation: DiffusionOnMesh, space: fem.FunctionSpace, point: np.ndarray) -> np.ndarray:
    """The functions of elements (m,), of this rank, at a point (d,), which is counted in one cell; collective."""
    function, cell = fem.Function(space), _cell_of(equation, point)
    values = np.zeros_like(function.x.array)
    if cell >= 0:
        for unknown in space.dofmap.cell_dofs(cell):
            function.x.array[:] = 0.0
            function.x.array[unknown] = 1.0
            padded = np.zeros((1, 3))
            padded[0, : equation.dim] = point
            values[unknown] = float(np.ravel(function.eval(padded, np.array([cell], dtype=np.int32)))[0])
    function.x.array[:] = values
    function.x.scatter_reverse(la.InsertMode.add)
    return np.array(function.x.array[: space.dofmap.index_map.size_local])


def crossing_time(equation: DiffusionOnMesh, point: np.ndarray) -> float:
    """The largest <e, M^-1 e>/sigma of the edges e of the cell of a point (d,), a time; collective."""
    cell, largest = _cell_of(equation, point), 0.0
    tensor = on_all_ranks(equation.comm, lambda: mobility_at(equation.coefficients, point[None]))[0]
    if cell >= 0:
        x = equation.all_nodes[equation.space.dofmap.list[cell]]
        edges = (x[:, None] - x).reshape(-1, equation.dim)
        largest = float((edges * np.linalg.solve(tensor, edges.T).T).sum(axis=1).max()) / equation.temperature
    return float(equation.comm.allreduce(largest, MPI.MAX))


def _cell_of(equation: DiffusionOnMesh, point: np.ndarray) -> int:
    """A cell that has a point (d,) in it, on the first rank that has one; -1 on the others; collective."""
    comm, cell = equation.comm, int(Places(equation.mesh, point[None]).cells[0])
    rank = min(r for r, has in enumerate(comm.allgather(cell >= 0)) if has)
    return cell if comm.rank == rank else -1
