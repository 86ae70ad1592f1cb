"""What the assumptions and the step size look at of a lattice of rotators."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .dissipations.dissipation import Dissipation
from .region import LatticeRegion


class RotatorDynamics(Protocol):
    """du_j = i spin_j f(|u_j|^2) u_j + eps^a i sum_k G'(|u_j - u_k|^2)(u_j - u_k) + eps g_j + sqrt(eps T_j) noise."""

    @property
    def region(self) -> LatticeRegion:
        """The sites and their neighbours."""

    @property
    def spins(self) -> np.ndarray:
        """+1 or -1 for each site (N,)."""

    @property
    def compiled_frequency(self) -> Any:
        """f, of |u|^2."""

    @property
    def compiled_coupling(self) -> Any:
        """G', of |u_j - u_k|^2."""

    @property
    def dissipation(self) -> Dissipation:
        """The g_j."""

    @property
    def temperature(self) -> np.ndarray:
        """T (N,)."""

    @property
    def epsilon(self) -> float:
        """eps, the strength of the thermostats."""

    @property
    def coupling_exponent(self) -> float:
        """The exponent a of the coupling."""

    @property
    def defects(self) -> np.ndarray:
        """Which sites have a neighbour of the same spin (N,)."""

    @property
    def good_sites(self) -> np.ndarray:
        """Which sites follow the limit (N,), section 7.2."""
