"""Probabilities that chance alone makes samples differ from a limit by so much; two-sided, each for one number.

They are made for levels as small as 1e-6: counts have their exact laws; means and variances the laws of gamma type with
the same first moments, since the normal law understates tails that are skew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# no difference at all
TINY = 1e-300
# kurtosis below which a law is taken for one of this kurtosis, that of normal laws: few runs seem to have less
LEAST_KURTOSIS = 3.0


def of_counts(
    counts: np.ndarray, runs: int, probability: np.ndarray, known: np.ndarray | float = 0.0
) -> NDArray[np.float64]:
    """The chance of counts under the binomial law.

    Args:
        counts: of runs in a set, any shape.
        runs: R.
        probability: of the set in the limit, likewise.
        known: error of the probability.
    """
    high, low = np.minimum(probability + known, 1.0), np.maximum(probability - known, 0.0)
    above, below = stats.binom.sf(counts - 1, runs, high), stats.binom.cdf(counts, runs, low)
    return np.minimum(2.0 * np.minimum(above, below), 1.0)


def of_two_counts(counts: np.ndarray, other: np.ndarray, runs: int, others: int) -> NDArray[np.float64]:
    """The chance of counts in two samples of one law, given their sum: the hypergeometric law (Fisher's test).

    Args:
        counts: of the first sample, any shape.
        other: of the second one, likewise.
        runs: in the first.
        others: in the second.
    """
    law = (runs + others, counts + other, runs)
    above, below = stats.hypergeom.sf(counts - 1, *law), stats.hypergeom.cdf(counts, *law)
    return np.minimum(2.0 * np.minimum(above, below), 1.0)


def of_means(
    difference: np.ndarray, error: np.ndarray, runs: int, known: np.ndarray | float = 0.0
) -> NDArray[np.float64]:
    """The chance of differences of means, by Student's law.

    Args:
        difference: of the means, any shape.
        error: the standard error of the samples, likewise.
        runs: R.
        known: error of the mean in the limit.
    """
    excess = np.maximum(np.abs(difference) - known, 0.0)
    ratio = np.where(excess > 0, excess / np.maximum(error, TINY), 0.0)
    return np.asarray(2.0 * stats.t.sf(ratio, max(runs - 1, 1)))


def of_skew_means(
    difference: np.ndarray, error: np.ndarray, runs: int, skewness: np.ndarray, known: np.ndarray | float = 0.0
) -> NDArray[np.float64]:
    """The chance of differences of means whose standard error in the limit is known: by a gamma law with the skewness
    of a mean (Pearson's third type), on its longer side for both.

    Args:
        difference: of the means, any shape.
        error: standard error by the limit, likewise.
        runs: R.
        skewness: of one run.
        known: error of the mean in the limit.
    """
    excess = np.maximum(np.abs(difference) - known, 0.0)
    ratio = np.where(excess > 0, excess / np.maximum(error, TINY), 0.0)
    skew = np.maximum(np.abs(skewness) / np.sqrt(runs), 1e-6)
    return np.asarray(np.minimum(2.0 * stats.pearson3.sf(ratio, skew), 1.0))


def of_deviations(
    sampled: np.ndarray, limit: np.ndarray, runs: int, kurtosis: np.ndarray, known: np.ndarray | float = 0.0
) -> NDArray[np.float64]:
    """The chance of standard deviations, by a gamma law of their squares with the variance that the kurtosis gives.

    Of R runs no kurtosis above R is seen, and the mean over all numbers is known better than each: the largest of both
    and of that of a normal law is taken, for which the law is exact.

    Args:
        sampled: standard deviations of R runs, any shape.
        limit: in the limit, likewise.
        runs: R.
        kurtosis: of one run, 3 for normal numbers.
        known: error of the standard deviation in the limit.
    """
    seen = np.nan_to_num(kurtosis, nan=LEAST_KURTOSIS)
    largest = np.maximum(np.maximum(seen, seen.mean()), LEAST_KURTOSIS)
    freedom = 2.0 * max(runs - 1, 1) / (largest - 1.0)
    high, low = np.maximum(limit + known, TINY), np.maximum(limit - known, TINY)
    above = stats.chi2.sf(freedom * (sampled / high) ** 2, freedom)
    below = stats.chi2.cdf(freedom * (sampled / low) ** 2, freedom)
    chance = np.minimum(2.0 * np.minimum(above, below), 1.0)
    return np.where(np.abs(sampled - limit) <= known, 1.0, chance)
