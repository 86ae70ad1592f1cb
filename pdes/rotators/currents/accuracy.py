"""What the elements are accurate to: the same on fewer cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles.support.checks import instance

from ..density import ActionDensity
from ..transport_fokker_planck import TransportFokkerPlanck

PART = 0.75  # of the cells
ROUNDING = 1e-13  # of the values, the least error that is stated


def with_error(
    equation: TransportFokkerPlanck, values: Callable[[TransportFokkerPlanck, ActionDensity], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers of the stationary density, and their change from three quarters of the cells, in the same box.

    Args:
        equation: of the density.
        values: from an equation and its stationary density to the numbers.
    """
    instance("equation", equation, TransportFokkerPlanck)
    fine = values(equation, equation.stationary())
    box = np.array(equation.space.upper)
    fewer = replace(equation, upper=box, cells=tuple(max(2, round(PART * n)) for n in equation.cells))
    coarse = values(fewer, fewer.discretisation.density)
    return fine, np.maximum(np.abs(fine - coarse), ROUNDING * np.abs(fine))
