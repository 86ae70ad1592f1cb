"""Densities of actions in time, with matrices that need not be symmetric."""

from __future__ import annotations

from typing import Any

import numpy as np
from petsc4py import PETSc

from scaling_limits.particles import InvalidArgument

from ..time.density_integrator import IntegratorState
from ..time.resolvents import Resolvents
from .elements.space import ActionSpace, product_of

REFUSED = 0.5  # of the mass; a density that is negative on so much of it is none


class ActionEvolution:
    """B d_t s = -A s for s = sqrt(diag B) u, with u >= 0 at the nodes (a `density_integrator.DensitySystem`).

    Args:
        space: of u.
        outflow: A, divided by the roots from both sides.
        product: B, likewise.
        roots: sqrt(diag B), on this rank.
        petsc_options: of the linear solver, without prefix.
    """

    def __init__(
        self, space: ActionSpace, outflow: PETSc.Mat, product: PETSc.Mat, roots: np.ndarray,
        petsc_options: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        self._space, self._roots = space, roots
        self._weights = product_of(space.ones).ravel()[space.own] / roots  # int w u = weights . s
        self.resolvents = Resolvents(outflow, roots, space.dim, "transport_", petsc_options, product)
        self.undershoot = 0.0

    def _sum(self, values: np.ndarray) -> float:
        return float(self._space.comm.allreduce(float(values.sum())))

    def norm(self, state: np.ndarray) -> float:
        """Return the sum of |s| with the weights of the mass."""
        return self._sum(np.abs(state) * self._weights)

    def start(self, field: np.ndarray) -> IntegratorState:
        """Return the state of a field u (size,).

        Raises:
            InvalidArgument: the cells are much too large for it.
        """
        state, _, reason = self.accept(IntegratorState(np.empty(0)), field[self._space.own] * self._roots)
        if reason:
            raise InvalidArgument("initial", f"cannot be represented: {reason}")
        return IntegratorState(state=state, entropy=0.0)

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state with u >= 0 at the nodes and mass 1, no entropy, and why it is refused (or nothing)."""
        positive = np.maximum(new, 0.0)
        total, kept = self._sum(new * self._weights), self._sum(positive * self._weights)
        negative = self._sum((positive - new) * np.abs(self._weights))
        if not negative <= REFUSED * abs(total) or not kept > 0:
            return new, np.inf, f"the density is negative on {negative:.1e} of its mass; take more cells"
        self.undershoot = max(self.undershoot, negative)
        return positive / kept, 0.0, ""

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return u on this rank, and no entropy: that is found from the fields, when it is asked for."""
        return old.state / self._roots, 0.0
