"""Densities on a grid."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import ClassVar, Self

import numpy as np
from dolfinx import fem
from numpy.typing import ArrayLike

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target
from scaling_limits.particles.support.not_pickled import NotPickled

from ..time.densities import CallableArray
from .hitting.between_nodes import BetweenNodes
from .hitting.target_sets import Indicator
from .interpolation import corners, inside, interpolated
from .problem import ReversibleDiffusion

# the logarithm of a density that is as good as 0
FLOOR = -700.0
FORMAT = 1
# of the grid, in a file and in the equation that it is read for
SAME = ("box", "cells", "periodic")
# largest difference of Psi/sigma at a node between both
SAME_EXPONENT = 1e-6


class SavedOnGrid(NotPickled, ABC):
    """A result on the nodes of a grid; its files hold Psi/sigma there, by which they know their equation again."""

    NAMES: ClassVar[set[str]]
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path, equation) reads it"

    @abstractmethod
    def _content(self) -> tuple[Grid, np.ndarray, dict[str, object]]:
        """The grid, Psi/sigma at its nodes (size,), and what else is saved, under `NAMES`."""

    @classmethod
    @abstractmethod
    def _of(cls, equation: ReversibleDiffusion, content: dict[str, np.ndarray]) -> Self:
        """The result of an equation with this content."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        grid, exponent, content = self._content()
        place = on_all_ranks(grid.comm, lambda: target("path", path))
        about = {name: np.array(getattr(grid, name)) for name in SAME} | {"exponent": exponent}

        def save() -> None:
            if grid.comm.rank == 0:
                save_arrays(place, {"kind": type(self).__name__, "format": FORMAT} | about | content)

        on_all_ranks(grid.comm, save)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: ReversibleDiffusion) -> Self:
        """Read what `save` wrote.

        Args:
            path: the file.
            equation: the one that was solved, which knows Psi between the nodes.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        content = load_arrays(path, cls.__name__, FORMAT, {*cls.NAMES, *SAME, "exponent"})
        grid, exponent = equation.grid, content.pop("exponent")
        same = all(np.array_equal(content.pop(name), getattr(grid, name)) for name in SAME)
        if not same or np.abs(exponent - equation.exponent(grid.nodes)).max() > SAME_EXPONENT:
            raise InvalidArgument("equation", f"{os.fspath(path)} belongs to another one")
        return cls._of(equation, content)


@dataclass(frozen=True, eq=False, repr=False)
class Density(SavedOnGrid):
    """A probability density rho(x) = pi(x) u(x), pi = exp(-Psi/sigma), with log u linear between the nodes.

    Args:
        grid: the nodes.
        exponent: x (P, d) -> Psi(x)/sigma (P,).
        log_ratio: log u at the nodes (size,).
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
    log_ratio: np.ndarray
    mass: float
    first: np.ndarray
    covariance: np.ndarray
    relative_entropy: float
    free_energy: float
    sets: tuple[Indicator, ...] = ()
    estimate: Callable[[], float | None] | None = None
    NAMES: ClassVar[set[str]] = {"log_ratio", "mass", "first", "covariance", "relative_entropy", "free_energy"}

    def __repr__(self) -> str:
        mean = [float(f"{x:.4g}") for x in self.first]
        return f"<Density: {'x'.join(map(str, self.grid.shape))} nodes, mass {self.mass:.6g}, mean {mean}>"

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
        result = np.exp(interpolated(self.grid, self.log_ratio, x) - exponent)
        if self.sets:
            held, top = self._held, float(self.log_ratio.max())
            cut = held[corners(self.grid, x)[0]].any(axis=1)
            ratio = np.where(held, 0.0, np.exp(self.log_ratio - top))
            linear = BetweenNodes(self.grid, ratio, tuple((one, 0.0) for one in self.sets))
            result[cut] = np.exp(top - exponent[cut]) * linear(x[cut])
        return result

    @cached_property
    def _held(self) -> np.ndarray:
        """Whether a node is in a set in which paths are killed (size,)."""
        return np.logical_or.reduce([one(self.grid.nodes) for one in self.sets])

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
        """The density rho at all nodes, in the shape of the grid."""
        return np.exp(self.log_ratio - self.exponent(self.nodes)).reshape(self.grid.shape)

    @property
    def minimum(self) -> float:
        """The least rho of all nodes, in units of 1/volume."""
        return float(self.values.min())

    @cached_property
    def function(self) -> fem.Function:
        """The density rho as a finite element function of degree 1 (collective the first time)."""
        return self.grid.function(self.values.ravel(), "rho")

    def _content(self) -> tuple[Grid, np.ndarray, dict[str, object]]:
        return self.grid, self.exponent(self.nodes), {name: getattr(self, name) for name in self.NAMES}

    @classmethod
    def _of(cls, equation: ReversibleDiffusion, content: dict[str, np.ndarray]) -> Density:
        values = {name: value if value.ndim else float(value) for name, value in content.items()}
        return cls(equation.grid, equation.exponent, **values)  # type: ignore[arg-type]
