"""The tests of the white-noise hypothesis: uniform p-values where it holds, tiny ones where it does not."""

import numpy as np
import pytest
from billiards import mean
from chance import ALPHA, assert_uniform
from scipy import integrate

from scaling_limits.particles import (
    InvalidArgument,
    PinnedBalls,
    correlation_density,
    correlation_p_value,
    diagnostics,
    run_correlations,
)


def test_density_of_the_correlation():
    for n in (3, 10, 1000):
        assert integrate.quad(correlation_density, -1, 1, args=(n,), points=[0], limit=200)[0] == pytest.approx(1)
    variance = integrate.quad(lambda r: r**2 * correlation_density(r, 1000), -1, 1, points=[0])[0]
    assert variance == pytest.approx(1 / 999, rel=1e-9)  # standard deviation 1/sqrt(n-1), about 0.032
    tail = 2 * integrate.quad(correlation_density, 0.05, 1, args=(1000,))[0]
    assert correlation_p_value(0.05, 1000) == pytest.approx(tail, rel=1e-6)


def test_p_values_of_white_noise_are_uniform():
    noise = np.random.default_rng(3).standard_normal((400, 200))
    p = [correlation_p_value(run_correlations(row, 1)[0], 199) for row in noise]
    assert_uniform(p)


def test_initial_state_is_white_noise():
    ensemble = PinnedBalls(n=400, mean=mean, std=lambda x: 1 + x).sample([0.0], runs=2000, seed=6, lags=20)
    found = diagnostics(ensemble, 0)
    assert min(found.normality, found.correlation, found.isotropy, found.ensemble_correlation) > ALPHA
    assert found.correlations.shape == (20,)
    assert_uniform([diagnostics(ensemble, 0, run).normality for run in range(100)])


def test_departures_are_seen():
    """After some collisions neighbours are anti-correlated by some per cent, which 20 000 runs show."""
    ensemble = PinnedBalls(n=100, mean=mean, std=lambda x: 0.01 + 0 * x).sample([1e-3], runs=20_000, seed=6, lags=20)
    found = diagnostics(ensemble, -1)
    assert found.ensemble_correlation < ALPHA
    assert found.isotropy < ALPHA


def test_no_noise_no_test():
    ensemble = PinnedBalls(n=100, mean=mean, std=lambda x: 0 * x).sample([0.0], runs=10, seed=6, lags=5)
    with pytest.raises(InvalidArgument, match="time"):
        diagnostics(ensemble, 0)
    with pytest.raises(InvalidArgument, match="time"):
        diagnostics(ensemble, 1)
