"""The drift R of the actions as a function of them, its rate R_j/I_j, and its slope d R_j/d I_j."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..dissipations.dissipation import Dissipation
from ..dissipations.general import PolynomialDissipation
from ..lattice import RotatorLattice
from ..region import LatticeRegion
from .action_polynomials import ActionPolynomial

CHUNK = 2**18  # actions at a time
SMALLEST = 1e-30  # an action against T^(2/p): below it rates are taken at it
STEP = 3e-3  # of an action, between the four points of a slope: exact for polynomials of degree 4


def separate_sites(region: LatticeRegion, radius: int) -> list[NDArray[np.int64]]:
    """The sites in classes, each of sites whose balls of bonds of that radius have no site in common.

    Args:
        region: of the sites.
        radius: 0 or 1; classes of radius 1/2, sites that are no neighbours, are those of 0.
    """
    near = [set(map(int, sites)) for sites in region.neighbours]
    colours = np.full(region.size, -1)
    for j in range(region.size):
        around = set(near[j])
        if radius:
            around |= {i for k in near[j] for i in near[k]}
        taken = {int(colours[k]) for k in around if k != j}
        colours[j] = next(c for c in range(len(taken) + 1) if c not in taken)
    return [np.flatnonzero(colours == c) for c in range(int(colours.max()) + 1)]


@dataclass(frozen=True, eq=False)
class ActionDrift:
    """R_j(I) = <g_j(u) . u_j>, of which I_j is a factor.

    Args:
        lattice: the rotators; only their dissipation matters.

    Source: Dymov, equation (2.7).
    """

    lattice: RotatorLattice

    @cached_property
    def averaged(self) -> Dissipation:
        """The average K over the angles."""
        return self.lattice.dissipation.averaged(self.lattice.region)

    @cached_property
    def scale(self) -> NDArray[np.float64]:
        """Actions T_j^(2/p)/2 (N,), of the size of those of a site in equilibrium."""
        return 0.5 * self.lattice.temperature ** (2.0 / self.lattice.dissipation.power)

    def __call__(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """R (P, N) at actions (P, N)."""
        return in_chunks(self._values, actions)

    def rate(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """R_j/I_j (P, N) at actions (P, N)."""
        some = np.maximum(actions, SMALLEST * self.scale)
        return self(some) / some

    def slope(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """d R_j/d I_j (P, N) at actions (P, N), by four points; exact to rounding for polynomials of degree 4."""
        some, result = np.maximum(actions, SMALLEST * self.scale), np.zeros_like(actions)
        for sites in separate_sites(self.lattice.region, 0):
            for side, weight in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
                moved = some.copy()
                moved[:, sites] *= 1.0 + side * STEP
                result[:, sites] += weight * self(moved)[:, sites]
        return result / (12.0 * STEP * some)

    @cached_property
    def _polynomial(self) -> ActionPolynomial | None:
        if isinstance(self.lattice.dissipation, PolynomialDissipation):
            return ActionPolynomial.of(self.lattice.dissipation, self.lattice.region)
        return None

    def _values(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._polynomial is not None:
            return self._polynomial(actions)
        modulus = np.sqrt(2.0 * actions)
        return np.asarray((self.averaged.at(self.lattice.region, modulus + 0j) * modulus).real)


def in_chunks(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], actions: np.ndarray) -> np.ndarray:
    """A function of actions (P, N) to values (P, ...), some points at a time."""
    size = max(1, CHUNK // actions.shape[1])
    if len(actions) <= size:
        return function(actions)
    return np.concatenate([function(actions[first : first + size]) for first in range(0, len(actions), size)])
