"""Which unknowns of a space belong to nodes, edges, facets and cells all of whose corners are in a set."""

from __future__ import annotations

import basix
import numpy as np
from dolfinx import fem, la
from mpi4py import MPI

from ..problem import DiffusionOnMesh


def held_unknowns(equation: DiffusionOnMesh, space: fem.FunctionSpace, place: np.ndarray) -> list[np.ndarray]:
    """The unknowns (local numbers, ghosts included) in set 0, those in set 1, and so on; collective.

    Args:
        equation: whose nodes are the corners.
        space: Lagrange elements on the same mesh.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,).
    """
    mesh, corners = equation.mesh, equation.space.dofmap.list
    layout, result = space.dofmap.dof_layout, []
    dim = mesh.topology.dim
    # the corners of each entity of the reference cell, and the unknowns in its interior
    entities = basix.topology(equation.space.element.basix_element.cell_type)
    for number in range(equation.comm.allreduce(int(place.max(initial=-1)), MPI.MAX) + 1):
        found = [np.empty(0, dtype=np.int32)]
        inside = place[corners] == number
        for d in range(dim + 1):
            for i, of_entity in enumerate(entities[d]):
                unknowns = layout.entity_dofs(d, i)
                if len(unknowns):
                    cells = inside[:, of_entity].all(axis=1)
                    found.append(space.dofmap.list[cells][:, unknowns].ravel())
        result.append(_of_all_ranks(space, np.unique(np.concatenate(found))))
    return result


def _of_all_ranks(space: fem.FunctionSpace, unknowns: np.ndarray) -> np.ndarray:
    """Unknowns that are held on this rank or by cells of another; collective."""
    marks = fem.Function(space)
    marks.x.array[unknowns] = 1.0
    marks.x.scatter_reverse(la.InsertMode.add)
    marks.x.scatter_forward()
    return np.flatnonzero(marks.x.array > 0.5).astype(np.int32)
