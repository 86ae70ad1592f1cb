"""Flows, production of entropy and conductivity of two actions from their density, beside samples."""

import warnings

import numpy as np
import pytest
from conduction import KAPPA, conducting
from rotators import fast, weak

from scaling_limits.particles import (
    DirectedDissipation,
    InvalidArgument,
    RotatorLattice,
    Unresolved,
    conductivity_by_difference,
    conductivity_by_green_kubo,
)
from scaling_limits.pdes import (
    TransportFokkerPlanck,
    density_conductivity,
    density_currents,
    density_entropy_production,
)

pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore:.*neither flow through bonds.*")]


def pair(dissipation, temperature):
    return RotatorLattice((2,), fast, weak, dissipation, temperature, 0.1)


def conduction(temperature):
    return TransportFokkerPlanck(pair(conducting(2), temperature), 11.0, 20, degree=5, wide=True)


def test_two_that_conduct():
    """E R_1 - E R_2 = T_2 - T_1 gives the flow, J (0.2 + 4 kappa) = 2 kappa (T_1 - T_2); heat flows from hot to cold."""
    equation = conduction([1.2, 0.8])
    mean = density_currents(equation)
    assert abs(mean.flow[0] - 2 * KAPPA * 0.4 / (0.2 + 4 * KAPPA)) < 1e-6
    assert np.abs(mean.balance).max() < 1e-6
    production = density_entropy_production(equation)
    heat = production.heat[1]
    assert abs(production.heat.sum()) < 1e-5
    assert abs(production.rate - heat * (1 / 0.8 - 1 / 1.2)) < 1e-5
    assert production.error < 1e-4


def test_equilibrium_produces_no_entropy():
    production = density_entropy_production(conduction(1.0))
    assert 0 <= production.rate < 1e-7
    assert production.rate <= production.error


def test_conductivity_of_example_2():
    """Elements, differences of samples with the same noise, and a time integral."""
    lattice = pair(DirectedDissipation(), 1.0)
    exact = density_conductivity(TransportFokkerPlanck(lattice))
    assert exact.error < 1e-4
    assert density_entropy_production(TransportFokkerPlanck(lattice)).rate > 0.4
    difference = conductivity_by_difference(lattice, 4096, 1)
    integral = conductivity_by_green_kubo(lattice, 512, 1)
    assert integral.route == "noise"
    for found in (difference, integral):
        assert abs(found.value - exact.value) < 5 * found.error
        assert found.error < 0.03


def test_conductivity_of_conduction():
    """2 kappa/(0.2 + 4 kappa) for two sites, with the score of the known law."""
    lattice, exact = pair(conducting(2), 1.0), 2 * KAPPA / (0.2 + 4 * KAPPA)
    integral = conductivity_by_green_kubo(lattice, 512, 1)
    assert integral.route == "score"
    difference = conductivity_by_difference(lattice, 2048, 1)
    for found in (difference, integral):
        assert abs(found.value - exact) < 5 * found.error
        assert found.error < 0.06


def test_bad_arguments():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        lattice = pair(DirectedDissipation(), 1.0)
        for profile in ([1.0, 1.0], [1.0], "line"):
            with pytest.raises(InvalidArgument, match="profile"):
                conductivity_by_difference(lattice, 16, 1, profile=profile)
        with pytest.raises(InvalidArgument, match="difference"):
            conductivity_by_difference(lattice, 16, 1, difference=3.0)
        for function in (density_currents, density_entropy_production, density_conductivity):
            with pytest.raises(InvalidArgument, match="equation"):
                function(3)
