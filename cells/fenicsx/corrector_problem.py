"""Correctors on any mesh of a torus, with UFL forms and PETSc; one form, matrix and factorisation for many tensors.

The iteration is `cells.solvers.conjugate_gradients`, around PETSc's products and factors, not PETSc's KSP `cg`: that
stops by a norm of the residual, and not even its natural norm (the root of r.Pr) says how far the energy is above its
minimum. Measured for exp(c (cos cos + sin/2)) on 16 x 16 cells of degree 4 and rtol = 1e-8, the errors of K_eff with
contrasts e^3, e^12, e^24 and e^36 are 3e-11, 1e-7, 5e-5 and 2e-2 by the natural norm, in 0.6 to 0.3 of the time, and
2e-14, 2e-11, 7e-11 and 8e-10 by the sum of the energy decrements. KSP does not hand out the step lengths which these
are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from dolfinx.mesh import Mesh, exterior_facet_indices
from numpy.typing import NDArray
from petsc4py import PETSc

from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature
from scaling_limits.meshes.backend.petsc_solvers import configured, lu_options
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import evaluated, integer, relative_tolerance, shown

from ..solvers.conjugate_gradients import minimise
from .corrector_forms import CorrectorForms, reference_operator
from .corrector_picture import ShownCorrectors

ITERATIONS = 500
TensorField = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class CorrectorSolution(ShownCorrectors):
    """Correctors of one cell, and their effective tensor.

    Args:
        correctors: theta_j, one function for each direction, of mean 0.
        effective: K_eff = int (I + grad theta)^T K (I + grad theta) (d, d).
        iterations: of conjugate gradients.
    """

    correctors: tuple[fem.Function, ...]
    effective: NDArray[np.float64]
    iterations: int

    def _summary(self) -> tuple[str, dict[str, Any]]:
        space = self.correctors[0].function_space
        title = f"CorrectorSolution: {len(self.correctors)} correctors of degree {space.ufl_element().degree}"
        values = np.linalg.eigvalsh(self.effective)
        said = {"unknowns of each": space.dofmap.index_map.size_global, "iterations": self.iterations}
        return title, said | {"eigenvalues of K_eff": values}


class CorrectorProblem:
    """Corrector problem of one cell: div( K (grad theta_j + e_j) ) = 0 on a torus.

    Its result is K_eff = int (I + grad theta)^T K (I + grad theta), the minimal energy.

    The preconditioner is S A0^-1 S: A0 belongs to a constant medium and is factorised once, S = sqrt(diag A0/diag A).

    Args:
        mesh: of a torus, from `scaling_limits.meshes.torus`, shared by the ranks of its communicator.
        degree: of the Lagrange elements, at least 1.
        quadrature_degree: of the quadrature of K; None takes 2 degree + 2.
        petsc_options: for the solver of A0, without prefix; by default an LU factorisation, by MUMPS in parallel.

    Raises:
        InvalidArgument: no mesh, one that is no torus, degree below 1, or options that PETSc does not know.

    Source: Duncan, Duong and Pavliotis (2023), (15), (16).
    """

    def __init__(
        self,
        mesh: Mesh,
        degree: int = 4,
        *,
        quadrature_degree: int | None = None,
        petsc_options: Mapping[str, object] | None = None,
    ) -> None:
        _check_mesh(mesh)
        degree = integer("degree", degree, 1)
        order = 2 * degree + 2 if quadrature_degree is None else integer("quadrature_degree", quadrature_degree, 1)
        self.mesh, self.dim = mesh, mesh.geometry.dim
        self.space = fem.functionspace(mesh, ("Lagrange", degree))
        self._quadrature = MeshQuadrature(mesh, order)
        self.tensor = self._quadrature.function((self.dim, self.dim))
        self._forms = CorrectorForms(self.tensor, self._quadrature.dx)
        u, v = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        self._energy = fem.form(self._forms.energy(u, v))
        self._loads = [fem.form(self._forms.load(j, v)) for j in range(self.dim)]
        self._thetas = tuple(fem.Function(self.space, name=f"theta_{j}") for j in range(self.dim))
        self._effective = [
            [fem.form(self._forms.effective(self._thetas[i], i, self._thetas[j], j)) for j in range(i + 1)]
            for i in range(self.dim)
        ]
        self._matrix = fem_petsc.create_matrix(self._energy)
        self._reference = fem_petsc.assemble_matrix(fem.form(reference_operator(u, v, self._quadrature.dx)))
        self._reference.assemble()
        self._factor = configured(self._reference, "corrector_", lu_options(self._reference), petsc_options)
        self._left, self._right = self._matrix.createVecs()
        self._scaling = np.ones(self._left.getLocalSize())

    def solve(self, tensor: TensorField, rtol: float = 1e-10) -> CorrectorSolution:
        """Solve for one K.

        Args:
            tensor: K from points (P, d) to (P, d, d), symmetric positive definite, of period 1.
            rtol: of K_eff, as far as the iteration decides on it: how far the energy may be above its minimum.

        Returns:
            The correctors (functions of their own) and K_eff.

        Raises:
            InvalidArgument: K has a wrong shape, is not finite, not symmetric or not positive.
            NotConverged: the energy still falls after 500 iterations.
        """
        tolerance = on_all_ranks(self.mesh.comm, lambda: relative_tolerance(rtol, 1.0, above=0.0))
        same_on_all_ranks(self.mesh.comm, rtol=tolerance)
        self._quadrature.assign(self.tensor, self._checked(tensor))
        self._matrix.zeroEntries()
        fem_petsc.assemble_matrix(self._matrix, self._energy)
        self._matrix.assemble()
        self._scaling = np.sqrt(self._reference.getDiagonal().array / self._matrix.getDiagonal().array)
        self._set(np.zeros((1, self.dim, self._scaling.size)))
        start = self.effective().diagonal()[None]
        minimum = minimise(
            self._apply, self._precondition, self._load_vectors(), self._energies, start, tolerance, ITERATIONS,
            self._dot,
        )  # fmt: skip
        if not minimum.converged.all():
            raise NotConverged(
                "a corrector", f"the energy still fell after {minimum.iterations} iterations",
                "take a finer mesh or a lower contrast",
            )  # fmt: skip
        self._set(minimum.minimisers)
        correctors = tuple(theta.copy() for theta in self._thetas)
        for j, theta in enumerate(correctors):
            theta.name = f"theta_{j}"
            theta.x.array[:] -= self.mesh.comm.allreduce(fem.assemble_scalar(fem.form(theta * ufl.dx)))
        return CorrectorSolution(correctors, self.effective(), minimum.iterations)

    def energies_of(self, tensors: TensorField) -> NDArray[np.float64]:
        """Integrals of (I + grad theta)^T A (I + grad theta) (p, d, d) with the correctors of the last solve.

        Args:
            tensors: p fields A from points (P, d) to (p, P, d, d), symmetric, such as derivatives of K by parameters.
        """
        found = []
        for values in tensors(self._quadrature.points):
            self._quadrature.assign(self.tensor, values)
            found.append(self.effective())
        return np.stack(found)

    def effective(self) -> NDArray[np.float64]:
        """Effective tensor K_eff (d, d) of the present correctors, by the energy."""
        result = np.empty((self.dim, self.dim))
        for i, row in enumerate(self._effective):
            for j, form in enumerate(row):
                result[i, j] = result[j, i] = self.mesh.comm.allreduce(fem.assemble_scalar(form))
        return result

    def _checked(self, tensor: TensorField) -> np.ndarray:
        """Values of K (P, d, d) at the quadrature points of this rank; what is wrong on one rank is raised on all."""

        def checked() -> np.ndarray:
            if not callable(tensor):
                raise InvalidArgument("tensor", f"must be a callable, not {shown(tensor)}")
            values = evaluated("tensor", tensor, self._quadrature.points, (self.dim, self.dim))
            scale = np.abs(values).max(axis=(1, 2), keepdims=True, initial=0.0)
            if (np.abs(values - values.swapaxes(1, 2)) > 1e-10 * scale).any():
                raise InvalidArgument("tensor", "must return symmetric tensors")
            if not (np.linalg.eigvalsh(values) > 0).all():
                raise InvalidArgument("tensor", "must return positive definite tensors")
            return values

        return on_all_ranks(self.mesh.comm, checked)

    def _load_vectors(self) -> np.ndarray:
        rows = []
        for form in self._loads:
            vector = fem_petsc.assemble_vector(form)
            vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
            rows.append(vector.array.copy())
            vector.destroy()
        return np.array(rows)[None]

    def _set(self, u: np.ndarray) -> None:
        for theta, values in zip(self._thetas, u[0]):
            theta.x.array[: values.size] = values
            theta.x.scatter_forward()

    def _energies(self, u: np.ndarray) -> np.ndarray:
        self._set(u)
        return self.effective().diagonal()[None]

    def _columns(self, operation: Callable[[], None], u: np.ndarray) -> np.ndarray:
        result = np.empty_like(u)
        for j in range(self.dim):
            self._left.array[:] = u[0, j]
            operation()
            result[0, j] = self._right.array
        return result

    def _apply(self, u: np.ndarray) -> np.ndarray:
        return self._columns(lambda: self._matrix.mult(self._left, self._right), u)

    def _precondition(self, residual: np.ndarray) -> np.ndarray:
        inner = self._columns(lambda: self._factor.solve(self._left, self._right), self._scaling * residual)
        return self._scaling * inner

    def _dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.mesh.comm.allreduce(np.einsum("bji,bji->bj", a, b))


def _check_mesh(mesh: Mesh) -> None:
    if not isinstance(mesh, Mesh):
        raise InvalidArgument("mesh", f"must be a mesh of a torus from scaling_limits.meshes, not {shown(mesh)}")
    mesh.topology.create_connectivity(mesh.topology.dim - 1, mesh.topology.dim)
    if mesh.comm.allreduce(len(exterior_facet_indices(mesh.topology))):
        raise InvalidArgument("mesh", "must be of a torus, from scaling_limits.meshes.torus; this one has a boundary")
