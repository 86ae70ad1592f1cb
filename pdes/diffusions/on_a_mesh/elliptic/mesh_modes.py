"""The slowest modes on a mesh: finite element functions, at points and in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.spread_functions import SpreadFunction, SpreadSpace

from ...elements.modes import NUMBERS, Modes, read_numbers
from ...storage.grid_files import damaged
from ..searched_mesh import SearchedMesh
from ..storage.functions import load_functions, save_functions


@dataclass(frozen=True, eq=False)
class MeshFunctions:
    """Finite element functions of one space on a mesh.

    Args:
        mesh: or an equation, on the mesh of the functions.
        given: these.
    """

    mesh: SearchedMesh
    given: Sequence[fem.Function]

    def functions(self) -> list[fem.Function]:
        """They themselves."""
        return list(self.given)

    @cached_property
    def space(self) -> SpreadSpace:
        """Theirs; collective the first time."""
        return SpreadSpace(self.mesh.search, self.given[0].function_space)

    @cached_property
    def spread(self) -> list[SpreadFunction]:
        """The same for any rank; collective the first time."""
        return [self.space.spread(one) for one in self.given]


@dataclass(frozen=True, eq=False, repr=False)
class MeshModes(Modes):
    """The slowest modes f_k on a mesh, see `Modes`; with `given` of this kind."""

    def __post_init__(self) -> None:
        # while all ranks are here
        _ = self._on_mesh.spread

    @property
    def _on_mesh(self) -> MeshFunctions:
        assert isinstance(self.given, MeshFunctions)
        return self.given

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return f_k(x) (k, P) at points (P, d) of the mesh; each rank by itself.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        mesh = self._on_mesh.mesh
        found = mesh.search.find(mesh.checked(points))
        return np.array([one.at(found)[:, 0] for one in self._on_mesh.spread])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write rates and functions with their mesh to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        numbers = {name: value for name, value in self.numbers.items() if name != "degree"}
        values = np.concatenate([one.rows.own for one in self._on_mesh.spread])
        save_functions(path, "MeshModes", self._on_mesh.space, values, numbers)

    @classmethod
    def load(cls, path: str | os.PathLike[str], comm: MPI.Comm | None = None) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0; it holds the mesh.
            comm: the ranks that share the functions; None takes all.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        ranks = MPI.COMM_WORLD if comm is None else comm
        mesh, functions, content = load_functions(path, "MeshModes", NUMBERS - {"degree"}, ranks)
        degree = np.array(functions[0].function_space.ufl_element().degree)
        numbers = read_numbers(path, content | {"degree": degree})
        if len(functions) != len(numbers["rates"]):
            raise damaged(path)
        return cls(given=MeshFunctions(mesh, functions), **numbers)
