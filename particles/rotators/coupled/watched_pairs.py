"""Pairs of a lattice and its limit with the same noise, of which every step was watched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...sampling.samples import mean_and_error
from ...showing.datasets import dataset
from ...showing.quantities import Quantity
from ..dissipations.kernels import LANES
from ..ensemble import SLOW_TIME
from ..watching.watch import PathWatch, WatchedTile, Watcher
from ..watching.watched import WatchedRotators
from .coupled_ensemble import CoupledEnsemble
from .kernels import largest_gaps

# - zeta(1/2)/sqrt(2 pi): by how much a Brownian motion comes higher between times, in units of its steps
BETWEEN_NOISES = 0.5825971579390107
GAP = Quantity("gaps", "largest difference of the actions since the last snapshot", "action")


@dataclass(frozen=True)
class PairWatcher(Watcher):
    """Watches both parts of pairs, and the differences of their actions; its temperatures are (2 N,)."""

    def tile(self) -> PairTile:
        """The arrays of a tile."""
        return PairTile(self)


class PairTile(WatchedTile):
    """What is found of one tile of pairs, between one snapshot and the next."""

    def __init__(self, watcher: PairWatcher) -> None:
        super().__init__(watcher)
        sites = len(watcher.temperature) // 2
        self._temperature, self._gaps = watcher.temperature[:sites], np.zeros((sites, LANES))
        self._noises = watcher.lengths * watcher.between

    def begin(self, x: np.ndarray, y: np.ndarray, k: int) -> None:
        """See `WatchedTile`."""
        super().begin(x, y, k)
        self._gaps[:] = 0.0
        largest_gaps(x, y, np.zeros(len(self._gaps)), self._gaps)

    def arguments(self, k: int, noise_step: int, member: int) -> tuple[Any, ...]:
        """See `WatchedTile`; what the gaps are shifted by, and the gaps, come last."""
        shift = BETWEEN_NOISES * np.sqrt(self._temperature * self._noises[k])
        return *super().arguments(k, noise_step, member), shift, self._gaps

    def found(self, members: int) -> tuple[NDArray[np.float64], ...]:
        """See `WatchedTile`, with the gaps (members, N) in the place of norms."""
        return *super().found(members)[:-1], self._gaps.T[:members].copy()


@dataclass(frozen=True, eq=False, repr=False)
class WatchedPairs(CoupledEnsemble):
    """Pairs of which every step was watched; entries belong to the way from the snapshot before (or 0) to this one.

    Args:
        gaps: the largest |I_j^epsilon - I_j^0| (T, R, N), with what noise makes of it between its times, on the
            average; members that are paired with the same noise bound the distance of the laws of their paths from
            above.
        step_maxima: the largest actions at steps (T, R, 2 N), N of the lattice and N of the limit; see
            `WatchedRotators`.
        maxima: the largest actions (T, R, 2 N), likewise.
        integrals: int I_j ds (T, R, 2 N), likewise.
    """

    gaps: NDArray[np.float64]
    step_maxima: NDArray[np.float64]
    maxima: NDArray[np.float64]
    integrals: NDArray[np.float64]

    @cached_property
    def lattice(self) -> WatchedRotators:
        """The members of the lattice, and what was seen of them."""
        return self._part(self.of_lattice, self.step, slice(None, self.gaps.shape[2]))

    @cached_property
    def limit(self) -> WatchedRotators:
        """The members of the limit, and what was seen of them."""
        return self._part(self.of_limit, self.epsilon * self.step, slice(self.gaps.shape[2], None))

    def _part(self, amplitudes: NDArray[np.complex128], step: float, sites: slice) -> WatchedRotators:
        steps, maxima, integrals = (part[:, :, sites] for part in (self.step_maxima, self.maxima, self.integrals))
        # neither durations nor norms
        nothing = np.empty((*amplitudes.shape, 0)), np.empty((*amplitudes.shape[:2], 0))
        sample = self.times, amplitudes, step, self.seed
        return WatchedRotators.of(PathWatch(), sample, (steps, maxima, integrals, *nothing))

    def strong_distance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """E sup |I_j^epsilon(s) - I_j^0(s)| over 0 <= s <= tau (T, N), and its standard error."""
        return mean_and_error(np.maximum.accumulate(self.gaps), axis=1)

    def to_xarray(self) -> Any:
        """As of a `CoupledEnsemble`, with the gaps."""
        more = dataset(
            "WatchedPairs", [(GAP, ("time", "member", "site"), self.gaps)], [(SLOW_TIME, ("time",), self.times)]
        )
        return super().to_xarray().merge(more, combine_attrs="override").assign_attrs(more.attrs)
