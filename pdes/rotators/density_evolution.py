"""Densities of actions at slow times."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from scaling_limits.particles.showing.described import text_of

from ..time.densities import DensitySeries
from ..time.integration import Statistics
from ..time.relative_entropy import entropy_terms
from .action_files import Discretised, load_actions, save_actions
from .density import ActionDensity
from .discretisation import TransportDiscretisation
from .shown import ShownActions, action_dataset

NAMES = {"times", "fields", "undershoot", "statistics"}


@dataclass(frozen=True, eq=False, repr=False)
class EvolvedActions(DensitySeries[ActionDensity], ShownActions):
    """Densities of actions at slow times.

    Args:
        discretisation: the box, the elements and the stationary density there; for a start that the box of the equation
            does not hold, a wider one.
        times: tau (T,).
        fields: u at the nodes (T, size).
        undershoot: the largest mass that was negative and taken away in a step.
        statistics: what the solve has cost.
    """

    discretisation: TransportDiscretisation
    times: np.ndarray
    fields: np.ndarray
    undershoot: float
    statistics: Statistics

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title, said = super()._summary()
        space = self.discretisation.space
        return title, {"actions": f"{space.dim}, up to {text_of(space.upper)}", **said}

    def to_xarray(self) -> Any:
        """The densities at the nodes as a `xarray.Dataset`; each rank by itself."""
        values = np.array([density.values for density in self])
        return action_dataset("EvolvedActions", self.discretisation.space, values, self.times)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the densities to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        content = {name: getattr(self, name) for name in ("times", "fields", "undershoot")}
        content["statistics"] = self.statistics.numbers
        save_actions(self.discretisation.space, path, "EvolvedActions", content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: Discretised) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0.
            equation: the TransportFokkerPlanck that was solved, which knows the weight w between the nodes.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        found, content = load_actions(path, equation, "EvolvedActions", NAMES, _fits)
        statistics = Statistics.of(content["statistics"])
        return cls(found, content["times"], content["fields"], float(content["undershoot"]), statistics)

    def density(self, index: int) -> ActionDensity:
        """The density at the time of an index >= 0."""
        return ActionDensity(self.discretisation.space, self.fields[index])

    @cached_property
    def minimum(self) -> np.ndarray:
        """The least p at the nodes (T,)."""
        return np.array([density.minimum for density in self])

    @property
    def equation(self) -> TransportDiscretisation:
        """An earlier name of `discretisation`."""
        return self.discretisation

    @property
    def free_energy(self) -> np.ndarray:
        """The free energy above its minimum in units of temperature (T,): the same as `relative_entropy`."""
        return self.relative_entropy

    @cached_property
    def relative_entropy(self) -> np.ndarray:
        """H = int p log(p/p_stationary) (T,), which never rises, in detailed balance or not."""
        space = self.discretisation.space
        floor = np.finfo(float).tiny
        reference = np.maximum(space.grid_values(self.discretisation.stationary().field), floor)
        result = []
        for field in self.fields:
            u = np.maximum(space.grid_values(field), 0.0)
            ratio = np.maximum(u / reference, floor)
            result.append(float(space.integrals(entropy_terms(u, reference, ratio, np.log(ratio)))))
        return np.array(result)


def _fits(content: dict[str, np.ndarray], size: int) -> bool:
    return content["fields"].shape == (*content["times"].shape, size) and content["undershoot"].shape == ()
