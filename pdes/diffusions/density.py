"""Densities on a grid, and interpolation between its nodes."""

from __future__ import annotations

import itertools
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
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target

from ..time.densities import CallableArray
from .problem import ReversibleDiffusion

# the logarithm of a density that is as good as 0
FLOOR = -700.0
FORMAT = 1
# of the grid, in a file and in the equation that it is read for
SAME = ("box", "cells", "periodic")
# largest difference of Psi/sigma at a node between both
SAME_EXPONENT = 1e-6


def interpolated(grid: Grid, field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (P, ...) between the nodes of a field (size, ...), linear along each direction."""
    nodes, _, weights = corners(grid, points)
    result = np.zeros((len(points), *field.shape[1:]))
    for node, weight in zip(nodes.T, weights.T):
        result += weight.reshape(-1, *[1] * (field.ndim - 1)) * field[node]
    return result


def corners(grid: Grid, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes (P, 2^d) of the cells of points (P, d), the places (P, d) of the first of them, and the weights
    (P, 2^d) of linear interpolation.
    """
    scaled = (points - grid.box[:, 0]) / grid.spacing
    cell = np.clip(np.floor(scaled).astype(np.int64), 0, np.array(grid.cells) - 1)
    offset = (scaled - cell)[:, None, :]
    which = np.array(list(itertools.product((0, 1), repeat=grid.dim)))
    nodes = grid.flat((cell[:, None, :] + which) % grid.shape)
    return nodes, cell, np.prod(np.where(which, offset, 1.0 - offset), axis=2)


def inside(grid: Grid, points: ArrayLike) -> np.ndarray:
    """Return points (P, d) in the box; those beyond a period are taken back.

    Raises:
        InvalidArgument: a wrong shape, or a point outside of the box.
    """
    x = checked_points("points", points, grid.dim)
    low, high = grid.box.T
    slack = 1e-9 * (high - low)
    walls = ~np.array(grid.periodic)
    if (walls & ((x < low - slack) | (x > high + slack))).any():
        raise InvalidArgument("points", f"must be in the box {grid.box.tolist()}")
    return np.where(walls, np.clip(x, low, high), low + (x - low) % (high - low))


class SavedOnGrid(ABC):
    """A result on the nodes of a grid; its files hold Psi/sigma there, by which they know their equation again."""

    NAMES: ClassVar[set[str]]

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
    """

    grid: Grid
    exponent: Callable[[np.ndarray], np.ndarray]
    log_ratio: np.ndarray
    mass: float
    first: np.ndarray
    covariance: np.ndarray
    relative_entropy: float
    free_energy: float
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
        return np.exp(interpolated(self.grid, self.log_ratio, x) - self.exponent(x))

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
