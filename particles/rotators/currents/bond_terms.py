"""Flows through bonds as sums of powers of the actions at their two ends.

Of R_j, let A_j(I_j, I_k) be what depends on both ends of a bond {j, k}. Half of the difference of A_k and A_j is taken
from one end and given to the other. What both ends get alike, E = (A_j + A_k)/2, is no flow; but a flow
phi_j(I_j) - phi_k(I_k) moves 2 phi of it into what depends on one action alone. We take the phi for which what is left,
E - phi_j - phi_k, vanishes with its derivatives where both actions are equal:

    J = (A_k - A_j)/2 + phi_j(I_j) - phi_k(I_k),    phi_j' (x) = d_1 E(x, x),  phi_k'(y) = d_2 E(y, y);

of c I_j^a I_k^b that is phi_j = c a/(a+b) I_j^(a+b), phi_k = c b/(a+b) I_k^(a+b).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..region import LatticeRegion

ROUNDING = 1e-14  # of what was added: coefficients below it are 0


@dataclass(frozen=True)
class PairTerm:
    """A term c I_j^a I_k^b of R_j that depends on a neighbour k.

    Args:
        site: j.
        neighbour: k.
        powers: a and b, positive.
        coefficient: c.
    """

    site: int
    neighbour: int
    powers: tuple[float, float]
    coefficient: float


@dataclass(frozen=True, eq=False)
class BondTerms:
    """Flows J_b = sum c x^m y^n through B bonds, x and y the actions at their first and second site.

    Args:
        bonds: the sites (B, 2).
        groups: for each pair of powers (m, n) the bonds where it occurs, and the coefficients.
    """

    bonds: NDArray[np.int64]
    groups: dict[tuple[float, float], tuple[NDArray[np.int64], NDArray[np.float64]]]

    @classmethod
    def of(cls, region: LatticeRegion, terms: Iterable[PairTerm]) -> BondTerms:
        """The flows of the terms of all R_j, by the rule at the head of this file."""
        places = {(int(j), int(k)): b for b, (j, k) in enumerate(region.bonds)}
        sums: dict[tuple[int, float, float], list[float]] = {}
        for term in terms:
            first = (term.site, term.neighbour) in places
            bond = places[(term.site, term.neighbour) if first else (term.neighbour, term.site)]
            (m, n), half = term.powers if first else term.powers[::-1], 0.5 * term.coefficient
            for key, c in (
                ((bond, m, n), -half if first else half),
                ((bond, m + n, 0.0), half * (m / (m + n))),
                ((bond, 0.0, m + n), -half * (n / (m + n))),
            ):
                sums.setdefault(key, []).append(c)
        chosen: dict[tuple[float, float], list[tuple[int, float]]] = {}
        for (bond, m, n), parts in sums.items():
            c = float(np.sum(parts))
            if abs(c) > ROUNDING * float(np.abs(parts).sum()):
                chosen.setdefault((m, n), []).append((bond, c))
        groups = {
            powers: (np.array([b for b, _ in some], dtype=np.int64), np.array([c for _, c in some]))
            for powers, some in chosen.items()
        }
        return cls(region.bonds, groups)

    def __call__(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """J (P, B) at actions (P, N)."""
        result = np.zeros((len(actions), len(self.bonds)))
        for (m, n), (bonds, coefficients) in self.groups.items():
            tail, head = self.bonds[bonds].T
            result[:, bonds] += coefficients * power(actions, m)[:, tail] * power(actions, n)[:, head]
        return result

    @cached_property
    def count(self) -> int:
        """Number of terms of all bonds."""
        return sum(len(bonds) for bonds, _ in self.groups.values())


def power(values: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A power; of whole exponents by products, which numpy takes much longer for with real ones."""
    if float(exponent).is_integer() and exponent <= 8:
        result = np.ones_like(values)
        for _ in range(int(exponent)):
            result = result * values
        return result
    return np.asarray(values**exponent)
