"""Trials of plans: the cells on which they are tried, and error estimates from sequences of results.

These cells are those of the largest contrast, and of the strongest faster scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..recursion.levels import SAFETY, LevelResult, difference, not_finite
from ..recursion.scale_splitting import ScaleSplitting
from ..spaces.tensor_space import TensorSpace, equidistant

CANDIDATES = 64  # cells, at least, among which the hardest are taken
MOST_VALUES = 2_000_000  # of the potential for that, at most, where there are many points
HARDEST = 2  # cells of the largest spread that become probes
FASTER = 32  # positions of the faster scales at which their strength is seen
OF_EACH_HARD = 16  # candidates with the same x, where the plan of a faster level has to be better there
STRATA = 24  # cells that represent all contrasts where there are many
HESITATION = 0.7  # the next ratio of changes is taken to be the last one to this power: errors may fall more slowly
COARSE = 24  # points in each direction of the grid on which the contrast is looked at


@dataclass(frozen=True, eq=False)
class Candidates:
    """Slow variables (x, y_1, ..., y_{k-1}) of each level, and how hard their cells seem.

    Args:
        splitting: the potential, split into levels.
        points: macroscopic points (P, d).
        hard: points (F, d) that an earlier plan was not good enough for.
    """

    splitting: ScaleSplitting
    points: np.ndarray
    hard: np.ndarray

    def probes(self, level: int) -> tuple[np.ndarray, float]:
        """Probe cells: the largest spread of U_k, the least, the largest of U_{k+1}, ..., U_N, and the hard points.

        Returns:
            The slow variables (C, k d) of the probes, and the largest spread of U_k over sigma.
        """
        slow, own, faster = self._of(level)
        order = np.argsort(-own, kind="stable")
        chosen = {*order[:HARDEST], order[-1]}
        if faster.any():
            chosen.add(faster.argmax())
        for point in self.hard:
            same = np.flatnonzero((slow[:, : self.splitting.dim] == point).all(axis=1))
            chosen |= {same[(own + faster)[same].argmax()]} if same.size else set()
        return slow[sorted(chosen)], float(own.max())

    def strata(self, level: int) -> np.ndarray:
        """Slow variables from the least to the largest spread, which random ones may all miss."""
        slow, own, faster = self._of(level)
        spreads = own + faster
        order = np.argsort(spreads, kind="stable")
        places = np.searchsorted(spreads[order], np.linspace(spreads.min(), spreads.max(), STRATA))
        return slow[order[np.minimum(places, len(order) - 1)]]

    def _of(self, level: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Slow variables (C, k d) of many cells, and the spreads of U_k and of U_{k+1}, ..., U_N over sigma."""
        if level not in self._known:
            slow = self._slow_variables(level)
            self._known[level] = slow, self._spread(level, slow), self._faster_spread(level, slow)
        return self._known[level]

    @cached_property
    def _known(self) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return {}

    @cached_property
    def _grid(self) -> TensorSpace:
        return TensorSpace(equidistant(COARSE), self.splitting.dim)

    def _slow_variables(self, level: int) -> np.ndarray:
        generator = np.random.Generator(np.random.Philox(key=level))
        count = max(CANDIDATES, min(len(self.points), MOST_VALUES // self._grid.weights.size))
        macroscopic = self.points[np.linspace(0, len(self.points) - 1, count).astype(int)]
        macroscopic = np.concatenate([macroscopic, np.repeat(self.hard, OF_EACH_HARD if level > 1 else 1, axis=0)])
        fast = generator.random((len(macroscopic), (level - 1) * self.splitting.dim))
        slow = np.concatenate([macroscopic, fast], axis=1)
        return slow[np.sort(self.splitting.distinct(level, slow)[0])]

    def _spread(self, level: int, slow: np.ndarray) -> np.ndarray:
        if not self.splitting.has_terms(level):
            return np.zeros(len(slow))
        exponents = self.splitting.exponent(level, slow, self._grid.nodes)
        spreads = np.ptp(exponents.reshape(len(exponents), -1), axis=1)
        if not np.isfinite(spreads).all():
            raise not_finite(level)
        return np.broadcast_to(spreads, len(slow))

    def _faster_spread(self, level: int, slow: np.ndarray) -> np.ndarray:
        """How much the terms of the faster levels vary with the faster variables, at some positions of these."""
        total, dim = np.zeros(len(slow)), self.splitting.dim
        generator = np.random.Generator(np.random.Philox(key=[level, FASTER]))
        fast = generator.random((FASTER, (self.splitting.levels + 1 - level) * dim))
        for faster in range(level + 1, self.splitting.levels + 1):
            if self.splitting.has_terms(faster):
                some = fast[:, : (faster + 1 - level) * dim]
                whole = np.concatenate([np.repeat(slow, FASTER, axis=0), np.tile(some, (len(slow), 1))], axis=1)
                values = np.broadcast_to(self.splitting.exponent(faster, whole, ()), len(whole))
                total += np.ptp(values.reshape(-1, FASTER), axis=1)
        return total


class ConvergenceMonitor:
    """Results in a sequence of spaces whose errors fall geometrically, or faster."""

    def __init__(self) -> None:
        self._last: LevelResult | None = None
        self._change = np.inf

    def add(self, result: LevelResult | None) -> tuple[float, float]:
        """Return the change from the last result, about its error, and an estimate of the error of this one."""
        assert result is not None  # levels that are not trivial have probes
        last, before = self._last, self._change
        self._last = result
        if last is None:
            return np.inf, np.inf
        self._change = difference(last, result)
        if not np.isfinite(before) or not self._change:
            return self._change, self._change
        return self._change, SAFETY * self._change * min(1.0, self._change / before) ** HESITATION


def promising(tried: list[tuple[int, float]], share: float) -> float:
    """The number of samples at which an error that falls geometrically would be small enough, or a little less."""
    if len(tried) < 2:
        return tried[-1][0] + 1
    (count, error), (next_count, next_error) = tried[-2:]
    rate = np.log(error / next_error) / (next_count - count)
    if rate <= 0:
        return next_count + 1
    return next_count + min(np.log(next_error / share) / rate - 1.0, next_count)


def spread(results: LevelResult) -> float:
    """How far the logarithms of the diagonal entries are apart."""
    diagonal = np.einsum("bii->bi", results.log_tensor)
    return float(np.ptp(diagonal)) if len(diagonal) else 0.0
