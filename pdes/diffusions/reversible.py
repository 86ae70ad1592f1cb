"""Reversible diffusions in time: steps that keep mass, sign and equilibrium, and never raise the relative entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling_limits.particles.errors import NotConverged

from ..time.density_integrator import WHAT, IntegratorState, StepChoice
from ..time.resolvents import Resolvents
from .scharfetter_gummel import ScharfetterGummel

EXACT = 1e-3  # of rtol: what linear solves may leave of the mass
EXACT_STEPS = 1e-9  # of the mass, where steps have a given size
EVEN = 1e-20  # relative entropies below it are rounding (of 1e-10); a state so close to equilibrium is left alone
ROUNDING = 1e-12  # of sum r |log(r/r_eq)|: what a solve leaves in a relative entropy that is not small


class ReversibleSystem:
    """The equation d_t s = -S s, with the probabilities r = sqrt(m) s >= 0 (a `density_integrator.DensitySystem`).

    Args:
        generator: S and m.
        choice: of the steps, which says how exact the solves must be.
        petsc_options: of the linear solver, without prefix.
    """

    def __init__(self, generator: ScharfetterGummel, choice: StepChoice, petsc_options: dict[str, Any] | None) -> None:
        self._choice, self._comm, self._root = choice, generator.comm, generator.root
        allowed = EXACT_STEPS if choice.rtol is None else EXACT * choice.rtol
        self.resolvents = Resolvents(
            generator.matrix(), generator.root, generator.dim, "fokker_planck_", petsc_options, allowed=allowed
        )
        self._partition = self._sum(self._root**2)

    def _sum(self, values: np.ndarray) -> float:
        return float(self._comm.allreduce(float(values.sum())))

    def norm(self, state: np.ndarray) -> float:
        """Return sum sqrt(m) |s|."""
        return self._sum(np.abs(state) * self._root)

    def entropy(self, state: np.ndarray) -> tuple[float, float]:
        """Return the relative entropy H = sum r log(r/r_eq) >= 0, which keeps its digits near 0, and what rounding in
        the solves and in the logarithms may change of it.
        """
        inside = self._root > 0
        root = np.where(inside, self._root, 1.0)
        with np.errstate(over="ignore"):
            ratio = np.where(inside, state * self._partition / root, 0.0)
        weight, share = self._root**2 / self._partition, state * self._root
        excess = ratio - 1.0
        small = np.abs(excess) < 1e-4
        x = np.where(small, excess, 0.0)
        series = x**2 * (0.5 - x / 6 + x**2 / 12 - x**3 / 20)  # of (1 + x) log(1 + x) - x
        logarithms = np.log(np.where(share > 0, state, 1.0)) + np.log(self._partition) - np.log(root)
        terms = np.where(share > 0, share * logarithms, 0.0)
        noise = np.abs(np.where(small, 0.0, terms))
        value = self._sum(np.where(small, weight * series, terms - (share - weight)))
        return value, ROUNDING * self._sum(noise)

    def start(self, probabilities: np.ndarray) -> IntegratorState:
        """Return the state of probabilities r at the nodes of this rank, which add up to 1."""
        state = np.where(self._root > 0, probabilities / np.where(self._root > 0, self._root, 1.0), 0.0)
        return IntegratorState(state=state, entropy=self.entropy(state)[0])

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state with r >= 0 and mass 1, its entropy, and why it is refused (empty if not).

        Where a sum of resolvents is negative, it is so by less than the error of the step; it becomes 0 there, and the
        rest is scaled to the mass that was there.
        """
        positive = np.maximum(new, 0.0)
        total, kept = self._sum(new * self._root), self._sum(positive * self._root)
        if not kept - total <= (self._choice.rtol or 1e-3) or not abs(total - 1.0) <= 1e-6:
            return new, np.inf, f"the density is negative on {kept - total:.1e} of its mass"
        positive /= kept
        if self._choice.scheme.order == 1:  # implicit Euler cannot raise H: it is found at snapshots only
            return positive, old.entropy, ""
        entropy, noise = self.entropy(positive)
        # the lowest value so far is what later ones are held against, so that noise never adds up
        if entropy <= old.entropy + noise:
            return positive, min(entropy, old.entropy), ""
        if entropy <= max(EVEN, 16.0 * self.resolvents.left**2):  # as even as the solves are exact
            return old.state, old.entropy, ""
        return new, np.inf, f"the relative entropy rises from {old.entropy:.6e} to {entropy:.6e}"

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return the probabilities r on this rank, and H.

        Raises:
            NotConverged: steps of implicit Euler have raised H, which exact solves cannot.
        """
        density = old.state * self._root
        if self._choice.scheme.order > 1:
            return density, old.entropy
        entropy = self.entropy(old.state)[0]
        if entropy <= old.entropy or entropy <= EVEN:
            return density, min(entropy, old.entropy)
        raise NotConverged(
            WHAT, f"the relative entropy rose from {old.entropy:.6e} to {entropy:.6e}",
            "let the linear solver be more exact, by petsc_options",
        )  # fmt: skip
