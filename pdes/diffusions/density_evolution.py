"""The result of an evolution: densities at times, and what they conserve and dissipate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import ClassVar

import numpy as np

from scaling_limits.meshes.box import Grid

from ..time.densities import DensitySeries
from ..time.integration import Statistics
from .density import FLOOR, Density, SavedOnGrid
from .hitting.coarser_grids import richardson, solved
from .hitting.target_sets import Indicator
from .problem import ReversibleDiffusion

ARRAYS = ("times", "probabilities", "relative_entropy")


@dataclass(frozen=True, eq=False, repr=False)
class DensityEvolution(SavedOnGrid, DensitySeries[Density]):
    """Densities at times.

    Args:
        equation: what was solved.
        times: (T,).
        probabilities: at all nodes (T, size).
        relative_entropy: H = int rho log(rho/rho_eq) at the times (T,), without unit.
        statistics: cost of the solve.
        absorbing: the set in which paths are killed, or None.
        again: solves the same problem with another equation, to estimate the error; None where steps were given, or the
            result was read from a file.
    """

    equation: ReversibleDiffusion
    times: np.ndarray
    probabilities: np.ndarray
    relative_entropy: np.ndarray
    statistics: Statistics
    absorbing: Indicator | None = None
    again: Callable[[ReversibleDiffusion], DensityEvolution] | None = None
    NAMES: ClassVar[set[str]] = {*ARRAYS, "statistics"}

    def density(self, index: int) -> Density:
        """Return the density at the time of an index >= 0."""
        grid, generator = self.equation.grid, self.equation.generator
        weights = self.probabilities[index]
        mean = weights @ grid.nodes / max(float(weights.sum()), 1e-300)
        away = grid.nodes - mean
        with np.errstate(divide="ignore"):
            logarithms = np.log(weights / generator.volumes)
        ratio = np.maximum(logarithms, FLOOR) + generator.exponent + generator.lowest
        return Density(
            grid, self.equation.exponent, ratio, float(weights.sum()), mean,
            (away.T * weights) @ away / max(float(weights.sum()), 1e-300), float(self.relative_entropy[index]),
            float(self.free_energy[index]), () if self.absorbing is None else (self.absorbing,),
            lambda: self._error_at(index),
        )  # fmt: skip

    def _error_at(self, index: int) -> float | None:
        return None if self.error is None else float(self.error[index])

    @cached_property
    def error(self) -> np.ndarray | None:
        """The estimated error of each density in total variation, relative to its mass (T,): of the cells, by the same
        evolution on larger cells, and rtol for the steps. None where steps were given, where
        cells are few, or for a result that was read. Collective the first time.
        """
        if self.again is None or self.equation.coarser is None:
            return None
        runs = solved(self.equation, self.again, self)
        changes = [one.distances(other) for one, other in pairwise(runs)]
        return np.broadcast_to(richardson(changes), len(self)) + self.equation.rtol

    def distances(self, other: DensityEvolution) -> np.ndarray:
        """The total variation of differences from densities on another grid (T,), relative to the mass."""
        nodes, mass = self.equation.grid.nodes, np.maximum(self.mass, 1e-300)
        each = [np.abs(p - density.at(nodes) * self.volumes).sum() for p, density in zip(self.probabilities, other)]
        return np.array(each) / mass

    entropy = property(attrgetter("relative_entropy"), doc="`relative_entropy`, by its former name.")

    @property
    def volumes(self) -> np.ndarray:
        """The volume that belongs to each node (size,)."""
        return self.equation.generator.volumes

    @property
    def mass(self) -> np.ndarray:
        """Integral of rho at the times (T,)."""
        return self.probabilities.sum(axis=1)

    @property
    def survival(self) -> np.ndarray:
        """The part of the paths that no absorbing set has killed by the times (T,); 1 where there is none."""
        return self.mass

    @cached_property
    def minimum(self) -> np.ndarray:
        """The least rho of all nodes at the times (T,), in units of 1/volume."""
        return (self.probabilities / self.volumes).min(axis=1)

    @cached_property
    def free_energy(self) -> np.ndarray:
        """F = int rho Psi + sigma int rho log rho = sigma H - sigma log Z of the grid (T,), an energy."""
        generator, sigma = self.equation.generator, self.equation.coefficients.temperature
        log_partition = np.log((generator.volumes * np.exp(-generator.exponent)).sum()) - generator.lowest
        return sigma * self.relative_entropy - sigma * log_partition

    def _content(self) -> tuple[Grid, np.ndarray, dict[str, object]]:
        generator, content = self.equation.generator, {name: getattr(self, name) for name in ARRAYS}
        return generator.grid, generator.exponent + generator.lowest, content | {"statistics": self.statistics.numbers}

    @classmethod
    def _of(cls, equation: ReversibleDiffusion, content: dict[str, np.ndarray]) -> DensityEvolution:
        times, probabilities, entropy = (content[name] for name in ARRAYS)
        return cls(equation, times, probabilities, entropy, Statistics.of(content["statistics"]))


Evolved = DensityEvolution  # its former name
