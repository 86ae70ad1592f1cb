"""The evolution of densities of actions, with matrices that need not be symmetric."""

from __future__ import annotations

from typing import Any

import numpy as np
from petsc4py import PETSc

from scaling_limits.particles import InvalidArgument

from ..time.evolution import Evolution, Journey, Stepper
from ..time.resolvents import Resolvents
from .elements.space import ActionSpace, product_of

REFUSED = 0.5  # of the mass; a density that is negative on so much of it is none


class ActionEvolution(Evolution):
    """B d_t s = -A s for s = sqrt(diag B) u, with u >= 0 at the nodes.

    Args:
        space: of u.
        outflow: A, divided by the roots from both sides.
        product: B, likewise.
        roots: sqrt(diag B), on this rank.
        stepper: how steps are chosen.
        petsc_options: of the linear solver, without prefix.
    """

    def __init__(
        self, space: ActionSpace, outflow: PETSc.Mat, product: PETSc.Mat, roots: np.ndarray, stepper: Stepper,
        petsc_options: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        self._space, self._stepper, self._comm, self._roots = space, stepper, space.comm, roots
        self._root = product_of(space.ones).ravel()[space.own] / roots
        self._resolvents = Resolvents(outflow, roots, space.dim, "transport_", petsc_options, product)
        self.undershoot = 0.0

    def begin(self, field: np.ndarray) -> Journey:
        """The journey of a field u (size,).

        Raises:
            InvalidArgument: the cells are much too large for it.
        """
        state, _, reason = self._accepted(Journey(np.empty(0)), field[self._space.own] * self._roots)
        if reason:
            raise InvalidArgument("initial", f"cannot be represented: {reason}")
        return Journey(state=state, entropy=0.0)

    def _shown(self, state: np.ndarray) -> np.ndarray:
        return state / self._roots

    def _at_snapshot(self, journey: Journey) -> float:
        return 0.0

    def _accepted(self, journey: Journey, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """The new state with u >= 0 at the nodes and mass 1, and why it cannot be had."""
        positive = np.maximum(new, 0.0)
        total, kept = self._sum(new * self._root), self._sum(positive * self._root)
        negative = self._sum((positive - new) * np.abs(self._root))
        if not negative <= REFUSED * abs(total) or not kept > 0:
            return new, np.inf, f"the density is negative on {negative:.1e} of its mass; take more cells"
        self.undershoot = max(self.undershoot, negative)
        return positive / kept, 0.0, ""
