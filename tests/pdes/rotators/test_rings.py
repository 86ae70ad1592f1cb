"""Densities of a ring of three actions, and of example 2 with other powers and strengths."""

import numpy as np
import pytest
from chance import assert_mean
from rotators import fast, fastest, weak

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import AssumptionWarning, DirectedDissipation, RotatorLattice, TransportProcess
from scaling_limits.pdes import TransportFokkerPlanck

pytestmark = pytest.mark.serial  # the equations themselves are tested on ranks elsewhere


def ring(temperature):
    with pytest.warns(AssumptionWarning, match="around an odd number"):
        return RotatorLattice((3,), fast, weak, DirectedDissipation(), temperature, 0.1, periodic=True)


def density(lattice, **options):
    """The equation, whose warning of defects is expected."""
    with pytest.warns(AssumptionWarning, match="not the limit .* whose limit is not known"):
        return TransportFokkerPlanck(lattice, **options)


def balances(equation, rtol):
    """E R_j + T_j = 0, by R and by the flows through bonds."""
    rho, lattice = equation.stationary(), equation.lattice
    q = lattice.dissipation.power // 2
    drift = rho.expectation(averaged_dissipation(lattice))
    assert np.abs(drift + lattice.temperature).max() < rtol
    left, flow = lattice.temperature - rho.expectation(lambda x: x**q), equation.flow()
    for (j, k), theta in zip(lattice.region.bonds, flow):
        left[j] += 0.5 * theta
        left[k] -= 0.5 * theta
    assert np.abs(left).max() < rtol
    return rho


def test_a_ring_of_three():
    """Each site balances; temperatures turned by one site turn the law; samples of the process agree."""
    temperature = np.array([2.0, 1.0, 0.5])
    lattice = ring(temperature)
    one, other = (density(x, cells=7, degree=3) for x in (lattice, ring(np.roll(temperature, 1))))
    rho = balances(one, 2e-3)
    turned = other.stationary()
    assert np.abs(np.roll(rho.mean(), 1) - turned.mean()).max() < 1e-10
    assert np.abs(np.roll(rho.covariance(), (1, 1), axis=(0, 1)) - turned.covariance()).max() < 1e-10
    # with the default cells
    assert np.abs(rho.mean() - [1.08989322, 0.68682514, 0.75382605]).max() < 1e-4
    with pytest.warns(AssumptionWarning, match="not the limit"):
        process = TransportProcess(lattice)
    sample = process.sample(np.ones(3), [4.0], 50_000, seed=1, step=0.02)
    assert_mean(sample.mean[0], rho.mean(), sample.standard_error[0])


@pytest.mark.parametrize(("strength", "power"), [(-2.0, 4), (1.0, 6)])
def test_other_strengths_and_powers(strength, power):
    """Two sites: each balances, and 100 000 samples have the same means."""
    f = {4: fast, 6: fastest}[power]
    lattice = RotatorLattice((2,), f, weak, DirectedDissipation(strength, power), [2.0, 0.5], 0.1)
    rho = balances(TransportFokkerPlanck(lattice), 1e-6)
    sample = TransportProcess(lattice).sample(np.ones(2), [4.0], 100_000, seed=1)
    assert_mean(sample.mean[0], rho.mean(), sample.standard_error[0])
