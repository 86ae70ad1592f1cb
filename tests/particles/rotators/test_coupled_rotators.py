"""A lattice and its limit with the same noise: laws of both, what they have in common, what is left of the difference."""

import numpy as np
import pytest
from chance import assert_mean
from refusals import refused
from rotators import WORLD, alternating, no_coupling
from scipy import stats

from scaling_limits.particles import (
    CoupledEnsemble,
    CoupledRotators,
    DiagonalDissipation,
    DirectedDissipation,
    LinearDissipation,
    TransportProcess,
)

TIMES = [0.0, 0.3, 1.0]


def sampled(lattice, runs=600, seed=4, times=TIMES, **more):
    return CoupledRotators(lattice).sample(np.full(lattice.size, 0.8 + 0.3j), times, runs, seed, **more)


@pytest.mark.serial
@pytest.mark.parametrize("p", [2, 3, 4, 6])
@pytest.mark.parametrize("epsilon", [0.3, 0.02])
def test_without_coupling_moduli_are_the_same(p, epsilon):
    """The noise is turned by the angle between both, so that it acts on both moduli alike."""
    both = sampled(alternating(3, epsilon, coupling=no_coupling, dissipation=DiagonalDissipation(p)), 200)
    assert np.abs(both.values).max() < 1e-12
    # the lattice turns, the limit does not
    assert np.abs(both.of_lattice[-1] - both.of_limit[-1]).max() > 0.5


@pytest.mark.serial
@pytest.mark.parametrize("dissipation", [DiagonalDissipation(4), DirectedDissipation()])
def test_each_has_its_own_law(dissipation):
    """Means and variances of either part are those of samples that have no noise in common."""
    lattice = alternating(3, 0.1, dissipation=dissipation)
    both = sampled(lattice, 6000)
    start = np.full(3, 0.8 + 0.3j)
    for part, alone in (
        (both.lattice, lattice.sample(start, TIMES, 6000, 77)),
        (both.limit, TransportProcess(lattice).sample(start, TIMES, 6000, 78)),
    ):
        error = np.hypot(part.standard_error, alone.standard_error)[1:]
        assert_mean(part.mean[1:], alone.mean[1:], error)
        for j in range(3):
            assert stats.ks_2samp(part.actions[-1, :, j], alone.actions[-1, :, j]).pvalue > 1e-6


@pytest.mark.serial
def test_limit_of_linear_damping_is_exact_in_law():
    """I(tau) of p = 2 from 0: exponential with mean T (1 - exp(-2 tau))/2."""
    lattice = alternating(2, 0.05, dissipation=LinearDissipation(0.4))
    both = CoupledRotators(lattice).sample([0.0, 0.0], [0.7], 4000, 9)
    mean = 0.5 * lattice.temperature * (1 - np.exp(-1.4))
    for j in range(2):
        assert stats.kstest(both.limit.actions[0, :, j] / mean[j], "expon").pvalue > 1e-6


@pytest.mark.serial
def test_common_noise_gains():
    """The smaller epsilon, the more: differences are of the order sqrt(epsilon) member by member."""
    gains = [sampled(alternating(2, epsilon), 1500).gain[-1].min() for epsilon in (0.1, 0.01)]
    assert gains[0] > 3
    assert gains[1] > 5 * gains[0]


@pytest.mark.serial
def test_correction_of_observables():
    both = sampled(alternating(2, 0.1), 300)
    value, error = both.correction(lambda i: i[:, 0] * i[:, 1])
    products = both.lattice.actions.prod(axis=2) - both.limit.actions.prod(axis=2)
    np.testing.assert_allclose(value, products.mean(axis=1), atol=1e-15)
    np.testing.assert_allclose(error, products.std(axis=1, ddof=1) / np.sqrt(300), atol=1e-15)
    np.testing.assert_allclose(both.correction(lambda i: i)[0], both.mean, atol=1e-15)
    average, error = both.time_average(0.3)
    np.testing.assert_allclose(average, both.mean[1:].mean(axis=0), atol=1e-15)
    assert (error <= both.standard_error[1:].mean(axis=0) * (1 + 1e-12)).all()
    assert np.isinf(sampled(alternating(2, 0.1), 1).time_average(0.0)[1]).all()


def test_same_for_workers_ranks_and_members():
    lattice = alternating(3, 0.2, dissipation=DirectedDissipation())
    expected = CoupledRotators(lattice).sample([1.0, 0.5, 0.5], [0.4], 300, 3, workers=1)
    shared = CoupledRotators(lattice).sample([1.0, 0.5, 0.5], [0.4], 300, 3, workers=2, comm=WORLD)
    np.testing.assert_array_equal(shared.of_lattice, expected.of_lattice)
    np.testing.assert_array_equal(shared.of_limit, expected.of_limit)
    fewer = CoupledRotators(lattice).sample([1.0, 0.5, 0.5], [0.4], 150, 3)
    np.testing.assert_array_equal(fewer.of_limit, expected.of_limit[:, :150])


@pytest.mark.serial
def test_files_pictures_and_datasets(tmp_path):
    both = sampled(alternating(2, 0.1), 50)
    both.save(tmp_path / "both.npz")
    read = CoupledEnsemble.load(tmp_path / "both.npz")
    np.testing.assert_array_equal(read.values, both.values)
    assert read.epsilon == 0.1
    assert both.to_xarray()["difference"].dims == ("time", "member", "site")
    assert "epsilon = 0.1" in both.plot().get_ylabel()
    assert CoupledRotators(alternating(2, 0.1)).at(0.01).lattice.epsilon == 0.01


@pytest.mark.serial
def test_bad_input():
    refused("lattice", "RotatorLattice", lambda: CoupledRotators(3))
    pair = CoupledRotators(alternating(2, 0.1))
    refused("initial", "shape", lambda: pair.sample([1.0], [1.0], 10, 1))
    refused("step", "take at most", lambda: pair.sample([1.0, 1.0], [1.0], 10, 1, step=100.0))
    both = pair.sample([1.0, 1.0], [1.0], 10, 1)
    refused("after", "at most", lambda: both.time_average(2.0))
    refused("observable", "", lambda: both.correction(None))
