"""The energy E(I) = s F(2 I)/2 of one site as a function of its action, its derivative s f(2 I), and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...support.compiled_functions import values_of
from ..lattice import RotatorLattice
from ..resolved_functions import Function, ResolvedFunction, resolved

TABLE = 2**12
NEWTON = 5


@dataclass(frozen=True, eq=False)
class SiteEnergy:
    """E(I) = s F(2 I)/2 on [0, U], strictly monotone.

    Args:
        spin: s.
        frequency: f, compiled.
        integral: F, resolved on [0, 2 U].
        table: actions (M,) from 0 to U.
        energies: E there (M,).
    """

    spin: float
    frequency: Function
    integral: ResolvedFunction
    table: NDArray[np.float64]
    energies: NDArray[np.float64]

    @classmethod
    def of(cls, lattice: RotatorLattice, site: int, upper: float) -> SiteEnergy:
        """The energy of a site of a lattice for actions up to a bound.

        Raises:
            InvalidArgument: f changes its sign, so that energies do not tell actions.
        """
        frequencies = lattice.frequencies
        f, spin = frequencies.functions[frequencies.number[site]], float(lattice.spins[site])
        # even in the modulus
        table = upper * np.linspace(0.0, 1.0, TABLE) ** 2
        signs = values_of(f, 2.0 * table[1:], "frequency")
        if not ((signs > 0).all() or (signs < 0).all()):
            raise InvalidArgument(
                "lattice",
                f"the frequency of site {site} changes its sign for actions below {upper:.3g}, so that an energy "
                "belongs to several actions; `energy_samples` has its law",
            )
        whole = resolved("frequency", f, np.array([2.0 * upper]), integral=True)
        return cls(spin, f, whole, table, 0.5 * spin * whole.integral(2.0 * table))

    @property
    def rising(self) -> bool:
        """Whether larger actions have larger energies."""
        return bool(self.energies[-1] > self.energies[0])

    def energy(self, actions: np.ndarray) -> NDArray[np.float64]:
        """E (...) at actions (...) of [0, U]."""
        return np.asarray(0.5 * self.spin * self.integral.integral(2.0 * actions))

    def slope(self, actions: np.ndarray) -> NDArray[np.float64]:
        """dE/dI = s f(2 I) (...)."""
        return np.asarray(self.spin * values_of(self.frequency, 2.0 * actions, "frequency"))

    def action(self, energies: np.ndarray) -> NDArray[np.float64]:
        """The actions (...) of energies (...); beyond the ends of [0, U] these ends."""
        sign = 1.0 if self.rising else -1.0
        place = np.clip(np.searchsorted(sign * self.energies, sign * energies), 1, len(self.table) - 1)
        low, high = self.table[place - 1], self.table[place]
        share = (energies - self.energies[place - 1]) / (self.energies[place] - self.energies[place - 1])
        action = np.clip(low + (high - low) * share, low, high)
        for _ in range(NEWTON):
            slope = self.slope(action)
            change = np.divide(self.energy(action) - energies, slope, out=np.zeros_like(action), where=slope != 0)
            action = np.clip(action - change, low, high)
        return np.asarray(action)
