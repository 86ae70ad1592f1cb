"""Dissipation averaged over the angles: the drift of the transport equation and of the effective equation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import Dissipation, InvalidArgument, RotatorLattice
from scaling_limits.particles.rotators.dissipations.general import AveragedOverAngles
from scaling_limits.particles.rotators.ensemble import complex_amplitudes
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import instance, real_array

CHUNK = 2**14  # points at a time


@dataclass(frozen=True, eq=False, repr=False)
class AveragedDissipation(Described):
    """Dissipation averaged over the angles, as a function R of the actions.

    R_j(I) = <g_j(u) . u_j> = K_j(v) . v_j,  K_j(v) = int exp(-i theta_j) g_j(Psi_theta v) d theta.

    K of polynomials is that of their resonant monomials; of other functions it is a trapezoidal sum over the angles on
    which g_j . u_j depends.

    Its methods raise InvalidArgument for arrays of a wrong shape, not finite, or actions that are negative.

    Args:
        lattice: the rotators.
        angles: number of angles for each site that make such a sum exact.

    Source: Dymov, equations (2.7) and (4.34).
    """

    lattice: RotatorLattice
    angles: int

    def __call__(self, actions: ArrayLike) -> NDArray[np.float64]:
        """Averaged dissipation R(I) (P, N), an action over slow time, of actions I (P, N)."""
        modulus = np.sqrt(2.0 * self._checked(actions))
        return (self._drift(modulus + 0j) * modulus).real

    def rate(self, actions: ArrayLike) -> NDArray[np.float64]:
        """Rate R_j(I)/I_j (P, N), which has a limit as I_j -> 0.

        Args:
            actions: I (P, N), not negative.
        """
        modulus = np.sqrt(2.0 * np.maximum(self._checked(actions), 1e-30))
        return 2.0 * (self._drift(modulus + 0j) / modulus).real

    def effective_drift(self, amplitudes: ArrayLike) -> NDArray[np.complex128]:
        """Drift K(v) of the effective equation.

        Args:
            amplitudes: v (P, N), complex.

        Returns:
            K (P, N), complex.

        Raises:
            InvalidArgument: a wrong shape, or amplitudes that are not finite.
        """
        v, size = complex_amplitudes("amplitudes", amplitudes), self.lattice.size
        if v.ndim != 2 or v.shape[1] != size:
            raise InvalidArgument("amplitudes", f"must have the shape (P, {size}), not {v.shape}")
        return self._drift(v)

    def _drift(self, v: NDArray[np.complex128]) -> NDArray[np.complex128]:
        result = np.empty_like(v)
        for first in range(0, len(v), CHUNK):
            result[first : first + CHUNK] = self._averaged.at(self.lattice.region, v[first : first + CHUNK])
        return result

    @cached_property
    def _averaged(self) -> Dissipation:
        return self.lattice.dissipation.averaged(self.lattice.region)

    def _checked(self, actions: ArrayLike) -> np.ndarray:
        values = real_array("actions", actions)
        if values.ndim != 2 or values.shape[1] != self.lattice.size:
            raise InvalidArgument("actions", f"must have the shape (P, {self.lattice.size}), not {values.shape}")
        if (values < 0).any():
            raise InvalidArgument("actions", f"must not be negative, but the least is {values.min():g}")
        return values


def averaged_dissipation(lattice: RotatorLattice) -> AveragedDissipation:
    """Average the dissipation over the angles: R_j(I) = <g_j(u) . u_j>.

    R is the drift of dI_j = (R_j(I) + T_j) d tau + sqrt(2 I_j T_j) dB_j.

    Args:
        lattice: the rotators; only their dissipation matters.

    Returns:
        R, a callable from actions (P, N) to (P, N), exact to rounding where g is a polynomial or radial.

    Raises:
        InvalidArgument: not a lattice; a dissipation whose average over the angles does not settle.

    Source: Dymov, equation (2.7).
    """
    averaged = instance("lattice", lattice, RotatorLattice).dissipation.averaged(lattice.region)
    degree = lattice.dissipation.degree
    angles = averaged.angles if isinstance(averaged, AveragedOverAngles) else (degree or 0) + 2
    result = AveragedDissipation(lattice, angles)
    result.__dict__["_averaged"] = averaged  # it may have taken a search for the number of angles
    return result
