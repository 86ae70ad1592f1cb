"""M and Psi as finite element functions, for forms of a user's own."""

from __future__ import annotations

from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from scaling_limits.meshes.tensor_functions import tensor_and_scalar
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import Coefficients, exponent_at, mobility_at
from .checked_mesh import checked_mesh


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
    on_all_ranks(ranks, lambda: checked_mesh(mesh, ranks))
    assert mesh is not None
    sigma = float(coefficients.temperature)
    return tensor_and_scalar(
        mesh, degree, lambda x: mobility_at(coefficients, x), lambda x: sigma * exponent_at(coefficients, x)
    )
