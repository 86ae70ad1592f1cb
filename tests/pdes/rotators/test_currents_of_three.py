"""Mean flows of three actions: by the elements, and by samples of the process."""

import numpy as np
import pytest
from chance import assert_mean
from rotators import fast, weak

from scaling_limits.particles import DirectedDissipation, RotatorLattice, TransportProcess, action_currents
from scaling_limits.pdes import TransportFokkerPlanck, density_currents

pytestmark = pytest.mark.serial


@pytest.mark.parametrize("periodic", [False, True])
def test_three_sites_beside_samples(periodic):
    """Flows through the bonds of a line and of a ring, of which one goes around the end, and each site's balance."""
    lattice = RotatorLattice(
        (3,), fast, weak, DirectedDissipation(), [1.5, 0.9, 0.5], 0.1, periodic=periodic, coupling_exponent=1.0
    )
    mean = density_currents(TransportFokkerPlanck(lattice, cells=7, degree=3))
    assert len(mean.flow) == 2 + periodic
    assert mean.flow_error.max() < 2e-3
    start = np.sqrt(2 * mean.actions)
    samples = TransportProcess(lattice).sample(start, [8.0, 10.0, 12.0, 14.0], 16_384, seed=1, step=0.01)
    found = action_currents(lattice).mean(samples)
    assert_mean(found.flow, mean.flow, np.hypot(found.flow_error, mean.flow_error))
    assert_mean(found.balance, 0.0, found.balance_error)
    # the errors are small enough to see flows of the wrong bond
    assert found.flow_error.max() < 0.03 * np.ptp(mean.flow)
