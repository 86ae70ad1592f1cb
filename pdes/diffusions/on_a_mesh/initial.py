"""The start of an evolution on a mesh: a density of the user's, or a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dolfinx import la
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.quadrature import MeshQuadrature
from scaling_limits.meshes.evaluation import Places
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import function_at
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
        InvalidArgument: a density that is negative, not finite or 0 at all nodes; a point outside of the mesh.

    Warns:
        Unresolved: the density varies faster than the cells.
    """
    if isinstance(initial, AtPoint):
        return _at_point(equation, initial.point)
    nodes = equation.nodes
    values = on_all_ranks(equation.comm, lambda: function_at("initial", initial, nodes, nonnegative=True))
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
    """The probabilities of linear interpolation at a point: the elements' functions there, in one cell."""
    comm, mesh = equation.comm, equation.mesh
    places = Places(mesh, point[None])
    cell = places.cells[0]
    # the first rank that has such a cell
    rank = min(r for r, has in enumerate(comm.allgather(bool(cell >= 0))) if has)
    values = np.zeros(len(equation.all_nodes))
    function = equation.function(np.zeros(equation.own), "start")
    if comm.rank == rank:
        unknowns = equation.space.dofmap.cell_dofs(cell)
        for unknown in unknowns:
            function.x.array[:] = 0.0
            function.x.array[unknown] = 1.0
            padded = np.zeros((1, 3))
            padded[0, : equation.dim] = point
            values[unknown] = float(np.ravel(function.eval(padded, np.array([cell], dtype=np.int32)))[0])
    function.x.array[:] = values
    function.x.scatter_reverse(la.InsertMode.add)
    own = np.maximum(function.x.array[: equation.own], 0.0)
    return np.asarray(own / equation.total(own))
