"""The tests of the white-noise hypothesis: uniform p-values where it holds, tiny ones where it does not."""

import numpy as np
import pytest
from billiards import mean
from chance import ALPHA, Z, assert_mean, assert_uniform, detects
from scipy import integrate

from scaling_limits.particles import (
    InvalidArgument,
    PinnedBalls,
    correlation_density,
    correlation_p_value,
    diagnostics,
    run_correlations,
)
from scaling_limits.particles.pinned_balls.white_noise import RATIOS_OF_COS, RATIOS_OF_SIN, _isotropy


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


def standardised(pairs):
    return (pairs - pairs.mean(1, keepdims=True)) / pairs.std(1, ddof=1, keepdims=True)


@pytest.mark.serial
@pytest.mark.parametrize("runs", [100, 1000])
def test_isotropy_is_a_p_value(runs):
    """Uniform for independent normal pairs, standardised by their own mean and std. A law in which 0.01 in place of 0.05
    of the p-values is below 0.05 would be seen with certainty: its distance is 0.04, and ALPHA allows 0.038 for 5000.
    """
    pairs = standardised(np.random.default_rng(9).standard_normal((5000, runs, 2)))
    p = np.array([_isotropy(one) for one in pairs])
    assert_uniform(p)
    count = (p < 0.01).sum()
    assert abs(count - 50) < Z * np.sqrt(50)


@pytest.mark.serial
def test_variances_of_the_harmonics():
    """The ratios to the variances with known mean and std, against samples: 1 - pi/4, 1/2, 1; no covariances."""
    number, runs = 20_000, 200
    pairs = standardised(np.random.default_rng(10).standard_normal((number, runs, 2)))
    angle = np.arctan2(pairs[..., 1], pairs[..., 0])
    parts = np.array([f(k * angle).mean(1) for k in range(1, 5) for f in (np.cos, np.sin)]) * np.sqrt(2 * runs)
    expected = np.diag(np.ravel(list(zip(RATIOS_OF_COS, RATIOS_OF_SIN))))
    found = parts @ parts.T / number
    error = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / number)
    assert_mean(found, expected, error + 2e-3 / Z)  # 2e-3: of the order 1/runs, that the expansion leaves out
    assert detects(0.1, error.max())  # half of what tells 1 - pi/4 from 1


@pytest.mark.serial
def test_anisotropy_of_the_first_harmonic_is_seen():
    """A skew law of W(x), with mean 0 and std 1: the first harmonics of 2000 runs see it in each of 100 samples."""
    rng = np.random.default_rng(11)
    pairs = rng.standard_normal((100, 2000, 2))
    pairs[..., 0] = rng.gamma(4.0, size=(100, 2000))  # skewness 1
    p = [_isotropy(one) for one in standardised(pairs)]
    assert max(p) < ALPHA
    assert _isotropy(np.array([[np.nan, 1.0]])) == 1.0


@pytest.mark.serial
def test_tests_of_short_chains_are_p_values():
    """101 sites: normality is uniform, and the smallest of the correlations is never too small too often."""
    model = PinnedBalls(n=101, mean=mean, std=lambda x: 1 + x)
    ensemble = model.sample([0.0], runs=1200, seed=12, lags=20)
    kept = ensemble.sums.kept.shape[0]
    found = [diagnostics(ensemble, 0, run) for run in range(kept)]
    assert kept > 600
    assert_uniform([one.normality for one in found])
    smallest = np.array([one.correlation for one in found])
    for level in (0.05, 0.2, 0.5):
        assert (smallest < level).mean() < level + Z * np.sqrt(level * (1 - level) / kept)


def test_error_of_the_correlation_counts_pairs():
    """Noise on every other stretch of sites: at distances longer than a stretch few pairs are left, and they are counted."""
    model = PinnedBalls(n=90, mean=mean, std=lambda x: 1.0 * (np.floor(9 * x) % 2 == 0))
    noisy = model.initial_std > 0
    found = []
    for seed in range(60):
        ensemble = model.sample([0.0], runs=50, seed=seed, lags=15, pair_site=0)
        found.append(ensemble.noise_correlation[0] / ensemble.noise_correlation_error[0])
    for lag in range(1, 16):
        pairs = (noisy[:-lag] & noisy[lag:]).sum()
        assert ensemble.noise_correlation_error[0, lag - 1] == pytest.approx((50 * pairs) ** -0.5 if pairs else np.inf)
        if pairs:
            square = np.mean(np.square([one[lag - 1] for one in found]))
            assert abs(square - 1.0) < Z * np.sqrt(2 / 60)  # a factor of 3 in the error would make it 9
    assert np.isfinite(ensemble.noise_correlation).all()


def test_no_noise_no_test():
    ensemble = PinnedBalls(n=100, mean=mean, std=lambda x: 0 * x).sample([0.0], runs=10, seed=6, lags=5)
    with pytest.raises(InvalidArgument, match="time"):
        diagnostics(ensemble, 0)
    with pytest.raises(InvalidArgument, match="time"):
        diagnostics(ensemble, 1)
