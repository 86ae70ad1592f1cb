"""The result of an evolution: densities at times, and what they conserve and dissipate."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.spread_values import NodeValues, SpreadRows
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.shapes import Shape

from ..time.densities import DensitySeries
from ..time.integration import Statistics
from ..time.snapshot_file import is_snapshot_file
from .density import FLOOR, Density, SavedOnGrid
from .hitting.coarser_grids import richardson, solved
from .hitting.target_sets import Indicator
from .output.grid_dataset import grid_dataset
from .output.in_time import WrittenInTime
from .output.quantities import ENTROPY, FREE_ENERGY, MASS, density_in
from .output.shapes import on_grid
from .problem import ReversibleDiffusion
from .snapshots.moments import Moments
from .snapshots.stream import FileRows, streamed
from .storage.grid_files import check_has_box
from .storage.target_places import check_absorbing, check_empty

if TYPE_CHECKING:
    from mpi4py import MPI

# total variation of the difference of two densities of mass 1
LARGEST = 2.0
# part of the mass at nodes where M turns along edges, from which errors are not known: of 950 random cases with an
# exact solution (test_errors_of_cells), the true error was up to 1.9 of the estimate below it, 9000 above it
TURNING = 0.05
# length of edges, as part of the cells along the box, from which coarser cells tell half of the error only
WIDE = 1.0 / 8.0
ARRAYS = ("times", "probabilities", "relative_entropy")


@dataclass(frozen=True, eq=False)
class LogRatio:
    """log u of a probability density, from the probabilities at the nodes.

    Args:
        equation: gives Psi/sigma.
        probabilities: at the nodes.
    """

    equation: ReversibleDiffusion
    probabilities: NodeValues

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """log u (P,) at nodes, given by their numbers (P,); each rank by itself."""
        grid, generator = self.equation.grid, self.equation.generator
        return self._of(self.probabilities.take(numbers), grid.volumes_at(numbers), generator.exponents.take(numbers))

    def whole(self) -> np.ndarray:
        """log u at all nodes (size,); each rank by itself."""
        generator = self.equation.generator
        return self._of(self.probabilities.whole(), generator.volumes, generator.exponents.whole())

    def _of(self, probabilities: np.ndarray, volumes: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            logarithms = np.log(probabilities / volumes)
        return np.asarray(np.maximum(logarithms, FLOOR) + exponents + self.equation.generator.lowest)


@dataclass(frozen=True, eq=False, repr=False)
class DensityEvolution(SavedOnGrid, WrittenInTime, DensitySeries[Density]):
    """Densities at times.

    Args:
        equation: what was solved.
        times: (T,).
        rows: the probabilities at all nodes, at each time; each rank has those of its own nodes, or all are in a file.
        moments: of the densities.
        relative_entropy: H = int rho log(rho/rho_eq) at the times (T,), without unit.
        statistics: cost of the solve.
        absorbing: the set in which paths are killed, or None.
        again: solves the same problem with another equation, to estimate the error; None where steps were given, or the
            result was read from a file.
        turning: part of the mass, of equilibrium or of the start, at nodes where M turns along edges.
    """

    equation: ReversibleDiffusion
    times: np.ndarray
    rows: SpreadRows | FileRows
    moments: Moments
    relative_entropy: np.ndarray
    statistics: Statistics
    absorbing: Indicator | None = None
    again: Callable[[ReversibleDiffusion], DensityEvolution] | None = None
    turning: float = 0.0
    NODAL: ClassVar[str] = "probabilities"
    NAMES: ClassVar[set[str]] = {*ARRAYS, "statistics"}

    def density(self, index: int) -> Density:
        """Return the density at the time of an index >= 0."""
        moments, ratio = self.moments, LogRatio(self.equation, self.rows.row(index))
        return Density(
            self.equation.grid, self.equation.exponent, ratio, float(moments.mass[index]), moments.mean[index],
            moments.covariance[index], float(self.relative_entropy[index]), float(self.free_energy[index]),
            self._killing, lambda: self._error_at(index),
        )  # fmt: skip

    def _error_at(self, index: int) -> float | None:
        return None if self.error is None else float(self.error[index])

    @cached_property
    def error(self) -> np.ndarray | None:
        """The estimated error of each density in total variation, relative to its mass (T,): of the cells, by the same
        evolution on larger cells, and rtol for the steps; 2 where nothing is known, as large as it can be of two
        densities of mass 1 (infinite where sets kill). That is so where M turns along the edges that it needs. None
        where steps were given, where cells are few, or for a result that was read. Collective the first time.
        """
        if self.again is None or self.equation.coarser is None:
            return None
        known = self._known
        # what cannot be told takes no coarser cells
        changes = []
        if known.any():
            wide = self.equation.generator.edges.widest > max(1.0, WIDE * min(self.equation.grid.cells))
            runs = solved(self.equation, self.again, self)
            changes = [(2.0 if wide else 1.0) * one.distances(other) for one, other in pairwise(runs)]
        errors = np.where(known, richardson(changes) + self.equation.rtol, np.inf)
        return np.minimum(errors, LARGEST) if self.absorbing is None else errors

    @property
    def _known(self) -> np.ndarray:
        """Whether coarser cells tell the error (T,): they do not from where on M turns along edges; collective."""
        part = self.equation.generator.turning_part
        parts = [max(self.turning, part(self.rows.row(i).own)) for i in range(len(self))]
        return np.asarray(np.maximum.accumulate(parts) <= TURNING)

    def distances(self, other: DensityEvolution) -> np.ndarray:
        """The total variation of differences from densities on another grid (T,), relative to the mass; collective."""
        grid, each = self.equation.grid, []
        for i, density in enumerate(other):
            own = self.rows.row(i).own
            each.append(np.abs(own - density.at(grid.points) * grid.volumes).sum())
        return np.asarray(grid.comm.allreduce(np.array(each)) / np.maximum(self.mass, 1e-300))

    entropy = property(attrgetter("relative_entropy"), doc="`relative_entropy`, by its former name.")

    @property
    def volumes(self) -> np.ndarray:
        """The volume that belongs to each node (size,)."""
        return self.equation.generator.volumes

    @property
    def mass(self) -> np.ndarray:
        """Integral of rho at the times (T,)."""
        return self.moments.mass

    @property
    def survival(self) -> np.ndarray:
        """The part of the paths that no absorbing set has killed by the times (T,); 1 where there is none."""
        return self.mass

    @property
    def minimum(self) -> np.ndarray:
        """The least rho of all nodes at the times (T,), in units of 1/volume."""
        return self.moments.minimum

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The probabilities at all nodes at the times (T, size); of the size of the problem on the rank that asks."""
        return self.rows.table()

    @cached_property
    def free_energy(self) -> np.ndarray:
        """F = int rho Psi + sigma int rho log rho = sigma H - sigma log Z of the grid (T,), an energy."""
        generator, sigma = self.equation.generator, self.equation.coefficients.temperature
        log_partition = np.log(generator.partition) - generator.lowest
        return sigma * self.relative_entropy - sigma * log_partition

    def frames(self) -> Frames:
        """The densities, for files; collective."""
        return Frames(density_in(self.equation.grid.dim), self.times, lambda index: self.density(index).function)

    def shape(self, index: int = 0, level: float | None = None) -> Shape | None:
        """See `Written`; collective."""
        return on_grid(self.equation.grid, lambda: self.density(index).values, level)

    def to_xarray(self) -> Any:
        """The densities at the nodes, and what they conserve and dissipate, as a `xarray.Dataset`; of the size of the
        problem on the rank that asks.
        """
        values = np.array([density.values for density in self])
        series = {MASS: self.mass, ENTROPY: self.relative_entropy, FREE_ENERGY: self.free_energy}
        return grid_dataset(
            self.equation.grid, density_in(self.equation.grid.dim), values, "DensityEvolution", self.times, series
        )

    @property
    def _grid(self) -> Grid:
        return self.equation.grid

    @property
    def _ranks(self) -> MPI.Comm:
        return self.equation.comm

    def _content(self) -> tuple[np.ndarray, dict[str, object]]:
        content = {name: getattr(self, name) for name in ARRAYS} | {"statistics": self.statistics.numbers}
        return self.equation.exponent(self.equation.grid.nodes), content

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], equation: ReversibleDiffusion, absorbing: Indicator | None = None
    ) -> DensityEvolution:
        """Read what `save` wrote, or the file of a stream, whose densities stay on disk; see `Density.load`."""
        check_has_box(equation, path)
        if not on_all_ranks(equation.comm, lambda: is_snapshot_file(path)):
            return super().load(path, equation, absorbing)
        times, rows, moments, entropy, statistics = streamed(equation, path)
        check_absorbing(path, equation.grid, None, float(moments.mass.min()), absorbing)
        if absorbing is not None:
            check_empty(path, equation.grid, rows.row(len(times) - 1).own, absorbing)
        return cls(equation, times, rows, moments, entropy, statistics, absorbing)

    @property
    def _killing(self) -> tuple[Indicator, ...]:
        return () if self.absorbing is None else (self.absorbing,)

    def _killed_in(self, absorbing: Indicator) -> DensityEvolution:
        return replace(self, absorbing=absorbing)

    @classmethod
    def _of(cls, equation: ReversibleDiffusion, content: dict[str, np.ndarray]) -> DensityEvolution:
        times, probabilities, entropy = (content[name] for name in ARRAYS)
        grid = equation.grid
        moments = Moments.of(grid.comm, grid.points, grid.volumes, probabilities)
        rows = SpreadRows.of(grid, probabilities)
        return cls(equation, times, rows, moments, entropy, Statistics.of(content["statistics"]))


Evolved = DensityEvolution  # its former name
