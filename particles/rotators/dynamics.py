"""The part of a lattice of rotators that its assumptions and its step size depend on."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .dissipations.dissipation import Dissipation
from .region import LatticeRegion


class RotatorDynamics(Protocol):
    """What the equation of `RotatorLattice` has in it."""

    @property
    def region(self) -> LatticeRegion:
        """The sites and their neighbours."""

    @property
    def spins(self) -> np.ndarray:
        """Spins s_j (N,), +-1 where they are alternated."""

    @property
    def compiled_frequency(self) -> Any:
        """The frequency f, a compiled function of |u|^2."""

    @property
    def compiled_coupling(self) -> Any:
        """The coupling G', a compiled function of |u_j - u_k|^2."""

    @property
    def dissipation(self) -> Dissipation:
        """The dissipation g."""

    @property
    def temperature(self) -> np.ndarray:
        """Temperatures T_j (N,)."""

    @property
    def epsilon(self) -> float:
        """The strength epsilon of the thermostats."""

    @property
    def coupling_exponent(self) -> float:
        """The exponent a of the coupling."""

    @property
    def defects(self) -> np.ndarray:
        """Sites whose spin breaks the alternation (N,)."""

    @property
    def good_sites(self) -> np.ndarray:
        """Which sites follow the limit (N,), section 7.2."""
