"""Sampling a stationary law: members from four kinds of starts, watched until they have met and longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import NotConverged
from ...sampling.noise import Noise
from ..ensemble import RotatorEnsemble
from .relaxation import Meeting, starts
from .sample import StationarySample

if TYPE_CHECKING:
    from mpi4py import MPI

# members that measure the relaxation, at least
LEAST_MEMBERS = 1024
# the actions of hot starts, in units of their scale
HOT = 4.0
# snapshots of a stretch; length of the first one, in units of the time in which noise makes actions of their scale
SNAPSHOTS, FIRST = 8, 2.0
# of those units, before it is given up
LONGEST = 1000.0


class Sampled(Protocol):
    """Rotators whose members can be sampled."""

    @property
    def sample(self) -> Callable[..., RotatorEnsemble]:
        """See `SampledRotators`."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a stationary sample.

    Args:
        runs: members.
        snapshots: number of them.
        spacing: slow time between them; None for half of the relaxation time.
        rtol: what may be left of the starts, in standard deviations.
        longest: slow time of the burn-in, at most; None for 1000 units of the scale.
        step: as of `sample`.
        seed: of the random numbers.
        noise: as of `sample`.
    """

    runs: int
    snapshots: int
    spacing: float | None
    rtol: float
    longest: float | None
    step: float | None
    seed: int
    noise: Noise


def stage_seed(seed: int, stage: int) -> int:
    """A seed of 64 bits for each stage of a sample, so that stages have independent noise."""
    return int(np.random.SeedSequence([seed, stage]).generate_state(1, np.uint64)[0])


def stationary(
    rotators: Sampled, scale: NDArray[np.float64], temperature: NDArray[np.float64], asked: Asked,
    workers: int | None, progress: bool, comm: MPI.Comm | None,
) -> StationarySample:  # fmt: skip
    """Burn in until members from all starts have met, then sample; see `SampledRotators.sample_stationary`."""
    more: dict[str, Any] = {"workers": workers, "progress": progress, "comm": comm, "noise": asked.noise}
    if not np.isfinite(scale).all():
        raise NotConverged(
            "the burn-in of a stationary sample",
            f"at no action takes g out of site {int(np.isinf(scale).argmax())} what its thermostat gives",
            "g does not dissipate there (Hg), or less than a hundred millionth of |u|^p",
            time=0.0,
        )
    unit = float((scale / temperature).max())
    members = max(4 * -(-asked.runs // 4), LEAST_MEMBERS)
    amplitudes = starts(scale, members, stage_seed(asked.seed, 0), HOT)
    meeting, time, stage, length = Meeting(), 0.0, 1, FIRST * unit
    meeting.see(0.0, 0.5 * np.abs(amplitudes) ** 2)
    longest = LONGEST * unit if asked.longest is None else asked.longest
    while True:
        stretch = min(length, longest - time)
        grid = stretch / SNAPSHOTS * np.arange(1, SNAPSHOTS + 1)
        found = rotators.sample(amplitudes, grid, members, stage_seed(asked.seed, stage), asked.step, **more)
        for tau, actions in zip(grid, found.actions):
            meeting.see(time + float(tau), actions)
        amplitudes, time, stage = found.amplitudes[-1], time + stretch, stage + 1
        rate, error = meeting.rate()
        slow = max(rate - 2 * error, 0.5 * rate)
        met = meeting.met(SNAPSHOTS // 2)
        if met and rate > 0 and meeting.left(slow) <= asked.rtol:
            break
        if time >= longest * (1 - 1e-12):
            raise _not_met(meeting, met, rate, time, asked)
        # once the rate is known there is no need to go on for twice as long each time
        length = min(2 * length, max(length, 1 / slow)) if met and slow > 0 else 1.5 * length
    bias = meeting.left(slow)
    amplitudes = amplitudes[: asked.runs]
    spacing = 0.5 / rate if asked.spacing is None else asked.spacing
    times = np.asarray(spacing * np.arange(asked.snapshots), dtype=np.float64)
    last = rotators.sample(amplitudes, times, asked.runs, stage_seed(asked.seed, stage), asked.step, **more)
    longest_step = found.step if asked.snapshots == 1 else last.step
    return StationarySample(times, last.amplitudes, longest_step, asked.seed, time, rate, error, bias)


def _not_met(meeting: Meeting, met: bool, rate: float, time: float, asked: Asked) -> NotConverged:
    """What to say of starts that have not met."""
    scores = np.abs(meeting.scores(1)[0])
    if not met:
        reason = f"members from hot and cold starts differ by {scores.max():.1f} standard errors still"
        remedy = (
            "give a larger `longest`; if they never meet, g does not dissipate or there are several stationary laws"
        )
    elif rate == 0:
        reason = "members from hot and cold starts met too fast or too noisily for a rate to be seen"
        remedy = "give more `runs`, or a smaller `longest` with finer looks"
    else:
        reason = (
            f"by the rate {rate:.3g} with which starts meet, {meeting.left(rate):.1e} standard deviations of their "
            f"differences are left, of {asked.rtol:.1e} that may be"
        )
        remedy = "give a larger `longest` or `rtol`"
    return NotConverged("the burn-in of a stationary sample", reason, remedy, time=time)
