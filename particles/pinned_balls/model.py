"""Pinned billiard balls: the microscopic model of Burdzy, Hoskins and Steinerberger, section 2."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ..sampling.samples import runs_or_paths
from ..showing.described import Described
from ..support import checks
from ..support.checks import Profile
from .ensemble import Ensemble, sample_ensemble
from .spec import EnsembleSpec, collision_numbers, collision_rate, wave_speed
from .velocities import positions, velocities

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True, repr=False)
class PinnedBalls(Described):
    """n balls on a line that exchange energy and momentum but do not move (paper, section 2).

    v(x, 0) = mu0(x) + sigma0(x) W(x) with W independent standard normal. A collision picks a site x uniformly among
    the inner balls, replaces the velocities of (x-1, x, x+1) by a uniform point on the circle of equal sum and equal
    sum of squares (step 2.1), then sorts (x-1, x) or (x, x+1) with equal probability (step 2.2). With
    `energy_exchange=False` a collision sorts one of the n-1 adjacent pairs, chosen uniformly ((2.1)-(2.2)).

    Args:
        n: number of balls, at least 3.
        mean: mu0, callable from positions (P,) in [0, 1] to mean velocities (P,).
        std: sigma0 >= 0, callable from positions (P,) to standard deviations (P,), in the unit of the velocities.
        energy_exchange: whether step 2.1 precedes the sorting.

    Raises:
        InvalidArgument: n < 3; a profile that is no callable from arrays to arrays, not finite, of the wrong shape,
            beyond 1e70 in size or below 1e-70 but not 0; a negative std.
    """

    n: int
    mean: Profile
    std: Profile
    energy_exchange: bool = True
    initial_mean: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    initial_std: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", checks.integer("n", self.n, 3, 2**31 - 1))
        object.__setattr__(self, "energy_exchange", checks.flag("energy_exchange", self.energy_exchange))
        for name, values in zip(("initial_mean", "initial_std"), velocities(self.mean, self.std, self.positions)):
            # the balls are frozen, and what they start from too
            values = values.copy()
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @property
    def positions(self) -> NDArray[np.float64]:
        """The positions (i-1)/(n-1) of the balls in [0, 1], shape (n,)."""
        return positions(self.n)

    @property
    def wave_speed(self) -> float:
        """The wave speed of the effective equations (2.8), lambda = (n-1)/(2 sqrt(pi))."""
        return wave_speed(self.n)

    @property
    def collision_rate(self) -> float:
        """Collisions in a unit of PDE time, as the function `collision_rate` has it."""
        return collision_rate(self.n, self.energy_exchange)

    def collisions(self, t: float) -> int:
        """Number of collisions, rounded, that make up the time t of the effective equations (Remark 2.4).

        Args:
            t: time of the PDE (2.9)-(2.10), not negative.

        Raises:
            InvalidArgument: t is negative or not finite.
        """
        number = checks.number("t", t, least=0.0) * self.collision_rate
        if number == math.inf:
            raise InvalidArgument("t", f"is too long: {t:g} is more collisions than can be counted")
        return round(number)

    @ends_on_all_ranks
    def sample(
        self,
        times: ArrayLike,
        runs: int | None = None,
        *,
        seed: int,
        paths: int | None = None,
        lags: int = 50,
        workers: int | None = None,
        progress: bool = False,
        pair_site: int | None = None,
        keep_states: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        comm: MPI.Comm | None = None,
    ) -> Ensemble:
        """Sample independent runs and collect the statistics of v(x, t) = mu(x, t) + sigma(x, t) W(x, t), (2.5).

        The result is bitwise the same for any `workers` and any number of ranks of `comm`.

        Args:
            times: snapshot times (T,) in the unit of the effective equations, not negative, not decreasing.
            runs: number of independent runs R, None for 1000.
            seed: key of the random streams, 0 .. 2^64 - 1.
            paths: another name of `runs`.
            lags: largest distance k at which the products v(x) v(x+k) are collected; at most n-1.
            workers: threads; None takes the cores that this process may use (shared among the ranks of `comm`).
            progress: whether to show a progress bar (at a terminal or in a notebook, on rank 0).
            pair_site: index x, 0 .. n-2, of the site whose pairs (v(x), v(x+1)) of all runs are kept; None takes
                the site three tenths along the line (the paper's 300 of 1000).
            keep_states: whether to keep the final velocities (R, n) of all runs, so that times can be added later.
            checkpoint: file that is written after the first chunk of runs, then every 30 seconds (more seldom where
                writing would take more than a twentieth of the time), and when the call ends, also by Ctrl-C or an
                error; when it exists and belongs to the same request, its runs are not made again.
            comm: an mpi4py communicator; its ranks share the runs, and all of them receive the whole result. The
                arguments must be the same on all of them.

        Returns:
            An `Ensemble`.

        Raises:
            InvalidArgument: an argument out of its range, a checkpoint of another ensemble or in a folder that is not
                there; on all ranks, if on one.

        Warns:
            LongRun: the collisions take more than ten minutes.
        """
        comm = communicator(comm, optional=True)
        spec, number = on_all_ranks(comm, lambda: self._checked(times, runs, paths, seed, lags, pair_site, keep_states))
        same_on_all_ranks(comm, runs=number, **spec.arguments())
        return sample_ensemble(spec, number, workers=workers, progress=progress, checkpoint=checkpoint, comm=comm)

    def _checked(
        self, times: ArrayLike, runs: int | None, paths: int | None, seed: int, lags: int, pair_site: int | None,
        keep_states: bool,
    ) -> tuple[EnsembleSpec, int]:  # fmt: skip
        snapshots = checks.times(times)
        site = min(3 * self.n // 10, self.n - 2) if pair_site is None else pair_site
        spec = EnsembleSpec(
            times=snapshots,
            collisions=collision_numbers(snapshots, self.n, self.energy_exchange),
            initial_mean=self.initial_mean,
            initial_std=self.initial_std,
            energy_exchange=self.energy_exchange,
            seed=checks.seed(seed),
            lags=min(checks.integer("lags", lags, 0), self.n - 1),
            pair_site=checks.integer("pair_site", site, 0, self.n - 2),
            keep_states=checks.flag("keep_states", keep_states),
        )
        return spec, checks.integer(*runs_or_paths("runs", runs, paths, 1000), 1, 2**32 - 1)
