"""Mean flows of action from the stationary density of up to three actions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import MeanCurrents, action_currents
from scaling_limits.particles.support.checks import instance

from ..transport_fokker_planck import TransportFokkerPlanck
from .accuracy import with_error


def density_currents(
    equation: TransportFokkerPlanck, flow: Callable[[np.ndarray], ArrayLike] | None = None
) -> MeanCurrents:
    """Mean flows of action through the bonds in the stationary state, by quadrature of its density.

    Args:
        equation: of the density of up to three actions.
        flow: of your own, as of `action_currents`.

    Returns:
        The means; as their errors what fewer cells change, or the largest imbalance of a site if that is more.

    Raises:
        InvalidArgument: no equation, or no flow.
        NotConverged: the stationary density was not found.

    Warns:
        Unresolved: the flows are not all that sites do to one another (see `action_currents`).
    """
    currents = action_currents(instance("equation", equation, TransportFokkerPlanck).lattice, flow)
    means, errors = with_error(equation, lambda _, density: density.expectation(currents.parts))
    # what the end of the box cuts off shows in the balance, which fewer cells in the same box do not change
    lost = float(np.abs(means[3 * equation.dim : 4 * equation.dim]).max())
    return currents.result(means, np.maximum(errors, lost), "density")
