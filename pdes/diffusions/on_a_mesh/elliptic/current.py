"""Currents on a mesh: in each cell the linear function that is nearest to sigma mu M grad q.

What is left of J beside it is orthogonal to linear functions, as the equation of q makes J orthogonal to the gradients
of its elements: so much of the error of grad q drops out. On a line J is constant to rounding.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from numpy.typing import ArrayLike
from ufl.core.expr import Expr

from scaling_limits.meshes.backend.compat import interpolation_points
from scaling_limits.meshes.backend.petsc_solvers import configured
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.mesh_datasets import mesh_dataset
from scaling_limits.meshes.spread_functions import SpreadFunction, SpreadSpace
from scaling_limits.particles.support.not_pickled import NotPickled

from ...output.quantities import current_in
from ...output.written import Written
from ...storage.grid_files import damaged
from ..forms import MeshForms
from ..searched_mesh import SearchedMesh
from ..storage.answers import load_answer, save_answer
from .sets import MeshSet

# of a matrix of blocks, one for each cell
EXACT: dict[str, object] = {"ksp_type": "preonly", "pc_type": "bjacobi", "sub_pc_type": "lu"}


@dataclass(frozen=True, eq=False, repr=False)
class MeshVectorField(NotPickled, Written):
    """A vector field J(x) on a mesh, in each cell a polynomial.

    Args:
        equation: or a mesh alone, that of the function.
        function: J.
        sets: in which J is 0.
    """

    equation: SearchedMesh
    function: fem.Function
    sets: tuple[MeshSet, ...]
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path) reads it"

    def __post_init__(self) -> None:
        # while all ranks are here
        _ = self._spread

    def _summary(self) -> tuple[str, dict[str, Any]]:
        mesh = self.equation.mesh
        return "MeshVectorField J", {"cells": int(mesh.topology.index_map(mesh.topology.dim).size_global)}

    @property
    def _ranks(self) -> MPI.Comm:
        return self.equation.comm

    @cached_property
    def _spread(self) -> SpreadFunction:
        return SpreadSpace(self.equation.search, self.function.function_space).spread(self.function)

    def frames(self) -> Frames:
        """The field, for files; collective."""
        return Frames(current_in(self.equation.dim), None, lambda index: self.function)

    def to_xarray(self) -> Any:
        """The field at the corners of each cell, which are nodes of its own, with a dimension `direction`
        (`mesh_dataset`); collective: a `xarray.Dataset` on rank 0, None on the others.
        """
        spread, numbers = _components(self.equation, self.function.function_space)
        return mesh_dataset(self.frames(), spread, "MeshVectorField", blocks=numbers)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the field with its mesh to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        space = self.function.function_space
        spread, numbers = _components(self.equation, space)
        own = numbers[: spread.space.dofmap.index_map.size_local]
        values = self.function.x.array.reshape(-1, space.dofmap.bs)[own]
        save_answer(path, "MeshVectorField", spread, np.ascontiguousarray(values.T), {})

    @classmethod
    def load(cls, path: str | os.PathLike[str], comm: MPI.Comm = MPI.COMM_WORLD) -> Self:
        """Read what `save` wrote, on any number of ranks; collective. Beside curved boundaries of sets it is what the
        elements hold.

        Args:
            path: the file, on a disk of rank 0; it holds the mesh.
            comm: the ranks that share the field.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        found = load_answer(path, "MeshVectorField", set(), comm)
        mesh, space = found.mesh.mesh, vectors(found.mesh.mesh)
        if len(found.functions) != mesh.geometry.dim:
            raise damaged(path)
        result = fem.Function(space, name="J")
        result.interpolate(fem.Expression(ufl.as_vector(found.functions), interpolation_points(space)))
        return cls(found.mesh, result, ())

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return J(x) (P, d); each rank by itself.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        equation = self.equation
        x = equation.checked(points)
        result = self._spread.at(equation.search.find(x))
        for one in self.sets:
            result[one.holds(x)] = 0.0
        return result


def _components(mesh: SearchedMesh, space: fem.FunctionSpace) -> tuple[SpreadSpace, np.ndarray]:
    """The space of a component, and the places of its unknowns in that of vectors; collective."""
    if space.dofmap.bs == 1:
        # on a line, where dolfinx knows no components
        layout = space.dofmap.index_map
        return SpreadSpace(mesh.search, space), np.arange(layout.size_local + layout.num_ghosts)
    scalars, blocks = space.sub(0).collapse()
    return SpreadSpace(mesh.search, scalars), np.asarray(blocks) // space.dofmap.bs


def vectors(mesh: dolfinx_mesh.Mesh) -> fem.FunctionSpace:
    """Vectors that are of degree 1 in each cell, and free to jump between cells; collective."""
    return fem.functionspace(mesh, basix.ufl.element("DG", mesh.basix_cell(), 1, shape=(mesh.geometry.dim,)))


def in_cells(forms: MeshForms, vector: Expr, name: str) -> fem.Function:
    """The function of degree 1 in cells, free to jump between them, nearest to a vector in the mean square; collective.

    Args:
        forms: have the mesh, and the quadrature.
        vector: (d,).
        name: of the result.
    """
    mesh, dim = forms.space.mesh, forms.space.mesh.geometry.dim
    scalars = fem.functionspace(mesh, ("DG", 1))
    test, trial = ufl.TestFunction(scalars), ufl.TrialFunction(scalars)
    matrix = fem_petsc.assemble_matrix(fem.form(test * trial * forms.dx))
    matrix.assemble()
    solver = configured(matrix, "fokker_planck_current_", EXACT, None)
    components: list[Any] = [fem.Function(scalars) for _ in range(dim)]
    for k, component in enumerate(components):
        # each cell belongs to one rank
        load = fem_petsc.assemble_vector(fem.form(vector[k] * test * forms.dx))
        right, left = matrix.createVecs()
        right.array[:] = load.array[: right.getLocalSize()]
        solver.solve(right, left)
        component.x.array[: left.getLocalSize()] = left.array
        component.x.scatter_forward()
        for one in (load, right, left):
            one.destroy()
    solver.destroy()
    matrix.destroy()
    space = vectors(mesh)
    result = fem.Function(space, name=name)
    result.interpolate(fem.Expression(ufl.as_vector(components), interpolation_points(space)))
    return result
