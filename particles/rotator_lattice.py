"""A lattice of nonlinear Hamiltonian rotators, weakly coupled to one another and to thermostats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from . import _checks
from ._philox import Purpose, key_words
from ._rotator_assumptions import Assumption, checked_assumptions
from ._rotator_kernels import hamiltonian_stepper, lattice_stepper, thermostat_stepper
from ._rotator_steps import chosen_step
from ._user_functions import function_of_square, values_of
from .dissipations import Dissipation
from .errors import InvalidArgument
from .lattice_region import LatticeRegion
from .paths import even_steps, longest_step
from .rotator_ensemble import RotatorEnsemble, checked_amplitudes, sampled


@dataclass(frozen=True, eq=False)
class RotatorLattice:
    """du_j = i f_j(|u_j|^2) u_j dt + i epsilon^a sum_{|k-j|=1} G'(|u_j-u_k|^2) (u_j-u_k) dt + epsilon g_j(u) dt
    + sqrt(epsilon T_j) dbeta_j,  f_j = s_j f,  with spins s_j = (-1)^|j| unless given.

    Args:
        shape: number of sites along each direction of a box of Z^d (d,), d = 1, 2, 3, in C order; or None with `sites`.
        frequency: f, a function of |u|^2 that numba can compile; positive.
        coupling: G', a function of |u|^2 that numba can compile.
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

    shape: Any
    frequency: Callable[[float], float]
    coupling: Callable[[float], float]
    dissipation: Dissipation
    temperature: Any
    epsilon: float
    spins: Any = "alternated"
    _: KW_ONLY
    sites: Any = None
    coupling_exponent: float = 0.5
    region: LatticeRegion = field(init=False)
    assumptions: tuple[Assumption, ...] = field(init=False)
    compiled_frequency: Any = field(init=False, repr=False)
    compiled_coupling: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if (self.shape is None) == (self.sites is None):
            raise InvalidArgument("shape", "must be given, or sites instead, and not both")
        set_ = object.__setattr__
        set_(self, "region", LatticeRegion.box(self.shape) if self.sites is None else LatticeRegion(self.sites))
        set_(self, "epsilon", _checks.number("epsilon", self.epsilon, above=0.0))
        set_(self, "coupling_exponent", _checks.number("coupling_exponent", self.coupling_exponent, least=0.5))
        set_(self, "compiled_frequency", function_of_square("frequency", self.frequency))
        set_(self, "compiled_coupling", function_of_square("coupling", self.coupling))
        if not isinstance(self.dissipation, Dissipation):
            raise InvalidArgument("dissipation", f"must be a Dissipation, not {type(self.dissipation).__name__}")
        self.dissipation.check(self.region)
        temperature = _checks.real_array("temperature", self.temperature)
        if temperature.shape not in ((), (self.size,)):
            raise InvalidArgument("temperature", f"must have the shape ({self.size},), not {temperature.shape}")
        if (temperature <= 0).any():
            raise InvalidArgument("temperature", f"must be positive, but the least is {temperature.min():g}")
        set_(self, "temperature", np.broadcast_to(temperature, (self.size,)).copy())
        set_(self, "spins", self._checked_spins(self.spins))
        set_(self, "assumptions", checked_assumptions(self))

    def _checked_spins(self, value: Any) -> np.ndarray:
        if isinstance(value, str):
            if value != "alternated":
                raise InvalidArgument("spins", f"must be 'alternated' or numbers ({self.size},), not {value!r}")
            return self.region.parity.copy()
        spins = _checks.real_array("spins", value, (self.size,))
        if (spins == 0).any():
            raise InvalidArgument("spins", "must not be 0: such a site does not rotate")
        return spins

    @property
    def size(self) -> int:
        """N."""
        return self.region.size

    @cached_property
    def defects(self) -> np.ndarray:
        """The sites C_D whose spin breaks the alternation, as truth values (N,); the fewer of the two choices."""
        wrong = np.sign(self.spins) != self.region.parity
        return wrong if wrong.sum() <= self.size / 2 else ~wrong

    @cached_property
    def good_sites(self) -> np.ndarray:
        """The sites C_G at a distance of at least 3 from defects and their neighbours (N,): there the limit holds
        (7.3).
        """
        if not self.defects.any():
            return np.ones(self.size, dtype=bool)
        closure = self.region.within(np.flatnonzero(self.defects), 1)
        return ~self.region.within(np.flatnonzero(closure), 2)

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
        """U at slow times tau = epsilon t, by splitting into exact flows; weak order 2.

        Args:
            initial: u(0), complex, of all members (N,) or of each (runs, N).
            times: snapshots tau (T,), not negative, not decreasing.
            runs: number of independent members P.
            seed: of the random numbers; a member has the same ones whatever the number of members, threads and ranks.
            step: largest time step h of the fast time t; None lets neighbours turn by a radian against one another.
                Thermostats act after every few steps, as often as their rate needs.
            workers: threads; None takes the cores that this process may use.
            progress: show a progress bar, at a terminal, on rank 0.
            comm: an mpi4py communicator whose ranks share the members; all get the whole result.

        Returns:
            The amplitudes (T, P, N), with actions and angles, and the step that was taken.

        Raises:
            InvalidArgument: an argument out of range; a step that is too large.
            Unstable: a member has left all bounds; take a smaller step.

        Source: Dymov, equation (2.5).
        """
        start = checked_amplitudes(initial, runs, self.size)
        snapshots, keys = _checks.times(times), key_words(_checks.seed(seed))
        chosen = chosen_step(self, step, start)
        spans, blocks = even_steps(snapshots / self.epsilon, chosen.h * chosen.between)
        drift = self.dissipation.drift(self.region)
        advance = lattice_stepper(
            hamiltonian_stepper(self.compiled_frequency, self.compiled_coupling),
            thermostat_stepper(drift.slope, drift.radial),
        )
        ends = np.cumsum([0] + [len(bonds) for bonds in self.region.colours])
        strength = self.epsilon**self.coupling_exponent

        def advanced(x: np.ndarray, y: np.ndarray, k: int, noises: int, member: int) -> int:
            count, h = int(blocks[k]), spans[k] / (blocks[k] * chosen.between)
            advance(
                x, y, count, chosen.between, h, self.epsilon, strength, self.spins, self.region.coloured_bonds, ends,
                self.temperature, noises, member, np.uint64(Purpose.ROTATORS), *keys, drift.whole, drift.real,
            )  # fmt: skip
            return count + 1

        amplitudes = sampled(start, blocks, advanced, chosen.h, workers, progress, comm)
        taken = longest_step(spans, blocks) / chosen.between or chosen.h
        return RotatorEnsemble(snapshots, amplitudes, taken, int(seed))

    def local_energy(self, amplitudes: Any) -> np.ndarray:
        """H_j = F_j(|u_j|^2)/2 + (epsilon^a/4) sum_{|k-j|=1} G(|u_j-u_k|^2), with F_j(0) = G(0) = 0.

        Args:
            amplitudes: u (..., N), complex.

        Returns:
            H_j (..., N), an energy; it tends to F_j(2 I_j)/2 as epsilon -> 0.

        Source: Dymov, before Corollary 4.7.
        """
        u = np.asarray(amplitudes, dtype=np.complex128)
        if u.shape[-1:] != (self.size,):
            raise InvalidArgument("amplitudes", f"must have the shape (..., {self.size}), not {u.shape}")
        energy = self.rotation_energy(0.5 * np.abs(u) ** 2)
        tail, head = self.region.bonds.T
        bonds = _primitive(self.compiled_coupling, np.abs(u[..., tail] - u[..., head]) ** 2)
        strength = 0.25 * self.epsilon**self.coupling_exponent
        for e, (j, k) in enumerate(self.region.bonds):
            energy[..., j] += strength * bonds[..., e]
            energy[..., k] += strength * bonds[..., e]
        return energy

    def rotation_energy(self, actions: Any) -> np.ndarray:
        """F_j(2 I_j)/2 (..., N), for actions I (..., N): the limit of the local energy (Corollary 4.7)."""
        return 0.5 * self.spins * _primitive(self.compiled_frequency, 2.0 * np.asarray(actions, dtype=np.float64))


def _primitive(function: Any, x: np.ndarray) -> np.ndarray:
    """int_0^x of a smooth function, by Gauss's rule on four parts."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    parts = 4
    places = (np.arange(parts)[:, None] + 0.5 * (nodes + 1)).ravel() / parts
    shares = np.tile(weights, parts) * 0.5 / parts
    result = np.zeros(np.shape(x))
    for place, share in zip(places, shares):
        result += share * values_of(function, place * x)
    return result * x
