"""Statistical assertions: each fails by chance with probability ALPHA, for a fresh seed; the tests fix their seeds."""

import numpy as np
from scipy import stats

ALPHA = 1e-6
Z = stats.norm.isf(ALPHA / 2)


def assert_mean(value, expected, error):
    """Every entry of `value` is within its normal error of `expected`; ALPHA is shared among the entries."""
    z = np.abs(np.asarray(value) - expected) / error
    limit = stats.norm.isf(ALPHA / (2 * np.size(z)))
    assert np.max(z) <= limit, f"largest deviation {np.max(z):.2f} standard errors, limit {limit:.2f}"


def assert_uniform(values):
    """Kolmogorov and Smirnov on [0, 1]."""
    assert stats.kstest(values, "uniform").pvalue >= ALPHA


def assert_counts(counts, expected=None):
    """Chi squared of counts against equal, or the expected, numbers."""
    assert stats.chisquare(np.ravel(counts), expected).pvalue >= ALPHA


def detects(shift, error):
    """Whether a bias as large as `shift` would be seen with 99 % probability."""
    return abs(shift) / error > Z + stats.norm.isf(0.01)
