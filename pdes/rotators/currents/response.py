"""Conductivity from stationary densities at temperatures that differ a little: exact but for the elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import Conductivity, action_currents
from scaling_limits.particles.rotators.currents.conductivity import checked_profile, weights_of
from scaling_limits.particles.support.checks import instance

from ..density import ActionDensity
from ..transport_fokker_planck import TransportFokkerPlanck
from .accuracy import with_error

STEP = 0.05  # of the lowest temperature
NOTHING = np.empty(0)


def density_conductivity(
    equation: TransportFokkerPlanck,
    *,
    profile: ArrayLike | None = None,
    flow: Callable[[np.ndarray], ArrayLike] | None = None,
) -> Conductivity:
    """The conductivity from the stationary densities of up to three actions at temperatures T + delta h, T - delta h.

    Differences of delta and delta/2 are extrapolated to delta -> 0.

    Args:
        equation: of the density of up to three actions.
        profile: h (N,); None for a line from 1/2 to -1/2 along the first direction.
        flow: of your own, as of `action_currents`.

    Returns:
        Responses and conductivity; as errors what fewer cells and the extrapolation change.

    Raises:
        InvalidArgument: no equation, no such profile, or no flow.
        NotConverged: a stationary density was not found.

    Warns:
        Unresolved: the flows are not all that sites do to one another (see `action_currents`).
    """
    lattice = instance("equation", equation, TransportFokkerPlanck).lattice
    currents, h = action_currents(lattice, flow), checked_profile(lattice, profile)
    delta = STEP * float(lattice.temperature.min()) / float(np.abs(h).max())

    def flows(one: TransportFokkerPlanck, change: float) -> NDArray[np.float64]:
        changed = replace(lattice, temperature=lattice.temperature + change * h)
        at = replace(one, lattice=changed, upper=np.array(one.space.upper), cells=one.cells)
        return np.asarray(at.discretisation.density.expectation(currents.flow))

    def values(one: TransportFokkerPlanck, _: ActionDensity) -> NDArray[np.float64]:
        return np.concatenate([(flows(one, d) - flows(one, -d)) / (2 * d) for d in (delta, 0.5 * delta)])

    found, errors = with_error(equation, values)
    (whole, half), (_, error) = np.split(found, 2), np.split(errors, 2)
    response, weights = (4 * half - whole) / 3, weights_of(lattice.region.bonds, h)
    of_bonds = np.maximum(error, np.abs(half - whole) / 3)
    value, systematic = float(response @ weights), float(of_bonds @ np.abs(weights))
    return Conductivity(
        value, systematic, response, of_bonds, h, lattice.region.bonds, "density", systematic, NOTHING, NOTHING, NOTHING
    )
