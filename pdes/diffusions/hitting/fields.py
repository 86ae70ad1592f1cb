"""Fields that solve hitting problems: functions of the position, on all ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.box import Grid, box
from scaling_limits.meshes.files.datasets import about_error
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.showing.shapes import Shape
from scaling_limits.particles.support.not_pickled import NotPickled

from ..interpolation import inside
from ..output.grid_dataset import grid_dataset
from ..output.quantities import FIELD
from ..output.shapes import on_grid
from ..output.written import Written

if TYPE_CHECKING:
    from dolfinx import fem
    from mpi4py import MPI

# of the elements of `function` on a line, between the break points of its panels
DEGREE = 8


@dataclass(frozen=True, eq=False, repr=False)
class ScalarField(NotPickled, Written):
    """A function f(x) in a box.

    Args:
        grid: the nodes.
        interpolant: f (P,) at points (P, d) in the box, on this rank alone; NaN where exp(-Psi/sigma) underflows.
        nodal: f at the nodes (size,).
        errors: the estimated error of f (P,) at points (P, d), likewise; None where it is not known.
        breaks: the ends of the panels on which f is a polynomial, on a line (N + 1,).
        quantity: what f is.
    """

    grid: Grid
    interpolant: Callable[[np.ndarray], np.ndarray]
    nodal: np.ndarray
    errors: Callable[[np.ndarray], np.ndarray] | None = None
    breaks: np.ndarray | None = None
    quantity: Quantity = FIELD

    def __post_init__(self) -> None:
        # `at` and `error` are not computed again
        self.nodal.flags.writeable = False

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title = f"ScalarField {self.quantity.name}, {self.quantity.long_name}"
        values = f"from {np.nanmin(self.nodal):.4g} to {np.nanmax(self.nodal):.4g}"
        error = "unknown" if self.error is None else f"{self.error:.1e}"
        return title, {"nodes": "x".join(map(str, self.grid.shape)), "values": values, "error": error}

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

    def error_at(self, points: ArrayLike) -> np.ndarray:
        """Return the estimated error of f(x), of the cells and of rounding, in units of f; each rank by itself.

        Args:
            points: x (P, d), in the box.

        Returns:
            Errors (P,); NaN where they are not known.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = inside(self.grid, points)
        return np.full(len(x), np.nan) if self.errors is None else self.errors(x)

    @cached_property
    def error(self) -> float | None:
        """The largest estimated error of f at a node, in units of f; None where it is not known."""
        return None if self.errors is None else float(np.nanmax(self.errors(self.grid.nodes)))

    @property
    def values(self) -> np.ndarray:
        """The field at all nodes, in the shape of the grid."""
        return self.nodal.reshape(self.grid.shape)

    def frames(self) -> Frames:
        """The field, for files; collective."""
        return Frames(self.quantity, None, lambda index: self.function)

    def shape(self, index: int = 0, level: float | None = None) -> Shape | None:
        """See `Written`; collective."""
        return on_grid(self.grid, lambda: self.values, level)

    def to_xarray(self) -> Any:
        """The field at the nodes, and its estimated error there, as a `xarray.Dataset`; each rank by itself."""
        error = None if self.errors is None else self.errors(self.grid.nodes).reshape(self.grid.shape)
        result = grid_dataset(self.grid, self.quantity, self.values, "ScalarField")
        if error is not None:
            result["error"] = (result[self.quantity.name].dims, error, about_error(self.quantity))
        return result

    @property
    def _ranks(self) -> MPI.Comm:
        return self.grid.comm

    @cached_property
    def function(self) -> fem.Function:
        """The field as a finite element function, of high degree on a line; collective the first time."""
        if self.breaks is None:
            return self.grid.function(self.nodal, "f")
        with needed_by("a function of dolfinx"):
            from dolfinx import fem
        mesh = box(self.grid.box, [self.breaks], periodic=self.grid.periodic, comm=self.grid.comm)
        function = fem.Function(fem.functionspace(mesh, ("Lagrange", DEGREE)), name="f")
        function.interpolate(lambda x: self.interpolant(np.clip(x[:1].T, *self.grid.box[0])))
        return function
