"""Samples of paths of diffusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..sampling.samples import Samples, start_of_each
from ..support import checks


@dataclass(frozen=True, eq=False, repr=False)
class Paths(Samples):
    """Positions of R independent paths at T times; `values` are the positions.

    Args:
        times: (T,).
        positions: X (T, R, d).
        step: the largest time step that was taken.
        seed: of the random numbers.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    step: float
    seed: int
    WORD: ClassVar[str] = "paths"

    @property
    def values(self) -> NDArray[np.float64]:
        """The positions X (T, R, d)."""
        return self.positions


def checked_start(initial: ArrayLike, paths: tuple[str, object], dim: int) -> NDArray[np.float64]:
    """Return X(0) of each path (R, d), from that of all of them (d,) or of each.

    Args:
        initial: as the caller gave it.
        paths: the name of the argument with the number of paths, and what it is.
        dim: d.

    Raises:
        InvalidArgument: no number of paths, or a wrong shape.
    """
    number = checks.integer(*paths, 1, 2**33)
    return start_of_each(checks.real_array("initial", initial), number, dim)
