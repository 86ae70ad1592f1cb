"""The density of paths on their way from one set to another, between the nodes of a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from scaling_limits.meshes.box import Grid

from .grid_files import part_of, with_prefix
from .kept_functions import IN_CELLS, InCells, KeptFunction

SIDES = ("forward", "backward")
# what a file has of it
PARTS = {"integral", "lowest", "exponents", *(f"{side}.{name}" for side in SIDES for name in ("nodal", *IN_CELLS))}


@dataclass(frozen=True, eq=False)
class Committor:
    """A committor between the nodes.

    Args:
        nodal: at them (size,).
        function: at points.
    """

    nodal: np.ndarray
    function: KeptFunction

    @property
    def content(self) -> dict[str, np.ndarray]:
        """What is saved of it."""
        return {"nodal": self.nodal} | self.function.content


@dataclass(frozen=True, eq=False)
class ReactiveDensity:
    """mu q (1 - q), normalised: between the nodes it goes with exp(-Psi/sigma).

    Args:
        forward: q.
        backward: 1 - q.
        integral: of exp(lowest - Psi/sigma) q (1 - q).
        lowest: the least Psi/sigma, or about it.
        exponents: Psi/sigma at the nodes (size,).
        exponent: Psi/sigma (P,) at points (P, d); None where it is not known yet.
    """

    forward: Committor
    backward: Committor
    integral: float
    lowest: float
    exponents: np.ndarray
    exponent: Callable[[np.ndarray], np.ndarray] | None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P,) at points (P, d)."""
        assert self.exponent is not None
        result = np.exp(self.lowest - self.exponent(x)) / self.integral
        for one in (self.forward, self.backward):
            result = result * np.nan_to_num(one.function(x))
        return np.asarray(result)

    @property
    def content(self) -> dict[str, np.ndarray]:
        """See `KeptFunction`."""
        numbers = {"integral": np.array(self.integral), "lowest": np.array(self.lowest), "exponents": self.exponents}
        sides = [with_prefix(side, getattr(self, side).content) for side in SIDES]
        return numbers | sides[0] | sides[1]

    @classmethod
    def read(cls, grid: Grid, content: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `content`, but for Psi/sigma at points."""
        sides = [part_of(content, side) for side in SIDES]
        q, p = (Committor(one["nodal"], InCells.read(grid, one["nodal"], one)) for one in sides)
        return cls(q, p, float(content["integral"]), float(content["lowest"]), content["exponents"], None)

    def of(self, exponent: Callable[[np.ndarray], np.ndarray]) -> Self:
        """The same with Psi/sigma at points."""
        return replace(self, exponent=exponent)

    @property
    def fits(self) -> bool:
        """Whether its arrays belong together."""
        tables = [one.function for one in (self.forward, self.backward)]
        return all(isinstance(one, InCells) and one.fits for one in tables) and self.integral > 0
