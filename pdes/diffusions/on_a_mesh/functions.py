"""M and Psi as finite element functions, for forms of a user's own."""

from __future__ import annotations

from typing import Protocol

import basix.ufl
from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import integer

from ..coefficients import Coefficients, exponent_at, mobility_at
from .checked_mesh import checked_mesh


class OnMesh(Protocol):
    """What has coefficients and a mesh."""

    @property
    def coefficients(self) -> Coefficients:
        """M, Psi, sigma."""

    @property
    def mesh(self) -> dolfinx_mesh.Mesh:
        """The mesh."""


def functions(
    coefficients: Coefficients, mesh: dolfinx_mesh.Mesh | None, degree: int = 1, comm: MPI.Comm | None = None
) -> tuple[fem.Function, fem.Function]:
    """The interpolants of M and Psi with continuous elements; collective.

    Args:
        coefficients: M, Psi, sigma.
        mesh: any mesh that an equation can have.
        degree: of the elements, at least 1.
        comm: the ranks of the mesh, or None.

    Returns:
        M, a function with values (d, d), and Psi.

    Raises:
        InvalidArgument: an argument out of range, or M or Psi that are not what they must be at a node.
    """
    ranks = comm or getattr(mesh, "comm", MPI.COMM_SELF)
    on_all_ranks(ranks, lambda: (checked_mesh(mesh, ranks), integer("degree", degree, 1)))
    assert mesh is not None
    dim = mesh.geometry.dim
    scalar = fem.functionspace(mesh, ("Lagrange", degree))
    element = basix.ufl.element("Lagrange", mesh.basix_cell(), degree, shape=(dim, dim))
    tensor, energy = fem.Function(fem.functionspace(mesh, element), name="M"), fem.Function(scalar, name="Psi")
    x = scalar.tabulate_dof_coordinates()[:, :dim]
    sigma = float(coefficients.temperature)
    tensors, exponents = on_all_ranks(ranks, lambda: (mobility_at(coefficients, x), exponent_at(coefficients, x)))
    # both spaces number their points alike, cell by cell
    values = tensor.x.array.reshape(-1, dim * dim)
    values[tensor.function_space.dofmap.list.ravel()] = tensors.reshape(-1, dim * dim)[scalar.dofmap.list.ravel()]
    energy.x.array[:] = sigma * exponents
    return tensor, energy


def coefficient_functions(equation: OnMesh, degree: int) -> tuple[fem.Function, fem.Function]:
    """The same of an equation."""
    return functions(equation.coefficients, equation.mesh, degree, equation.mesh.comm)
