"""How members from different starts meet: differences of their means in time, their errors, and the rate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# with which starts that have met are taken for others
FALSE_ALARM = 1e-3
# standard errors from which a difference tells about the rate
CLEAR = 5.0
LEAST_POINTS = 3


def starts(scale: np.ndarray, runs: int, seed: int, hot: float) -> NDArray[np.complex128]:
    """Starts (R, N) of four groups of members in turn: cold, hot, hot at random sites, and hot at the others.

    Hot sites have `hot` times the action `scale` (N,), cold ones none; phases are random.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    pattern = generator.permutation(len(scale)) % 2 == 0
    shape = np.array([np.zeros(len(scale)), np.ones(len(scale)), pattern, ~pattern], dtype=float)
    moduli = np.sqrt(2 * hot * scale * shape)[np.arange(runs) % 4]
    return moduli * np.exp(2j * np.pi * generator.random(moduli.shape))


@dataclass
class Meeting:
    """The differences between two pairs of groups, of the means of I_j and I_j^2 and of the sum of actions.

    times: slow times, as many as there are snapshots so far; differences, errors: (2 (2 N + 1),) at each; spreads: the
    standard deviations of the same quantities at the last one.
    """

    times: list[float] = field(default_factory=list)
    differences: list[NDArray[np.float64]] = field(default_factory=list)
    errors: list[NDArray[np.float64]] = field(default_factory=list)
    spreads: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))

    def see(self, time: float, actions: np.ndarray) -> None:
        """Add a snapshot of the actions (R, N) of members whose groups are as in `starts`."""
        quantities = np.concatenate([actions, actions**2, actions.sum(axis=1, keepdims=True)], axis=1)
        parts = [quantities[g::4] for g in range(4)]
        means = np.array([part.mean(axis=0) for part in parts])
        variances = np.array([part.var(axis=0, ddof=1) / len(part) for part in parts])
        self.times.append(time)
        self.differences.append(np.concatenate([means[1] - means[0], means[2] - means[3]]))
        self.errors.append(np.sqrt(np.concatenate([variances[1] + variances[0], variances[2] + variances[3]])))
        self.spreads = np.tile(quantities.std(axis=0), 2)

    def scores(self, last: int) -> NDArray[np.float64]:
        """Differences over their errors (last, ...) of the last snapshots."""
        return np.array(self.differences[-last:]) / np.maximum(np.array(self.errors[-last:]), 1e-300)

    def met(self, last: int) -> bool:
        """Whether the last snapshots show no difference that chance would not make."""
        scores = np.abs(self.scores(last))
        return bool(scores.max() < stats.norm.isf(0.5 * FALSE_ALARM / scores.size))

    def rate(self) -> tuple[float, float]:
        """The slowest rate of the differences that are clear for three snapshots, and its error; (0, inf) for none.

        Of each quantity the later half of its clear differences counts, by weighted least squares of the logarithm.
        """
        differences, errors, times = np.array(self.differences), np.array(self.errors), np.array(self.times)
        found = (np.inf, np.inf)
        for d, e in zip(differences.T, errors.T):
            clear = np.flatnonzero((np.abs(d) < CLEAR * e) & (times > 0))
            end = clear[0] if len(clear) else len(d)
            begin = min(end // 2, max(end - LEAST_POINTS, 1))
            if end - begin < LEAST_POINTS:
                continue
            t, y, s = times[begin:end], np.log(np.abs(d[begin:end])), e[begin:end] / np.abs(d[begin:end])
            weights = 1 / np.maximum(s, 1e-12) ** 2
            centre = np.average(t, weights=weights)
            spread = float((weights * (t - centre) ** 2).sum())
            if spread > 0:
                slope, error = -float((weights * (t - centre) * y).sum()) / spread, 1 / np.sqrt(spread)
                # what has not begun to fall tells no rate; the one that is slow for sure counts, not the noisiest
                if slope > 2 * error and slope + 2 * error < found[0] + 2 * found[1]:
                    found = slope, error
        return found if np.isfinite(found[0]) else (0.0, np.inf)

    def left(self, rate: float) -> float:
        """The differences now, continued with this rate from where they were clear last, in standard deviations."""
        differences, errors, times = np.array(self.differences), np.array(self.errors), np.array(self.times)
        largest = 0.0
        for d, e, spread in zip(differences.T, errors.T, self.spreads):
            clear = np.flatnonzero(np.abs(d) >= CLEAR * e)
            if len(clear):
                k = clear[-1]
                size = np.abs(d[k]) * np.exp(-rate * (times[-1] - times[k]))
                largest = max(largest, float(size / max(spread, 1e-300)))
        return largest
