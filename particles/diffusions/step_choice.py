"""The time step of paths in an N-scale potential: from its largest curvature, and looked at again where paths are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidArgument, Unstable
from ..support import checks
from .curvature import curvatures_on_paths, largest_curvature
from .multiscale_potential import MultiscalePotential


@dataclass(frozen=True)
class StepSettings:
    """How the step follows the curvature of the potential, its time scale being 1/max |Hessian|.

    Args:
        default: part of the time scale; effective tensors found from paths are right to about 1e-3 with it.
        largest: beyond it a given step is refused; Heun's scheme is stable to 2 on a parabola, and wrong long before.
        largest_on_paths: the same where paths are found to be, which may be steeper than what was found beforehand.
        slices_between_looks: slices of a tile between two looks at the Hessian where its paths are; the first looks
            are after 1, 2, 4, 8 slices.
    """

    default: float = 0.2
    largest: float = 1.0
    largest_on_paths: float = 1.5
    slices_between_looks: int = 16


SETTINGS = StepSettings()


def checked_step(potential: MultiscalePotential, epsilon: float, step: float | None, start: np.ndarray) -> float:
    """Return the step that is given, or one from the largest curvature that paths from their starts (R, d) may meet.

    Raises:
        InvalidArgument: a step that is not stable, or none where the potential has no time scale.
    """
    curvature = largest_curvature(potential, epsilon, start)
    if step is None:
        if curvature == 0.0:
            raise InvalidArgument("step", "must be given where the potential is flat or linear: it has no time scale")
        return SETTINGS.default / curvature
    h = checks.number("step", step, above=0.0)
    if h * curvature > SETTINGS.largest:
        raise InvalidArgument(
            "step",
            f"{h:.3g} is not stable: the largest curvature of the potential is {curvature:.3g}, so take at most "
            f"{SETTINGS.largest / curvature:.3g}, or leave it out for {SETTINGS.default / curvature:.3g}",
        )
    return h


def is_looked_at(slices: int) -> bool:
    """Whether curvatures are looked at after so many slices of steps."""
    return slices & (slices - 1) == 0 or slices % SETTINGS.slices_between_looks == 0


def check_step_on_paths(potential: MultiscalePotential, epsilon: float, h: float, x: np.ndarray) -> None:
    """Check that a step h is stable where paths (P, d) are.

    Raises:
        Unstable: it is not.
    """
    curvature = float(curvatures_on_paths(potential, epsilon, x).max())
    if h * curvature > SETTINGS.largest_on_paths:
        raise Unstable(
            f"a path has come to where the curvature of the potential is {curvature:.3g}, and the time step "
            f"{h:.3g} is not stable there. Remedy: take a smaller step, at most {SETTINGS.default / curvature:.3g}."
        )
