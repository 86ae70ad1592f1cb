"""Conductivity by small differences of temperature, with the same random numbers at all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, over_members, same_on_all_ranks
from ...sampling.samples import mean_and_error
from ...support import checks
from ..lattice import RotatorLattice
from ..transport_process import TransportProcess
from .conductivity import Conductivity, checked_profile, relaxation_time, weights_of
from .pair_terms import random_actions
from .splitting import ActionCurrents, action_currents
from .tails import warn_of_tails

if TYPE_CHECKING:
    from mpi4py import MPI

BURN = 12.0  # relaxation times before the first snapshot
SNAPSHOTS = 8  # two relaxation times apart
SHORTER = 0.8  # step of the runs at other temperatures, against that of the first
NOTHING = np.empty(0)


@ends_on_all_ranks
def conductivity_by_difference(
    lattice: RotatorLattice,
    runs: int,
    seed: int,
    *,
    profile: ArrayLike | None = None,
    difference: float | None = None,
    flow: Callable[[np.ndarray], ArrayLike] | None = None,
    burn: float | None = None,
    workers: int | None = None,
    comm: MPI.Comm | None = None,
) -> Conductivity:
    """The conductivity from the mean flows of the limit process at temperatures T + delta h, T - delta h.

    Members at all temperatures have the same noise, so that differences of paths are of the order of delta. From delta
    and delta/2 the limit delta -> 0 is extrapolated; the change that this makes is part of the error.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        runs: number of members.
        seed: of the random numbers.
        profile: h (N,); None for a line from 1/2 to -1/2 along the first direction.
        difference: delta; None takes 0.2 of the lowest temperature.
        flow: of your own, as of `action_currents`.
        burn: slow time before the first of eight snapshots; None takes twelve relaxation times of equal actions.
        workers: threads.
        comm: communicator whose ranks share the members; all get the result.

    Raises:
        InvalidArgument: an argument out of range.
        Unstable: a member has left all bounds.

    Warns:
        Unresolved: the flows are not all that sites do to one another (see `action_currents`); a few members make
            the error.
    """

    def checked() -> tuple[ActionCurrents, NDArray[np.float64], float, float]:
        currents, h = action_currents(lattice, flow), checked_profile(lattice, profile)
        lowest = float(lattice.temperature.min())
        delta = 0.2 * lowest if difference is None else checks.number("difference", difference, above=0.0)
        if (lattice.temperature - delta * np.abs(h) <= 0).any():
            raise InvalidArgument("difference", f"must leave temperatures positive, which {delta:.3g} does not")
        time = relaxation_time(currents.drift) if burn is None else checks.number("burn", burn, above=0.0) / BURN
        return currents, h, delta, time

    currents, h, delta, time = on_all_ranks(communicator(comm, optional=True), checked)
    same_on_all_ranks(comm, profile=h, difference=delta, burn=time, flow=some_flows(currents))
    start = np.sqrt(2.0 * currents.drift.scale)
    base = TransportProcess(lattice).sample(start, [BURN * time], runs, seed, workers=workers, comm=comm)
    times = time * (BURN + 2.0 * np.arange(SNAPSHOTS))
    # linear damping has steps that are exact in law, whatever their length
    exact = lattice.dissipation.averaged(lattice.region).compiled(lattice.region).radial == 2
    step = None if exact else SHORTER * base.step

    def flows(change: float) -> NDArray[np.float64]:
        changed = _at(lattice, lattice.temperature + change * h)
        # both ends of a difference take the same steps, and so the same noise
        sample = TransportProcess(changed).sample(
            base.amplitudes[0], times, runs, seed + 1, step, workers=workers, comm=comm
        )
        return over_members(comm, base.runs, lambda some: mean_flows(currents, sample.actions[:, some]))

    whole, half = ((flows(d) - flows(-d)) / (2 * d) for d in (delta, 0.5 * delta))
    response, response_error = mean_and_error((4 * half - whole) / 3)
    weights = weights_of(lattice.region.bonds, h)
    of_members = (4 * half - whole) / 3 @ weights
    (value,), (error,) = mean_and_error(of_members[:, None])
    warn_of_tails(of_members)
    change = abs(float(((half - whole).mean(axis=0) / 3) @ weights))
    return Conductivity(
        float(value), float(np.hypot(error, change)), response, response_error, h, lattice.region.bonds, "difference",
        change, NOTHING, NOTHING, NOTHING,
    )  # fmt: skip


def mean_flows(currents: ActionCurrents, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flows (R, B) of members, means over times of actions (T, R, N)."""
    return np.asarray(np.mean([currents.flow(some) for some in actions], axis=0))


def some_flows(currents: ActionCurrents) -> NDArray[np.float64]:
    """Flows at a few actions, which tell one function from another."""
    return currents.flow(random_actions(currents.drift, 5)[:7])


def _at(lattice: RotatorLattice, temperature: NDArray[np.float64]) -> RotatorLattice:
    """The same lattice at other temperatures."""
    return replace(lattice, temperature=temperature)
