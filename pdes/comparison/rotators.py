"""Rotators beside the transport process of their actions: two samples, compared without a law of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import RotatorLattice, TransportProcess
from scaling_limits.particles.showing.axes import draw_histogram, labelled
from scaling_limits.particles.showing.quantities import SLOW_TIME, Quantity, time_text

from . import chances
from .comparison import Comparison
from .difference import Difference, draw_deviations

if TYPE_CHECKING:
    from mpi4py import MPI

SITE = Quantity("site", "number of the site", "1")
BIN = Quantity("part", "number of the part of equal probability", "1")
MEAN = Quantity("mean", "the mean action", "action")
SHARE = Quantity("distribution", "the part of the members with actions in a tenth of all", "1")
REMARK = "the limit is sampled too, and both have steps, whose errors count as differences"
# parts of equal probability into which actions are divided
PARTS = 10


def compare_rotators(
    lattice: RotatorLattice, initial: ArrayLike, times: ArrayLike, runs: int, seed: int, step: float | None,
    false_alarm: float, progress: bool, comm: MPI.Comm,
) -> Comparison:  # fmt: skip
    """The means of all actions, and their distributions in tenths; see `compare`."""
    samples = lattice.sample(initial, times, runs, seed, step, progress=progress, comm=comm)
    limit = TransportProcess(lattice).sample(initial, times, runs, seed, progress=progress, comm=comm)
    error = np.hypot(samples.standard_error, limit.standard_error)
    skewness = _skewness(limit.actions)
    sites = (SITE, np.arange(lattice.size, dtype=float))
    chance = chances.of_skew_means(samples.mean - limit.mean, error, runs, skewness)
    counts, others = _counts(samples.actions, limit.actions)
    share = (counts + others) / (2.0 * runs)
    tenths = chances.of_two_counts(counts, others, runs, runs)
    differences = (
        Difference(MEAN, (sites,), samples.mean, limit.mean, error, chance),
        Difference(
            SHARE, (sites, (BIN, np.arange(PARTS, dtype=float))), counts / runs, others / runs,
            np.sqrt(2.0 * share * (1.0 - share) / runs), tenths,
        ),
    )  # fmt: skip

    def draw(axes: Any) -> None:
        if axes is None:
            return
        for ax, result in zip(axes, (samples, limit)):
            for j in range(min(lattice.size, 4)):
                draw_histogram(ax, result.actions[-1, :, j], {"label": f"site {j}", "bins": _edges(samples.actions)})
            ax.legend()
            labelled(ax, "action", f"density (1/action) at {time_text(samples.times[-1], SLOW_TIME)}")
        axes[1].set_ylim(axes[0].get_ylim())
        draw_deviations(axes[2], sites[1], differences[0], comparison.threshold, SITE.label)
        axes[2].set_xticks(sites[1])

    comparison = Comparison(
        f"{lattice.size} rotators", f"epsilon = {lattice.epsilon:g}", runs, samples.times, samples, limit, None,
        differences, false_alarm, (REMARK,), draw, comm,
        SLOW_TIME,
    )  # fmt: skip
    return comparison


def _edges(actions: np.ndarray) -> np.ndarray:
    """The same bins in both pictures."""
    return np.linspace(0.0, float(np.quantile(actions[-1], 0.998)), 40)


def _skewness(actions: np.ndarray) -> np.ndarray:
    """The skewness over the members (T, N), 0 where they are all the same."""
    centred = actions - actions.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1)
    third = (centred**3).mean(axis=1)
    scale = actions.mean(axis=1) ** 2
    return np.where(variance > 1e-24 * scale, third / np.maximum(variance, 1e-100) ** 1.5, 0.0)


def _counts(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Members (T, N, PARTS) of both samples in parts between the quantiles of both together."""
    shape = (first.shape[0], first.shape[2], PARTS)
    result = np.zeros((2, *shape), dtype=int)
    for t, j in np.ndindex(shape[:2]):
        pooled = np.concatenate([first[t, :, j], second[t, :, j]])
        inner = np.unique(np.quantile(pooled, np.arange(1, PARTS) / PARTS))
        for k, actions in enumerate((first, second)):
            parts = np.searchsorted(inner, actions[t, :, j], side="right")
            result[k, t, j] = np.bincount(parts, minlength=PARTS)
    return result[0], result[1]
