"""A lattice of nonlinear Hamiltonian rotators, weakly coupled to one another and to thermostats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
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
    frequency_assumption,
    warn_of_violations,
)
from .dissipations.dissipation import Dissipation
from .ensemble import complex_amplitudes
from .kernels import hamiltonian_stepper, lattice_stepper, thermostat_stepper
from .member_sampler import Keys, MemberSampler, SampledRotators
from .region import LatticeRegion
from .resolved_functions import resolved
from .step_size import FastestRates, RotatorStep, action_scale, dissipation_rate, largest_modulus
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
            anew for that.
        coupling: G', likewise.
        dissipation: g.
        temperature: T_j > 0, (N,) or one number for all.
        epsilon: positive.
        spins: "alternated", or s_j (N,), not 0: sites out of order are defects (section 7.2).
        sites: coordinates (N, d) of any finite region, integers, instead of `shape`.
        coupling_exponent: a >= 1/2.

    Raises:
        InvalidArgument: an argument out of range, f that is not positive (HF), g that is not local or does not
            dissipate (Hg).

    Warns:
        AssumptionWarning: HF, HG or Hg seems to be violated; `assumptions` says what was found.

    Source: Dymov, equation (2.5); defects: section 7.2.
    """

    shape: int | Sequence[int] | None
    frequency: Callable[[float], float]
    coupling: Callable[[float], float]
    dissipation: Dissipation
    temperature: Any
    epsilon: float
    spins: Any = "alternated"
    _: KW_ONLY
    sites: Any = None
    coupling_exponent: float = 0.5
    region: LatticeRegion = field(init=False, repr=False)
    assumptions: tuple[Assumption, ...] = field(init=False)
    compiled_frequency: Callable[[float], float] = field(init=False, repr=False)
    compiled_coupling: Callable[[float], float] = field(init=False, repr=False)
    weak_order: ClassVar[int] = 2
    HALVED: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (self.shape is None) == (self.sites is None):
            raise InvalidArgument("shape", "must be given, or sites instead, and not both")
        set_ = object.__setattr__
        set_(self, "region", LatticeRegion(self.sites) if self.shape is None else LatticeRegion.box(self.shape))
        set_(self, "epsilon", checks.number("epsilon", self.epsilon, above=0.0))
        set_(self, "coupling_exponent", checks.number("coupling_exponent", self.coupling_exponent, least=0.5))
        set_(self, "compiled_frequency", function_of_square("frequency", self.frequency))
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

    def _looked_at(self) -> tuple[Assumption, ...]:
        scales, a = SquareScales.of(self.dissipation.power, self.temperature), self.coupling_exponent
        return (
            frequency_assumption(self.compiled_frequency, scales, a, self.defects, self.good_sites),
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
    def heated(self) -> tuple[LatticeRegion, NDArray[np.float64], NDArray[np.float64]]:
        """See `SampledRotators`."""
        return self.region, self.temperature, 0.5 * self.temperature ** (2.0 / self.dissipation.power)

    @cached_property
    def defects(self) -> NDArray[np.bool_]:
        """The sites C_D whose spin breaks the alternation (N,): in each connected part the fewer of two choices."""
        wrong = np.sign(self.spins) != self.region.parity
        if wrong.all() or not wrong.any():
            return np.zeros(self.size, dtype=bool)
        parts = self.region.parts
        most = np.bincount(parts, wrong) > 0.5 * np.bincount(parts)
        return wrong != most[parts]

    @cached_property
    def good_sites(self) -> NDArray[np.bool_]:
        """The sites C_G at a distance of at least 3 from defects and their neighbours (N,): there the limit holds
        (7.3). For a >= 1 rotators may turn in any direction (Remark 2.5), and all sites are good.
        """
        if self.coupling_exponent >= 1 or not self.defects.any():
            return np.ones(self.size, dtype=bool)
        closure = self.region.within(np.flatnonzero(self.defects), 1)
        return ~self.region.within(np.flatnonzero(closure), 2)

    def _chosen(self, start: NDArray[np.complex128], step: float | None) -> RotatorStep:
        """See `SampledRotators`."""
        scale = action_scale(self.dissipation, self.temperature, start)
        strength = self.epsilon**self.coupling_exponent
        phase = largest_modulus(self.compiled_frequency, scale, "frequency")
        # the arguments of G' are up to four times those of f
        bond = largest_modulus(self.compiled_coupling, 4 * scale, "coupling")
        rates = FastestRates(
            scale=scale,
            phase=phase * float(np.abs(self.spins).max()),
            bond=strength * bond * max(map(len, self.region.neighbours)),
            heat=self.epsilon * dissipation_rate(self.dissipation, self.region, scale),
        )
        return rates.chosen_step(step)

    def _sampler(
        self,
        start: NDArray[np.complex128],
        snapshots: NDArray[np.float64],
        keys: Keys,
        step: RotatorStep,
        watched: bool,
    ) -> tuple[MemberSampler, float]:
        """Splitting into exact flows, see `kernels`."""
        between = step.between
        spans, blocks = even_steps(snapshots / self.epsilon, step.h * between)
        g = self.dissipation.compiled(self.region)
        steps = hamiltonian_stepper(self.compiled_frequency, self.compiled_coupling)
        advance = lattice_stepper(steps, thermostat_stepper(g.kernel, g.radial))
        run = watched_stepper(advance) if watched else advance
        ends = np.cumsum([0] + [len(bonds) for bonds in self.region.colours])
        hamiltonian = self.spins, self.region.coloured_bonds, ends, self.epsilon**self.coupling_exponent
        purpose = np.uint64(Purpose.ROTATORS)

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
        parts += [*values_of(self.compiled_frequency, squares), *values_of(self.compiled_coupling, squares)]
        with np.errstate(all="ignore"):
            parts += [*self.dissipation.at(self.region, amplitudes).ravel()]
        return hashlib.sha256(np.array(parts, dtype=complex).tobytes()).hexdigest()

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
        squares = 2.0 * checks.real_array("actions", actions)
        if squares.shape[-1:] != (self.size,):
            raise InvalidArgument("actions", f"must have the shape (..., {self.size}), not {squares.shape}")
        if (squares < 0).any():
            raise InvalidArgument("actions", f"must not be negative, but the least is {0.5 * squares.min():g}")
        f = resolved("frequency", self.compiled_frequency, squares, integral=True)
        return 0.5 * self.spins * f.integral(squares)
