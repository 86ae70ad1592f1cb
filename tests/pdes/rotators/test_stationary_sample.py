"""Samples of the stationary law beside the elements: means, and the slowest rate in autocorrelations."""

import numpy as np
import pytest
from chance import assert_mean
from rotators import lattice_of

from scaling_limits.particles import DiagonalDissipation, DirectedDissipation, TransportProcess
from scaling_limits.pdes import TransportFokkerPlanck


@pytest.mark.serial
def test_directed_actions():
    """Example 2 with T = (2, 1/2): means, second moments, and the rate with which starts meet, 2.40 +- 0.41 i."""
    lattice = lattice_of(DirectedDissipation(), (2.0, 0.5))
    solved = TransportFokkerPlanck(lattice)
    density, rates = solved.stationary(), np.asarray(solved.spectrum(2))
    found = TransportProcess(lattice).sample_stationary(8000, 3, snapshots=11, spacing=0.3)
    mean = found.time_average(lambda actions, angles: actions)
    assert_mean(mean.value, density.mean(), mean.standard_error)
    square = found.time_average(lambda actions, angles: actions**2)
    exact = [density.expectation(lambda x, j=j: x[:, j] ** 2) for j in range(2)]
    assert_mean(square.value, exact, square.standard_error)
    assert 0.5 < found.relaxation / rates[1].real < 1.3


@pytest.mark.serial
def test_slowest_autocorrelation():
    """p = 4, T = 1: late autocorrelations of I fall with the slowest rate of the elements."""
    lattice = lattice_of(DiagonalDissipation(4), (1.0,))
    rate = float(np.asarray(TransportFokkerPlanck(lattice).spectrum(2))[1].real)
    found = TransportProcess(lattice).sample_stationary(40_000, 5, snapshots=21, spacing=0.05)
    rho, error = found.autocorrelation()
    slope = np.log(rho[4, 0] / rho[12, 0]) / 0.4
    assert abs(slope / rate - 1) < 5 * np.hypot(error[4, 0] / rho[4, 0], error[12, 0] / rho[12, 0]) / (0.4 * rate)
    assert abs(slope / rate - 1) < 0.1
