"""Correctors on any mesh of a torus, with UFL forms and PETSc; one form, matrix and factorisation for many tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from dolfinx.mesh import Mesh, exterior_facet_indices
from petsc4py import PETSc

from scaling_limits.meshes.backend.compat import interpolation_points
from scaling_limits.meshes.backend.krylov import configured
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import evaluated, integer, number, shown

from ..solvers.conjugate_gradients import minimise
from .corrector_forms import CorrectorForms, reference_operator

ITERATIONS = 500
TensorField = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class CorrectorSolution:
    """Correctors of one cell.

    Args:
        correctors: theta_j, one function for each direction, of mean 0.
        effective: K_eff = int (I + grad theta)^T K (I + grad theta) (d, d).
        iterations: of conjugate gradients.
    """

    correctors: tuple[fem.Function, ...]
    effective: np.ndarray
    iterations: int


class CorrectorProblem:
    """div( K (grad theta_j + e_j) ) = 0 on a torus, K_eff = int (I + grad theta)^T K (I + grad theta).

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
        petsc_options: dict[str, Any] | None = None,
    ) -> None:
        _check_mesh(mesh)
        degree = integer("degree", degree, 1)
        order = 2 * degree + 2 if quadrature_degree is None else integer("quadrature_degree", quadrature_degree, 1)
        self.mesh, self.dim = mesh, mesh.geometry.dim
        self.space = fem.functionspace(mesh, ("Lagrange", degree))
        cell = mesh.basix_cell()
        self._tensor_space = fem.functionspace(
            mesh, basix.ufl.quadrature_element(cell, value_shape=(self.dim, self.dim), degree=order)
        )
        self.tensor = fem.Function(self._tensor_space, name="K")
        self._places = self._quadrature_points()
        measure = ufl.Measure("dx", domain=mesh, metadata={"quadrature_degree": order, "quadrature_rule": "default"})
        self._forms = CorrectorForms(self.tensor, measure)
        u, v = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        self._energy = fem.form(self._forms.energy(u, v))
        self._pulls = [fem.form(self._forms.pull(j, v)) for j in range(self.dim)]
        self._thetas = tuple(fem.Function(self.space, name=f"theta_{j}") for j in range(self.dim))
        self._effective = [
            [fem.form(self._forms.effective(self._thetas[i], i, self._thetas[j], j)) for j in range(i + 1)]
            for i in range(self.dim)
        ]
        self._matrix = fem_petsc.create_matrix(self._energy)
        self._reference = fem_petsc.assemble_matrix(fem.form(reference_operator(u, v, measure)))
        self._reference.assemble()
        self._factor = _factorised(self._reference, petsc_options)
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
        tolerance = on_all_ranks(self.mesh.comm, lambda: _tolerance(rtol))
        same_on_all_ranks(self.mesh.comm, rtol=tolerance)
        self.tensor.x.array[:] = self._checked(tensor)
        self._matrix.zeroEntries()
        fem_petsc.assemble_matrix(self._matrix, self._energy)
        self._matrix.assemble()
        self._scaling = np.sqrt(self._reference.getDiagonal().array / self._matrix.getDiagonal().array)
        self._set(np.zeros((1, self.dim, self._scaling.size)))
        start = self.effective().diagonal()[None]
        descent = minimise(
            self._apply, self._precondition, -self._assembled_pulls(), self._energies, start, tolerance, ITERATIONS,
            self._dot,
        )  # fmt: skip
        if not descent.converged:
            raise NotConverged(
                "a corrector", f"the energy still fell after {descent.iterations} iterations",
                "take a finer mesh or a lower contrast",
            )  # fmt: skip
        self._set(descent.minimisers)
        correctors = tuple(theta.copy() for theta in self._thetas)
        for j, theta in enumerate(correctors):
            theta.name = f"theta_{j}"
            theta.x.array[:] -= self._mean(theta)
        return CorrectorSolution(correctors, self.effective(), descent.iterations)

    def effective(self) -> np.ndarray:
        """K_eff (d, d) from the present correctors, by the energy."""
        result = np.empty((self.dim, self.dim))
        for i, row in enumerate(self._effective):
            for j, form in enumerate(row):
                result[i, j] = result[j, i] = self.mesh.comm.allreduce(fem.assemble_scalar(form))
        return result

    def _quadrature_points(self) -> np.ndarray:
        """Coordinates (cells, points of a cell, d) of the quadrature points of this rank and of its ghosts."""
        index_map = self.mesh.topology.index_map(self.mesh.topology.dim)
        cells = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
        points = interpolation_points(self._tensor_space)
        expression = fem.Expression(ufl.SpatialCoordinate(self.mesh), points)
        return np.asarray(expression.eval(self.mesh, cells)).reshape(cells.size, -1, self.dim)

    def _checked(self, tensor: TensorField) -> np.ndarray:
        """K at the quadrature points of this rank; what is wrong on one rank is raised on all."""

        def checked() -> np.ndarray:
            if not callable(tensor):
                raise InvalidArgument("tensor", f"must be a callable, not {shown(tensor)}")
            values = evaluated("tensor", tensor, self._places.reshape(-1, self.dim), (self.dim, self.dim))
            scale = np.abs(values).max(axis=(1, 2), keepdims=True, initial=0.0)
            if (np.abs(values - values.swapaxes(1, 2)) > 1e-10 * scale).any():
                raise InvalidArgument("tensor", "must return symmetric tensors")
            if not (np.linalg.eigvalsh(values) > 0).all():
                raise InvalidArgument("tensor", "must return positive definite tensors")
            return values

        values = on_all_ranks(self.mesh.comm, checked)
        dofs = self._tensor_space.dofmap.list.ravel()
        result = np.empty((dofs.size, self.dim**2))
        result[dofs] = values.reshape(-1, self.dim**2)
        return result.ravel()

    def _assembled_pulls(self) -> np.ndarray:
        rows = []
        for form in self._pulls:
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

    def _mean(self, theta: fem.Function) -> float:
        return self.mesh.comm.allreduce(fem.assemble_scalar(fem.form(theta * ufl.dx)))


def _check_mesh(mesh: Any) -> None:
    if not isinstance(mesh, Mesh):
        raise InvalidArgument("mesh", f"must be a mesh of a torus from scaling_limits.meshes, not {shown(mesh)}")
    mesh.topology.create_connectivity(mesh.topology.dim - 1, mesh.topology.dim)
    if mesh.comm.allreduce(len(exterior_facet_indices(mesh.topology))):
        raise InvalidArgument("mesh", "must be of a torus, from scaling_limits.meshes.torus; this one has a boundary")


def _tolerance(rtol: Any) -> float:
    tolerance = number("rtol", rtol, above=0.0)
    if tolerance > 1.0:
        raise InvalidArgument("rtol", f"must be at most 1, not {tolerance:g}")
    return tolerance


def _factorised(matrix: PETSc.Mat, petsc_options: dict[str, Any] | None) -> PETSc.KSP:
    """A solver with the factors of a matrix, or with what the options say."""
    options: dict[str, Any] = {"ksp_type": "preonly", "pc_type": "lu"}
    if matrix.getComm().size > 1:
        options["pc_factor_mat_solver_type"] = "mumps"
    solver = configured(matrix, "corrector_", options, petsc_options)
    solver.setUp()
    return solver
