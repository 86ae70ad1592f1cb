"""The result of an evolution: densities at times, and what they conserve and dissipate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from scaling_limits.particles.support.checks import integer

from ..time.rosenbrock import Statistics
from .density import FLOOR, Density
from .problem import ReversibleDiffusion


@dataclass(frozen=True, eq=False)
class Evolved:
    """Densities at times.

    Args:
        equation: what was solved.
        times: (T,).
        probabilities: at all nodes (T, size).
        entropy: H = int rho log(rho/rho_eq) at the times (T,), without unit.
        statistics: what the solve has cost.
    """

    equation: ReversibleDiffusion
    times: np.ndarray
    probabilities: np.ndarray
    entropy: np.ndarray
    statistics: Statistics

    def __len__(self) -> int:
        """T."""
        return len(self.times)

    def __iter__(self) -> Iterator[Density]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Density: ...

    @overload
    def __getitem__(self, index: slice) -> list[Density]: ...

    def __getitem__(self, index: Any) -> Any:
        """The density at a time; a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = integer("index", index, -len(self), len(self) - 1)
        lattice, scheme = self.equation.lattice, self.equation.scheme
        with np.errstate(divide="ignore"):
            logarithms = np.log(self.probabilities[index] / scheme.volumes)
        ratio = np.maximum(logarithms, FLOOR) + scheme.exponent + scheme.lowest
        weights = self.probabilities[index].reshape(lattice.shape)
        centre = []
        for i, (low, h) in enumerate(zip(lattice.bounds[:, 0], lattice.spacing)):
            marginal = weights.sum(axis=tuple(j for j in range(lattice.dim) if j != i))
            centre.append(float(marginal @ (low + h * np.arange(lattice.shape[i]))))
        return Density(lattice, self.equation.exponent, ratio, float(self.mass[index]), np.array(centre))

    def at(self, points: Any) -> np.ndarray:
        """rho(x, t).

        Args:
            points: x (P, d), in the box.

        Returns:
            rho (T, P), in units of 1/volume.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        return np.array([self[i].at(points) for i in range(len(self))])

    @property
    def volumes(self) -> np.ndarray:
        """The volume that belongs to each node (size,)."""
        return self.equation.scheme.volumes

    @property
    def mass(self) -> np.ndarray:
        """int rho (T,)."""
        return self.probabilities.sum(axis=1)

    @cached_property
    def minimum(self) -> np.ndarray:
        """The least rho of all nodes (T,), in units of 1/volume."""
        return (self.probabilities / self.volumes).min(axis=1)

    @cached_property
    def free_energy(self) -> np.ndarray:
        """F = int rho Psi + sigma int rho log rho = sigma H - sigma log Z of the lattice (T,), an energy."""
        scheme, sigma = self.equation.scheme, self.equation.coefficients.temperature
        log_partition = np.log((scheme.volumes * np.exp(-scheme.exponent)).sum()) - scheme.lowest
        return sigma * self.entropy - sigma * log_partition
