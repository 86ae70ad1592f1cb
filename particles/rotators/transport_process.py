"""Samples of the transport equation for actions, through the effective equation in C^N, which is regular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..sampling.philox import Purpose
from ..sampling.samples import runs_or_paths
from ..sampling.steps import even_steps, longest_step
from ..support import checks
from .assumptions import warn_of_bad_sites
from .dissipations.general import AngleAverage, amplitudes_of_scale
from .ensemble import RotatorEnsemble
from .kernels import thermostat_stepper, transport_stepper
from .lattice import RotatorLattice
from .member_sampler import MemberSampler, prepared
from .step_size import action_scale, chosen_slow_step

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True)
class TransportProcess:
    """The limit of the actions of rotators as epsilon -> 0, by the effective equation in C^N.

        dv_j = K_j(v) d tau + sqrt(T_j) dbeta_j,    I_j = |v_j|^2/2,
        dI_j = (R_j(I) + T_j) d tau + sqrt(2 I_j T_j) dB_j.

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
        checks.instance("lattice", self.lattice, RotatorLattice)
        warn_of_bad_sites(self.lattice, "the transport process")

    def sample(
        self,
        initial: ArrayLike,
        times: ArrayLike,
        runs: int | None = None,
        seed: int | None = None,
        step: float | None = None,
        *,
        paths: int | None = None,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> RotatorEnsemble:
        """Amplitudes v at slow times; weak order 2.

        For linear damping there is one step, exact in law, from a time to the next; for diagonal dissipation its exact
        flow is split from the noise; else Heun's scheme is used.

        The arguments are those of `RotatorLattice.sample`. Only moduli of v(0) matter for actions; `step` is in slow
        time, None takes 0.04 of the time scale of the dissipation, at amplitudes of the hottest of all members.

        Returns:
            The amplitudes (T, R, N), with actions, and the step that was taken.

        Raises:
            InvalidArgument: an argument out of range; a step that is too large.
            Unstable: a member has left all bounds; the message says what helps.

        Warns:
            LongRun: it will take more than ten minutes; said before it begins.
        """
        region, temperature, lattice = self.lattice.region, self.lattice.temperature, self.lattice

        def steps(start: np.ndarray) -> tuple[Any, ...]:
            averaged = lattice.dissipation.averaged(region)
            scale = action_scale(averaged, temperature, start)
            if isinstance(averaged, AngleAverage):
                # as many angles as the amplitudes that are come to take
                averaged = averaged.resolved_at(region, amplitudes_of_scale(region.size, float(np.max(scale))))
            return chosen_slow_step(averaged, region, scale, step), averaged, scale

        start, snapshots, keys, h, averaged, scale = prepared(
            initial, times, runs_or_paths("runs", runs, paths), seed, comm, (region.size, lattice.identity()), steps
        )
        g, purpose = averaged.compiled(region), np.uint64(Purpose.TRANSPORT)
        exact_in_law = g.radial == 2 and step is None
        spans, counts = even_steps(snapshots, float(snapshots[-1]) if exact_in_law and snapshots[-1] > 0 else h)
        advance = transport_stepper(thermostat_stepper(g.kernel, g.radial))

        def advanced(x: np.ndarray, y: np.ndarray, k: int, first: int, some: int, noise_step: int, member: int) -> None:
            heat = temperature, member, purpose, *keys, g.int_params, g.float_params
            advance(x, y, first, some, spans[k] / counts[k], noise_step, heat)

        sampler = MemberSampler(start, counts, counts, advanced, h, 1, np.sqrt(2 * scale), lattice.remedy)
        amplitudes = sampler.sampled(workers, progress, comm)
        return RotatorEnsemble(snapshots, amplitudes, longest_step(spans, counts) or h, checks.seed(seed))
