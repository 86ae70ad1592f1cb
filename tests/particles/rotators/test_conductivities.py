"""Conductivities by samples: the same on any ranks, relaxation times, and errors that a few members make."""

import warnings

import numpy as np
import pytest
from conduction import conducting
from rotators import WORLD, fast, weak

from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LinearDissipation,
    RotatorLattice,
    Unresolved,
    conductivity_by_difference,
    conductivity_by_green_kubo,
)
from scaling_limits.particles.rotators.currents.conductivity import relaxation_time
from scaling_limits.particles.rotators.currents.drift import ActionDrift
from scaling_limits.particles.rotators.currents.tails import error_of_error, warn_of_tails

pytestmark = pytest.mark.filterwarnings("ignore:.*neither flow through bonds.*", "ignore:.*the standard error of the.*")
SIZE = 1 if WORLD is None else WORLD.size


def line(dissipation, temperature):
    return RotatorLattice((len(temperature),), fast, weak, dissipation, temperature, 0.1)


def same(shared, alone):
    for name in ("value", "error", "response", "response_error", "integral", "integral_error"):
        np.testing.assert_allclose(getattr(shared, name), getattr(alone, name), rtol=1e-9, atol=1e-12)


def test_same_on_all_ranks():
    """Members are shared, tiles of 128 of them by the sampler, and what is found is that of one rank to rounding."""
    lattice = line(DirectedDissipation(), [1.0, 0.6])
    alone = conductivity_by_difference(lattice, 300, 1, burn=4.0)
    same(conductivity_by_difference(lattice, 300, 1, burn=4.0, comm=WORLD), alone)
    for model, route in ((lattice, "noise"), (line(conducting(2), [1.0, 1.0]), "score")):
        given = {"window": 1.0, "burn": 1.0}
        alone = conductivity_by_green_kubo(model, 17, 1, **given)
        assert alone.route == route
        same(conductivity_by_green_kubo(model, 17, 1, **given, comm=WORLD), alone)


def test_arguments_that_differ_between_ranks():
    """Refused on all ranks, with the name; what one rank refuses, all do."""
    lattice, rank = line(DirectedDissipation(), [1.0, 0.6]), 0 if WORLD is None else WORLD.rank
    if SIZE > 1:
        with pytest.raises(InvalidArgument, match="difference: must be the same"):
            conductivity_by_difference(lattice, 8, 1, difference=0.1 + 0.01 * rank, comm=WORLD)
        with pytest.raises(InvalidArgument, match="seed: must be the same"):
            conductivity_by_green_kubo(lattice, 8, 1 + rank, comm=WORLD)
        with pytest.raises(InvalidArgument, match="flow: must be the same"):
            conductivity_by_green_kubo(lattice, 8, 1, flow=lambda x: -(1 + rank) * x[:, 1:] * x[:, :-1], comm=WORLD)
    for function in (conductivity_by_difference, conductivity_by_green_kubo):
        with pytest.raises(InvalidArgument, match="profile"):
            function(lattice, 8, 1, profile=[1.0, 1.0 if rank == SIZE - 1 else 0.0], comm=WORLD)
        with pytest.raises(InvalidArgument, match="comm"):
            function(lattice, 8, 1, comm="world")


@pytest.mark.serial
@pytest.mark.parametrize("temperature", [1e-6, 1.0, 1e6])
def test_relaxation_time(temperature):
    """Of conduction equal actions fall by 0.2 I^2 each: they balance at (5 T)^(1/2), with the slope 0.4 (5 T)^(1/2)."""
    found = relaxation_time(ActionDrift(line(conducting(3), [temperature] * 3)))
    assert abs(found * 0.4 * np.sqrt(5 * temperature) - 1) < 1e-10


@pytest.mark.serial
def test_error_of_an_error():
    """1/(2 R)^(1/2) of normal members; of laws with the fourth moment m in units of the square, (m - 1)^(1/2)/(2 R^(1/2))."""
    generator = np.random.default_rng(1)
    normal = generator.standard_normal(100_000)
    assert abs(error_of_error(normal) * np.sqrt(2e5) - 1) < 0.03
    laplace = generator.laplace(size=100_000)
    assert abs(error_of_error(laplace) / np.sqrt(5 / 4e5) - 1) < 0.2
    # against the spread of the errors themselves
    errors = laplace.reshape(500, 200).std(axis=1, ddof=1)
    assert abs(errors.std() / errors.mean() / np.sqrt(5 / 800) - 1) < 0.25
    assert error_of_error(np.ones(1)) == np.inf
    assert error_of_error(np.full(9, 0.1)) == 0.0
    # neither the unit nor the zero matters
    assert abs(error_of_error(1e-200 * normal) / error_of_error(normal) - 1) < 1e-12


@pytest.mark.serial
@pytest.mark.filterwarnings("default:.*the standard error of the.*")
def test_heavy_tails_are_said():
    """A member that makes most of the error, and few members; many normal ones are no trouble."""
    normal = np.random.default_rng(2).standard_normal(400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_tails(normal)
    with pytest.warns(Unresolved, match=r"known to 4\d % only: of 401 members one makes 8\d %"):
        warn_of_tails(np.append(normal, 40.0))
    with pytest.warns(Unresolved, match="of 12 members"):
        conductivity_by_green_kubo(line(DirectedDissipation(), [2.0, 0.5]), 12, 1, window=1.0, burn=1.0)
    with pytest.warns(Unresolved, match="is not known"):
        conductivity_by_difference(line(DirectedDissipation(), [2.0, 0.5]), 1, 1, burn=1.0)


@pytest.mark.serial
@pytest.mark.parametrize("g", [LinearDissipation(0.3), DiagonalDissipation(2)])
def test_linear_damping_conducts_nothing(g):
    """Steps that are exact in law, of the length of a snapshot: no flow, so that the conductivity is 0 +- 0."""
    found = conductivity_by_difference(RotatorLattice((3,), lambda x: 1 + x, weak, g, 1.0, 0.1), 256, 1)
    assert found.value == 0.0
    assert found.error == 0.0
