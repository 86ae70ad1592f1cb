"""The result of an evolution on a mesh: densities at times, and what they conserve and dissipate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.evaluation import Places

from ...time.densities import DensitySeries
from ...time.integration import Statistics
from .density import MeshDensity
from .lumped import LumpedEquation


@dataclass(frozen=True, eq=False, repr=False)
class MeshDensityEvolution(DensitySeries[MeshDensity]):
    """Densities at times, on a mesh.

    Args:
        lumped: the nodes, and where paths are killed.
        times: (T,).
        probabilities: at the nodes of this rank (T, m).
        relative_entropy: H = int rho log(rho/rho_eq) at the times (T,), without unit.
        statistics: cost of the solve.
        limited_steps: how many steps were changed by limits.
        masses: integral of rho at the times (T,).
        least: the least rho of all nodes at the times (T,), in units of 1/volume.
        estimate: computes the errors (T,), collective; None where they are not known.
    """

    lumped: LumpedEquation
    times: np.ndarray
    probabilities: np.ndarray
    relative_entropy: np.ndarray
    statistics: Statistics
    limited_steps: int
    masses: np.ndarray
    least: np.ndarray
    estimate: Callable[[], np.ndarray] | None = None

    @classmethod
    def of(
        cls, lumped: LumpedEquation, times: np.ndarray, probabilities: np.ndarray, relative_entropy: np.ndarray,
        statistics: Statistics, limited_steps: int, estimate: Callable[[], np.ndarray] | None,
    ) -> MeshDensityEvolution:  # fmt: skip
        """The same, with mass and minimum of all ranks; collective."""
        comm = lumped.equation.comm
        mass = comm.allreduce(probabilities.sum(axis=1))
        least = (probabilities / lumped.equation.volumes).min(axis=1, initial=np.inf)
        comm.Allreduce(MPI.IN_PLACE, least, MPI.MIN)
        return cls(lumped, times, probabilities, relative_entropy, statistics, limited_steps, mass, least, estimate)

    def density(self, index: int) -> MeshDensity:
        """Return the density at the time of an index >= 0; collective."""
        known = self.estimate is not None

        def error() -> float | None:
            return float(self.error[index]) if self.error is not None else None

        return MeshDensity.of(self.lumped, self.probabilities[index], error if known else None)

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return the densities (T, P) at points (P, d), in units of 1/volume; collective.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        equation = self.lumped.equation
        x = equation.checked(points)
        places, pi = Places(equation.mesh, x), equation.pi_at(x)
        return np.array([density.at_places(places, pi) for density in self])

    @property
    def mass(self) -> np.ndarray:
        """Integral of rho at the times (T,)."""
        return self.masses

    @property
    def minimum(self) -> np.ndarray:
        """The least rho of all nodes at the times (T,), in units of 1/volume."""
        return self.least

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
