"""Functions of the position that hitting problems are solved by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from dolfinx import fem

from scaling_limits.meshes.box import Lattice
from scaling_limits.meshes.evaluation import evaluate

from ..density import corners, inside, interpolated
from .beside_sets import beside_sets


@dataclass(frozen=True, eq=False)
class LatticeField:
    """A function f(x), linear between the nodes and between them and the boundary of sets, where f is 0 or 1.

    Args:
        lattice: the nodes.
        nodal: f at the nodes (size,).
        sets: pairs of an indicator (P, d) -> (P,) and the value there.
    """

    lattice: Lattice
    nodal: np.ndarray
    sets: tuple[tuple[Callable[[np.ndarray], np.ndarray], float], ...]

    def at(self, points: Any) -> np.ndarray:
        """f(x).

        Args:
            points: x (P, d), in the box.

        Returns:
            f (P,).

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = inside(self.lattice, points)
        result = interpolated(self.lattice, self.nodal, x)
        held = np.zeros(len(x), dtype=bool)
        for indicator, value in self.sets:
            here = indicator(x)
            result[here] = value
            held |= here
        if self.sets and not held.all():
            nodes, cell, weights = corners(self.lattice, x)
            count = (self._place[nodes] >= 0).sum(axis=1)
            cut = ~held & (count > 0) & (count < nodes.shape[1])
            arrays = (array[cut] for array in (x, nodes, cell, weights))
            result[cut] = beside_sets(self.lattice, self.nodal, self._place, self.sets, *arrays)
        return result

    @cached_property
    def _place(self) -> np.ndarray:
        """The number of the set that each node is in, else -1 (size,)."""
        index = np.stack(np.unravel_index(np.arange(self.lattice.size), self.lattice.shape), axis=1)
        nodes = self.lattice.bounds[:, 0] + index * self.lattice.spacing
        place = np.full(self.lattice.size, -1)
        for number, (indicator, value) in enumerate(self.sets):
            place[(self.nodal == value) & indicator(nodes)] = number
        return place

    @property
    def values(self) -> np.ndarray:
        """The field at all nodes, in the shape of the lattice."""
        return self.nodal.reshape(self.lattice.shape)

    @cached_property
    def function(self) -> fem.Function:
        """The field as a finite element function of degree 1 (collective the first time)."""
        return self.lattice.function(self.nodal, "f")


@dataclass(frozen=True, eq=False)
class LineField:
    """A function f(x) on a line, a finite element function of high degree.

    Args:
        lattice: of the interval.
        function: f.
        known: whether f is known at points (P, 1): where exp(-Psi/sigma) is not negligible.
    """

    lattice: Lattice
    function: fem.Function
    known: Callable[[np.ndarray], np.ndarray]

    def at(self, points: Any) -> np.ndarray:
        """f(x); collective.

        Args:
            points: x (P, 1), in the box.

        Returns:
            f (P,); not a number where exp(-Psi/sigma) is nothing.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = inside(self.lattice, points)
        return np.where(self.known(x), evaluate(self.function, x), np.nan)
