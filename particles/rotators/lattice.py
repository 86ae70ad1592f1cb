"""A lattice of nonlinear Hamiltonian rotators, weakly coupled to one another and to thermostats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..sampling.noise import Noise
from ..sampling.philox import Purpose
from ..sampling.steps import even_steps, longest_step
from ..showing.described import Described
from ..support import checks
from ..support.compiled_functions import function_of_square, values_of
from .assumptions import (
    Assumption,
    SquareScales,
    coupling_assumption,
    dissipation_assumption,
    warn_of_violations,
)
from .dissipations.dissipation import Dissipation
from .ensemble import checked_actions, complex_amplitudes
from .equilibrium import equilibrium_actions
from .kernels import hamiltonian_stepper, lattice_stepper, noise_of_sites, thermostat_stepper
from .member_sampler import Keys, MemberSampler, SampledRotators
from .region import LatticeRegion
from .resolved_functions import resolved
from .step_size import FastestRates, RotatorStep, action_scale, dissipation_rate, largest_modulus
from .turning.frequencies import SiteFrequencies
from .turning.frequency_assumption import frequency_assumption, signs
from .turning.resonances import resonant_sites
from .watching.kernels import watched_stepper


@dataclass(frozen=True, eq=False, repr=False)
class RotatorLattice(SampledRotators[RotatorStep], Described):
    """Rotators u_j on sites of Z^d, coupled weakly to their neighbours and to thermostats.

        du_j = i f_j(|u_j|^2) u_j dt + i epsilon^a sum_{|k-j|=1} G'(|u_j-u_k|^2) (u_j-u_k) dt
               + epsilon g_j(u) dt + sqrt(epsilon T_j) dbeta_j,    f_j = s_j f,

    with spins s_j = (-1)^|j| unless others are given. Sampled by splitting into exact flows.

    Args:
        shape: number of sites along each direction of a box of Z^d (d,), d = 1, 2, 3, in C order; or None with `sites`.
        frequency: f, a function of |u|^2 that numba can compile; positive. What it reads besides has the values of
            when the lattice is made; compiled functions that it calls (those decorated by numba, too) are compiled
            anew for that. Or a list of N functions, of which at most 16 are different: the site j has s_j times the
            j-th. For a >= 1 they may be any whose derivatives have isolated zeros (HF', Remark 2.5), also negative
            ones; for a < 1 the limit is not known to hold at sites with another function than the commonest one, and
            near them: they count as defects.
        coupling: G', likewise.
        dissipation: g.
        temperature: T_j > 0, (N,) or one number for all.
        epsilon: positive.
        spins: "alternated", or s_j (N,), not 0: sites out of order are defects (section 7.2).
        sites: coordinates (N, d) of any finite region, integers, instead of `shape`.
        coupling_exponent: a >= 1/2.
        periodic: whether the ends of the box are neighbours, in all directions or in each (d,): rings, cylinders, tori.
            Around an odd number of sites spins cannot alternate: some are defects.

    Raises:
        InvalidArgument: an argument out of range, f that is not positive (HF), g that is not local or does not
            dissipate (Hg), fewer than 3 sites along a periodic direction.

    Warns:
        AssumptionWarning: HF, HG or Hg seems to be violated; `assumptions` says what was found.

    Source: Dymov, equation (2.5); functions for each site: Remark 2.5; defects: section 7.2.
    """

    shape: int | Sequence[int] | None
    frequency: Callable[[float], float] | Sequence[Callable[[float], float]]
    coupling: Callable[[float], float]
    dissipation: Dissipation
    temperature: Any
    epsilon: float
    spins: Any = "alternated"
    _: KW_ONLY
    sites: Any = None
    coupling_exponent: float = 0.5
    periodic: bool | Sequence[bool] = False
    region: LatticeRegion = field(init=False, repr=False)
    assumptions: tuple[Assumption, ...] = field(init=False)
    frequencies: SiteFrequencies = field(init=False, repr=False)
    compiled_coupling: Callable[[float], float] = field(init=False, repr=False)
    weak_order: ClassVar[int] = 2
    HALVED: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (self.shape is None) == (self.sites is None):
            raise InvalidArgument("shape", "must be given, or sites instead, and not both")
        set_ = object.__setattr__
        set_(self, "region", self._checked_region())
        set_(self, "epsilon", checks.number("epsilon", self.epsilon, above=0.0))
        set_(self, "coupling_exponent", checks.number("coupling_exponent", self.coupling_exponent, least=0.5))
        set_(self, "frequencies", SiteFrequencies.of(self.frequency, self.size))
        set_(self, "compiled_coupling", function_of_square("coupling", self.coupling))
        checks.instance("dissipation", self.dissipation, Dissipation).check(self.region)
        temperature = checks.real_array("temperature", self.temperature)
        if temperature.shape not in ((), (self.size,)):
            raise InvalidArgument("temperature", f"must have the shape ({self.size},), not {temperature.shape}")
        if (temperature <= 0).any():
            raise InvalidArgument("temperature", f"must be positive, but the least is {temperature.min():g}")
        set_(self, "temperature", np.broadcast_to(temperature, (self.size,)).copy())
        set_(self, "spins", self._checked_spins(self.spins))
        set_(self, "assumptions", self._looked_at())
        warn_of_violations(self.assumptions, self.dissipation.power)

    def _checked_region(self) -> LatticeRegion:
        if self.shape is not None:
            return LatticeRegion.box(self.shape, self.periodic)
        if self.periodic is not False:
            raise InvalidArgument("periodic", "is of a box; give its `shape` instead of `sites`")
        return LatticeRegion(self.sites)

    @property
    def _scales(self) -> SquareScales:
        return SquareScales.of(self.dissipation.power, self.temperature)

    def _looked_at(self) -> tuple[Assumption, ...]:
        scales, a = self._scales, self.coupling_exponent
        return (
            frequency_assumption(self.frequencies, scales, a, self.region, self.defects, self.good_sites),
            coupling_assumption(self.compiled_coupling, scales, a),
            dissipation_assumption(self.dissipation, self.region, float(self.temperature.max())),
        )

    def _checked_spins(self, value: Any) -> np.ndarray:
        if isinstance(value, str):
            if value != "alternated":
                raise InvalidArgument("spins", f"must be 'alternated' or numbers ({self.size},), not {value!r}")
            return self.region.parity.copy()
        spins = checks.real_array("spins", value, (self.size,))
        if (spins == 0).any():
            raise InvalidArgument("spins", "must not be 0: such a site does not rotate")
        return spins

    @property
    def size(self) -> int:
        """Number N of sites."""
        return self.region.size

    @property
    def compiled_frequency(self) -> Callable[[float], float]:
        """f, compiled, where all sites have the same one.

        Raises:
            InvalidArgument: sites have several functions; `frequencies` has them.
        """
        if self.frequencies.several:
            raise InvalidArgument("lattice", "has several frequencies; `frequencies` says which site has which")
        return self.frequencies.functions[0]

    @cached_property
    def resonant_sites(self) -> NDArray[np.bool_]:
        """Sites without which all neighbours turn in opposite directions (N,).

        Bonds that touch one keep their coupling of order epsilon^a in the canonical variables.
        """
        return resonant_sites(self.region, np.sign(self.spins) * signs(self.frequencies, self._scales))

    @property
    def heated(self) -> tuple[LatticeRegion, NDArray[np.float64]]:
        """See `SampledRotators`."""
        return self.region, self.temperature

    @cached_property
    def equilibrium_actions(self) -> NDArray[np.float64]:
        """See `SampledRotators`."""
        return equilibrium_actions(self.dissipation, self.region, self.temperature)

    @cached_property
    def defects(self) -> NDArray[np.bool_]:
        """The sites C_D that do not turn as they should (N,): `resonant_sites`, whose spin breaks the alternation, and
        for a < 1 those with another function than the commonest f, in s_j f.

        Source: Dymov, section 7.2.
        """
        other = self.frequencies.number != self.frequencies.commonest
        return self.resonant_sites | other if self.coupling_exponent < 1 else self.resonant_sites

    @cached_property
    def defect_closure(self) -> NDArray[np.bool_]:
        """The defects and their neighbours, the closure {k: |k - C_D| <= 1} of C_D (N,): of their actions nothing is
        known as epsilon -> 0. For a >= 1 rotators may turn in any direction (Remark 2.5), and it is empty.
        """
        if self.coupling_exponent >= 1 or not self.defects.any():
            return np.zeros(self.size, dtype=bool)
        return self.region.within(np.flatnonzero(self.defects), 1)

    @cached_property
    def inner_sites(self) -> NDArray[np.bool_]:
        """The intermediate sites C_I at the distance 1 or 2 from the closure of C_D (N,): their actions have a limit
        along some epsilon -> 0, whose equation is not known, and on which that of good sites may depend (7.3).
        """
        return ~(self.good_sites | self.defect_closure)

    @cached_property
    def good_sites(self) -> NDArray[np.bool_]:
        """The sites C_G at the distance of at least 3 from the closure of C_D (N,): there the limit (7.3) holds.

        dI_j = (R_j(I) + T_j) d tau + sqrt(2 I_j T_j) dB_j for j in C_G. It is closed, and the limit is the only one
        and uniform in N, where R_j depends on I_j only (Example 7.4); else it has the actions of C_I as well. For
        a >= 1 all sites are good.

        Source: Dymov, Theorems 7.1, 7.2 and 7.3.
        """
        if not self.defect_closure.any():
            return np.ones(self.size, dtype=bool)
        return ~self.region.within(np.flatnonzero(self.defect_closure), 2)

    def _chosen(self, start: NDArray[np.complex128], step: float | None) -> RotatorStep:
        """See `SampledRotators`."""
        scale = action_scale(self.dissipation, self.temperature, start)
        strength = self.epsilon**self.coupling_exponent
        f, spins = self.frequencies, self.frequencies.of_functions(np.abs(self.spins), np.max)
        phases = np.array([largest_modulus(function, scale, "frequency") for function in f.functions])
        # the arguments of G' are up to four times those of f
        bond = largest_modulus(self.compiled_coupling, 4 * scale, "coupling")
        rates = FastestRates(
            scale=scale,
            phase=float((phases * spins).max()),
            bond=strength * bond * max(map(len, self.region.neighbours)),
            heat=self.epsilon * dissipation_rate(self.dissipation, self.region, scale),
        )
        chosen = rates.chosen_step(step)
        # what turns with angles acts in every step: in kicks that are turns apart it would be in resonance with them
        return replace(chosen, between=1) if self.dissipation.turns(self.region) else chosen

    @property
    def hamiltonian(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The compiled steps of the Hamiltonian part, and (turning, pairs, ends, strength), see `kernels`."""
        ends = np.cumsum([0] + [len(bonds) for bonds in self.region.colours])
        strength = self.epsilon**self.coupling_exponent
        parameters = self.frequencies.turning(self.spins), self.region.coloured_bonds, ends, strength
        return hamiltonian_stepper(self.frequencies.functions, self.compiled_coupling), parameters

    def _sampler(
        self,
        start: NDArray[np.complex128],
        snapshots: NDArray[np.float64],
        keys: Keys,
        step: RotatorStep,
        watched: bool,
        noise: Noise,
    ) -> tuple[MemberSampler, float]:
        """Splitting into exact flows, see `kernels`."""
        between = step.between
        spans, blocks = even_steps(snapshots / self.epsilon, step.h * between)
        g = self.dissipation.compiled(self.region)
        steps, hamiltonian = self.hamiltonian
        advance = lattice_stepper(steps, thermostat_stepper(g.kernel, g.radial, noise_of_sites(noise.fill_site)))
        run = watched_stepper(advance) if watched else advance
        purpose = np.uint64(noise.purpose(Purpose.ROTATORS))

        def advanced(
            x: np.ndarray, y: np.ndarray, k: int, first: int, some: int, noise_step: int, member: int, *watching: Any
        ) -> None:
            heat = self.temperature, member, purpose, *keys, g.int_params, g.float_params
            count, h = int(blocks[k]), spans[k] / (blocks[k] * between)
            run(x, y, first, some, *watching, count, between, h, self.epsilon, hamiltonian, noise_step, heat)

        noises = np.where(blocks > 0, blocks + 1, 0)
        sampler = MemberSampler(
            start, blocks * between, noises, advanced, step.h, between, np.sqrt(2 * step.scale), self.remedy
        )
        return sampler, longest_step(spans, blocks) / between or step.h

    @property
    def remedy(self) -> str:
        """What helps where a member leaves all bounds."""
        if self.assumptions[2].holds:
            return "take a smaller step"
        return "take shorter times; g does not dissipate (Hg), so that amplitudes grow whatever the step"

    def identity(self) -> str:
        """What tells a lattice from others: its numbers, and f, G' and g at some points."""
        squares = np.geomspace(1e-2, 1e2, 16)
        amplitudes = np.exp(1j * np.arange(2 * self.size)).reshape(2, self.size) * [[0.7], [1.9]]
        parts = [self.epsilon, self.coupling_exponent, *self.temperature, *self.spins, *self.region.sites.ravel()]
        for function in self.frequencies.functions:
            parts += [*values_of(function, squares, "frequency")]
        parts += [*values_of(self.compiled_coupling, squares)]
        parts += [*self.frequencies.number] if self.frequencies.several else []
        parts += [*self.region.periods] if self.region.periodic else []
        with np.errstate(all="ignore"):
            parts += [*self.dissipation.at(self.region, amplitudes).ravel()]
        return hashlib.sha256(np.array(parts, dtype=complex).tobytes()).hexdigest()

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title, said = super()._summary()
        if self.frequencies.several:
            said["frequency"] = f"{len(self.frequencies.functions)} functions, shared by {self.size} sites"
        if not self.region.periodic:
            del said["periodic"]
        return title, said

    def local_energy(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """The energy H_j = F_j(|u_j|^2)/2 + (epsilon^a/4) sum_{|k-j|=1} G(|u_j-u_k|^2), with F_j(0) = G(0) = 0.

        Args:
            amplitudes: u (..., N), complex.

        Returns:
            H_j (..., N), an energy, right to about 1e-13; it tends to F_j(2 I_j)/2 as epsilon -> 0.

        Raises:
            InvalidArgument: amplitudes of a wrong shape or not finite; f or G' that varies too wildly to be integrated.

        Source: Dymov, before Corollary 4.7.
        """
        u = complex_amplitudes("amplitudes", amplitudes)
        if u.shape[-1:] != (self.size,):
            raise InvalidArgument("amplitudes", f"must have the shape (..., {self.size}), not {u.shape}")
        energy = self.rotation_energy(0.5 * np.abs(u) ** 2)
        tail, head = self.region.bonds.T
        squares = np.abs(u[..., tail] - u[..., head]) ** 2
        bonds = resolved("coupling", self.compiled_coupling, squares, integral=True).integral(squares)
        strength = 0.25 * self.epsilon**self.coupling_exponent
        for e, (j, k) in enumerate(self.region.bonds):
            energy[..., j] += strength * bonds[..., e]
            energy[..., k] += strength * bonds[..., e]
        return energy

    def rotation_energy(self, actions: ArrayLike) -> NDArray[np.float64]:
        """The limit F_j(2 I_j)/2 (..., N) of the local energy (Corollary 4.7), for actions I (..., N).

        Args:
            actions: I (..., N), not negative.

        Raises:
            InvalidArgument: a wrong shape, negative actions, or f that varies too wildly to be integrated.
        """
        squares = 2.0 * checked_actions("actions", actions, self.size)
        f = self.frequencies.resolved(squares, integral=True)
        return 0.5 * self.spins * f.integral(squares)
