"""The result of an evolution on a mesh: densities at times, and what they conserve and dissipate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.mesh_datasets import mesh_dataset
from scaling_limits.meshes.spread_values import SpreadRows
from scaling_limits.particles.showing.datasets import about

from ...time.densities import DensitySeries
from ...time.integration import Statistics
from ..output.in_time import WrittenInTime
from ..output.quantities import ENTROPY, FREE_ENERGY, MASS, density_in
from ..snapshots.moments import Moments
from .density import LogRatio, MeshDensity
from .lumped import LumpedEquation
from .storage.archives import SavedDensity

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True, eq=False, repr=False)
class MeshDensityEvolution(SavedDensity, WrittenInTime, DensitySeries[MeshDensity]):
    """Densities at times, on a mesh.

    Args:
        lumped: the nodes, and where paths are killed.
        times: (T,).
        rows: the probabilities at all nodes, at each time; each rank has those of its own nodes.
        moments: of the densities.
        relative_entropy: H = int rho log(rho/rho_eq) at the times (T,), without unit.
        statistics: cost of the solve.
        limited_steps: how many steps were changed by limits.
        estimate: computes the errors (T,), collective; None where they are not known.
    """

    lumped: LumpedEquation
    times: np.ndarray
    rows: SpreadRows
    moments: Moments
    relative_entropy: np.ndarray
    statistics: Statistics
    limited_steps: int
    estimate: Callable[[], np.ndarray] | None = None
    NODAL: ClassVar[str] = "probabilities"
    NUMBERS: ClassVar[set[str]] = {"times", "relative_entropy", "limited_steps", "statistics"}

    @classmethod
    def of(
        cls, lumped: LumpedEquation, times: np.ndarray, probabilities: np.ndarray, relative_entropy: np.ndarray,
        statistics: Statistics, limited_steps: int, estimate: Callable[[], np.ndarray] | None,
    ) -> MeshDensityEvolution:  # fmt: skip
        """The same from probabilities (T, m) at the nodes of this rank; collective."""
        equation = lumped.equation
        moments = Moments.of(equation.comm, equation.nodes, equation.volumes, probabilities)
        rows = SpreadRows.of(equation.spread_space.runs, probabilities)
        # for densities, which any rank makes by itself
        _ = equation.spread_nodes, lumped.spread_held
        return cls(lumped, times, rows, moments, relative_entropy, statistics, limited_steps, estimate)

    def density(self, index: int) -> MeshDensity:
        """Return the density at the time of an index >= 0; each rank by itself."""
        known, moments = self.estimate is not None, self.moments

        def error() -> float | None:
            return float(self.error[index]) if self.error is not None else None

        return MeshDensity(
            self.lumped, LogRatio(self.lumped.equation, self.rows.row(index)), float(moments.mass[index]),
            moments.mean[index], moments.covariance[index], float(self.relative_entropy[index]),
            float(self.free_energy[index]), float(moments.minimum[index]), error if known else None,
        )  # fmt: skip

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return the densities (T, P) at points (P, d), in units of 1/volume; each rank by itself.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        equation = self.lumped.equation
        x = equation.checked(points)
        found, pi = equation.search.find(x), equation.pi_at(x)
        return np.array([density.at_found(found, pi) for density in self])

    def frames(self) -> Frames:
        """The densities, for files; collective."""
        return Frames(density_in(self.lumped.equation.dim), self.times, lambda index: self.density(index).function)

    def to_xarray(self) -> Any:
        """The densities at the nodes, and what they conserve and dissipate; see `mesh_dataset`. Collective: a
        `xarray.Dataset` on rank 0, None on the others.
        """
        result = mesh_dataset(self.frames(), self.lumped.equation.spread_space, "MeshDensityEvolution")
        if result is None:
            return None
        series = {MASS: self.mass, ENTROPY: self.relative_entropy, FREE_ENERGY: self.free_energy}
        return result.assign({one.name: (("time",), values, about(one)) for one, values in series.items()})

    @property
    def _ranks(self) -> MPI.Comm:
        return self.lumped.equation.comm

    @property
    def _lumped(self) -> LumpedEquation:
        return self.lumped

    def _content(self) -> dict[str, object]:
        numbers = {name: getattr(self, name) for name in ("times", "relative_entropy", "limited_steps")}
        return {**numbers, "statistics": self.statistics.numbers}

    def _nodal(self) -> np.ndarray:
        return self.probabilities

    @classmethod
    def _of(cls, lumped: LumpedEquation, nodal: np.ndarray, content: dict[str, np.ndarray]) -> MeshDensityEvolution:
        statistics = Statistics.of(content["statistics"])
        times, entropy = content["times"], content["relative_entropy"]
        return cls.of(lumped, times, nodal, entropy, statistics, int(content["limited_steps"]), None)

    @property
    def probabilities(self) -> np.ndarray:
        """The probabilities (T, m) at the nodes of this rank."""
        return self.rows.own

    @property
    def mass(self) -> np.ndarray:
        """Integral of rho at the times (T,)."""
        return self.moments.mass

    @property
    def minimum(self) -> np.ndarray:
        """The least rho of all nodes at the times (T,), in units of 1/volume."""
        return self.moments.minimum

    @property
    def survival(self) -> np.ndarray:
        """The part of the paths that no absorbing set has killed by the times (T,); 1 where there is none."""
        return self.mass

    @cached_property
    def free_energy(self) -> np.ndarray:
        """F = int rho Psi + sigma int rho log rho = sigma H - sigma log Z of the nodes (T,), an energy."""
        return np.asarray(self.lumped.free_energy(self.relative_entropy))

    @cached_property
    def error(self) -> np.ndarray | None:
        """The estimated error of each density in total variation (T,), of cells and steps; None where steps were given.

        Collective the first time: it takes another solution, with elements of degree 2.
        """
        return None if self.estimate is None else self.estimate()


def density_of(
    lumped: LumpedEquation, probabilities: np.ndarray, estimate: Callable[[], float | None] | None
) -> MeshDensity:
    """The density of probabilities (m,) at the nodes of this rank; collective.

    Args:
        lumped: the nodes, and where paths are killed.
        probabilities: at the nodes of this rank (m,).
        estimate: computes the error, collective; None where it is not known.
    """
    entropy = np.array([lumped.relative_entropy(probabilities)[0]])
    series = MeshDensityEvolution.of(lumped, np.zeros(1), probabilities[None], entropy, Statistics(), 0, None)
    return replace(series.density(0), estimate=estimate)
