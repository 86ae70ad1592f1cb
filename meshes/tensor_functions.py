"""A tensor field and a scalar field as finite element functions, for forms of a user's own."""

from __future__ import annotations

from collections.abc import Callable

import basix.ufl
import numpy as np
from dolfinx import fem
from dolfinx.mesh import Mesh

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import integer, shown

Field = Callable[[np.ndarray], np.ndarray]


def tensor_and_scalar(mesh: Mesh, degree: int, tensor: Field, scalar: Field) -> tuple[fem.Function, fem.Function]:
    """The interpolants of M and Psi with continuous elements; collective.

    Args:
        mesh: of dolfinx.
        degree: of the elements, at least 1.
        tensor: M (P, d, d) at points (P, d).
        scalar: Psi (P,) at points (P, d).

    Returns:
        M, a function with values (d, d), and Psi.

    Raises:
        InvalidArgument: no mesh, or a degree below 1; what the fields raise, on all ranks.
    """
    if not isinstance(mesh, Mesh):
        raise InvalidArgument("mesh", f"must be a mesh of dolfinx, not {shown(mesh)}")
    on_all_ranks(mesh.comm, lambda: integer("degree", degree, 1))
    same_on_all_ranks(mesh.comm, degree=int(degree))
    dim = mesh.geometry.dim
    space = fem.functionspace(mesh, ("Lagrange", degree))
    element = basix.ufl.element("Lagrange", mesh.basix_cell(), degree, shape=(dim, dim))
    m, psi = fem.Function(fem.functionspace(mesh, element), name="M"), fem.Function(space, name="Psi")
    x = space.tabulate_dof_coordinates()[:, :dim]
    tensors, psi.x.array[:] = on_all_ranks(mesh.comm, lambda: (tensor(x), scalar(x)))
    # both spaces number their points alike, cell by cell
    values = m.x.array.reshape(-1, dim * dim)
    values[m.function_space.dofmap.list.ravel()] = tensors.reshape(-1, dim * dim)[space.dofmap.list.ravel()]
    return m, psi
