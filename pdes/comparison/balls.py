"""Pinned balls beside their effective equations, and those of finite n."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import PinnedBalls
from scaling_limits.particles.showing.quantities import Quantity

from ..pinned_balls.equations import BilliardEquations
from ..pinned_balls.finite_size import FiniteSizeEquations
from . import chances
from .comparison import Comparison
from .difference import Difference, draw_deviations

if TYPE_CHECKING:
    from mpi4py import MPI

PLACE = Quantity("x", "position", "length of the line")
MEAN = Quantity("mean", "the mean velocity", "velocity")
STD = Quantity("std", "the standard deviation of the velocity", "velocity")
# factor on the estimated error of the equations in l2, for single places
SAFETY = 3.0
# error of the equations that is said, relative
MUCH = 0.01
# of velocities, relative to their size
ROUNDING = 1e-9


def compare_balls(
    balls: PinnedBalls, times: ArrayLike, runs: int, seed: int, false_alarm: float, rtol: float, progress: bool,
    comm: MPI.Comm,
) -> Comparison:  # fmt: skip
    """The means and the standard deviations of all velocities; see `compare`."""
    samples = balls.sample(times, runs, seed=seed, progress=progress, comm=comm)
    limit = BilliardEquations.of(balls).solve(times, rtol=rtol, comm=comm)
    finite = FiniteSizeEquations.of(balls).solve(times, comm=comm)
    x = samples.positions
    mean, std = limit.mean_at(x), limit.std_at(x)
    whole = np.sqrt(_size(mean) ** 2 + _size(std) ** 2)
    # of rounding in the sums over runs, where there is no noise
    known = [SAFETY * limit.error[:, None] * _size(profile) + ROUNDING * whole for profile in (mean, std)]
    kurtosis = samples.kurtosis
    differences = (
        Difference(
            MEAN, ((PLACE, x),), samples.mean, mean, samples.standard_error,
            chances.of_means(samples.mean - mean, samples.standard_error, runs, known[0]), finite.mean,
        ),
        Difference(
            STD, ((PLACE, x),), samples.std, std, samples.std_error,
            chances.of_deviations(samples.std, std, runs, kurtosis, known[1]), finite.std,
        ),
    )  # fmt: skip

    def draw(axes: Any) -> None:
        if axes is None:
            return
        for ax, result in zip(axes, (samples, limit)):
            result.plot(ax)
        limits = [ax.get_ylim() for ax in axes[:2]]
        for ax in axes[:2]:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        draw_deviations(axes[2], x, differences[1], comparison.threshold, PLACE.label)

    comparison = Comparison(
        f"{balls.n} pinned balls", f"n = {balls.n}", runs, samples.times, samples, limit, finite, differences,
        false_alarm, (), draw, comm, hidden=_hidden(limit.error),
    )  # fmt: skip
    return comparison


def _hidden(error: np.ndarray) -> tuple[str, ...]:
    """What errors of the equations (T,) in l2 hide."""
    unknown = SAFETY * float(np.max(error))
    if unknown <= MUCH:
        return ()
    known = f"the equations are known to {100 * unknown:.2g} % only"
    return (f"{known}, and smaller differences count for nothing: give a smaller rtol",)


def _size(profile: np.ndarray) -> np.ndarray:
    """Root mean square of a profile at each time (T, 1)."""
    return np.asarray(np.sqrt((profile**2).mean(axis=1, keepdims=True)))
