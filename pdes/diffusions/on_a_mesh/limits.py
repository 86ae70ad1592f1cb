"""Limits of linear steps, which keep the sign and lower the free energy on every mesh, for every M and step.

A step by sums of resolvents keeps mass and equilibrium to round-off. Where A has positive entries beside the diagonal
it may leave r < 0, or a higher free energy. Beside it stands a step of implicit Euler with the monotone part of A,

    A-_ij = min(A_ij, 0) for i != j,    sum_j A-_ij = 0,

whose resolvent is the kernel of a reversible Markov chain with the law pi: r- >= 0 has the mass of before, and H(r-)
is not more than before by Jensen's inequality, for steps of any length. With r+, which is max(r, 0) scaled to the mass,
as near to r in total variation as a density can be, the step ends at

    r- + theta (r+ - r-),

with theta = 1 where H does not rise, and else the largest theta for which H falls by a thousandth of what it falls in
r-; H is convex, and theta = 0 will do. Where the linear step keeps its sign and lowers H, nothing is changed, so that
the order in time and space is that of the linear equation.
Where paths are killed, r- and r+ have no more mass than before, and H is not looked at.
Source: Zalesak, Fully multidimensional flux-corrected transport algorithms for fluids, J. Comput. Phys. 31 (1979) 335,
and Kuzmin, Monolithic convex limiting for continuous finite element discretizations, Comput. Methods Appl. Mech. Eng.
361 (2020) 112804, for steps between a monotone and an accurate one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix

from ...time.density_integrator import IntegratorState
from ...time.resolvents import Resolvents
from .lumped import LumpedEquation


@dataclass(frozen=True)
class LimitSettings:
    """How steps are limited.

    Args:
        even: relative entropy below which a state is left alone.
        bisections: by which theta is found.
        fall: part of the fall of H in the monotone step that a step between the two has at least.
        least: mass of what is left in a step, by that of before, of a linear step that is looked at.
        counted: part of the mass from which a change counts.
    """

    even: float = 1e-20
    bisections: int = 16
    fall: float = 1e-3
    least: float = 1e-6
    counted: float = 1e-9


SETTINGS = LimitSettings()


@dataclass(frozen=True)
class Limited:
    """A step as it is kept.

    Args:
        state: s (m,) at the nodes of this rank.
        entropy: H there.
        change: of the linear step, in total variation, by the mass of before.
        reason: why it is refused, empty if not.
    """

    state: np.ndarray
    entropy: float
    change: float = 0.0
    reason: str = ""


class StepLimiter:
    """r >= 0 and no higher H, from what linear steps leave.

    Args:
        lumped: S, and where paths are killed.
        allowed: what linear solves may leave of the mass.
    """

    def __init__(self, lumped: LumpedEquation, allowed: float) -> None:
        self.lumped, self._allowed = lumped, allowed
        # what was changed of all steps that were kept, and how many of them
        self.changed, self.steps = 0.0, 0

    @cached_property
    def monotone(self) -> Resolvents:
        """The resolvents of the monotone part of A; collective the first time."""
        lumped, equation = self.lumped, self.lumped.equation
        return Resolvents(
            PetscMatrix(lumped.scaled(monotone=True)), lumped.root, equation.dim, "fokker_planck_",
            equation.petsc_options,
            allowed=self._allowed,
        )  # fmt: skip

    def keep(self, step: Limited) -> None:
        """Count a step that is kept."""
        self.changed += step.change
        self.steps += step.change > SETTINGS.counted

    def limited(self, old: IntegratorState, linear: np.ndarray, h: float) -> Limited:
        """Return the step that is kept; collective.

        Args:
            old: the state before it.
            linear: s (m,) after the linear step, on this rank.
            h: the step.
        """
        lumped = self.lumped
        near, mass, before = self._nearest(old, linear)
        if mass <= SETTINGS.least * before:
            # nothing to be had of a linear step that is far too long
            return self._between(old, None, linear, before, h)
        if lumped.held is not None:
            return Limited(near, self._entropy(near)[0], self._distance(near, linear) / before)
        entropy, noise = self._entropy(near)
        if entropy <= old.entropy + noise:
            # the lowest value so far is what later ones are held against, so that noise never adds up
            return Limited(near, min(entropy, old.entropy), self._distance(near, linear) / before)
        if entropy <= SETTINGS.even:
            return Limited(old.state, old.entropy)
        return self._between(old, near, linear, before, h)

    def _nearest(self, old: IntegratorState, linear: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The nearest state that is not negative, its mass, and that of before."""
        root, total = self.lumped.root, self.lumped.equation.total
        positive = np.maximum(linear, 0.0)
        if self.lumped.held is None:
            return positive / total(positive * root), 1.0, 1.0
        before = total(old.state * root)
        amount, mass = total(positive * root), min(total(linear * root), before)
        return positive * (mass / amount if amount > 0 else 0.0), mass, max(before, 1e-290)

    def _between(
        self, old: IntegratorState, near: np.ndarray | None, linear: np.ndarray, before: float, h: float
    ) -> Limited:
        """The monotone step, or what is nearest to the linear one on the way to it."""
        root, total = self.lumped.root, self.lumped.equation.total
        low = np.maximum(self.monotone.solve(h, old.state), 0.0)
        if self.lumped.held is None:
            low /= total(low * root)
        lowest, noise = self._entropy(low)
        if near is None:
            return Limited(low, lowest, self._distance(low, linear) / before)
        if lowest > old.entropy + noise:
            reason = f"the relative entropy rises from {old.entropy:.6e} to {lowest:.6e}"
            return Limited(low, np.inf, 0.0, reason)
        most, theta, above = old.entropy - SETTINGS.fall * (old.entropy - lowest), 0.0, 1.0
        for _ in range(SETTINGS.bisections):
            middle = 0.5 * (theta + above)
            theta, above = (middle, above) if self._entropy(low + middle * (near - low))[0] <= most else (theta, middle)
        state = low + theta * (near - low)
        return Limited(state, min(self._entropy(state)[0], old.entropy), self._distance(state, linear) / before)

    def _entropy(self, state: np.ndarray) -> tuple[float, float]:
        return self.lumped.relative_entropy(state * self.lumped.root)

    def _distance(self, state: np.ndarray, other: np.ndarray) -> float:
        return self.lumped.equation.total(np.abs(state - other) * self.lumped.root)
