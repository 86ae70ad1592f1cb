"""The Hamiltonian in the canonical variables: H(u(v)) = H_0(v) + epsilon^2a H_2(v) + epsilon^3a H_>(v)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import NotConverged
from ...showing.described import Described
from ...support import checks
from ..canonical_variables import amplitudes_of, canonical_variables, finite
from ..lattice import RotatorLattice
from .brackets import Brackets

STEPS, MOST_STEPS = 4, 128
STEPS_RTOL = 1e-12  # of the largest value: what doubling the steps of the flow may change
CHUNK = 2**12  # states at a time


@dataclass(frozen=True, eq=False, repr=False)
class CanonicalHamiltonian(Described):
    """The parts of the Hamiltonian in the canonical variables v of Theorem 3.1, with u = u(v).

        H(u(v)) = H_0(v) + epsilon^(2a) H_2(v) + epsilon^(3a) H_>(v),
        H_0 = (1/2) sum_j F_j(|v_j|^2) + epsilon^a <G~>,    G~ = (1/4) sum_{|j-k|=1} G(|v_j - v_k|^2),
        H_2 = (1/2) {<G~> + G~, Phi},    {h, Phi} = sum_j (d_psi_j h d_J_j Phi - d_J_j h d_psi_j Phi),

    with F_j(0) = G(0) = 0; G~ has each bond once, times 1/2. Bonds of resonant sites keep their coupling (section 7.2,
    `RotatorLattice.resonant_sites`): H_0 has G of these in place of <G>, and depends on their angles.

    Its methods take v (..., N), complex, and return an energy (...,); they raise InvalidArgument for amplitudes of a
    wrong shape, not finite or so large that powers of them overflow, and for f or G' that are too wild for integrals,
    derivatives or means over angles.

    Args:
        lattice: the rotators; temperatures and dissipation do not matter.

    Raises:
        InvalidArgument: not a lattice.

    Source: Dymov, equations (3.3), (3.4), (6.2), (6.8), (6.9); for a > 1/2, with epsilon^a for its sqrt(epsilon).
    """

    lattice: RotatorLattice

    def __post_init__(self) -> None:
        checks.instance("lattice", self.lattice, RotatorLattice)

    @property
    def small(self) -> float:
        """epsilon^a."""
        return float(self.lattice.epsilon**self.lattice.coupling_exponent)

    def whole(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """H(u(v)) (...,), with u by the flow of Phi.

        Args:
            amplitudes: v (..., N), complex.
        """
        u = canonical_variables(self.lattice, amplitudes_of(self.lattice, amplitudes), inverse=True)
        with np.errstate(over="ignore", invalid="ignore"):
            return finite(np.asarray(self.lattice.local_energy(u).sum(axis=-1)))

    def leading(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """H_0(v) (...,), which depends on the actions alone where no bond keeps its coupling.

        Args:
            amplitudes: v (..., N), complex.
        """
        v = amplitudes_of(self.lattice, amplitudes)
        with np.errstate(over="ignore", invalid="ignore"):
            rotation = self.lattice.rotation_energy(0.5 * np.abs(v) ** 2).sum(axis=-1)
        return finite(np.asarray(rotation + self.small * self.mean_coupling(v)))

    def coupling(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """G~(v) (...,), without its factor epsilon^a.

        Args:
            amplitudes: v (..., N), complex.
        """
        return self._each(amplitudes, lambda parts, v: parts.coupling(v))

    def mean_coupling(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """<G~>(v) (...,), without its factor epsilon^a.

        Args:
            amplitudes: v (..., N), complex.
        """
        return self._each(amplitudes, lambda parts, v: parts.mean(v))

    def second(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """H_2(v) (...,).

        Args:
            amplitudes: v (..., N), complex.
        """
        return self._each(amplitudes, lambda parts, v: parts.second(v))

    def remainder(self, amplitudes: ArrayLike) -> NDArray[np.float64]:
        """H_>(v) (...,), bounded as epsilon -> 0.

        By Taylor's formula, H_2 + epsilon^a H_> = int_0^1 ((1-s) {<G~>, Phi} + s {G~, Phi}) o X^s ds along the flow
        X^s of epsilon^a Phi, to 1e-12 of sum_j |grad_j G~| |grad_j Phi|, which makes 1e-12/epsilon^a of H_>.

        Args:
            amplitudes: v (..., N), complex.

        Raises:
            NotConverged: a flow that 128 steps do not resolve.
        """

        def excess(parts: Brackets, v: np.ndarray) -> np.ndarray:
            return (settled_beyond(parts, v, self.small) - parts.second(v)) / self.small

        return self._each(amplitudes, excess)

    def _each(
        self, amplitudes: ArrayLike, function: Callable[[Brackets, np.ndarray], np.ndarray]
    ) -> NDArray[np.float64]:
        v = amplitudes_of(self.lattice, amplitudes)
        flat = v.reshape(-1, self.lattice.size)
        parts = Brackets(self.lattice, float((np.abs(flat) ** 2).max(initial=0.0)))
        result = np.empty(len(flat))
        for first in range(0, len(flat), CHUNK):
            with np.errstate(over="ignore", invalid="ignore"):
                result[first : first + CHUNK] = function(parts, flat[first : first + CHUNK])
        return finite(result).reshape(v.shape[:-1])


def settled_beyond(parts: Brackets, v: np.ndarray, delta: float) -> np.ndarray:
    """`Brackets.beyond` (P,) with as many steps as it takes.

    Raises:
        NotConverged: more than there may be.
    """
    steps, before, size = STEPS, parts.beyond(v, delta, STEPS // 2), parts.size(v)
    while True:
        values = parts.beyond(v, delta, steps)
        wrong = np.abs(values - before) / 15.0  # a scheme of order 4
        if (wrong <= STEPS_RTOL * size).all():
            return values
        steps, before = 2 * steps, values
        if steps > MOST_STEPS:
            raise NotConverged(
                "the flow of Phi",
                f"{MOST_STEPS} steps change H_2 + epsilon^a H_> by {wrong.max():.1e}; the coupling is not small, or "
                "f_j - f_k is nearly 0",
                "take a smaller epsilon, a smoother f or G', or smaller amplitudes",
            )
