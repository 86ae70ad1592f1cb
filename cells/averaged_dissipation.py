"""Dissipation averaged over the angles: the drift of the transport equation and of the effective equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..particles import InvalidArgument, RotatorLattice
from ..particles._checks import real_array
from ..particles.general_dissipations import angles_needed, average_of_site

CHUNK = 2**14  # points at a time


@dataclass(frozen=True, eq=False)
class AveragedDissipation:
    """R_j(I) = <g_j(u) . u_j> = K_j(v) . v_j,  K_j(v) = int exp(-i theta_j) g_j(Psi_theta v) d theta.

    Averages are trapezoidal sums over the angles on which g_j . u_j depends: exact for polynomials, with degree + 2
    angles for each site.

    Args:
        lattice: the rotators.
        angles: number of angles for each site.

    Source: Dymov, equations (2.7) and (4.34).
    """

    lattice: RotatorLattice
    angles: int

    def __call__(self, actions: Any) -> np.ndarray:
        """R(I).

        Args:
            actions: I (P, N), not negative.

        Returns:
            R (P, N), an action over slow time.

        Raises:
            InvalidArgument: a wrong shape, or actions that are negative or not finite.
        """
        return (self.effective_drift(np.sqrt(2.0 * self._checked(actions))) * np.sqrt(2.0 * np.asarray(actions))).real

    def rate(self, actions: Any) -> np.ndarray:
        """R_j(I)/I_j (P, N), which has a limit as I_j -> 0.

        Args:
            actions: I (P, N), not negative.
        """
        checked = np.maximum(self._checked(actions), 1e-30)
        modulus = np.sqrt(2.0 * checked)
        return 2.0 * (self.effective_drift(modulus) / modulus).real

    def effective_drift(self, amplitudes: Any) -> np.ndarray:
        """K(v).

        Args:
            amplitudes: v (P, N), complex.

        Returns:
            K (P, N), complex.

        Raises:
            InvalidArgument: a wrong shape.
        """
        v = np.asarray(amplitudes, dtype=np.complex128)
        region = self.lattice.region
        if v.ndim != 2 or v.shape[1] != region.size:
            raise InvalidArgument("amplitudes", f"must have the shape (P, {region.size}), not {v.shape}")
        result = np.empty_like(v)
        for first in range(0, len(v), CHUNK):
            part = slice(first, first + CHUNK)
            for j in range(region.size):
                result[part, j] = average_of_site(self.lattice.dissipation, region, v[part], j, self.angles)
        return result

    def _checked(self, actions: Any) -> np.ndarray:
        values = real_array("actions", actions)
        if values.ndim != 2 or values.shape[1] != self.lattice.size:
            raise InvalidArgument("actions", f"must have the shape (P, {self.lattice.size}), not {values.shape}")
        if (values < 0).any():
            raise InvalidArgument("actions", f"must not be negative, but the least is {values.min():g}")
        return values


def averaged_dissipation(lattice: RotatorLattice) -> AveragedDissipation:
    """R_j(I) = <g_j(u) . u_j>, the drift of dI_j = (R_j(I) + T_j) d tau + sqrt(2 I_j T_j) dB_j.

    Args:
        lattice: the rotators; only their dissipation matters.

    Returns:
        R, a callable from actions (P, N) to (P, N), exact to rounding where g is a polynomial or radial.

    Raises:
        InvalidArgument: not a lattice; a dissipation whose average over the angles does not settle.

    Source: Dymov, equation (2.7).
    """
    if not isinstance(lattice, RotatorLattice):
        raise InvalidArgument("lattice", f"must be a RotatorLattice, not {type(lattice).__name__}")
    return AveragedDissipation(lattice, angles_needed(lattice.dissipation, lattice.region))
