"""Compiled steps of rotators, one tile of members at a time: exact flows of the parts, composed symmetrically.

    R(h)  rotation        u_j -> exp(i f_j(|u_j|^2) h) u_j
    C(h)  bonds of one colour: u_j - u_k turns by 2 epsilon^a G'(|u_j - u_k|^2) h, u_j + u_k stays
    H(d)  thermostat      du_j = g_j(u) d tau + sqrt(T_j) d beta_j over the slow time d

A step of the Hamiltonian part is R(h/2) C_1(h/2) ... C_n(h) ... C_1(h/2) R(h/2): each part is exact, and keeps the
sum of actions. Thermostats act after every m of them: H(d/2) [steps]^m H(d) [steps]^m ... H(d/2), d = epsilon m h.
Where g is radial its flow is exact, H(d) = flow(d/2) noise(d) flow(d/2) (for p = 2 an exact step in law); else H is
Heun's scheme. Weak order 2.

A tile holds LANES members, so that the inner loops, over members at one site, are vectorised. What all steppers pass on
to the thermostat comes as one tuple `heat`:

    (temperature (N,), member, purpose, k0, k1, int_params, float_params),

T_j; the number of the first member of the tile; the last word of the counter and the key of the random numbers; what
tells the dissipation from others of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ..sampling.normal_tiles import fill_site
from ..sampling.philox import COMPILED
from ..sampling.simd_math import half_turn
from .dissipations.kernels import LANES
from .radial_steps import shrink

TWO_PI_INVERSE = 1.0 / (2.0 * math.pi)


@lru_cache(maxsize=64)
def _turn(frequency: Callable[[float], float]) -> Callable[..., Any]:
    """turn(a, b, periods): members a + i b (LANES,) of one site turn by so many periods for f = 1."""

    @njit(**COMPILED)
    def turn(a, b, periods):  # type: ignore[no-untyped-def]
        for n in range(LANES):
            c, s = half_turn(periods * frequency(a[n] * a[n] + b[n] * b[n]))
            p, q = s * a[n] + c * b[n], s * b[n] - c * a[n]
            a[n] -= 2.0 * s * p
            b[n] -= 2.0 * s * q

    return turn


@lru_cache(maxsize=64)
def _turn_by_number(frequencies: tuple[Callable[[float], float], ...]) -> Callable[..., Any]:
    """turn(a, b, periods, number): the same with the function of this number."""
    first = _turn(frequencies[0])
    if len(frequencies) == 1:

        @njit(**COMPILED)
        def turn(a, b, periods, number):  # type: ignore[no-untyped-def]
            first(a, b, periods)

        return turn
    others = _turn_by_number(frequencies[1:])

    @njit(**COMPILED)
    def turn_one(a, b, periods, number):  # type: ignore[no-untyped-def]
        if number == 0:
            first(a, b, periods)
        else:
            others(a, b, periods, number - 1)

    return turn_one


@lru_cache(maxsize=64)
def rotation(frequencies: tuple[Callable[[float], float], ...]) -> Callable[..., Any]:
    """rotate(x, y, turning, h): R(h) of all sites.

    turning: spins (N,); of several functions both spins (N,) and which of them each site has (N,).
    """
    if len(frequencies) == 1:
        turn = _turn(frequencies[0])

        @njit(**COMPILED)
        def rotate(x, y, spins, h):  # type: ignore[no-untyped-def]
            for j in range(x.shape[0]):
                turn(x[j], y[j], spins[j] * h * TWO_PI_INVERSE)

        return rotate
    chosen = _turn_by_number(frequencies)

    @njit(**COMPILED)
    def rotate_each(x, y, turning, h):  # type: ignore[no-untyped-def]
        spins, numbers = turning
        for j in range(x.shape[0]):
            chosen(x[j], y[j], spins[j] * h * TWO_PI_INVERSE, numbers[j])

    return rotate_each


@lru_cache(maxsize=64)
def hamiltonian_stepper(
    frequencies: tuple[Callable[[float], float], ...], coupling: Callable[[float], float]
) -> Callable[..., Any]:
    """steps(x, y, turning, pairs, ends, strength, h, count, first=0, last=-1): the Hamiltonian part, steps of size h.

    All `count` of them, or those from `first` on and before `last`. Half rotations of successive steps are joined, so
    that only the first and the last of the `count` steps have them.

    frequencies, coupling: the different f_j, and G', compiled; turning: see `rotation`; pairs (B, 2) by colours, whose
    ends are at ends (colours + 1,); strength: of the coupling, epsilon^a.
    """
    rotate = rotation(frequencies)

    @njit(**COMPILED)
    def turn_bonds(x, y, pairs, first, last, angle):  # type: ignore[no-untyped-def]
        for e in range(first, last):
            a, b = x[pairs[e, 0]], y[pairs[e, 0]]
            p, q = x[pairs[e, 1]], y[pairs[e, 1]]
            for n in range(LANES):
                dx, dy = a[n] - p[n], b[n] - q[n]
                c, s = half_turn(angle * TWO_PI_INVERSE * coupling(dx * dx + dy * dy))
                # the difference turns, the sum stays: half of the change of the difference goes to each end
                ex, ey = s * dx + c * dy, s * dy - c * dx
                a[n] -= s * ex
                b[n] -= s * ey
                p[n] += s * ex
                q[n] += s * ey

    @njit(**COMPILED)
    def steps(x, y, turning, pairs, ends, strength, h, count, first=0, last=-1):  # type: ignore[no-untyped-def]
        colours, angle = ends.shape[0] - 1, 2.0 * strength * h
        if first == 0:
            rotate(x, y, turning, 0.5 * h)
        for i in range(first, count if last < 0 else last):
            for c in range(colours - 1):
                turn_bonds(x, y, pairs, ends[c], ends[c + 1], 0.5 * angle)
            if colours > 0:
                turn_bonds(x, y, pairs, ends[colours - 1], ends[colours], angle)
            for c in range(colours - 2, -1, -1):
                turn_bonds(x, y, pairs, ends[c], ends[c + 1], 0.5 * angle)
            rotate(x, y, turning, h if i < count - 1 else 0.5 * h)

    return steps


@lru_cache(maxsize=8)
def noise_of_sites(fill: Callable[..., Any]) -> Callable[..., Any]:
    """noise(z, w, noise_step, j, heat, uniform, exponent): fill z and w (LANES,) with the noise of a site.

    fill: of a kind of noise, see `Noise.fill_site`; `heat` as at the head of this file.
    """

    @njit(**COMPILED)
    def noise(z, w, noise_step, j, heat, uniform, exponent):  # type: ignore[no-untyped-def]
        fill(z, w, noise_step, j, heat[1], heat[2], heat[3], heat[4], uniform, exponent)

    return noise


site_noise = noise_of_sites(fill_site)


@lru_cache(maxsize=64)
def thermostat_stepper(
    dissipation: Callable[..., Any], p: int, noise: Callable[..., Any] = site_noise
) -> Callable[..., Any]:
    """apply(x, y, d, noise_step, heat): H(d) with the noise of this number; `heat` as at the head of this file.

    dissipation: the kernel of g; p: its power where it is radial, else 0; noise: see `site_noise`.
    """

    @njit(**COMPILED)
    def apply(x, y, d, noise_step, heat):  # type: ignore[no-untyped-def]
        temperature, int_params, float_params = heat[0], heat[5], heat[6]
        sites = x.shape[0]
        z, w, uniform, exponent = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
        # p is a constant when this is compiled, and the branches that it does not take are left out
        if p == 0:
            # Heun's scheme: the noise is added at once, and both slopes afterwards
            dx, dy, ex, ey = np.empty((4, sites, LANES))
            dissipation(x, y, dx, dy, int_params, float_params)
            ahead_x, ahead_y = np.empty((2, sites, LANES))
            for j in range(sites):
                noise(z, w, noise_step, j, heat, uniform, exponent)
                s = math.sqrt(temperature[j] * d)
                for n in range(LANES):
                    x[j, n] += s * z[n]
                    y[j, n] += s * w[n]
                    ahead_x[j, n] = x[j, n] + d * dx[j, n]
                    ahead_y[j, n] = y[j, n] + d * dy[j, n]
            dissipation(ahead_x, ahead_y, ex, ey, int_params, float_params)
            for j in range(sites):
                for n in range(LANES):
                    x[j, n] += 0.5 * d * (dx[j, n] + ex[j, n])
                    y[j, n] += 0.5 * d * (dy[j, n] + ey[j, n])
            return
        keep = math.exp(-d)
        for j in range(sites):
            noise(z, w, noise_step, j, heat, uniform, exponent)
            a, b = x[j], y[j]
            if p == 2:
                # an Ornstein-Uhlenbeck process, exact in law
                s = math.sqrt(-0.5 * temperature[j] * math.expm1(-2.0 * d))
                for n in range(LANES):
                    a[n] = keep * a[n] + s * z[n]
                    b[n] = keep * b[n] + s * w[n]
            else:
                s = math.sqrt(temperature[j] * d)
                for n in range(LANES):
                    factor = shrink(p, a[n] * a[n] + b[n] * b[n], 0.5 * d)
                    a[n] = factor * a[n] + s * z[n]
                    b[n] = factor * b[n] + s * w[n]
                    factor = shrink(p, a[n] * a[n] + b[n] * b[n], 0.5 * d)
                    a[n] *= factor
                    b[n] *= factor

    return apply


@lru_cache(maxsize=64)
def lattice_stepper(steps: Callable[..., Any], thermostat: Callable[..., Any]) -> Callable[..., Any]:
    """advance(x, y, first, some, blocks, m, h, epsilon, hamiltonian, noise_step, heat) for rotators on a lattice.

    Takes the Hamiltonian steps first, .., first + some - 1 out of `blocks` times m, with the thermostats around them: a
    slice of all steps. hamiltonian: (turning, pairs, ends, strength), see `hamiltonian_stepper`;
    noise_step: the number of the noise of the first thermostat; heat: see the head of this file.
    """

    @njit(**COMPILED)
    def advance(x, y, first, some, blocks, m, h, epsilon, hamiltonian, noise_step, heat):  # type: ignore[no-untyped-def]
        turning, pairs, ends, strength = hamiltonian
        d = epsilon * m * h
        # the thermostat before the first block and that after the last one act for half as long
        if first == 0:
            thermostat(x, y, 0.5 * d, noise_step, heat)
        done = first
        while done < first + some:
            block, begin = done // m, done % m
            end = min(m, begin + first + some - done)
            steps(x, y, turning, pairs, ends, strength, h, m, begin, end)
            done += end - begin
            # a slice may end within a block: only then there is no thermostat yet
            if end == m:
                thermostat(x, y, 0.5 * d if block == blocks - 1 else d, noise_step + block + 1, heat)

    return advance


@lru_cache(maxsize=64)
def transport_stepper(thermostat: Callable[..., Any]) -> Callable[..., Any]:
    """advance(x, y, first, some, count, d, noise_step, heat): the steps first, .., first + some - 1 of `count`.

    Of the effective equation where its dissipation is not radial, else see `radial_stepper`. noise_step: the number of
    the noise of step 0; heat: see the head of this file.
    """

    @njit(**COMPILED)
    def advance(x, y, first, some, count, d, noise_step, heat):  # type: ignore[no-untyped-def]
        for i in range(first, first + some):
            thermostat(x, y, d, noise_step + i, heat)

    return advance
