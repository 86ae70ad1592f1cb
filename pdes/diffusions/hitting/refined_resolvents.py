"""Resolvents whose residuals come from differences along edges, so that long steps on fine grids keep their digits.

A solve of (1 + c S) x = b leaves eps c |S| of x in the slow modes, since the diagonal of S is rounded. But

    (S x)_i = sum_j S_ij sqrt(m_j) (f_j - f_i),    f = x/sqrt(m),

needs no diagonal: it takes sqrt(m) to 0, keeps the mass, and has all digits of slow modes. Solving again for such a
residual leaves (eps c |S|)^2, and so on. Source: iterative refinement with residuals that are more exact than solves,
Higham, Accuracy and Stability of Numerical Algorithms (2002), section 12.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.particles.errors import NotConverged

from ...time.resolvents import Resolvents
from .killed_chain import KilledChain


@dataclass(frozen=True)
class RefinementSettings:
    """How often a solve is repeated for what it has left.

    Args:
        rounds: at most.
        enough: relative change of the mass, in total variation, after which what is left is rounding: it is smaller by
            the same factor as this change is than the solution.
        rare: sqrt(m) below which x is taken instead of f, which might overflow; what is there is next to nothing, or
            leaves at once.
    """

    rounds: int = 6
    enough: float = 1e-9
    rare: float = 1e-100


SETTINGS = RefinementSettings()


@dataclass(frozen=True, eq=False)
class EdgeDifferences:
    """S x of a chain, by differences of f = x/sqrt(m) along its edges.

    Args:
        chain: the edges, and what kills.
        ends: sqrt(m) at the tail and at the head of each edge (2, E).
        rare: the edges along which f may be too large a number (R,), on this rank.
        any_rare: whether there are such edges on any rank.
    """

    chain: KilledChain
    ends: np.ndarray
    rare: np.ndarray
    any_rare: bool

    @classmethod
    def of(cls, chain: KilledChain) -> EdgeDifferences:
        """Those of a chain; collective."""
        grid, root = chain.grid, chain.generator.root
        ends = np.stack([root[chain.tail - grid.own.start], chain.heads.at(root)])
        rare = np.flatnonzero(ends.min(axis=0) < SETTINGS.rare)
        return cls(chain, ends, rare, grid.comm.allreduce(rare.size) > 0)

    def applied(self, values: np.ndarray) -> np.ndarray:
        """S x at the free nodes of this rank (m,), 0 at others, for x there (m,), 0 at others; collective."""
        chain, root = self.chain, self.chain.generator.root
        tail = chain.tail - chain.grid.own.start
        usual = root >= SETTINGS.rare
        function = np.where(usual, values / np.where(usual, root, 1.0), 0.0)
        change = chain.across * (chain.heads.at(function) - function[tail])
        to_tail, to_head = change * self.ends[1], change * self.ends[0]
        if self.any_rare:
            some, (at_tail, at_head) = self.rare, self.ends[:, self.rare]
            flux = chain.across[some] * (chain.heads.at(values)[some] - values[tail[some]] * (at_head / at_tail))
            to_tail[some], to_head[some] = flux, flux * (at_tail / at_head)
        result = chain.heads.added(to_head, len(values)) - np.bincount(tail, to_tail, len(values))
        return np.asarray(np.where(chain.free, result + chain.killing.sum(axis=1) * values, 0.0))


class RefinedResolvents:
    """(1 + c S)^-1 of a chain, to rounding of the solution for c |S| up to some 1e13.

    Args:
        chain: gives the residuals.
        resolvents: solves with 1 + c S.
    """

    def __init__(self, chain: KilledChain, resolvents: Resolvents) -> None:
        self._chain, self._resolvents = chain, resolvents
        self._comm = chain.grid.comm
        self._differences = EdgeDifferences.of(chain)

    def size(self, values: np.ndarray) -> float:
        """sum sqrt(m) |x|, the mass in total variation; collective."""
        return float(self._comm.allreduce(float(np.abs(values) @ self._chain.generator.root)))

    def solve(self, c: float, right_hand_side: np.ndarray, beside: float = 0.0) -> np.ndarray:
        """Solve (1 + c S) x = b, on the rows of this rank; collective.

        Args:
            c: not negative.
            right_hand_side: b.
            beside: mass of what x is added to: x is found to rounding of both.

        Raises:
            NotConverged: the solver failed, or repeated solves do not come closer.
        """
        right = np.where(self._chain.free, right_hand_side, 0.0)
        result = self._resolvents.solve(c, right)
        before = np.inf
        for _ in range(SETTINGS.rounds):
            change = self._resolvents.solve(c, right - result - c * self._differences.applied(result))
            result = result + change
            size = self.size(result) + beside
            left = self.size(change) / size if size > 0 else 0.0
            if left <= SETTINGS.enough:
                return result
            if left > 0.5 * before:
                break
            before = left
        if left <= self._resolvents.allowed:
            return result
        raise NotConverged(
            "a linear solve of an evolution", f"solves that are repeated still change {left:.1e} of the mass",
            self._resolvents.remedy,
        )  # fmt: skip
