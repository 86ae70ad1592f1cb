"""What numbers of a stationary density are accurate to: the same on fewer cells, and in a smaller box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.checks import instance

from ..accuracy import ROUNDING, fewer, of_the_finer
from ..density import ActionDensity
from ..transport_fokker_planck import TransportFokkerPlanck

SMALLER = 0.9  # of the box
WEIGHTED = 2.0  # times: flows grow with the actions, so that what is cut off falls less fast than its mass
NOTHING = 1e-14  # mass beyond the box, which changes nothing, ...
MOST = 1e-2  # ... and of which more is refused

Values = Callable[[TransportFokkerPlanck, ActionDensity], NDArray[np.float64]]


def with_error(equation: TransportFokkerPlanck, values: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers of the stationary density, and their change from three quarters of the cells, in the same box.

    Where the box was given, what it cuts off is added, by the change from a box of nine tenths.

    Args:
        equation: of the density.
        values: from an equation and its stationary density to the numbers.

    Raises:
        NotConverged: a stationary density was not found, or has too much of its mass beyond the given box.
    """
    instance("equation", equation, TransportFokkerPlanck)
    fine = values(equation, equation.stationary())
    box = np.array(equation.space.upper)
    coarser = replace(equation, upper=box, cells=fewer(equation.cells))
    coarse = values(coarser, coarser.discretisation.density)
    errors = of_the_finer(equation.degree) * np.abs(fine - coarse)
    if not equation.discretisation.sized:
        errors = errors + _cut_off(equation, values, fine)
    return fine, np.maximum(errors, ROUNDING * np.abs(fine))


def _cut_off(equation: TransportFokkerPlanck, values: Values, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a box cuts off of numbers: their change from a smaller one, in the ratio of the masses beyond the two."""
    smaller = replace(equation, upper=SMALLER * equation.space.upper, cells=equation.cells)
    change = np.abs(whole - values(smaller, smaller.discretisation.density))
    beyond, before = float(equation.tail.sum()), float(smaller.tail.sum())
    if beyond <= NOTHING:
        # of rounding, which has no ratio
        return change
    if not beyond < min(before, MOST):
        place = f"U = {np.round(equation.space.upper, 3)}"
        reason = f"about {beyond:.1g} of the mass lies beyond the given {place}, too much to tell what that changes"
        raise NotConverged("the error of the currents", reason, "give a larger `upper`, or none")
    return WEIGHTED * beyond / (before - beyond) * change
