"""Pairs of a lattice and its limit, of which every step is watched."""

import numpy as np
import pytest
from chance import assert_mean
from refusals import refused
from rotators import WORLD, alternating
from scipy.special import zeta

import scaling_limits
from scaling_limits.particles import (
    CoupledRotators,
    DirectedDissipation,
    LinearDissipation,
    PathWatch,
    TransportProcess,
    WatchedPairs,
)

START = np.array([1.0, 0.5 + 0.3j, 0.7])


@pytest.mark.serial
def test_watching_changes_nothing():
    """Neither the pairs, nor what is seen for other workers, ranks and numbers of members."""
    pairs = CoupledRotators(alternating(3, 0.2, dissipation=DirectedDissipation()))
    plain = pairs.sample(START, [0.0, 0.4], 200, 3)
    first = pairs.sample(START, [0.0, 0.4], 200, 3, watch=True, comm=WORLD)
    some = pairs.sample(START, [0.0, 0.4], 90, 3, watch=True, workers=1)
    np.testing.assert_array_equal(plain.of_lattice, first.of_lattice)
    np.testing.assert_array_equal(plain.of_limit, first.of_limit)
    for name in ("gaps", "step_maxima", "maxima", "integrals"):
        np.testing.assert_array_equal(getattr(first, name)[:, :90], getattr(some, name), err_msg=name)


@pytest.mark.serial
def test_every_step_by_hand():
    """Snapshots at every step see the same gaps and maxima."""
    # damping that turns with the angles acts in every step
    pairs = CoupledRotators(alternating(2, 0.1, dissipation=LinearDissipation(0.3)))
    whole = pairs.sample(START[:2], [1.0], 100, 5, watch=True)
    count = round(1.0 / (0.1 * whole.step))
    often = pairs.sample(START[:2], np.linspace(0, 1, count + 1), 100, 5, step=1.001 * whole.step, watch=True)
    u, v, ends = often.lattice.actions, often.limit.actions, np.abs(often.values)
    # between two noises the common one takes the moduli to a larger sum; 0.5826 is -zeta(1/2)/sqrt(2 pi)
    shift = -zeta(0.5) / np.sqrt(2 * np.pi) * np.sqrt(pairs.lattice.temperature / count)
    apart = np.abs(np.abs(often.of_lattice) - np.abs(often.of_limit))
    np.testing.assert_allclose(often.gaps[1:], np.maximum(ends[1:] + shift * apart[1:], ends[:-1]), rtol=1e-9)
    np.testing.assert_allclose(often.step_maxima[1:, :, :2], np.maximum(u[1:], u[:-1]), rtol=1e-12)
    np.testing.assert_allclose(often.step_maxima[1:, :, 2:], np.maximum(v[1:], v[:-1]), rtol=1e-12)
    assert (whole.maxima >= whole.step_maxima).all()


@pytest.mark.serial
def test_each_part_has_its_own_suprema():
    """Maxima and integrals of either part are those of samples that are watched alone."""
    lattice = alternating(2, 0.1)
    both = CoupledRotators(lattice).sample(START[:2], [0.5, 1.0], 6000, 4, watch=True)
    alone = (lattice.sample(START[:2], [0.5, 1.0], 6000, 77, watch=PathWatch()),
             TransportProcess(lattice).sample(START[:2], [0.5, 1.0], 6000, 78, watch=PathWatch()))  # fmt: skip
    for part, other in zip((both.lattice, both.limit), alone):
        for one, two in ((part.running_maximum, other.running_maximum), (part.integrals, other.integrals)):
            error = np.hypot(one.std(axis=1), two.std(axis=1)) / np.sqrt(6000)
            # half a percent for the steps of the limit alone, which are forty times longer
            gap = np.maximum(np.abs(one.mean(axis=1) - two.mean(axis=1)) - 0.005 * two.mean(axis=1), 0)
            assert_mean(gap, 0.0, error)


@pytest.mark.serial
def test_paths_tend_to_one_another():
    """E sup |I^epsilon - I^0| falls like epsilon^(1/2) (Theorem 3.1: the actions of u and v are that far apart)."""
    pairs, found = CoupledRotators(alternating(2, 0.1)), []
    epsilons = (0.03, 0.003)
    for epsilon in epsilons:
        value, error = pairs.at(epsilon).sample(START[:2], [0.5, 1.0], 1000, 6, watch=True).strong_distance()
        assert (value[1] >= value[0]).all()
        assert (error < 0.03 * value).all()
        found.append(value[-1])
    rate = np.log(found[0] / found[1]) / np.log(epsilons[0] / epsilons[1])
    assert (np.abs(rate - 0.5) < 0.12).all()
    assert (found[1] < 0.1).all()


@pytest.mark.serial
def test_files_and_datasets(tmp_path):
    both = CoupledRotators(alternating(2, 0.1)).sample(START[:2], [0.0, 0.5], 20, 1, watch=True)
    both.save(tmp_path / "pairs.npz")
    for read in (WatchedPairs.load(tmp_path / "pairs.npz"), scaling_limits.load(tmp_path / "pairs.npz")):
        np.testing.assert_array_equal(read.gaps, both.gaps)
        np.testing.assert_array_equal(read.limit.maxima, both.limit.maxima)
    assert both.to_xarray()["gaps"].dims == ("time", "member", "site")
    assert both.to_xarray().attrs["kind"] == "WatchedPairs"
    assert "difference" in both.to_xarray()
    refused("watch", "True or False", lambda: CoupledRotators(alternating(2, 0.1)).sample(
        START[:2], [0.5], 20, 1, watch=PathWatch()))  # fmt: skip
