"""Gradients of the coupling and of its mean, and their Poisson brackets with the generator Phi.

{h, Phi} = sum_j (d_psi_j h d_J_j Phi - d_J_j h d_psi_j Phi) = sum_j grad_j h . (i grad_j Phi) is the derivative of h
along the flow dv/ds = i grad Phi. The bonds that the change of variables leaves out (those of resonant sites, section
7.2) keep their coupling: what is called the mean has G of these, and <G> of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.compiled_functions import values_of
from ..canonical_variables import generator_gradient
from ..lattice import RotatorLattice
from ..resolved_functions import ResolvedFunction, resolved
from ..turning.frequencies import ResolvedFrequencies
from .mean_coupling import gradients_of_bond, mean_of_bond

ROOM = 1.5  # of the largest |v|^2: what a flow reaches beyond is resolved again


@dataclass(frozen=True, eq=False)
class Brackets:
    """The coupling (1/2) sum_{bonds} G, its mean, and brackets with Phi, at amplitudes below a bound.

    Args:
        lattice: the rotators.
        square: the largest |v_j|^2 that is expected.
    """

    lattice: RotatorLattice
    square: float

    @cached_property
    def _kept(self) -> np.ndarray:
        """Which bonds keep their coupling (B,)."""
        resonant, (tail, head) = self.lattice.resonant_sites, self.lattice.region.bonds.T
        return np.asarray(resonant[tail] | resonant[head])

    @cached_property
    def _frequencies(self) -> ResolvedFrequencies:
        return self.lattice.frequencies.resolved(np.array([ROOM * self.square]))

    @cached_property
    def _potential(self) -> ResolvedFunction:
        # |u - w|^2 is at most four times the larger square
        top = np.array([4.0 * ROOM * self.square])
        return resolved("coupling", self.lattice.compiled_coupling, top, integral=True)

    def potential_of(self, squares: np.ndarray) -> ResolvedFunction:
        """G on [0, max of squares]."""
        known = self._potential
        if squares.max(initial=0.0) <= known.breaks[-1]:
            return known
        return resolved("coupling", self.lattice.compiled_coupling, squares, integral=True)

    def generator(self, v: np.ndarray) -> np.ndarray:
        """grad Phi (P, N) at amplitudes v (P, N)."""
        return generator_gradient(self.lattice, v, self._frequencies)

    def coupling(self, v: np.ndarray) -> np.ndarray:
        """(1/2) sum_{bonds} G (P,)."""
        return self._value(v, np.zeros(len(self._kept), dtype=bool))

    def mean(self, v: np.ndarray) -> np.ndarray:
        """(1/2) sum_{bonds} <G> (P,), with G instead where a bond keeps its coupling."""
        return self._value(v, ~self._kept)

    def coupling_gradient(self, v: np.ndarray) -> np.ndarray:
        """The gradient of `coupling` (P, N)."""
        return self._gradient(v, np.zeros(len(self._kept), dtype=bool))

    def mean_gradient(self, v: np.ndarray) -> np.ndarray:
        """The gradient of `mean` (P, N)."""
        return self._gradient(v, ~self._kept)

    def _value(self, v: np.ndarray, averaged: np.ndarray) -> np.ndarray:
        """Half the sum over bonds of <G> or G (P,)."""
        tail, head = self.lattice.region.bonds.T
        value, size = np.zeros(len(v)), np.abs(v)
        potential = self.potential_of(4.0 * (size**2).max(axis=1, initial=0.0))
        for b, (j, k) in enumerate(zip(tail, head)):
            if averaged[b]:
                value += 0.5 * mean_of_bond(potential, size[:, j], size[:, k])
            else:
                value += 0.5 * potential.integral(np.abs(v[:, j] - v[:, k]) ** 2)
        return value

    def _gradient(self, v: np.ndarray, averaged: np.ndarray) -> np.ndarray:
        """The gradient of that (P, N)."""
        gradient, slope = np.zeros_like(v), self.lattice.compiled_coupling
        for b, (j, k) in enumerate(self.lattice.region.bonds):
            if averaged[b]:
                first, second = gradients_of_bond(slope, v[:, j], v[:, k])
            else:
                apart = v[:, j] - v[:, k]
                first = 2 * values_of(slope, np.abs(apart) ** 2, "coupling") * apart
                second = -first
            gradient[:, j] += 0.5 * first
            gradient[:, k] += 0.5 * second
        return gradient

    def second(self, v: np.ndarray) -> np.ndarray:
        """H_2 = (1/2) {mean + coupling, Phi} (P,)."""
        both = self.coupling_gradient(v) + self.mean_gradient(v)
        return 0.5 * bracket(both, self.generator(v))

    def size(self, v: np.ndarray) -> np.ndarray:
        """sum_j |grad_j| |grad_j Phi| (P,), with the gradients of the coupling and its mean: a scale of brackets."""
        both = np.abs(self.coupling_gradient(v)) + np.abs(self.mean_gradient(v))
        return np.asarray((both * np.abs(self.generator(v))).sum(axis=1))

    def beyond(self, v: np.ndarray, delta: float, steps: int) -> np.ndarray:
        """(H(u(v)) - H_0(v))/delta^2 = H_2 + delta H_> (P,), delta = epsilon^a.

        It is int_0^1 ((1 - s) {mean, Phi} + s {coupling, Phi}) o X^s ds, X^s the flow of delta Phi: Taylor's formula
        for both parts of H, with {rotation, Phi} = mean - coupling. Runge-Kutta of order 4.
        """
        total, h, state = np.zeros(len(v)), 1.0 / steps, v.copy()

        def rates(s: float, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            phi = self.generator(here)
            share = (1.0 - s) * self.mean_gradient(here) + s * self.coupling_gradient(here)
            return 1j * delta * phi, bracket(share, phi)

        for n in range(steps):
            s = n * h
            k1, q1 = rates(s, state)
            k2, q2 = rates(s + 0.5 * h, state + 0.5 * h * k1)
            k3, q3 = rates(s + 0.5 * h, state + 0.5 * h * k2)
            k4, q4 = rates(s + h, state + h * k3)
            state = state + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
            total += h / 6.0 * (q1 + 2 * q2 + 2 * q3 + q4)
        return total


def bracket(gradient: np.ndarray, generator: np.ndarray) -> np.ndarray:
    """{h, Phi} (P,), of grad h and grad Phi (P, N)."""
    return np.asarray((np.conj(gradient) * 1j * generator).real.sum(axis=1))
