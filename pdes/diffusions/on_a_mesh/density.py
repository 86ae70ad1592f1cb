"""Densities on a mesh: what each rank owns stays there, and any rank has values at any points by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.mesh_datasets import mesh_dataset
from scaling_limits.meshes.point_search import FoundPoints
from scaling_limits.meshes.spread_values import SpreadRows, SpreadValues

from ...time.densities import CallableArray
from ..density import FLOOR, density_of_logarithms
from ..output.quantities import density_in
from ..output.written import Written
from .lumped import LumpedEquation
from .problem import DiffusionOnMesh
from .storage.archives import SavedDensity


@dataclass(frozen=True, eq=False)
class LogRatio:
    """log u of a probability density, from the probabilities at the nodes.

    Args:
        equation: gives Psi/sigma and volumes.
        probabilities: at the nodes.
    """

    equation: DiffusionOnMesh
    probabilities: SpreadValues

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """log u (P,) at nodes, given by their numbers over all ranks (P,); each rank by itself."""
        exponents, volumes = (self.equation.spread_nodes.take(k, numbers) for k in range(2))
        return log_ratio_of(self.probabilities.take(numbers), volumes, exponents)


def log_ratio_of(probabilities: np.ndarray, volumes: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """log u of probabilities of nodes, with their volumes and Psi/sigma, all (P,)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(np.log(probabilities / volumes), FLOOR) + exponents)


class NodalRatio(Protocol):
    """log u at the nodes, wherever they are."""

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """The values (P,) at nodes, given by their numbers over all ranks (P,); each rank by itself."""


def density_between(shifted: np.ndarray, weights: np.ndarray, dead: np.ndarray | None, pi: np.ndarray) -> np.ndarray:
    """rho (P,) between nodes: pi u, with log u of degree 1, or u where paths are killed at a node.

    Args:
        shifted: log u - lowest at the nodes around each point (P, k).
        weights: of these nodes (P, k), or the same for all (k,).
        dead: whether paths are killed at them (P, k), or None.
        pi: exp(lowest - Psi/sigma) at the points (P,).
    """
    result: np.ndarray = np.exp((shifted * weights).sum(axis=1)) * pi
    if dead is None:
        return result
    top = shifted.max(axis=1, initial=-np.inf)
    linear = (np.where(dead, 0.0, np.exp(shifted - top[:, None])) * weights).sum(axis=1) * np.exp(top) * pi
    return np.where((dead * weights).sum(axis=1) > 0, np.maximum(linear, 0.0), result)


@dataclass(frozen=True, eq=False, repr=False)
class MeshDensity(SavedDensity, Written):
    """A probability density rho(x) = pi(x) u(x), pi = exp(-Psi/sigma), with log u of degree 1 in cells.

    Where paths are killed at a node of a cell, u is of degree 1 there, not its logarithm.

    Args:
        lumped: the nodes, Psi, and where paths are killed.
        ratio: log u at the nodes.
        mass: integral of rho.
        first: integral of x rho (d,), by the mass.
        covariance: of the position (d, d).
        relative_entropy: H = int rho log(rho/rho_eq), without unit.
        free_energy: F = int rho Psi + sigma int rho log rho, an energy.
        minimum: the least rho of all nodes, in units of 1/volume.
        estimate: computes the error, collective; None where it is not known.
    """

    lumped: LumpedEquation
    ratio: NodalRatio
    mass: float
    first: np.ndarray
    covariance: np.ndarray
    relative_entropy: float
    free_energy: float
    minimum: float
    estimate: Callable[[], float | None] | None = None
    NODAL: ClassVar[str] = "log_ratio"
    NUMBERS: ClassVar[set[str]] = {"mass", "first", "covariance", "relative_entropy", "free_energy", "minimum"}

    def __post_init__(self) -> None:
        # while all ranks are here
        _ = self.lumped.equation.spread_nodes, self.lumped.spread_held

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title = f"MeshDensity: {self.lumped.equation.size} nodes"
        return title, {"mass": self.mass, "mean": self.first, "free energy": self.free_energy}

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return rho(x); each rank by itself.

        Args:
            points: x (P, d), in the mesh.

        Returns:
            rho (P,), in units of 1/volume.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        equation = self.lumped.equation
        x = equation.checked(points)
        return self.at_found(equation.search.find(x), equation.pi_at(x))

    def at_found(self, found: FoundPoints, pi: np.ndarray) -> np.ndarray:
        """The same at places, where exp(lowest - Psi/sigma) is pi (P,)."""
        equation = self.lumped.equation
        space, held = equation.spread_space, self.lumped.spread_held
        nodes, weights = found.rows(space.unknowns), space.weights(found)
        shifted = self.ratio.take(nodes.ravel()).reshape(nodes.shape) - equation.lowest
        dead = None if held is None else held.take(0, nodes.ravel()).reshape(nodes.shape) > 0
        return density_between(shifted, weights, dead, pi)

    @property
    def log_ratio(self) -> np.ndarray:
        """log u (m,) at the nodes of this rank."""
        run = self.lumped.equation.spread_space.runs.own
        return self.ratio.take(np.arange(run.start, run.stop))

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
        return density_of_logarithms(self.log_ratio - self.lumped.equation.exponents)

    def frames(self) -> Frames:
        """The density, for files; collective."""
        return Frames(density_in(self.lumped.equation.dim), None, lambda index: self.function)

    def to_xarray(self) -> Any:
        """The density at the nodes (`mesh_dataset`); collective: a `xarray.Dataset` on rank 0, None on the others."""
        return mesh_dataset(self.frames(), self.lumped.equation.spread_space, "MeshDensity")

    @property
    def _ranks(self) -> MPI.Comm:
        return self.lumped.equation.comm

    @property
    def _lumped(self) -> LumpedEquation:
        return self.lumped

    def _content(self) -> dict[str, object]:
        # the numbers are those of all ranks
        return {name: getattr(self, name) for name in self.NUMBERS}

    def _nodal(self) -> np.ndarray:
        return self.log_ratio

    @classmethod
    def _of(cls, lumped: LumpedEquation, nodal: np.ndarray, content: dict[str, np.ndarray]) -> MeshDensity:
        return density_read(lumped, nodal, content)

    @cached_property
    def function(self) -> fem.Function:
        """The density rho as a finite element function of degree 1 (collective the first time)."""
        return self.lumped.equation.function(self.values, "rho")


def density_read(lumped: LumpedEquation, nodal: np.ndarray, content: dict[str, np.ndarray]) -> MeshDensity:
    """The density of log u (m,) at the nodes of this rank, with the numbers that a file holds; collective."""
    values: dict[str, Any] = {name: value if value.ndim else float(value) for name, value in content.items()}
    ratio = SpreadRows.of(lumped.equation.spread_space.runs, nodal[None]).row(0)
    return MeshDensity(lumped, ratio, **values)
