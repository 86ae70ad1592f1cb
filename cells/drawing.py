"""What effective tensors and coefficients show: curves on a line, ellipses in the plane, and datasets."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.meshes.files.shapes import level_in
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.showing.axes import axes_of, axis_label, closed_if_refused, draw_ellipses, labelled
from scaling_limits.particles.showing.datasets import Variable, dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.showing.shapes import Curve, Plane
from scaling_limits.particles.support.checks import integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = "xyz"
TENSOR = Quantity("M", "effective tensor", "1")
EIGENVALUES = Quantity("eigenvalues", "eigenvalues of the effective tensor", "1")
FREE_ENERGY = Quantity("free_energy", "free energy", "energy")
PARTITION = Quantity("log_partition", "logarithm of the partition function", "1")
ERROR = Quantity("error", "estimated relative error of the tensor", "1")
LOWER, UPPER = Quantity("lower", "lower bound of M", "1"), Quantity("upper", "upper bound of M", "1")
# least part of the variance of points beyond which they are not on one line
ON_A_LINE = 1e-10
# points along each direction of a picture, and ellipses in it
FINE, COARSE, CONTOURS = 101, 9, 14
QUANTITIES = ("free_energy", "mobility")


class ShownTensor(Described):
    """An effective tensor at points."""

    if TYPE_CHECKING:
        points: NDArray[np.float64]
        value: NDArray[np.float64]
        lower: NDArray[np.float64] | None
        upper: NDArray[np.float64] | None
        log_partition: NDArray[np.float64]
        free_energy: NDArray[np.float64]
        error: NDArray[np.float64]

    @closed_if_refused
    def plot(self, ax: Axes | None = None, *, size: float | None = None, **options: Any) -> Axes:
        """Draw M, with its bounds, over a line; its eigenvalues, where points in the plane or space are on one line;
        elsewhere ellipses { x + s M^(1/2) u, |u| = 1 }, in space of the first two directions.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            size: s, the radius of the circle that M = I would be, in the unit of x; None fits the distances of points.
            options: of `Axes.plot`, or of the polygons (`PolyCollection`).

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, dim = axes_of(ax), self.points.shape[1]
        along = _along(self.points)
        if along is None or (dim > 1 and len(self.points) == 1):
            labelled(ax, *map(axis_label, AXES[:2]))
            return draw_ellipses(ax, self.points[:, :2], self.value[:, :2, :2], size, options)
        order = np.argsort(along, kind="stable")
        values = np.linalg.eigvalsh(self.value)[order]
        for k in range(dim):
            name = "M" if dim == 1 else f"eigenvalue {k + 1}"
            (line,) = ax.plot(along[order], values[:, k], **({"marker": ".", "label": name} | options))
            if dim == 1 and self.lower is not None and self.upper is not None:
                low, high = self.lower[order, 0, 0], self.upper[order, 0, 0]
                ax.fill_between(along[order], low, high, color=line.get_color(), alpha=0.3, label="bounds")
        ax.legend()
        x = axis_label("x") if dim == 1 else "distance along the line of points (length)"
        return labelled(ax, x, (TENSOR if dim == 1 else EIGENVALUES).label)

    def to_xarray(self) -> Any:
        """M, its bounds and error, and the free energy as a `xarray.Dataset` with dimensions point, row, column."""
        pair = ("point", "row", "column")
        variables: list[Variable] = [(TENSOR, pair, self.value), (FREE_ENERGY, ("point",), self.free_energy)]
        variables += [(PARTITION, ("point",), self.log_partition), (ERROR, ("point",), self.error)]
        bounds = ((LOWER, self.lower), (UPPER, self.upper))
        variables += [(said, pair, values) for said, values in bounds if values is not None]
        coordinates: list[Variable] = [
            (Quantity(name, f"position along {name}", "length"), ("point",), values)
            for name, values in zip(AXES, self.points.T)
        ]
        return dataset("EffectiveTensor", variables, coordinates)


def _along(points: np.ndarray) -> np.ndarray | None:
    """Where points (P, d) are on their line, from the first of it on (P,); None where they are not on one."""
    if points.shape[1] == 1:
        return points[:, 0]
    centred = points - points.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    if (lengths[1:] ** 2).sum() > ON_A_LINE * (lengths**2).sum():
        return None
    place = centred @ (directions[0] * (np.sign(directions[0][np.abs(directions[0]).argmax()]) or 1.0))
    return np.asarray(place - place.min())


class ShownCoefficients(Described):
    """Coefficients M(x) and Psi(x) in a box."""

    if TYPE_CHECKING:
        bounds: NDArray[np.float64]
        error: float

        @property
        def dim(self) -> int:
            """Dimension d."""

    @abstractmethod
    def mobility(self, points: ArrayLike) -> NDArray[np.float64]:
        """M (P, d, d) at points (P, d)."""

    @abstractmethod
    def free_energy(self, points: ArrayLike) -> NDArray[np.float64]:
        """Psi (P,) at points (P, d)."""

    @closed_if_refused
    def plot(
        self, ax: Axes | None = None, quantity: str = "free_energy", *, level: float | None = None, **options: Any
    ) -> Axes:
        """Draw the free energy or the mobility over a line; in the plane contours of the free energy, with ellipses of
        the mobility over them, or these alone. In space the plane is a cut across the third axis.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            quantity: "free_energy" or "mobility".
            level: of the cut; None for the middle.
            options: of `Axes.plot`, `contourf`, or the polygons.

        Returns:
            The axes.

        Raises:
            InvalidArgument: another quantity, or a level outside of the box.
            ImportError: matplotlib is not here.
        """
        if not isinstance(quantity, str) or quantity not in QUANTITIES:
            raise InvalidArgument("quantity", f"must be one of {', '.join(QUANTITIES)}, not {quantity!r}")
        ax, energy = axes_of(ax), quantity == "free_energy"
        lines = [np.linspace(low, high, FINE) for low, high in self.bounds]
        if self.dim == 1:
            values = self.free_energy(lines[0][:, None]) if energy else self.mobility(lines[0][:, None])[:, 0, 0]
            Curve(lines[0], values).draw(ax, FREE_ENERGY if energy else TENSOR, **options)
            return ax
        height = [] if self.dim == 2 else [level_in(level, *self.bounds[2])]
        note = f"z = {height[0]:.3g}" if height else ""
        if energy:
            shape = (FINE, FINE)
            plane = Plane(lines[0], lines[1], self.free_energy(_grid(lines[:2], height)).reshape(shape), note=note)
            plane.contours(ax, FREE_ENERGY, CONTOURS, **options)
        places = _grid([_inner(low, high) for low, high in self.bounds[:2]], height)
        shown = options if not energy else {"facecolor": "none", "edgecolor": "white"}
        draw_ellipses(ax, places[:, :2], self.mobility(places)[:, :2, :2], None, shown)
        return labelled(ax, *map(axis_label, AXES[:2]))

    def to_xarray(self, points: int = 33) -> Any:
        """M and Psi on a grid in the box as a `xarray.Dataset`.

        Args:
            points: along each direction.
        """
        count = integer("points", points, 2)
        lines = [np.linspace(low, high, count) for low, high in self.bounds]
        x, names, shape = _grid(lines, []), tuple(AXES[: self.dim]), (count,) * self.dim
        variables: list[Variable] = [
            (TENSOR, (*names, "row", "column"), self.mobility(x).reshape(*shape, self.dim, self.dim)),
            (FREE_ENERGY, names, self.free_energy(x).reshape(shape)),
        ]
        coordinates: list[Variable] = [
            (Quantity(name, f"position along {name}", "length"), (name,), line) for name, line in zip(names, lines)
        ]
        return dataset("EffectiveCoefficients", variables, coordinates, {"error": self.error})


def _inner(low: float, high: float) -> np.ndarray:
    """Middles of COARSE parts of an interval."""
    return low + (high - low) * (np.arange(COARSE) + 0.5) / COARSE


def _grid(lines: list[np.ndarray], height: list[float]) -> np.ndarray:
    """The points (P, d) of a grid of lines, in C order, with constant components at the end."""
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(lines))
    return np.concatenate([grid, np.broadcast_to(height, (len(grid), len(height)))], axis=1)
