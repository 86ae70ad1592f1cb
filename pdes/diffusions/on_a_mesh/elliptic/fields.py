"""Fields on a mesh that solve elliptic problems: finite element functions, and their estimated errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.evaluation import Places

from ..problem import DiffusionOnMesh
from .sets import MeshSet


@dataclass(frozen=True, eq=False, repr=False)
class MeshField:
    """A field f(x) on a mesh.

    Args:
        equation: on the mesh of the function, whose nodes are on the boundaries of sets.
        function: f.
        errors: its estimated error, as a function of the same space; None where it is not known.
        sets: in which f is given.
        limits: the least and the largest value that f can have.
    """

    equation: DiffusionOnMesh
    function: fem.Function
    errors: fem.Function | None
    sets: tuple[MeshSet, ...] = ()
    limits: tuple[float, float] = (-np.inf, np.inf)

    def __repr__(self) -> str:
        return f"<MeshField: {self.function.function_space.dofmap.index_map.size_global} unknowns>"

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return f(x); collective, with the same points on all ranks.

        Args:
            points: x (P, d), in the mesh.

        Returns:
            f (P,).

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        x = self.equation.checked(points)
        result = np.clip(Places(self.equation.mesh, x).values(self.function), *self.limits)
        for one in self.sets:
            result[one.holds(x)] = one.value
        return result

    def error_at(self, points: ArrayLike) -> np.ndarray:
        """Return the estimated error of f(x) (P,), in units of f, NaN where it is not known; collective.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        x = self.equation.checked(points)
        if self.errors is None:
            return np.full(len(x), np.nan)
        return np.abs(Places(self.equation.mesh, x).values(self.errors))

    @cached_property
    def error(self) -> float | None:
        """The largest estimated error of f, in units of f; None where it is not known. Collective the first time."""
        if self.errors is None:
            return None
        own = self.errors.function_space.dofmap.index_map.size_local
        largest = float(np.abs(self.errors.x.array[:own]).max(initial=0.0))
        return float(self.equation.comm.allreduce(largest, MPI.MAX))

    @property
    def values(self) -> np.ndarray:
        """f at the unknowns of this rank."""
        own = self.function.function_space.dofmap.index_map.size_local
        return np.asarray(self.function.x.array[:own])
