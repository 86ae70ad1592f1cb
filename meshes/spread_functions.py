"""Finite element functions of Lagrange type, each unknown on the rank that owns it; any rank has values by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx import fem
from numpy.typing import NDArray

from .exposed_memory import SpreadTable
from .point_search import FoundPoints, PointSearch
from .spread_values import Runs, SpreadRows


class SpreadSpace:
    """A space of elements of Lagrange type on a mesh that can be searched; collective.

    Args:
        search: the cells of the mesh.
        space: continuous or not, of scalars or vectors.
    """

    def __init__(self, search: PointSearch, space: fem.FunctionSpace) -> None:
        self.search, self.space, self.components = search, space, int(space.dofmap.bs)
        layout = space.dofmap.index_map
        unknowns = np.asarray(space.dofmap.list)[search.order]
        names = layout.local_to_global(unknowns.ravel().astype(np.int32)).reshape(unknowns.shape)
        self.unknowns = SpreadTable.of(search.comm, names.astype(np.int64))
        self.runs = Runs.of(search.comm, int(layout.size_local))

    @cached_property
    def _element(self) -> object:
        return self.space.ufl_element().basix_element

    def weights(self, found: FoundPoints) -> NDArray[np.float64]:
        """The functions of the elements at points (P, k)."""
        if not len(found.reference):
            return np.zeros((0, self.unknowns.own.shape[1]))
        return np.asarray(self._element.tabulate(0, found.reference)[0, :, :, 0])  # type: ignore[attr-defined]

    def spread(self, function: fem.Function) -> SpreadFunction:
        """A function of the space, as it is now; collective."""
        count = self.runs.own.stop - self.runs.own.start
        own = np.asarray(function.x.array[: count * self.components]).reshape(count, self.components)
        return SpreadFunction(self, SpreadRows.of(self.runs, np.ascontiguousarray(own.T)))

    def function(self, values: np.ndarray, name: str = "f") -> fem.Function:
        """The function of values (m,) at the unknowns of this rank; collective."""
        result = fem.Function(self.space, name=name)
        result.x.array[: len(values)] = values
        result.x.scatter_forward()
        return result

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The places of the unknowns in the reference cell (k, d)."""
        return np.asarray(self._element.points)  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class SpreadFunction:
    """A function whose values any rank has by itself.

    Args:
        space: of the function.
        rows: its components at the unknowns (components, m).
    """

    space: SpreadSpace
    rows: SpreadRows

    def at(self, found: FoundPoints) -> NDArray[np.float64]:
        """The components (P, components) at points; this rank by itself."""
        return self._of_points(found, lambda values, weights: (values * weights).sum(axis=1))

    def bound(self, found: FoundPoints) -> NDArray[np.float64]:
        """sum_i |f_i phi_i(x)| (P, components) at points, without crossings of 0, and at most the largest |f_i| around
        each; this rank by itself.
        """

        def bounded(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
            sums = np.abs(values * weights).sum(axis=1)
            return np.minimum(sums, np.abs(values).max(axis=1, initial=0.0))

        return self._of_points(found, bounded)

    def _of_points(
        self, found: FoundPoints, value: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> NDArray[np.float64]:
        unknowns, weights = found.rows(self.space.unknowns), self.space.weights(found)
        parts = [
            value(self.rows.take(k, unknowns.ravel()).reshape(unknowns.shape), weights)
            for k in range(self.space.components)
        ]
        return np.stack(parts, axis=1)

    @property
    def own(self) -> NDArray[np.float64]:
        """The values at the unknowns of this rank (components, m)."""
        return self.rows.own
