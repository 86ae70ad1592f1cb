"""R of polynomial dissipations as polynomials in the actions, from their resonant monomials.

Re c u_j |u_j|^2m prod_k |u_k|^2n_k . u_j gives Re c 2^(1+m+sum n) I_j^(1+m) prod_k I_k^n_k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dissipations.general import PolynomialDissipation
from ..region import LatticeRegion
from .bond_terms import power


@dataclass(frozen=True, eq=False)
class ActionTerm:
    """The terms c_j I_j^a prod_k I_{j+k}^n_k of the same powers and offsets k in R_j of some sites.

    Args:
        sites: j (S,).
        coefficients: c (S,).
        own: a.
        others: for each factor the sites j + k (S,), and n_k.
    """

    sites: NDArray[np.int64]
    coefficients: NDArray[np.float64]
    own: int
    others: tuple[tuple[NDArray[np.int64], int], ...]


@dataclass(frozen=True, eq=False)
class ActionPolynomial:
    """R (P, N) at actions (P, N), a sum of terms."""

    terms: tuple[ActionTerm, ...]

    @classmethod
    def of(cls, dissipation: PolynomialDissipation, region: LatticeRegion) -> ActionPolynomial:
        """That of a dissipation; monomials that reach out of the region are 0."""
        averaged = dissipation.averaged(region)
        found: dict[tuple[tuple[int, ...], ...], list[tuple[int, float]]] = {}
        for j in range(region.size):
            for monomial in averaged.monomials[j if len(averaged.monomials) > 1 else 0]:
                # the power of the site itself has no offset; it comes first
                own = next(a for offset, (a, _) in monomial.factors if not any(offset))
                others = tuple((*offset, b) for offset, (_, b) in monomial.factors if any(offset))
                c = monomial.coefficient.real * 2.0 ** (own + sum(key[-1] for key in others))
                found.setdefault(((own,), *others), []).append((j, c))
        terms = (_placed(key, some, region) for key, some in found.items())
        return cls(tuple(term for term in terms if len(term.sites)))

    def __call__(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """R (P, N) at actions (P, N)."""
        result = np.zeros_like(actions)
        powers: dict[int, NDArray[np.float64]] = {1: actions}
        for term in self.terms:
            value = term.coefficients * _power(powers, actions, term.own)[:, term.sites]
            for places, n in term.others:
                value *= _power(powers, actions, n)[:, places]
            result[:, term.sites] += value
        return result


def _power(known: dict[int, NDArray[np.float64]], actions: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    if exponent not in known:
        known[exponent] = power(actions, exponent)
    return known[exponent]


def _placed(key: tuple[tuple[int, ...], ...], some: list[tuple[int, float]], region: LatticeRegion) -> ActionTerm:
    sites, coefficients = np.array([j for j, _ in some]), np.array([c for _, c in some])
    shifted = [(region.shifted((*offset, 0, 0)[: region.dim])[sites], n) for *offset, n in key[1:]]
    here = np.all([places >= 0 for places, _ in shifted] + [sites >= 0], axis=0)
    return ActionTerm(sites[here], coefficients[here], key[0][0], tuple((places[here], n) for places, n in shifted))
