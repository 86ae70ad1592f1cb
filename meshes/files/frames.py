"""A quantity at one time or at several, as finite element functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaling_limits.particles.showing.quantities import Quantity

if TYPE_CHECKING:
    from dolfinx import fem


@dataclass(frozen=True, eq=False)
class Frames:
    """A quantity as functions of one space.

    Args:
        quantity: what they are.
        times: (T,), or None for one function without a time.
        function: the one of an index; collective.
    """

    quantity: Quantity
    times: np.ndarray | None
    function: Callable[[int], fem.Function]

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 if self.times is None else len(self.times)
