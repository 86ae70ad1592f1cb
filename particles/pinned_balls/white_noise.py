"""The modulated-white-noise hypothesis (2.5) as tests: v = mu + sigma W with W independent and standard normal.

Each test gives a p-value: the probability of something as unlikely, were the hypothesis true. Finite systems do depart
from it (neighbours are anti-correlated by some per cent), and large ensembles see that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln, gammaincc, ndtr

from ..errors import InvalidArgument
from ..showing.described import Described
from ..support import checks
from .ensemble import Ensemble

# noisy sites
FEWEST = 20


@dataclass(frozen=True, eq=False, repr=False)
class WhiteNoiseTests(Described):
    """p-values at one snapshot.

    normality: the Kolmogorov-Smirnov test of the noise of one run against the standard normal law, exact for any n;
    correlations (K,): of the correlation of one run at each distance, under the density of `correlation_density`,
        which is that of independent pairs: for n below 100 sites a true hypothesis gives p < 0.05 in 4 % of cases;
    correlation: of the smallest of these, for K independent ones, which is an upper bound (Sidak);
    isotropy: Rayleigh's test of the harmonics 1 to 4 of the angle of (W(x), W(x+1)) over all runs, with the variances
        that these have when W is made with the mean and std of the same runs; from 20 runs on (an upper bound below);
    ensemble_correlation: of the average over all runs and sites of the correlation of neighbours.
    """

    time: float
    run: int
    normality: float
    correlations: NDArray[np.float64]
    correlation: float
    isotropy: float
    ensemble_correlation: float


def correlation_density(r: ArrayLike, n: int) -> NDArray[np.float64]:
    """f(r) = (1 - r^2)^((n-4)/2)/B(1/2, (n-2)/2): the empirical correlation of n independent normal pairs (section 3).

    Args:
        r: correlations in (-1, 1).
        n: number of pairs, at least 3.
    """
    n = checks.integer("n", n, 3)
    r = _correlations(r)
    return np.exp(0.5 * (n - 4) * np.log1p(-np.square(r)) - betaln(0.5, 0.5 * (n - 2)))


def correlation_p_value(r: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return P(|R| >= |r|) for R of the density `correlation_density`: (1 - R)/2 has a beta law."""
    n = checks.integer("n", n, 3)
    return betainc(0.5 * (n - 2), 0.5, 1.0 - np.square(_correlations(r)))


def _correlations(r: ArrayLike) -> NDArray[np.float64]:
    r = checks.real_array("r", r)
    if (np.abs(r) > 1.0).any():
        raise InvalidArgument("r", "must be correlations between -1 and 1")
    return r


def run_correlations(noise: ArrayLike, lags: int) -> NDArray[np.float64]:
    """Return the empirical correlations of W(x) and W(x+k), k = 1..lags, within one run (n,): figure 3."""
    noise = checks.real_array("noise", noise)
    if noise.ndim != 1 or noise.size < 3:
        raise InvalidArgument("noise", f"must be the noise (n,) of one run of at least 3 sites, not {noise.shape}")
    lags = checks.integer("lags", lags, 1, noise.size - 2)
    return np.array([np.corrcoef(noise[:-k], noise[k:])[0, 1] for k in range(1, lags + 1)])


def diagnostics(ensemble: Ensemble, time: int, run: int = 0) -> WhiteNoiseTests:
    """Test the hypothesis of modulated white noise at a snapshot.

    Args:
        ensemble: the samples.
        time: index of the snapshot, negative ones count from the end.
        run: which of the runs that are kept whole serves as the single run.

    Returns:
        `WhiteNoiseTests`.

    Raises:
        InvalidArgument: no such snapshot or run, or too few noisy sites.
    """
    from scipy.stats import kstwo

    if not isinstance(ensemble, Ensemble):
        raise InvalidArgument(
            "ensemble", f"must be an Ensemble, as PinnedBalls.sample makes it, not {checks.shown(ensemble)}"
        )
    snapshots, runs = ensemble.values.shape[:2]
    time = checks.integer("time", time, -snapshots, snapshots - 1) % snapshots
    noise = ensemble.noise[time, checks.integer("run", run, 0, runs - 1)]
    noise = noise[np.isfinite(noise)]
    if ensemble.spec.lags < 1:
        raise InvalidArgument("ensemble", "has no lags to test; sample with lags=1 or more")
    if noise.size < FEWEST:
        sites = f"{noise.size} of {ensemble.spec.n} sites have noise at this snapshot"
        raise InvalidArgument("time", f"{sites}, and the tests need {FEWEST}")
    lags = min(ensemble.spec.lags, noise.size // 4)
    values = np.sort(ndtr(noise))
    steps = np.arange(noise.size + 1) / noise.size
    distance = max(np.max(steps[1:] - values), np.max(values - steps[:-1]))
    each = np.array(
        [correlation_p_value(r, noise.size - k) for k, r in enumerate(run_correlations(noise, lags), start=1)]
    )
    mean, error = ensemble.noise_correlation[time, 0], ensemble.noise_correlation_error[time, 0]
    return WhiteNoiseTests(
        time=float(ensemble.times[time]),
        run=run,
        normality=float(kstwo.sf(distance, noise.size)),
        correlations=each,
        correlation=float(-np.expm1(lags * np.log1p(-min(each.min(), 1 - 1e-16)))),
        isotropy=_isotropy(ensemble.pair_noise[time]),
        ensemble_correlation=float(2 * ndtr(-abs(mean) / error)),
    )


# Each part of the mean of exp(i k angle) has the variance 1/(2 R) for independent normal pairs whose mean and std are
# known. Here they are those of the same R pairs, which takes off the part of cos (angle) along W(x): with r the radius,
# Var(cos - W(x) E[1/(2 r)]) = 1/2 - pi/8, likewise sin, and off cos (2 angle) the part along W(x)^2 - W(x+1)^2:
# Var((1 - r^2/4) cos 2 angle) = 1/4. The other parts are left as they are, and no two have a covariance.
RATIOS_OF_COS = (1.0 - math.pi / 4.0, 0.5, 1.0, 1.0)
RATIOS_OF_SIN = (1.0 - math.pi / 4.0, 1.0, 1.0, 1.0)


def _isotropy(pairs: np.ndarray) -> float:
    """Return the p-value of Rayleigh's statistic of harmonics 1 to 4, sum of squares over their variances: chi^2_8.

    Args:
        pairs: (W(x), W(x+1)) of R runs, standardised by the mean and std of the same runs, shape (R, 2).
    """
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not pairs.size:
        return 1.0
    angle = np.arctan2(pairs[:, 1], pairs[:, 0])
    power = 0.0
    for k, (of_cos, of_sin) in enumerate(zip(RATIOS_OF_COS, RATIOS_OF_SIN), start=1):
        power += np.cos(k * angle).mean() ** 2 / of_cos + np.sin(k * angle).mean() ** 2 / of_sin
    return float(gammaincc(len(RATIOS_OF_COS), angle.size * power))
