"""Integrals of a function of one action times the polynomials of its site, by Gauss's rule on cells that are halved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.particles.errors import Unresolved, warn

from .site_basis import SiteBasis

GAUSS = np.polynomial.legendre.leggauss(16)
# logarithm of the weight, below its value at 0, to where cells are fine; cells until there, and beyond
BULK, FINE, COARSE = 40.0, 4096, 512
# the last cells, whose integrals tell how the integrand falls there
LAST = 8
# of int |f| p: a cell whose halves change more is halved again
CELL = 1e-13
# more than rounding of the ends: so often a cell is halved, and so many cells are looked at
DEEPEST, MOST = 400, 40_000
POINTS = 16_384
# of int |f| p: a larger error is said
SAID = 1e-8


@dataclass(frozen=True)
class SiteIntegral:
    """The integrals of a function of one site, and what they may be off.

    Args:
        moment: int w f P_a (n,).
        size: int |f| p of the density p of the site, by cells.
        error: of int f p, what the last halving of cells changed.
        last: of int |f| p, the last cells.
        tail: of int |f| p beyond the end, as the last cells fall; infinite where they do not.
    """

    moment: np.ndarray
    size: float
    error: float
    last: float
    tail: float


@dataclass(frozen=True, eq=False)
class SiteIntegrals:
    """int w f P_a by halving cells of I^(1/2) until halves change nothing.

    Args:
        basis: P_a and w.
        law: the coefficients (n,) of the density of the site over w, which weigh errors.
    """

    basis: SiteBasis
    law: np.ndarray

    @cached_property
    def edges(self) -> np.ndarray:
        """Of the first cells, in I^(1/2)."""
        end = np.sqrt(self.basis.upper)
        bulk = min(np.sqrt(self.basis.where(BULK)), 0.5 * end)
        return np.append(np.linspace(0.0, bulk, FINE, endpoint=False), np.linspace(bulk, end, COARSE + 1))

    def of(self, function: Callable[[np.ndarray], np.ndarray]) -> SiteIntegral:
        """The integrals of f, from actions (Q,) to finite values (Q,)."""
        left, right = self.edges[:-1], self.edges[1:]
        whole = self._cells(function, left, right)
        moment, size, error, last = np.zeros_like(self.law), 0.0, 0.0, np.zeros(2)
        for depth in range(DEEPEST + 1):
            middle = 0.5 * (left + right)
            halves = self._cells(function, np.stack([left, middle], 1).ravel(), np.stack([middle, right], 1).ravel())
            halves = halves.reshape(len(left), 2, -1)
            change = np.abs(halves.sum(axis=1) - whole) @ np.abs(self.law)
            parts = np.abs(halves @ self.law).sum(axis=1)
            known = size + float(parts.sum())
            again = (change > CELL * known) & (right - left > 16 * np.finfo(float).eps * right)
            if depth == DEEPEST or again.sum() > MOST:
                again[:] = False
            moment = moment + halves[~again].sum(axis=(0, 1))
            size, error = size + float(parts[~again].sum()), error + float(change[~again].sum())
            last += self._last(left[~again], parts[~again])
            if not again.any():
                break
            whole = halves[again].reshape(2 * int(again.sum()), -1)
            left, right = (
                np.stack([one[again], other[again]], 1).ravel() for one, other in ((left, middle), (middle, right))
            )
        return SiteIntegral(moment, size, error, float(last[0]), _beyond(last))

    def _last(self, left: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """What is of the last cells, and of as many before them (2,)."""
        end, before = self.edges[-1 - LAST], self.edges[-1 - 2 * LAST]
        return np.array([parts[left >= end].sum(), parts[(left >= before) & (left < end)].sum()])

    def _cells(self, function: Callable[[np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """int w f P_a over cells (C, n)."""
        root = left[:, None] + 0.5 * (right - left)[:, None] * (GAUSS[0] + 1.0)
        values = function((root**2).ravel()).reshape(root.shape)
        weighted = values * (right - left)[:, None] * GAUSS[1] * root * self.basis.weight(root**2)
        result = np.empty((len(left), len(self.law)))
        step = POINTS // len(GAUSS[0])
        for k in range(0, len(left), step):
            some = slice(k, k + step)
            table = self.basis.values((root[some] ** 2).ravel())[0].reshape(*root[some].shape, -1)
            result[some] = np.einsum("cq,cqn->cn", weighted[some], table)
        return result


def _beyond(last: np.ndarray) -> float:
    """The sum of all cells beyond the last ones, if they fall as these did."""
    if last[0] == 0.0:
        return 0.0
    fall = last[0] / last[1] if last[1] > 0 else np.inf
    return float(last[0] * fall / (1.0 - fall)) if fall < 1.0 else np.inf


def warn_of_integrals(found: Sequence[SiteIntegral], law_error: float) -> None:
    """Warn of a product of integrals that is not known to `SAID`, or where the law ends to its own relative error.

    Warns:
        Unresolved: halving cells changes it, or the integrand has not fallen at the end.
    """
    size = float(np.prod([one.size for one in found]))
    seen = [one for one in found if one.size > 0]
    error, last, tail = (sum(getattr(one, name) / one.size for one in seen) for name in ("error", "last", "tail"))
    if error > SAID:
        message = f"the expectation is known to {error * size:.1e} only, which halving cells of the actions changes; "
        warn(message + "it may be infinite, or a function has too many jumps", Unresolved)
    # how a law falls that is below its own error is not known
    if last > max(SAID, law_error):
        much = "the integrand does not fall there, and the expectation may be infinite"
        if np.isfinite(tail):
            much = f"about {tail * size:.1e} is missing"
        warn(f"the expectation counts actions beyond those that are integrated over: {much}", Unresolved)
