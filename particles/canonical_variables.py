"""The canonical change of variables u -> v that takes the coupling of order epsilon^a out of the Hamiltonian."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._resolved_functions import ResolvedFunction, resolved
from ._user_functions import values_of
from .errors import InvalidArgument
from .rotator_ensemble import complex_amplitudes
from .rotator_lattice import RotatorLattice

ANGLES = 64  # of the Fourier series of G(|u_j - u_k|^2) in the relative angle
CHUNK = 4096  # members at a time


def canonical_variables(
    lattice: RotatorLattice, amplitudes: Any, *, steps: int = 8, inverse: bool = False
) -> np.ndarray:
    """V = X^{-1}(u), where X^s is the flow of the Hamiltonian epsilon^a Phi, dv/ds = i epsilon^a grad Phi(v).

        Phi = sum_{bonds} int_0^theta (G - <G>) d theta' / (2 (f_j - f_k)),    theta = arg u_j - arg u_k.

    In v the Hamiltonian has no terms of order epsilon^a that depend on angles: |u - v| and |I - J| are of order
    epsilon^a, J = |v|^2/2 changes only on the slow time, and converges faster. Bonds that touch a defect are left
    out (section 7.2).

    Args:
        lattice: the rotators.
        amplitudes: u (..., N), complex.
        steps: of the scheme of Runge and Kutta, of order 4, for the flow.
        inverse: go from v to u instead.

    Returns:
        v (..., N), complex.

    Raises:
        InvalidArgument: amplitudes of a wrong shape or not finite; f that varies too wildly to be differentiated.

    Source: Dymov, Theorem 3.1, equations (6.6) and (6.12).
    """
    count = _checks.integer("steps", steps, 1)
    if not isinstance(lattice, RotatorLattice):
        raise InvalidArgument("lattice", f"must be a RotatorLattice, not {type(lattice).__name__}")
    given = complex_amplitudes("amplitudes", amplitudes)
    if given.shape[-1:] != (lattice.size,):
        raise InvalidArgument("amplitudes", f"must have the shape (..., {lattice.size}), not {given.shape}")
    pieces = np.array_split(given.reshape(-1, lattice.size), max(1, -(-given.size // lattice.size // CHUNK)))
    h = (1.0 if _checks.flag("inverse", inverse) else -1.0) * lattice.epsilon**lattice.coupling_exponent / count
    top = np.array([2.0 * (np.abs(given) ** 2).max(initial=0.0)])
    f = resolved("frequency", lattice.compiled_frequency, top)
    result = []
    for piece in pieces:
        v = piece.copy()
        for _ in range(count):
            k1 = 1j * generator_gradient(lattice, v, f)
            k2 = 1j * generator_gradient(lattice, v + 0.5 * h * k1, f)
            k3 = 1j * generator_gradient(lattice, v + 0.5 * h * k2, f)
            k4 = 1j * generator_gradient(lattice, v + h * k3, f)
            v = v + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        result.append(v)
    return np.concatenate(result).reshape(given.shape)


def generator_gradient(lattice: RotatorLattice, u: np.ndarray, known: ResolvedFunction | None = None) -> np.ndarray:
    """grad_j Phi = 2 dPhi/d conj(u_j) (P, N), at amplitudes u (P, N); `known` is f as far as it is resolved."""
    result = np.zeros_like(u)
    square = np.abs(u) ** 2
    f = lattice.spins * values_of(lattice.compiled_frequency, square)
    if known is None or square.max(initial=0.0) > known.breaks[-1]:
        known = resolved("frequency", lattice.compiled_frequency, square)
    slope = lattice.spins * known.derivative(square)
    for j, k in lattice.region.bonds:
        if lattice.defects[j] or lattice.defects[k]:
            continue
        value, first, second = _bond(lattice.compiled_coupling, u[:, j], u[:, k])
        gap = f[:, j] - f[:, k]
        result[:, j] += first / gap - value / gap**2 * slope[:, j] * 2 * u[:, j]
        result[:, k] += second / gap + value / gap**2 * slope[:, k] * 2 * u[:, k]
    return result


def _bond(coupling: Any, u: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S = 1/2 int_0^theta (G - <G>) of one bond (P,), and its gradients with respect to u and w.

    With |u - w|^2 = A - B cos(theta), A = |u|^2 + |w|^2, B = 2 |u| |w|, the Fourier coefficients of G' cos and G'
    sin in theta give those of G and of its derivatives; G itself is not needed.
    """
    size, other = np.abs(u), np.abs(w)
    along, across = (np.where(m > 0, z / np.where(m > 0, m, 1.0), 1.0) for z, m in ((u, size), (w, other)))
    turn = along * np.conj(across)  # exp(i theta)
    angles = 2 * np.pi * np.arange(ANGLES) / ANGLES
    a, b = size**2 + other**2, 2 * size * other
    values = values_of(coupling, np.maximum(a[:, None] - b[:, None] * np.cos(angles), 0.0))
    order = np.arange(1, ANGLES // 2)
    scale = 2.0 / ANGLES
    even = scale * np.fft.rfft(values, axis=1).real[:, order]  # of G'
    cosine = -scale * np.fft.rfft(values * np.cos(angles), axis=1).real[:, order]  # of -G' cos
    sine = -scale * np.fft.rfft(values * np.sin(angles), axis=1).imag[:, order]  # of G' sin
    waves = turn[:, None] ** order
    in_sum = 0.5 * (even * waves.imag / order).sum(axis=1)  # dS/dA
    in_product = 0.5 * (cosine * waves.imag / order).sum(axis=1)  # dS/dB
    share = -0.5 * (sine * waves.real / order).sum(axis=1)  # dS/dtheta, divided by B
    value = -0.5 * b * (sine * waves.imag / order**2).sum(axis=1)
    first = 2 * in_sum * u + 2 * other * along * (in_product + 1j * share)
    second = 2 * in_sum * w + 2 * size * across * (in_product - 1j * share)
    return value, first, second
