"""Densities on a mesh: what each rank owns stays there, and values at points are gathered as they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.evaluation import Places

from ...time.densities import CallableArray
from ..density import FLOOR
from .lumped import LumpedEquation


@dataclass(frozen=True, eq=False, repr=False)
class MeshDensity:
    """A probability density rho(x) = pi(x) u(x), pi = exp(-Psi/sigma), with log u of degree 1 in cells.

    Where paths are killed at a node of a cell, u is of degree 1 there, not its logarithm.

    Args:
        lumped: the nodes, Psi, and where paths are killed.
        log_ratio: log u at the nodes of this rank (m,).
        mass: integral of rho.
        first: integral of x rho (d,), by the mass.
        covariance: of the position (d, d).
        relative_entropy: H = int rho log(rho/rho_eq), without unit.
        free_energy: F = int rho Psi + sigma int rho log rho, an energy.
        minimum: the least rho of all nodes, in units of 1/volume.
        estimate: computes the error, collective; None where it is not known.
    """

    lumped: LumpedEquation
    log_ratio: np.ndarray
    mass: float
    first: np.ndarray
    covariance: np.ndarray
    relative_entropy: float
    free_energy: float
    minimum: float
    estimate: Callable[[], float | None] | None = None

    def __repr__(self) -> str:
        mean = [float(f"{x:.4g}") for x in self.first]
        return f"<MeshDensity: {self.lumped.equation.size} nodes, mass {self.mass:.6g}, mean {mean}>"

    @classmethod
    def of(
        cls, lumped: LumpedEquation, probabilities: np.ndarray, estimate: Callable[[], float | None] | None = None
    ) -> MeshDensity:
        """The density of probabilities (m,) at the nodes of this rank; collective."""
        equation = lumped.equation
        nodes = equation.nodes
        sums = np.concatenate([[probabilities.sum()], probabilities @ nodes])
        mass, *first = equation.comm.allreduce(sums)
        mean = np.array(first) / max(mass, 1e-300)
        away = nodes - mean
        covariance = equation.comm.allreduce((away.T * probabilities) @ away) / max(mass, 1e-300)
        least = equation.comm.allreduce(float((probabilities / equation.volumes).min(initial=np.inf)), MPI.MIN)
        entropy = lumped.relative_entropy(probabilities)[0]
        with np.errstate(divide="ignore"):
            ratio = np.maximum(np.log(probabilities / equation.volumes), FLOOR) + equation.exponents
        return cls(
            lumped, ratio, float(mass), mean, covariance, entropy, float(lumped.free_energy(entropy)), least, estimate
        )

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return rho(x); collective, with the same points on all ranks.

        Args:
            points: x (P, d), in the mesh.

        Returns:
            rho (P,), in units of 1/volume.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        equation = self.lumped.equation
        x = equation.checked(points)
        return self.at_places(Places(equation.mesh, x), equation.pi_at(x))

    def at_places(self, places: Places, pi: np.ndarray) -> np.ndarray:
        """The same at places, where exp(lowest - Psi/sigma) is pi (P,); collective."""
        equation = self.lumped.equation
        shifted = self.log_ratio - equation.lowest
        result = np.exp(places.values(equation.function(shifted, "log u"))) * pi
        if self.lumped.held is not None:
            dead = places.values(equation.function(self.lumped.held.astype(float), "dead")) > 0
            top = equation.comm.allreduce(float(shifted.max(initial=-np.inf)), MPI.MAX)
            ratio = np.where(self.lumped.held, 0.0, np.exp(shifted - top))
            linear = places.values(equation.function(ratio, "u")) * np.exp(top) * pi
            result = np.where(dead, np.maximum(linear, 0.0), result)
        return result

    @cached_property
    def error(self) -> float | None:
        """The estimated error in total variation; None where it is not known. Collective the first time: it takes
        another solution, with elements of degree 2.
        """
        return None if self.estimate is None else self.estimate()

    @property
    def mean(self) -> CallableArray:
        """Mean position E X (d,); `mean()` works too."""
        return self.first.copy().view(CallableArray)

    @property
    def nodes(self) -> np.ndarray:
        """Coordinates (m, d) of the nodes of this rank."""
        return self.lumped.equation.nodes

    @cached_property
    def values(self) -> np.ndarray:
        """The density rho (m,) at the nodes of this rank."""
        return np.exp(self.log_ratio - self.lumped.equation.exponents)

    @cached_property
    def function(self) -> fem.Function:
        """The density rho as a finite element function of degree 1 (collective the first time)."""
        return self.lumped.equation.function(self.values, "rho")
