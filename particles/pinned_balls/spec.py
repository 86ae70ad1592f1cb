"""What determines an ensemble of pinned balls, and how many collisions that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..sampling.workers import warn_together_if_long
from ..support.archive import differing

if TYPE_CHECKING:
    from mpi4py import MPI

# runs whose mean is subtracted before products are summed, so that small variances keep their digits
PILOT_RUNS = 32
# in a run; a month on one core
MOST_COLLISIONS = 2**44
# of one core
SECONDS_PER_COLLISION = 1.2e-8


def wave_speed(n: int) -> float:
    """The wave speed of the effective equations (2.8), lambda = (n-1)/(2 sqrt(pi))."""
    return (n - 1) / (2.0 * math.sqrt(math.pi))


def collision_rate(n: int, energy_exchange: bool) -> float:
    """Collisions in a unit of PDE time: (n-1)^2 (n-2)/2 (Remark 2.4); with sorting only (n-1)^3/2."""
    choices = n - 2 if energy_exchange else n - 1
    return (n - 1) ** 2 * choices / 2.0


def collision_numbers(times: np.ndarray, n: int, energy_exchange: bool) -> NDArray[np.int64]:
    """Return the rounded numbers (T,) of collisions that make up times (T,) of the effective equations.

    Raises:
        InvalidArgument: more than any computer can make.
    """
    with np.errstate(over="ignore"):
        numbers = times * collision_rate(n, energy_exchange)
    if numbers.max(initial=0.0) > MOST_COLLISIONS:
        raise InvalidArgument(
            "times",
            f"are in the unit of the effective equations; {times[-1]:.3g} is {numbers.max():.2g} collisions of {n} "
            f"balls, more than {MOST_COLLISIONS:.2g}",
        )
    return np.array([round(float(number)) for number in numbers], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class EnsembleSpec:
    """All that determines the numbers of an ensemble, apart from how many runs it has.

    Args:
        times: of the effective equations (T,).
        collisions: of a run up to each of them (T,).
        initial_mean: mu0 at the balls (n,).
        initial_std: sigma0 at the balls (n,).
        energy_exchange: whether step 2.1 of the paper precedes the sorting.
        seed: of the random numbers.
        lags: largest distance k at which products v(x) v(x+k) are summed.
        pair_site: x of the pairs (v(x), v(x+1)) that are kept of all runs.
        keep_states: whether the last velocities of all runs are kept.
    """

    times: NDArray[np.float64]
    collisions: NDArray[np.int64]
    initial_mean: NDArray[np.float64]
    initial_std: NDArray[np.float64]
    energy_exchange: bool
    seed: int
    lags: int
    pair_site: int
    keep_states: bool

    @property
    def n(self) -> int:
        """Number of balls."""
        return self.initial_mean.size

    @property
    def runs_per_chunk(self) -> int:
        """Runs that one thread makes at a time; a function of n alone, so that it never changes a result."""
        return min(max(100_000 // self.n, 1), 100)

    @property
    def kept_runs(self) -> int:
        """How many of the first runs are kept whole at every snapshot."""
        return max(2**16 // self.n, 1)

    def arguments(self) -> dict[str, Any]:
        """What the ranks that share the runs must agree on, by the names of the arguments."""
        mine = {field.name.removeprefix("initial_"): getattr(self, field.name) for field in fields(self)}
        mine["times"] = np.stack([self.times, mine.pop("collisions")])
        return mine

    def same_as(self, other: EnsembleSpec) -> bool:
        """Whether both ask for the same numbers."""
        return not self._differ(other)

    def _differ(self, other: EnsembleSpec) -> list[str]:
        names = [field.name for field in fields(self) if field.name not in ("times", "collisions")]
        differ = [name for name in names if not np.array_equal(getattr(self, name), getattr(other, name))]
        same = np.array_equal(self.collisions, other.collisions) and self.times.shape == other.times.shape
        same = same and np.allclose(self.times, other.times, rtol=1e-14, atol=0)
        return differ if same else [*differ, "times"]

    def difference(self, held: EnsembleSpec) -> str:
        """What differs from the spec in a file, by the names of the arguments, with both values of numbers."""
        return differing(
            {name.removeprefix("initial_"): (getattr(held, name), getattr(self, name)) for name in self._differ(held)}
        )

    def at(self, times: np.ndarray) -> EnsembleSpec:
        """The same at other times (T,)."""
        return replace(self, times=times, collisions=collision_numbers(times, self.n, self.energy_exchange))

    def joined(self, later: EnsembleSpec) -> EnsembleSpec:
        """The same at the times of both."""
        both = {name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in ("times", "collisions")}
        return replace(self, **both)

    def warn_if_long(self, runs: int, workers: int, comm: MPI.Comm | None, start: int = 0) -> None:
        """Warn, on rank 0, where runs take more than ten minutes, by their collisions after `start`; collective."""
        each = int(self.collisions[-1]) - start
        warn_together_if_long(
            f"{runs} runs of {each:.2g} collisions, to the time {self.times[-1]:.3g} of the effective equations,",
            (runs + PILOT_RUNS) * each * SECONDS_PER_COLLISION,
            workers,
            f"noise of order one freezes near 0.5/lambda = {0.5 / wave_speed(self.n):.2g}; take shorter times or fewer "
            "runs",
            comm,
        )
