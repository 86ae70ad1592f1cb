"""The canonical change of variables u -> v that takes the coupling of order epsilon^a out of the Hamiltonian.

Its flow is solved by the Runge-Kutta method of order 4, with as many steps for each member as it takes. Measured,
500 members of 4 sites to 1e-8: 0.25 s (bounded G') and 0.6 s (growing G'); scipy's DOP853 for all members together 0.15
to 0.2 s, for each member alone more than ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..support import checks
from ..support.compiled_functions import values_of
from .ensemble import complex_amplitudes
from .lattice import RotatorLattice
from .turning.frequencies import ResolvedFrequencies

ANGLES = 128  # of the Fourier series of G(|u_j - u_k|^2) in the relative angle, to begin with
MOST_ANGLES = 2**14
FOURIER_RTOL = 1e-11  # of the largest value: coefficients of the highest eighth of the frequencies
ROUGH = 1e-6  # the same with the most angles, where G' has kinks
VALUES = 2**18  # of G', at a time
CHUNK = 4096  # members at a time
STEPS = 8
MOST_STEPS = 512
LARGEST = 1e75  # amplitudes, whose fourth powers are numbers
STEPS_RTOL = 1e-8  # of |u|: difference from twice the steps, where they are chosen


def canonical_variables(
    lattice: RotatorLattice, amplitudes: ArrayLike, *, steps: int | None = None, inverse: bool = False
) -> NDArray[np.complex128]:
    """The canonical variables v = X^{-1}(u), where X^s is the flow of the Hamiltonian epsilon^a Phi.

        dv/ds = i epsilon^a grad Phi(v),
        Phi = sum_{bonds} int_0^theta (G - <G>) d theta' / (2 (f_j - f_k)),    theta = arg u_j - arg u_k.

    In v the Hamiltonian has no terms of order epsilon^a that depend on angles: |u - v| and |I - J| are of order
    epsilon^a, J = |v|^2/2 changes only on the slow time, and converges faster. Bonds that touch a site that turns like
    a neighbour are left out (section 7.2; `RotatorLattice.resonant_sites`).

    Args:
        lattice: the rotators.
        amplitudes: u (..., N), complex.
        steps: of the Runge-Kutta method of order 4 for the flow; None takes 8, and twice as many until that changes
            nothing above 1e-8 of the largest amplitude.
        inverse: go from v to u instead.

    Returns:
        v (..., N), complex.

    Raises:
        InvalidArgument: amplitudes of a wrong shape, not finite or above 1e75; f that varies too wildly to be
            differentiated; G' so narrow that 16384 angles do not resolve it; a flow that 512 steps do not resolve,
            where they are chosen.

    Source: Dymov, Theorem 3.1, equations (6.6) and (6.12).
    """
    count = None if steps is None else checks.integer("steps", steps, 1)
    checks.instance("lattice", lattice, RotatorLattice)
    given = amplitudes_of(lattice, amplitudes)
    pieces = np.array_split(given.reshape(-1, lattice.size), max(1, -(-given.size // lattice.size // CHUNK)))
    top = np.array([2.0 * (np.abs(given) ** 2).max(initial=0.0)])
    f = lattice.frequencies.resolved(top)  # once, for all pieces and stages
    time = (1.0 if checks.flag("inverse", inverse) else -1.0) * lattice.epsilon**lattice.coupling_exponent
    result = [
        _settled(lattice, piece, time, f) if count is None else _flow(lattice, piece, time, count, f)
        for piece in pieces
    ]
    return np.concatenate(result).reshape(given.shape)


def amplitudes_of(lattice: RotatorLattice, amplitudes: ArrayLike) -> NDArray[np.complex128]:
    """Amplitudes (..., N) of a lattice whose fourth powers are numbers.

    Raises:
        InvalidArgument: of a wrong shape, not finite or above 1e75.
    """
    given = complex_amplitudes("amplitudes", amplitudes)
    if given.shape[-1:] != (lattice.size,):
        raise InvalidArgument("amplitudes", f"must have the shape (..., {lattice.size}), not {given.shape}")
    if (largest := max(np.abs(given.real).max(initial=0.0), np.abs(given.imag).max(initial=0.0))) > LARGEST:
        raise InvalidArgument(
            "amplitudes", f"must be below {LARGEST:g}, or their powers overflow; one is {largest:.3g}"
        )
    return given


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energies or coefficients, all finite.

    Raises:
        InvalidArgument: powers of the amplitudes have overflowed.
    """
    if not np.isfinite(values).all():
        raise InvalidArgument("amplitudes", "must be smaller: powers of these in f, G or their integrals overflow")
    return values


def _flow(lattice: RotatorLattice, u: np.ndarray, time: float, steps: int, f: ResolvedFrequencies) -> np.ndarray:
    """The flow of Phi from u (P, N) over a time."""
    v, h = u.copy(), time / steps
    for _ in range(steps):
        k1 = 1j * generator_gradient(lattice, v, f)
        k2 = 1j * generator_gradient(lattice, v + 0.5 * h * k1, f)
        k3 = 1j * generator_gradient(lattice, v + 0.5 * h * k2, f)
        k4 = 1j * generator_gradient(lattice, v + h * k3, f)
        v = v + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
    return v


def _settled(lattice: RotatorLattice, u: np.ndarray, time: float, f: ResolvedFrequencies) -> np.ndarray:
    """The flow with as many steps for each member (P, N) as it takes.

    Raises:
        InvalidArgument: more than there may be.
    """
    result, left, steps = np.empty_like(u), np.arange(len(u)), STEPS
    before = _flow(lattice, u, time, steps // 2, f)
    while True:
        ends = _flow(lattice, u[left], time, steps, f)
        wrong = np.abs(ends - before).max(axis=1, initial=0.0) / 15.0  # a scheme of order 4
        far = ~(wrong <= STEPS_RTOL * np.maximum(np.abs(u[left]).max(axis=1, initial=0.0), 1e-300))
        result[left[~far]] = ends[~far]
        if not far.any():
            return result
        left, before, steps = left[far], ends[far], 2 * steps
        if steps > MOST_STEPS:
            raise InvalidArgument(
                "amplitudes",
                f"the flow of Phi is not resolved with {MOST_STEPS} steps for {len(left)} of {len(u)} members: the "
                f"coupling is not small, or f_j - f_k is nearly 0; take a smaller epsilon, or give `steps`",
            )


def generator_gradient(lattice: RotatorLattice, u: np.ndarray, known: ResolvedFrequencies | None = None) -> np.ndarray:
    """grad_j Phi = 2 dPhi/d conj(u_j) (P, N), at amplitudes u (P, N); `known` is f as far as it is resolved."""
    result = np.zeros_like(u)
    square = np.abs(u) ** 2
    f = lattice.spins * lattice.frequencies.at(square)
    if known is None or square.max(initial=0.0) > known.top:
        known = lattice.frequencies.resolved(square)
    slope = lattice.spins * known.derivative(square)
    for j, k in lattice.region.bonds:
        if lattice.resonant_sites[j] or lattice.resonant_sites[k]:
            continue
        value, first, second = _bond(lattice.compiled_coupling, u[:, j], u[:, k])
        gap = f[:, j] - f[:, k]
        result[:, j] += first / gap - value / gap**2 * slope[:, j] * 2 * u[:, j]
        result[:, k] += second / gap + value / gap**2 * slope[:, k] * 2 * u[:, k]
    return result


def _bond(
    coupling: Callable[[float], float], u: np.ndarray, w: np.ndarray, count: int = ANGLES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S = 1/2 int_0^theta (G - <G>) of one bond (P,), and its gradients with respect to u and w.

    With |u - w|^2 = A - B cos(theta), A = |u|^2 + |w|^2, B = 2 |u| |w|, the Fourier coefficients of G' cos and G'
    sin in theta give those of G and of its derivatives; G itself is not needed. Where those of `count` angles have
    not ended, twice as many are taken.

    Raises:
        InvalidArgument: G' is too narrow for the most angles.
    """
    size, other = np.abs(u), np.abs(w)
    along, across = (np.where(m > 0, z / np.where(m > 0, m, 1.0), 1.0) for z, m in ((u, size), (w, other)))
    turn = along * np.conj(across)  # exp(i theta)
    b = 2 * size * other
    cosines, sines = (function(2 * np.pi * np.arange(count) / count) for function in (np.cos, np.sin))
    half = np.maximum((size - other)[:, None] ** 2 + b[:, None] * (1 - cosines[: count // 2 + 1]), 0.0)
    values = values_of(coupling, half, "coupling")
    values = np.concatenate([values, values[:, -2:0:-1]], axis=1)  # even in the angle
    order, scale = np.arange(1, count // 2), 2.0 / count
    even = scale * np.fft.rfft(values, axis=1).real[:, order]  # of G'
    cosine = -scale * np.fft.rfft(values * cosines, axis=1).real[:, order]  # of -G' cos
    sine = -scale * np.fft.rfft(values * sines, axis=1).imag[:, order]  # of G' sin
    waves = turn[:, None] ** order
    in_sum = 0.5 * (even * waves.imag / order).sum(axis=1)  # dS/dA
    in_product = 0.5 * (cosine * waves.imag / order).sum(axis=1)  # dS/dB
    share = -0.5 * (sine * waves.real / order).sum(axis=1)  # dS/dtheta, divided by B
    value = -0.5 * b * (sine * waves.imag / order**2).sum(axis=1)
    first = 2 * in_sum * u + 2 * other * along * (in_product + 1j * share)
    second = 2 * in_sum * w + 2 * size * across * (in_product - 1j * share)
    tail = np.abs(even[:, -(count // 16) :]).max(axis=1) / np.maximum(np.abs(values).max(axis=1), 1e-300)
    narrow = np.flatnonzero(~(tail <= (ROUGH if count == MOST_ANGLES else FOURIER_RTOL)))
    if len(narrow) and count == MOST_ANGLES:
        raise InvalidArgument(
            "coupling",
            f"G' is too narrow: {count} angles do not resolve G(|u_j - u_k|^2) at these amplitudes; give a wider one",
        )
    for some in np.array_split(narrow, -(-len(narrow) * count // VALUES)) if len(narrow) else []:
        value[some], first[some], second[some] = _bond(coupling, u[some], w[some], 2 * count)
    return value, first, second
