"""Fields that solve hitting problems: functions of the position, on all ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import numpy as np
from dolfinx import fem
from numpy.typing import ArrayLike
from scipy.interpolate import BPoly

from scaling_limits.meshes.backend.compat import geometry_dofmap
from scaling_limits.meshes.box import Grid

from ..density import inside


@dataclass(frozen=True, eq=False, repr=False)
class ScalarField:
    """A function f(x) in a box.

    Args:
        grid: the nodes.
        interpolant: f (P,) at points (P, d) in the box, on this rank alone; NaN where exp(-Psi/sigma) underflows.
        nodal: f at the nodes (size,).
        elements: f as a finite element function of higher degree, where it was found so.
    """

    grid: Grid
    interpolant: Callable[[np.ndarray], np.ndarray]
    nodal: np.ndarray
    elements: fem.Function | None = None

    def __repr__(self) -> str:
        low, high = np.nanmin(self.nodal), np.nanmax(self.nodal)
        return f"<ScalarField: {'x'.join(map(str, self.grid.shape))} nodes, from {low:.4g} to {high:.4g}>"

    lattice = property(attrgetter("grid"), doc="`grid`, by its former name.")

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return f(x); each rank by itself.

        Args:
            points: x (P, d), in the box.

        Returns:
            f (P,); NaN where exp(-Psi/sigma) underflows.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        return self.interpolant(inside(self.grid, points))

    @property
    def values(self) -> np.ndarray:
        """The field at all nodes, in the shape of the grid."""
        return self.nodal.reshape(self.grid.shape)

    @cached_property
    def function(self) -> fem.Function:
        """The field as a finite element function, of high degree on a line; collective the first time."""
        return self.grid.function(self.nodal, "f") if self.elements is None else self.elements


def polynomials_of(function: fem.Function) -> BPoly:
    """The polynomials of a finite element function on a line, on all ranks; collective."""
    mesh, degree = function.function_space.mesh, function.function_space.ufl_element().degree
    count = mesh.topology.index_map(1).size_local
    ends = np.sort(mesh.geometry.x[geometry_dofmap(mesh)[:count], 0], axis=1)
    # in Bernstein's basis on Chebyshev points no digit is lost
    ticks = 0.5 - 0.5 * np.cos(np.pi * np.arange(degree + 1) / degree)
    x = ends[:, :1] + np.diff(ends) * ticks
    padded = np.zeros((x.size, 3))
    padded[:, 0] = x.ravel()
    values = function.eval(padded, np.repeat(np.arange(count, dtype=np.int32), degree + 1)).reshape(x.shape)
    basis = BPoly(np.eye(degree + 1)[:, None, :], [0.0, 1.0])(ticks)
    parts = mesh.comm.allgather((ends, np.linalg.solve(basis, values.T)))
    ends, coefficients = np.concatenate([e for e, _ in parts]), np.concatenate([c for _, c in parts], axis=1)
    order = np.argsort(ends[:, 0])
    return BPoly(coefficients[:, order], np.append(ends[order, 0], ends[order[-1], 1]))
