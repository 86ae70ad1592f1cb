"""Fields that solve hitting problems: functions of the position, on all ranks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.box import Grid, box
from scaling_limits.meshes.files.datasets import about_error
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.showing.shapes import Shape
from scaling_limits.particles.support.not_pickled import NotPickled

from ..interpolation import inside
from ..output.grid_dataset import grid_dataset
from ..output.quantities import FIELD
from ..output.shapes import on_grid
from ..output.written import Written
from ..problem import ReversibleDiffusion
from ..storage.grid_files import check_equation, check_has_box, damaged, load_on_grid, save_on_grid
from ..storage.kept_functions import IN_CELLS, ON_PANELS, InCells, KeptFunction, OnPanels
from ..storage.reactive_density import PARTS, ReactiveDensity

if TYPE_CHECKING:
    from dolfinx import fem
    from mpi4py import MPI

# of the elements of `function` on a line, between the break points of its panels
DEGREE = 8
# what a file of a field has, and what it may have: of its function, of its error, and of a density of paths
NAMES = {"nodal", "quantity"}
ERRORS = {"errors", *(f"error.{name}" for name in ON_PANELS)}
OPTIONAL = {*ON_PANELS, *IN_CELLS, *ERRORS, *PARTS}


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
    interpolant: KeptFunction
    nodal: np.ndarray
    errors: Callable[[np.ndarray], np.ndarray] | None = None
    breaks: np.ndarray | None = None
    quantity: Quantity = FIELD
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path) reads it"

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the field and its errors to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        save_on_grid(self.grid, path, "ScalarField", lambda: self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What a file holds of the field, besides the grid.

        Raises:
            InvalidArgument: it was made of a function that no file can hold.
        """
        if not isinstance(self.interpolant, KeptFunction):
            raise InvalidArgument("path", "cannot hold a field that was made of a user's function; save its values")
        about = np.array([self.quantity.name, self.quantity.long_name, self.quantity.units])
        result = {"nodal": self.nodal, "quantity": about} | self.interpolant.content
        if isinstance(self.errors, OnPanels):
            result |= {f"error.{name}": value for name, value in self.errors.content.items()}
        elif self.errors is not None:
            result["errors"] = self.errors(self.grid.nodes)
        return result

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], equation: ReversibleDiffusion | None = None, comm: MPI.Comm | None = None
    ) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Outside of sets the field is what it was to rounding. Sets themselves are functions of the user's, and no file
        has them: in the cells that the boundary of one cuts, f is continued into it by less than a cell.

        Args:
            path: the file, on a disk of rank 0.
            equation: the one that was solved; asked for by densities of paths on their way in the plane and in space,
                which go with exp(-Psi/sigma) between the nodes.
            comm: the ranks that share the field; None takes those of the equation, or all.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation, or asks for one.
        """
        if equation is not None:
            comm = check_has_box(equation, path).comm if comm is None else comm
        grid, content = load_on_grid(comm, path, "ScalarField", NAMES, OPTIONAL)
        return cls.read(grid, content, path, equation)

    @classmethod
    def read(
        cls, grid: Grid, content: Mapping[str, np.ndarray], path: str | os.PathLike[str],
        equation: ReversibleDiffusion | None,
    ) -> Self:  # fmt: skip
        """The inverse of `content`; collective.

        Args:
            grid: the nodes.
            content: of the file.
            path: of it, for messages.
            equation: that was given, or None.

        Raises:
            InvalidArgument: the file is damaged, belongs to another equation, or asks for one.
        """
        nodal, errors = content["nodal"], content.get("errors")
        if nodal.shape != (grid.size,) or (errors is not None and errors.shape != nodal.shape):
            raise damaged(path)
        try:
            function, error, breaks = _functions(grid, content)
        except KeyError as missing:
            raise damaged(path, f"{missing} is not in it") from None
        if not function.fits:
            raise damaged(path)
        if isinstance(function, ReactiveDensity):
            if equation is None:
                reason = "must be given: between the nodes this density goes with exp(-Psi/sigma)"
                raise InvalidArgument("equation", reason)
            check_equation(path, grid, function.exponents, check_has_box(equation, path))
            function = function.of(equation.exponent)
        return cls(grid, function, nodal, error, breaks, Quantity(*map(str, content["quantity"])))


def _functions(
    grid: Grid, content: Mapping[str, np.ndarray]
) -> tuple[OnPanels | InCells | ReactiveDensity, Callable[[np.ndarray], np.ndarray] | None, np.ndarray | None]:
    """The function of a field, its error, and the ends of its panels, from what a file holds."""
    if "panels" in content:
        function = OnPanels.read(content)
        return function, OnPanels.read(content, "error.") if "error.panels" in content else None, function.ends
    error = None
    if "errors" in content:
        error = InCells(grid, content["errors"], *_nothing_cut(grid))
    if "integral" in content:
        return ReactiveDensity.read(grid, content), error, None
    return InCells.read(grid, content["nodal"], content), error, None


def _nothing_cut(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(0, dtype=int), np.zeros((0, 2**grid.dim)), np.array([-np.inf, np.inf])
