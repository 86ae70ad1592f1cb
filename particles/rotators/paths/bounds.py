"""Bounds of the distance of path laws from above: by members that are paired, or matched as well as can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...sampling.samples import mean_and_error
from ..coupled.coupled_ensemble import CoupledEnsemble
from ..coupled.watched_pairs import WatchedPairs
from ..ensemble import RotatorEnsemble

MATCHED = 256  # members of a batch
BATCHES = 8

Bound = tuple[float, float]


def gaps_of(pair: tuple[RotatorEnsemble, RotatorEnsemble], sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """sup |I_j - I'_j| over the snapshots (R, S), of each member and its partner."""
    gaps = np.abs(pair[0].actions[:, :, sites] - pair[1].actions[:, :, sites])
    return np.asarray(gaps.max(axis=0))


def gaps_of_coupled(both: CoupledEnsemble, sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same of pairs with the same noise; over all steps where they were watched."""
    if isinstance(both, WatchedPairs):
        return np.asarray(both.gaps[:, :, sites].max(axis=0))
    return gaps_of((both.lattice, both.limit), sites)


def paired_bound(gaps: NDArray[np.float64]) -> Bound:
    """E max_j sup |I_j - I'_j| and its standard error, from gaps (R, S)."""
    mean, error = mean_and_error(gaps.max(axis=1))
    return float(mean), float(error)


def matched_bound(pair: tuple[RotatorEnsemble, RotatorEnsemble], sites: NDArray[np.int64]) -> Bound:
    """The mean distance of members that are matched as well as can be, over batches, and its standard error.

    The distance of Wasserstein of batches, whose expectation is not less than that of the laws (convexity), in the norm
    of all snapshots and sites.
    """
    runs = min(one.runs for one in pair)
    size = min(MATCHED, max(1, runs // 2))
    found = []
    for k in range(min(BATCHES, runs // size)):
        chosen = slice(k * size, (k + 1) * size)
        u, v = (one.actions[:, chosen][:, :, sites].transpose(0, 2, 1).reshape(-1, size) for one in pair)
        cost = np.zeros((size, size))
        for a, b in zip(u, v):
            np.maximum(cost, np.abs(a[:, None] - b[None, :]), out=cost)
        found.append(cost[linear_sum_assignment(cost)].mean())
    mean, error = mean_and_error(np.array(found))
    return float(mean), float(error)
