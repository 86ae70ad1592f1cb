"""Densities of an evolution that go to a file as they come, and are read from it when they are needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ...time.integration import Statistics
from ...time.snapshot_file import Layout, SnapshotWriter, Variable, read
from ..problem import ReversibleDiffusion
from .moments import Moments

AXES = ("x", "y", "z")
DENSITY = "density"
# change of the traits of Psi/sigma and M, for each root of a node, that leaves an equation the same
SAME_FIELD = 1e-10


def layout_of(equation: ReversibleDiffusion) -> Layout:
    """What is in the file of an equation."""
    grid, traits = equation.grid, equation.generator.traits
    axes = AXES[: grid.dim]
    of_one = {"mass": "integral of the density", "relative_entropy": "int rho log(rho/rho_eq)"}
    variables = {name: Variable((name,), "length", f"position along {name}") for name in axes}
    variables |= {
        "traits": Variable(("sums", "fields"), "1", "sums of Psi/sigma and M with random signs"),
        "statistics": Variable(("statistics",), "1", "steps, refused, evaluations, factorisations, sizes of steps"),
        "time": Variable(("time",), "time", "time"),
        **{name: Variable(("time",), "1", meaning) for name, meaning in of_one.items()},
        "minimum": Variable(("time",), "1/volume", "least density of all nodes"),
        "mean": Variable(("time", "direction"), "length", "mean position"),
        "covariance": Variable(("time", "direction", "other_direction"), "length^2", "covariance of the position"),
        DENSITY: Variable(("time", *axes), "1/volume", "probability density"),
    }
    sizes = dict(zip(axes, grid.shape)) | {
        "direction": grid.dim, "other_direction": grid.dim, "statistics": Statistics().numbers.size,
        "sums": traits.shape[0], "fields": traits.shape[1],
    }  # fmt: skip
    return Layout(sizes, variables, {"title": "densities of a Fokker-Planck equation", "Conventions": "CF-1.8"})


@dataclass(eq=False)
class DensityStream:
    """The file, while an evolution writes it (a `density_integrator.SnapshotSink`).

    Args:
        equation: that is solved.
        path: of the file.
        times: (T,).
        stops: the places of the times among all stops of the integrator (T,).
    """

    equation: ReversibleDiffusion
    path: str | os.PathLike[str]
    times: np.ndarray
    stops: np.ndarray
    _writer: SnapshotWriter = field(init=False)

    def __post_init__(self) -> None:
        grid = self.equation.grid
        ticks = [a + h * np.arange(n) for (a, _), h, n in zip(grid.box, grid.spacing, grid.shape)]
        fixed: Mapping[str, np.ndarray] = {
            **dict(zip(AXES, ticks)), "traits": self.equation.generator.traits, "statistics": Statistics().numbers,
        }  # fmt: skip
        self._writer = SnapshotWriter("stream", self.path, grid.comm, layout_of(self.equation), fixed)

    def begin(self, count: int) -> None:
        """Begin, or go on after so many stops; collective."""
        self._writer.begin(int(np.searchsorted(self.stops, count)))

    def take(self, index: int, density: np.ndarray, entropy: float) -> None:
        """Write the density at a stop, where it is one of the times; collective."""
        place = int(np.searchsorted(self.stops, index))
        if place == len(self.stops) or self.stops[place] != index:
            return
        grid = self.equation.grid
        moments = Moments.of(grid.comm, grid.points, grid.volumes, density[None])
        values = {name: getattr(moments, name)[0] for name in ("mass", "minimum", "mean", "covariance")}
        # times may be asked for more than once
        for record in range(place, int(np.searchsorted(self.stops, index, side="right"))):
            about = {"time": self.times[record], "relative_entropy": entropy} | values
            self._writer.write(record, about, DENSITY, grid.own.start, density / grid.volumes)

    def close(self, statistics: Statistics | None = None) -> None:
        """Close the file, with the cost of what is finished; collective."""
        self._writer.close({} if statistics is None else {"statistics": statistics.numbers})


@dataclass(frozen=True, eq=False)
class FileRows:
    """Densities at the nodes of a grid at times, in a file.

    Args:
        grid: the nodes.
        densities: at all nodes (T, size), on disk.
    """

    grid: Grid
    densities: np.ndarray

    def row(self, index: int) -> FileValues:
        """The probabilities of an index >= 0."""
        return FileValues(self.grid, self.densities[index])

    def table(self) -> np.ndarray:
        """All probabilities (T, size); this rank by itself."""
        return np.array([self.row(i).whole() for i in range(len(self.densities))])


@dataclass(frozen=True, eq=False)
class FileValues:
    """The probabilities at one time.

    Args:
        grid: the nodes.
        density: at all nodes (size,), on disk.
    """

    grid: Grid
    density: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """The values at the nodes of this rank (m,)."""
        return np.asarray(self.density[self.grid.own] * self.grid.volumes, dtype=np.float64)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Values (P,) at nodes, given by their numbers (P,); this rank by itself."""
        return np.asarray(self.density[numbers] * self.grid.volumes_at(numbers), dtype=np.float64)

    def whole(self) -> np.ndarray:
        """The values at all nodes (size,); this rank by itself."""
        return self.take(np.arange(self.grid.size))


def streamed(
    equation: ReversibleDiffusion, path: str | os.PathLike[str]
) -> tuple[np.ndarray, FileRows, Moments, np.ndarray, Statistics]:
    """Times, rows, moments, relative entropy and statistics from a file; collective.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is damaged, or belongs to another equation.
    """
    grid, layout = equation.grid, layout_of(equation)

    def opened() -> dict[str, np.ndarray]:
        content = read(path, layout)
        traits = content["traits"].reshape(equation.generator.traits.shape)
        ticks = np.concatenate([content[name][[0, -1]] for name in AXES[: grid.dim]])
        ends = np.concatenate([[a, a + h * (n - 1)] for (a, _), h, n in zip(grid.box, grid.spacing, grid.shape)])
        same = np.abs(traits - equation.generator.traits).max() <= SAME_FIELD * np.sqrt(grid.size)
        if not same or not np.allclose(ticks, ends, rtol=0.0, atol=1e-9 * float(grid.spacing.min())):
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        return content

    content = on_all_ranks(equation.comm, opened)
    dim, small = grid.dim, {name: np.array(content[name], dtype=float) for name in content if name != DENSITY}
    moments = Moments(
        small["mass"][:, 0], small["minimum"][:, 0], small["mean"], small["covariance"].reshape(-1, dim, dim)
    )
    rows = FileRows(grid, content[DENSITY])
    return small["time"][:, 0], rows, moments, small["relative_entropy"][:, 0], Statistics.of(small["statistics"])
