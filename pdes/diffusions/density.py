"""Densities on a grid."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.spread_values import NodeValues, SpreadRows
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.shapes import Shape
from scaling_limits.particles.support.archive import check_numbers, load_arrays
from scaling_limits.particles.support.not_pickled import NotPickled

from ..time.densities import CallableArray
from .hitting.between_nodes import BetweenNodes
from .hitting.target_sets import Indicator
from .interpolation import combined, corners, inside
from .output.grid_dataset import grid_dataset
from .output.quantities import DENSITY, MASS
from .output.shapes import on_grid
from .output.written import Written
from .problem import ReversibleDiffusion
from .storage.grid_files import FORMAT, SAME, SAME_EXPONENT, check_has_box, save_on_grid

if TYPE_CHECKING:
    from dolfinx import fem
    from mpi4py import MPI

# the logarithm of a density that is as good as 0
FLOOR = -700.0


class SavedOnGrid(NotPickled, ABC):
    """A result on the nodes of a grid; its files hold Psi/sigma there, by which they know their equation again."""

    NAMES: ClassVar[set[str]]
    # the one of them that has values at nodes, last
    NODAL: ClassVar[str]
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path, equation) reads it"

    @property
    @abstractmethod
    def _grid(self) -> Grid:
        """The nodes."""

    @abstractmethod
    def _content(self) -> tuple[np.ndarray, dict[str, object]]:
        """Psi/sigma at all nodes (size,), and what else is saved, under `NAMES`; for rank 0, by itself."""

    @classmethod
    @abstractmethod
    def _of(cls, equation: ReversibleDiffusion, content: dict[str, np.ndarray]) -> Self:
        """The result of an equation with this content, of the nodes of this rank; collective."""

    @classmethod
    def _belong_together(cls, content: dict[str, np.ndarray], grid: Grid) -> bool:
        """Whether the arrays of a file are of one another's sizes, for rank 0."""
        times, values = content.get("times"), content[cls.NODAL]
        if times is None:
            return values.shape == (grid.size,)
        return values.shape == (len(times), grid.size) and content["relative_entropy"].shape == times.shape

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """

        def content() -> dict[str, Any]:
            exponent, others = self._content()
            return {"exponent": exponent} | others

        save_on_grid(self._grid, path, type(self).__name__, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: ReversibleDiffusion) -> Self:
        """Read what `save` wrote; collective: each rank gets the values at its nodes.

        Args:
            path: the file, on a disk of rank 0.
            equation: the one that was solved, which knows Psi between the nodes.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        check_has_box(equation, path)
        grid = equation.grid

        def read() -> dict[str, np.ndarray] | None:
            if grid.comm.rank > 0:
                return None
            content = load_arrays(path, cls.__name__, FORMAT, {*cls.NAMES, *SAME, "exponent"})
            check_numbers(path, content, cls.NAMES)
            exponent = content.pop("exponent")
            same = all(np.array_equal(content.pop(name), getattr(grid, name)) for name in SAME)
            if not same or np.abs(exponent - equation.exponent(grid.nodes)).max() > SAME_EXPONENT:
                raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
            if not cls._belong_together(content, grid):
                raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: its arrays do not belong together")
            return content

        content, parts = on_all_ranks(grid.comm, read), None
        if content is not None:
            nodal = content[cls.NODAL]
            parts = [content | {cls.NODAL: nodal[..., first:last]} for first, last in pairwise(grid.ends)]
        return cls._of(equation, grid.comm.scatter(parts))


def density_of_logarithms(logarithms: np.ndarray) -> np.ndarray:
    """rho from log rho, 0 where that is the floor to rounding."""
    return np.where(logarithms < FLOOR + 1e-6, 0.0, np.exp(logarithms))


@dataclass(frozen=True, eq=False, repr=False)
class Density(SavedOnGrid, Written):
    """A probability density rho(x) = pi(x) u(x), pi = exp(-Psi/sigma), with log u linear between the nodes.

    Args:
        grid: the nodes.
        exponent: x (P, d) -> Psi(x)/sigma (P,).
        ratio: log u at the nodes.
        mass: integral of rho.
        first: integral of x rho (d,).
        covariance: of the position (d, d).
        relative_entropy: H = int rho log(rho/rho_eq), without unit.
        free_energy: F = int rho Psi + sigma int rho log rho, an energy.
        sets: where paths are killed: u is linear, not its logarithm, in cells that they cut.
        estimate: computes the error, collective; None where it is not known.
    """

    grid: Grid
    exponent: Callable[[np.ndarray], np.ndarray]
    ratio: NodeValues
    mass: float
    first: np.ndarray
    covariance: np.ndarray
    relative_entropy: float
    free_energy: float
    sets: tuple[Indicator, ...] = ()
    estimate: Callable[[], float | None] | None = None
    NODAL: ClassVar[str] = "log_ratio"
    NAMES: ClassVar[set[str]] = {"log_ratio", "mass", "first", "covariance", "relative_entropy", "free_energy"}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title = f"Density: {'x'.join(map(str, self.grid.shape))} nodes"
        return title, {"mass": self.mass, "mean": self.first, "free energy": self.free_energy}

    lattice = property(attrgetter("grid"), doc="`grid`, by its former name.")

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return rho(x).

        Args:
            points: x (P, d), in the box.

        Returns:
            rho (P,), in units of 1/volume.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = inside(self.grid, points)
        exponent = self.exponent(x)
        nodes, _, weights = corners(self.grid, x)
        logarithms = self.ratio.take(nodes.ravel()).reshape(nodes.shape)
        result = np.exp(combined(logarithms.T, weights) - exponent)
        if self.sets:
            cut = self._held(nodes.ravel()).reshape(nodes.shape).any(axis=1)
            if cut.any():
                result[cut] = self._beside_sets(x[cut], exponent[cut])
        return result

    def _held(self, numbers: np.ndarray) -> np.ndarray:
        """Whether nodes, given by their numbers (P,), are in a set in which paths are killed (P,)."""
        x = self.grid.coordinates(numbers)
        return np.logical_or.reduce([one(x) for one in self.sets])

    def _beside_sets(self, x: np.ndarray, exponent: np.ndarray) -> np.ndarray:
        """rho (P,) in cells that a set cuts, from points (P, d) and Psi/sigma there (P,)."""
        ratio = self.ratio.whole()
        top = float(ratio.max())
        ratio = np.where(self._held(np.arange(self.grid.size)), 0.0, np.exp(ratio - top))
        linear = BetweenNodes(self.grid, ratio, tuple((one, 0.0) for one in self.sets))
        return np.asarray(np.exp(top - exponent) * linear(x))

    @cached_property
    def error(self) -> float | None:
        """The estimated error in total variation, of the cells and of the steps; None where it is not known.

        Collective the first time: it takes the solution on coarser grids.
        """
        return None if self.estimate is None else self.estimate()

    @property
    def mean(self) -> CallableArray:
        """Mean position E X (d,); `mean()` of earlier versions works too."""
        return self.first.copy().view(CallableArray)

    @property
    def nodes(self) -> np.ndarray:
        """Coordinates (size, d) of all nodes, in C order."""
        return self.grid.nodes

    @cached_property
    def values(self) -> np.ndarray:
        """The density rho at all nodes, in the shape of the grid; of the size of the problem on the rank that asks."""
        return density_of_logarithms(self.log_ratio - self.exponent(self.nodes)).reshape(self.grid.shape)

    @property
    def log_ratio(self) -> np.ndarray:
        """log u at all nodes (size,); likewise."""
        return self.ratio.whole()

    @property
    def minimum(self) -> float:
        """The least rho of all nodes, in units of 1/volume."""
        return float(self.values.min())

    @cached_property
    def function(self) -> fem.Function:
        """The density rho as a finite element function of degree 1 (collective the first time)."""
        return self.grid.function(
            lambda numbers: np.exp(self.ratio.take(numbers) - self.exponent(self.grid.coordinates(numbers))), "rho"
        )

    def frames(self) -> Frames:
        """The density, for files; collective."""
        return Frames(DENSITY, None, lambda index: self.function)

    def shape(self, index: int = 0, level: float | None = None) -> Shape | None:
        """See `Written`; collective."""
        return on_grid(self.grid, lambda: self.values, level)

    def to_xarray(self) -> Any:
        """The density at the nodes as a `xarray.Dataset`; of the size of the problem on the rank that asks."""
        return grid_dataset(self.grid, DENSITY, self.values, "Density", None, {MASS: np.array(self.mass)})

    @property
    def _grid(self) -> Grid:
        return self.grid

    @property
    def _ranks(self) -> MPI.Comm:
        return self.grid.comm

    def _content(self) -> tuple[np.ndarray, dict[str, object]]:
        return self.exponent(self.nodes), {name: getattr(self, name) for name in self.NAMES}

    @property
    def content(self) -> dict[str, object]:
        """What a file holds of the density, besides the grid; of the size of the problem on the rank that asks."""
        exponent, content = self._content()
        return {"exponent": exponent} | content

    @classmethod
    def _of(cls, equation: ReversibleDiffusion, content: dict[str, np.ndarray]) -> Density:
        values: dict[str, object] = {name: value if value.ndim else float(value) for name, value in content.items()}
        values["ratio"] = SpreadRows.of(equation.grid, content["log_ratio"][None]).row(0)
        del values["log_ratio"]
        return cls(equation.grid, equation.exponent, **values)  # type: ignore[arg-type]
