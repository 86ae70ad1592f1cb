"""What all samples share: names, averages, files, a short text; runs and paths; orders that nobody changes."""

import dataclasses

import numpy as np
import pytest

from scaling_limits.particles import (
    LEIMKUHLER_MATTHEWS,
    STOCHASTIC_HEUN,
    DiagonalDissipation,
    EffectiveLangevin,
    InvalidArgument,
    Langevin,
    MultiscalePotential,
    PinnedBalls,
    RotatorLattice,
    TransportProcess,
)

pytestmark = pytest.mark.serial

LINE = MultiscalePotential(1, 1, 0.5, lambda x: x[0] ** 2 / 2, lambda x, y: 0)
LATTICE = RotatorLattice((2,), lambda s: 1.0 + s, lambda s: 1.0 + 0 * s, DiagonalDissipation(2), 1.0, 0.1)
EFFECTIVE = EffectiveLangevin(lambda x: -x, lambda x: np.ones((len(x), 1, 1)), [(-9, 9)], False)
BALLS = PinnedBalls(20, lambda x: x, lambda x: 1 + x)
TIMES = [0.0, 1e-3]
SAMPLERS = {
    "balls": lambda **given: BALLS.sample(TIMES, seed=3, **given),
    "paths": lambda **given: Langevin(LINE, 0.5).sample([0.1], TIMES, seed=3, **given),
    "equilibrium": lambda **given: Langevin(LINE, 0.5).equilibrium([0.1], TIMES, seed=3, **given),
    "effective": lambda **given: EFFECTIVE.sample([0.1], TIMES, seed=3, step=1e-3, **given),
    "rotators": lambda **given: LATTICE.sample(np.ones(2), TIMES, seed=3, **given),
    "transport": lambda **given: TransportProcess(LATTICE).sample(np.ones(2), TIMES, seed=3, **given),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_vocabulary(name, tmp_path):
    sample = SAMPLERS[name](runs=7)
    assert sample.runs == 7
    np.testing.assert_allclose(sample.mean, sample.values.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(sample.std, sample.values.std(axis=1, ddof=1), rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(sample.standard_error, sample.std / np.sqrt(7))
    mean, error = sample.average(lambda x: x**2)
    np.testing.assert_allclose(mean, (sample.values**2).mean(axis=1), rtol=1e-13)
    assert error.shape == sample.mean.shape == sample.values.shape[::2]
    mean, error = sample.average(lambda x: x[:, 0])
    np.testing.assert_allclose(mean, sample.mean[:, 0], rtol=1e-13)
    np.testing.assert_allclose(error, sample.standard_error[:, 0], rtol=1e-10, atol=1e-15)
    sample.save(tmp_path / "a.npz")
    again = type(sample).load(tmp_path / "a.npz")
    assert repr(again) == repr(sample)
    assert len(repr(sample).splitlines()) < 6
    assert "array" not in repr(sample)
    np.testing.assert_array_equal(again.values, sample.values)
    np.testing.assert_array_equal(again.mean, sample.mean)


@pytest.mark.parametrize("name", SAMPLERS)
def test_runs_and_paths_are_one_argument(name):
    sampler = SAMPLERS[name]
    np.testing.assert_array_equal(sampler(runs=5).values, sampler(paths=5).values)
    with pytest.raises(InvalidArgument, match="^paths: is another name of runs"):
        sampler(runs=5, paths=5)
    for word in ("runs", "paths"):
        with pytest.raises(InvalidArgument, match=f"^{word}: must be"):
            sampler(**{word: 0})
    if name == "balls":
        assert sampler().runs == 1000
    else:
        with pytest.raises(InvalidArgument, match="^(runs|paths): must be given"):
            sampler()


def test_seeds_and_schemes_are_asked_for():
    with pytest.raises(InvalidArgument, match="^seed: "):
        Langevin(LINE, 0.5).sample([0.1], TIMES, 5)
    with pytest.raises(InvalidArgument, match="^scheme: must be a LangevinScheme"):
        Langevin(LINE, 0.5).sample([0.1], TIMES, 5, 1, scheme="Heun")


@pytest.mark.parametrize(
    "scheme", [STOCHASTIC_HEUN, LEIMKUHLER_MATTHEWS, EFFECTIVE, LATTICE, TransportProcess(LATTICE)]
)
def test_orders_are_read_only(scheme):
    assert scheme.weak_order == (1 if scheme is LEIMKUHLER_MATTHEWS else 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        scheme.weak_order = 3


def test_older_names():
    ensemble = SAMPLERS["balls"](runs=7)
    np.testing.assert_array_equal(ensemble.mean_error, ensemble.standard_error)
    assert ensemble.request is ensemble.spec
    assert ensemble.tally is ensemble.sums
    np.testing.assert_array_equal(EFFECTIVE.bounds, EFFECTIVE.box)
    with pytest.raises(InvalidArgument, match="^bounds: is an older name of box"):
        EffectiveLangevin(EFFECTIVE.drift, EFFECTIVE.noise, [(0, 1)], False, bounds=[(0, 1)])
