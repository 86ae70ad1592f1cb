"""Samples of the transport equation for actions, through the effective equation in C^N, which is regular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..sampling.noise import Noise
from ..sampling.philox import Purpose
from ..sampling.steps import even_steps, longest_step
from ..showing.described import Described
from ..support import checks
from .assumptions import warn_of_bad_sites
from .dissipations.dissipation import Dissipation
from .dissipations.general import AveragedOverAngles, amplitudes_of_scale
from .kernels import noise_of_sites, thermostat_stepper, transport_stepper
from .lattice import RotatorLattice
from .member_sampler import Keys, MemberSampler, SampledRotators
from .radial_steps import after_radial_step, radial_stepper
from .region import LatticeRegion
from .step_size import ChosenStep, action_scale, chosen_slow_step
from .watching.kernels import as_they_are, watched_stepper


@dataclass(frozen=True)
class SlowStep(ChosenStep):
    """A step of the slow time of the limit; also the average K, and whether no step was given."""

    averaged: Dissipation
    automatic: bool


@dataclass(frozen=True, repr=False)
class TransportProcess(SampledRotators[SlowStep], Described):
    """The limit of the actions of rotators as epsilon -> 0, by the effective equation in C^N.

        dv_j = K_j(v) d tau + sqrt(T_j) dbeta_j,    I_j = |v_j|^2/2,
        dI_j = (R_j(I) + T_j) d tau + sqrt(2 I_j T_j) dB_j.

    The equation for the actions has a square root that is not Lipschitz at 0; the one for v is regular. For linear
    damping and normal noise there is one step, exact in law, from a time to the next; for diagonal dissipation its
    exact flow is split from the noise; else Heun's scheme is used.

    Args:
        lattice: the rotators whose limit it is; their epsilon, frequency and coupling do not matter.

    Raises:
        InvalidArgument: not a lattice; when it is sampled: its g has no average.

    Warns:
        AssumptionWarning: the lattice has defects, and sites near them do not follow this equation.

    Source: Dymov, equations (2.8) and (4.35), Proposition 4.9.
    """

    lattice: RotatorLattice
    weak_order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checks.instance("lattice", self.lattice, RotatorLattice)
        lattice = self.lattice
        separates = lattice.dissipation.separates(lattice.region)
        warn_of_bad_sites(lattice.good_sites, "the transport process", separates=separates)

    @property
    def size(self) -> int:
        """Number N of sites."""
        return self.lattice.size

    @property
    def heated(self) -> tuple[LatticeRegion, NDArray[np.float64]]:
        """See `SampledRotators`."""
        return self.lattice.heated

    @property
    def equilibrium_actions(self) -> NDArray[np.float64]:
        """See `SampledRotators`."""
        return self.lattice.equilibrium_actions

    def identity(self) -> str:
        """What tells the process from others: the same as of its lattice."""
        return self.lattice.identity()

    def _chosen(self, start: NDArray[np.complex128], step: float | None) -> SlowStep:
        """See `SampledRotators`; K has as many angles as the amplitudes that are to come take."""
        region = self.lattice.region
        averaged = self.lattice.dissipation.averaged(region)
        scale = action_scale(averaged, self.lattice.temperature, start)
        if isinstance(averaged, AveragedOverAngles):
            averaged = averaged.resolved_at(region, amplitudes_of_scale(region.size, float(np.max(scale))))
        return SlowStep(chosen_slow_step(averaged, region, scale, step), scale, averaged, step is None)

    def _sampler(
        self,
        start: NDArray[np.complex128],
        snapshots: NDArray[np.float64],
        keys: Keys,
        step: SlowStep,
        watched: bool,
        noise: Noise,
    ) -> tuple[MemberSampler, float]:
        """Exact flows split from the noise, or Heun's scheme."""
        temperature, purpose = self.lattice.temperature, np.uint64(noise.purpose(Purpose.TRANSPORT))
        g = step.averaged.compiled(self.lattice.region)
        exact_in_law = g.radial == 2 and step.automatic and snapshots[-1] > 0 and not watched and noise.normal
        spans, counts = even_steps(snapshots, float(snapshots[-1]) if exact_in_law else step.h)
        if g.radial:
            advance, seen = radial_stepper(g.radial, noise), after_radial_step(g.radial)
        else:
            advance = transport_stepper(thermostat_stepper(g.kernel, 0, noise_of_sites(noise.fill_site)))
            seen = as_they_are
        run = watched_stepper(advance, seen) if watched else advance

        def advanced(
            x: np.ndarray, y: np.ndarray, k: int, first: int, some: int, noise_step: int, member: int, *watching: Any
        ) -> None:
            heat = temperature, member, purpose, *keys, g.int_params, g.float_params
            count = int(counts[k])
            run(x, y, first, some, *watching, count, spans[k] / count, noise_step, heat)

        sampler = MemberSampler(
            start, counts, counts, advanced, step.h, 1, np.sqrt(2 * step.scale), self.lattice.remedy
        )
        return sampler, longest_step(spans, counts) or step.h
