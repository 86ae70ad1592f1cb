"""The modulated-white-noise hypothesis (2.5) as tests: v = mu + sigma W with W independent and standard normal.

Each test gives a p-value: the probability of something as unlikely, were the hypothesis true. Finite systems do depart
from it (neighbours are anti-correlated by some per cent), and large ensembles see that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import _checks
from .ensemble import Ensemble
from .errors import InvalidArgument


@dataclass(frozen=True, eq=False)
class WhiteNoiseTests:
    """p-values at one snapshot.

    normality: Kolmogorov and Smirnov, of the noise of one run against the standard normal law;
    correlations (K,): of the correlation of one run at each distance, under the density of `correlation_density`;
    correlation: of the smallest of these, for K independent ones;
    isotropy: Rayleigh's test of the harmonics 1 to 4 of the angle of (W(x), W(x+1)) over all runs;
    ensemble_correlation: of the average over all runs and sites of the correlation of neighbours.
    """

    time: float
    run: int
    normality: float
    correlations: np.ndarray
    correlation: float
    isotropy: float
    ensemble_correlation: float


def correlation_density(r: np.ndarray, n: int) -> np.ndarray:
    """f(r) = (1 - r^2)^((n-4)/2)/B(1/2, (n-2)/2): the empirical correlation of n independent normal pairs (section 3).

    Args:
        r: correlations in (-1, 1).
        n: number of pairs, at least 3.
    """
    from scipy.special import betaln

    _checks.integer("n", n, 3)
    return np.exp(0.5 * (n - 4) * np.log1p(-np.square(r)) - betaln(0.5, 0.5 * (n - 2)))


def correlation_p_value(r: np.ndarray, n: int) -> np.ndarray:
    """Return P(|R| >= |r|) for R of the density `correlation_density`: (1 - R)/2 has a beta law."""
    from scipy.special import betainc

    return betainc(0.5 * (n - 2), 0.5, 1.0 - np.square(r))


def run_correlations(noise: np.ndarray, lags: int) -> np.ndarray:
    """Return the empirical correlations of W(x) and W(x+k), k = 1..lags, within one run (n,): figure 3."""
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
    from scipy.special import ndtr
    from scipy.stats import kstwobign

    snapshots, kept = ensemble.times.size, ensemble.tally.kept.shape[0]
    time = _checks.integer("time", time, -snapshots, snapshots - 1) % snapshots
    noise = ensemble.noise[time, _checks.integer("run", run, 0, kept - 1)]
    noise = noise[np.isfinite(noise)]
    lags = min(ensemble.request.lags, noise.size // 4)
    if noise.size < 20 or lags < 1:
        raise InvalidArgument("time", "there is no noise to test at this snapshot, or no lag")
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
        normality=float(kstwobign.sf(distance * np.sqrt(noise.size))),
        correlations=each,
        correlation=float(-np.expm1(lags * np.log1p(-min(each.min(), 1 - 1e-16)))),
        isotropy=_isotropy(ensemble.pair_noise[time]),
        ensemble_correlation=float(2 * ndtr(-abs(mean) / error)),
    )


def _isotropy(pairs: np.ndarray, harmonics: int = 4) -> float:
    """Return Rayleigh's p-value: under isotropy 2 R |mean exp(i k angle)|^2, k = 1..4, sum to chi^2 of 8 degrees."""
    from scipy.special import gammaincc

    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not pairs.size:
        return 1.0
    angle = np.arctan2(pairs[:, 1], pairs[:, 0])
    power = sum(abs(np.mean(np.exp(1j * k * angle))) ** 2 for k in range(1, harmonics + 1))
    return float(gammaincc(harmonics, angle.size * power))
