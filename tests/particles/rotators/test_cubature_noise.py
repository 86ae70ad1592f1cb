"""Discrete noise of rotators: its moments, its streams, and means beside those with normal noise."""

from itertools import product
from math import prod

import numpy as np
import pytest
from chance import assert_counts, assert_mean, detects
from rotators import WORLD, alternating, fast, linear_law, weak
from weak_errors import cubature_rule

from scaling_limits.particles import (
    CubatureNoise,
    DiagonalDissipation,
    DirectedDissipation,
    GaussianNoise,
    InvalidArgument,
    LinearDissipation,
    PathWatch,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.rotators import member_sampler
from scaling_limits.particles.sampling.cubature_tiles import fill_site_with_points
from scaling_limits.particles.sampling.philox import Purpose, key_words

CUBATURE = CubatureNoise()


def drawn(step, site, member, count, seed=3):
    x, y = np.empty((2, count))
    purpose = np.uint64(Purpose.TRANSPORT_CUBATURE)
    fill_site_with_points(x, y, step, site, member, purpose, *key_words(seed), np.empty(count), np.empty(count))
    return x + 1j * y


def moment(k):
    """E Z^k of a normal number."""
    return 0.0 if k % 2 else float(prod(range(1, k, 2)))


def test_moments():
    """All moments up to the declared degree to rounding, of degree six to 1e-4 of themselves, of degree seven again."""
    z, weights = cubature_rule()
    assert abs(weights.sum() - 1) < 1e-15
    for a, b in product(range(8), repeat=2):
        found, normal = weights @ (z.real**a * z.imag**b), moment(a) * moment(b)
        if a + b <= CUBATURE.degree or a + b == 7:
            assert abs(found - normal) < 1e-13, (a, b)
        elif a + b == 6:
            assert abs(found - normal) <= 1e-4 * normal + 1e-13, (a, b)
    assert not CUBATURE.normal
    assert GaussianNoise().normal


def test_points_are_drawn_with_their_weights():
    """Each of 32 points, in single draws and in pairs of neighbours, of following steps and sites: false alarm 1e-6."""
    points, weights = cubature_rule()
    count = 2**16
    rows = [drawn(step, site, 0, count) for step, site in ((1, 2), (2, 2), (1, 3))]
    numbers = []
    for z in rows:
        distance = np.abs(z[:, None] - points)
        numbers.append(distance.argmin(axis=1))
        assert distance.min(axis=1).max() < 1e-14
        assert_counts(np.bincount(numbers[-1], minlength=32), count * weights)
    first = numbers[0]
    # member i of a tile has a part of the block i % (n/8): neighbours, and members of one block
    for other in (numbers[1], numbers[2], np.roll(first, 1), np.roll(first, count // 8), np.roll(first, count // 2)):
        together = np.histogram2d(first % 16, other % 16, bins=16)[0]
        assert_counts(together)


def test_streams_have_all_bits_of_their_counters():
    """Steps beyond 2^32, many sites, members and seeds: no two of these streams begin alike."""
    seen = {
        drawn(step, site, member, 128, seed).tobytes()
        for step in (0, 5, 2**32 + 5, 2**33)
        for site in (0, 1, 70_000)
        for member in (0, 128, 2**30)
        for seed in (3, 2**40 + 3)
    }
    assert len(seen) == 4 * 3 * 3 * 2
    with pytest.raises(AssertionError):
        assert_counts(np.bincount(np.zeros(2**10, dtype=int), minlength=32))


@pytest.mark.serial
@pytest.mark.parametrize("g", [DiagonalDissipation(4), DirectedDissipation()])
def test_means_are_those_of_normal_noise(g):
    """E I and E I^2 of the limit and of a lattice: false alarm 1e-6; a bias of 6 % of the hot action is seen with 99 %."""
    lattice = RotatorLattice((2,), fast, weak, g, [2.0, 0.5], 0.05)
    for sampler, runs in ((TransportProcess(lattice), 60_000), (lattice, 20_000)):
        normal, discrete = (
            sampler.sample(np.ones(2), [0.3, 1.0], runs, seed=5 + k, noise=noise)
            for k, noise in enumerate((GaussianNoise(), CUBATURE))
        )
        assert discrete.step == normal.step
        assert_mean(discrete.mean, normal.mean, np.hypot(discrete.standard_error, normal.standard_error))
        assert detects(0.06 * normal.mean[1, 0], np.hypot(discrete.standard_error, normal.standard_error)[1, 0])
        squares = [s.average(lambda actions: actions**2) for s in (normal, discrete)]
        assert_mean(squares[0][0], squares[1][0], np.hypot(squares[0][1], squares[1][1]))


@pytest.mark.serial
def test_linear_damping_takes_steps():
    """With normal noise one step is exact; with points there are many, and the mean is right to their order."""
    process = TransportProcess(alternating(2, 0.1, dissipation=LinearDissipation(0.2 + 0.1j)))
    found = process.sample(np.ones(2), [1.3], 50_000, seed=4, noise=CUBATURE)
    assert found.step < 0.1
    expected = [linear_law(t, 0.5, 1.3).mean() for t in (2.0, 0.5)]
    assert_mean(found.mean[0], expected, found.standard_error[0])


def test_members_do_not_depend_on_workers_ranks_or_their_number():
    process = TransportProcess(RotatorLattice((2,), fast, weak, DiagonalDissipation(4), [2.0, 0.5], 0.05))
    one = process.sample(np.ones(2), [0.1, 0.3], 300, seed=2, workers=1, noise=CUBATURE)
    two = process.sample(np.ones(2), [0.1, 0.3], 300, seed=2, workers=2, comm=WORLD, noise=CUBATURE)
    assert np.array_equal(one.amplitudes, two.amplitudes)
    few = process.sample(np.ones(2), [0.1, 0.3], 7, seed=2, noise=CUBATURE)
    assert np.array_equal(one.amplitudes[:, :7], few.amplitudes)
    assert not np.array_equal(one.amplitudes, process.sample(np.ones(2), [0.1, 0.3], 300, seed=2).amplitudes)


@pytest.mark.serial
def test_slices_change_nothing(monkeypatch):
    lattice = RotatorLattice((3,), fast, weak, DiagonalDissipation(4), [2.0, 1.0, 0.5], 0.05)
    found = []
    for size in (1, 10**9):

        def slices(self, count, stop, size=size):
            return stop.slices(count, size)

        monkeypatch.setattr(member_sampler.SliceLength, "slices", slices)
        found.append(
            [s.sample(np.ones(3), [0.07], 130, 4, noise=CUBATURE) for s in (lattice, TransportProcess(lattice))]
        )
    assert all(np.array_equal(a.amplitudes, b.amplitudes) for a, b in zip(*found))


def test_stationary_samples_take_it():
    """With linear damping actions are exponential of the mean T/2: false alarm 1e-6."""
    process = TransportProcess(alternating(2, 0.1, dissipation=LinearDissipation(0.0)))
    found = process.sample_stationary(2000, seed=3, noise=CUBATURE, comm=WORLD)
    assert_mean(found.mean[0], [1.0, 0.25], found.standard_error[0])


def test_refusals():
    """A noise of another kind, and paths that are watched between steps; typed on all ranks."""
    process = TransportProcess(RotatorLattice((2,), fast, weak, DiagonalDissipation(4), [2.0, 0.5], 0.05))
    with pytest.raises(InvalidArgument, match="noise: must be a Noise, not str"):
        process.sample(np.ones(2), [0.1], 4, seed=1, noise="cubature", comm=WORLD)
    with pytest.raises(InvalidArgument, match="noise: must be `GaussianNoise"):
        process.sample(np.ones(2), [0.1], 4, seed=1, noise=CUBATURE, watch=PathWatch(), comm=WORLD)
    if WORLD is not None and WORLD.size > 1:
        mine = CUBATURE if WORLD.rank else GaussianNoise()
        with pytest.raises(InvalidArgument, match="noise: must be the same on all ranks"):
            process.sample(np.ones(2), [0.1], 4, seed=1, noise=mine, comm=WORLD)
