"""The law of energies from densities of actions by elements: against closed forms, and against stationary samples."""

import numpy as np
import pytest
from rotators import alternating, fast, weak
from scipy.stats import norm

from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    EnergyLaw,
    RotatorLattice,
    TransportProcess,
    energy_samples,
)
from scaling_limits.pdes import TransportFokkerPlanck

pytestmark = pytest.mark.serial  # nothing here communicates


@pytest.mark.parametrize(("size", "p"), [(1, 4), (2, 2), (3, 2)])
def test_elements_have_the_closed_form(size, p):
    lattice = alternating(size, 0.1, coupling=weak, dissipation=DiagonalDissipation(p))
    exact = EnergyLaw(lattice)
    law = EnergyLaw(lattice, TransportFokkerPlanck(lattice).stationary())
    for site in (0, size - 1, None):
        x = exact.quantile([0.1, 0.5, 0.9], site)
        assert np.abs(law.distribution(x, site) - [0.1, 0.5, 0.9]).max() < 1e-6
        assert np.abs(law.density(x, site) / exact.density(x, site) - 1).max() < 1e-5
        assert abs(law.mean(site) - exact.mean(site)) < 1e-6
    assert np.abs(law.quantile([0.5], 0) - exact.quantile([0.5], 0)).max() < 1e-6
    assert "ActionDensity" in repr(law)


def directed():
    """Example 2 between a hot and a cold site."""
    return RotatorLattice((2,), fast, weak, DirectedDissipation(), [2.0, 0.5], 0.1)


def test_actions_that_depend():
    """E exp(-E^2/9) over the density of actions and over the law of the energies; the mean by the elements."""
    lattice = directed()
    density = TransportFokkerPlanck(lattice).stationary()
    law = EnergyLaw(lattice, density)
    exact = density.expectation(lambda actions: lattice.rotation_energy(actions))
    assert np.abs([law.mean(j) - exact[j] for j in range(2)]).max() < 1e-6
    for site in (0, None):
        number = slice(None) if site is None else [site]
        wanted = density.expectation(
            lambda a, n=number: np.exp(-(lattice.rotation_energy(a)[:, n].sum(axis=1) ** 2) / 9)
        )
        ends = [(0.0, 3.0), (3.0, 20.0)] if site == 0 else [(-20.0, -3.0), (-3.0, 0.0), (0.0, 3.0), (3.0, 20.0)]
        found = 0.0
        for low, high in ends:
            nodes, weights = np.polynomial.legendre.leggauss(40)
            x = 0.5 * (low + high) + 0.5 * (high - low) * nodes
            found += 0.5 * (high - low) * (weights * law.density(x, site) * np.exp(-(x**2) / 9)).sum()
        # densities jump or have a root at 0, which Gauss points do not resolve to the last digits
        assert abs(found - wanted) < 2e-3 * wanted
    x = np.array([-1.0, -0.2, 0.3, 1.0])
    slope = (law.distribution(x + 1e-4) - law.distribution(x - 1e-4)) / 2e-4
    assert np.abs(slope - law.density(x)).max() < 1e-5


def test_two_routes():
    """Elements and samples of the limit: shares of the members below the quantiles, of sites and of the sum."""
    lattice = directed()
    law = EnergyLaw(lattice, TransportFokkerPlanck(lattice).stationary())
    sample = TransportProcess(lattice).sample_stationary(20_000, seed=7, step=0.02)
    energies = energy_samples(lattice, sample)
    shares = np.array([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
    for site in (0, 1, None):
        found, error = energies.distribution(law.quantile(shares, site), site)
        assert (np.abs(found - shares) < norm.isf(0.5e-6 / 21) * error).all()
    mean, error = energies.mean[-1], energies.standard_error[-1]
    assert (np.abs(mean - [law.mean(j) for j in range(2)]) < norm.isf(0.5e-6 / 2) * error).all()


def test_densities_in_time():
    """At any time the law of actions has its push-forward: means of energies relax to the stationary ones."""
    lattice = alternating(1, 0.1, coupling=weak, temperatures=(1.0,))
    equation = TransportFokkerPlanck(lattice)
    evolved = equation.evolve(lambda actions: np.exp(-actions[:, 0]), [0.3, 5.0])
    means = [EnergyLaw(lattice, evolved.density(k)).mean(0) for k in range(2)]
    # exponential laws stay so, with the mean m(tau) = 1/2 + exp(-2 tau)/2, and E = I + I^2/2
    wanted = [m + m * m for m in 0.5 + 0.5 * np.exp(-2 * np.array([0.3, 5.0]))]
    assert np.abs(np.array(means) - wanted).max() < 1e-5
