"""Samples of the transport equation for actions, through the effective equation in C^N, which is regular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InvalidArgument
from ..sampling.philox import Purpose, key_words
from ..sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from ..sampling.steps import even_steps, longest_step
from ..support import checks
from .assumptions import warn_of_bad_sites
from .dissipations.general import AngleAverage, amplitudes_of_scale
from .ensemble import Journey, RotatorEnsemble, checked_amplitudes
from .kernels import thermostat_stepper, transport_stepper
from .lattice import RotatorLattice
from .step_size import action_scale, chosen_slow_step


@dataclass(frozen=True)
class TransportProcess:
    """dv_j = K_j(v) d tau + sqrt(T_j) dbeta_j,  I_j = |v_j|^2/2; then dI_j = (R_j(I) + T_j) d tau + sqrt(2 I_j T_j)
    dB_j.

    The equation for the actions has a square root that is not Lipschitz at 0; the one for v is regular.

    Args:
        lattice: the rotators whose limit it is; their epsilon, frequency and coupling do not matter.

    Raises:
        InvalidArgument: not a lattice, or its g has no average.

    Warns:
        AssumptionWarning: the lattice has defects, and sites near them do not follow this equation.

    Source: Dymov, equations (2.8) and (4.35), Proposition 4.9.
    """

    lattice: RotatorLattice
    weak_order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not isinstance(self.lattice, RotatorLattice):
            raise InvalidArgument("lattice", f"must be a RotatorLattice, not {type(self.lattice).__name__}")
        warn_of_bad_sites(self.lattice, "the transport process")

    def sample(
        self,
        initial: Any,
        times: Any,
        runs: int,
        seed: int,
        step: float | None = None,
        *,
        workers: int | None = None,
        progress: bool = False,
        comm: Any = None,
    ) -> RotatorEnsemble:
        """V at slow times. For linear damping each way between two times is one step, exact in law; for diagonal
        dissipation its exact flow is split from the noise; else Heun's scheme: weak order 2.

        Args:
            initial: v(0), complex, of all members (N,) or of each (runs, N); only its modulus matters for actions.
            times: snapshots tau (T,), not negative, not decreasing.
            runs: number of independent members P.
            seed: of the random numbers; a member has the same ones whatever the number of members, threads and ranks.
            step: largest step of the slow time; None takes 0.04 of the time scale of the dissipation, at amplitudes
                of the hottest of all members.
            workers: threads; None takes the cores that this process may use.
            progress: show a progress bar, at a terminal, on rank 0.
            comm: an mpi4py communicator whose ranks share the members; all get the whole result.

        Returns:
            The amplitudes (T, P, N), with actions, and the step that was taken.

        Raises:
            InvalidArgument: an argument out of range; a step that is too large.
            Unstable: a member has left all bounds; the message says what helps.

        Warns:
            LongRun: the way is very long, in steps; said before it is gone.
        """
        region, temperature = self.lattice.region, self.lattice.temperature

        def prepared() -> tuple[Any, ...]:
            start = checked_amplitudes(initial, runs, region.size)
            snapshots, keys = checks.times(times), key_words(checks.seed(seed))
            averaged = self.lattice.dissipation.averaged(region)
            scale = action_scale(averaged, temperature, start)
            if isinstance(averaged, AngleAverage):  # as many angles as the amplitudes of the way take
                averaged = averaged.resolved_at(region, amplitudes_of_scale(region.size, float(np.max(scale))))
            return start, snapshots, keys, averaged, scale, chosen_slow_step(averaged, region, scale, step)

        start, snapshots, keys, averaged, scale, h = on_all_ranks(communicator(comm, optional=True), prepared)
        same_on_all_ranks(
            comm,
            initial=np.asarray(initial),
            times=snapshots,
            runs=runs,
            seed=keys,
            step=h,
            lattice=self.lattice.identity(),
        )
        drift = averaged.drift(region)
        exact_in_law = drift.radial == 2 and step is None
        spans, steps = even_steps(snapshots, float(snapshots[-1]) if exact_in_law and snapshots[-1] > 0 else h)
        advance = transport_stepper(thermostat_stepper(drift.slope, drift.radial))

        def advanced(x: np.ndarray, y: np.ndarray, k: int, first: int, some: int, noises: int, member: int) -> None:
            advance(
                x, y, first, some, spans[k] / steps[k], temperature, noises, member, np.uint64(Purpose.TRANSPORT),
                *keys, drift.whole, drift.real,
            )  # fmt: skip

        journey = Journey(start, steps, steps, advanced, h, 1, np.sqrt(2 * scale), self.lattice.remedy)
        amplitudes = journey.sampled(workers, progress, comm)
        return RotatorEnsemble(snapshots, amplitudes, longest_step(spans, steps) or h, int(seed))
