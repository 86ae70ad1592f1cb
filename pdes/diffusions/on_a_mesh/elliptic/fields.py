"""Fields on a mesh that solve elliptic problems: finite element functions, and their estimated errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.spread_functions import SpreadFunction, SpreadSpace

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

    def __post_init__(self) -> None:
        # while all ranks are here
        _ = self._spread

    @cached_property
    def _spread(self) -> tuple[SpreadFunction, SpreadFunction | None]:
        """f and its error, for any rank; collective the first time."""
        space = SpreadSpace(self.equation.search, self.function.function_space)
        return space.spread(self.function), None if self.errors is None else space.spread(self.errors)

    def __repr__(self) -> str:
        return f"<MeshField: {self.function.function_space.dofmap.index_map.size_global} unknowns>"

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return f(x); each rank by itself.

        Args:
            points: x (P, d), in the mesh.

        Returns:
            f (P,).

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        x = self.equation.checked(points)
        result = np.clip(self._spread[0].at(self.equation.search.find(x))[:, 0], *self.limits)
        for one in self.sets:
            result[one.holds(x)] = one.value
        return result

    def error_at(self, points: ArrayLike) -> np.ndarray:
        """Return the estimated error of f(x) (P,), in units of f, NaN where it is not known; each rank by itself.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        x = self.equation.checked(points)
        found = self.equation.search.find(x)
        if self._spread[1] is None:
            return np.full(len(x), np.nan)
        return np.abs(self._spread[1].at(found)[:, 0])

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
