"""The terms of R_j that depend on a neighbour: exactly of polynomials, of other dissipations by least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dissipations.general import PolynomialDissipation
from ..region import LatticeRegion
from .action_polynomials import ActionPolynomial
from .bond_terms import PairTerm
from .drift import ActionDrift

MOST_POINTS, LEAST_POINTS, MOST_NUMBERS = 4096, 512, 2**18  # of a fit
BEYOND = 1.0  # powers of actions beyond p/2 that a fit has
LARGEST_POWER = 6.0


@dataclass(frozen=True)
class PairTerms:
    """Terms of all R_j in the actions of two neighbours.

    Args:
        terms: of all sites.
        misfit: root of the mean square of what R is beside them and functions of one action, over that of R.
    """

    terms: tuple[PairTerm, ...]
    misfit: float


def random_actions(drift: ActionDrift, number: int) -> NDArray[np.float64]:
    """Independent exponential actions (P, N) of means T_j^(2/p)/2; others for each number.

    P is 4096, or less for many sites.
    """
    size = drift.lattice.size
    count = int(np.clip(MOST_NUMBERS // size, LEAST_POINTS, MOST_POINTS))
    generator = np.random.Generator(np.random.Philox(key=[size, number]))
    return np.asarray(drift.scale * generator.standard_exponential((count, size)))


def polynomial_terms(dissipation: PolynomialDissipation, region: LatticeRegion) -> PairTerms:
    """Those of the resonant monomials; of three actions or more they are no exchange of two sites, and left out."""
    terms = [
        PairTerm(int(j), int(k), (float(term.own), float(term.others[0][1])), float(c))
        for term in ActionPolynomial.of(dissipation, region).terms
        if len(term.others) == 1
        for j, k, c in zip(term.sites, term.others[0][0], term.coefficients)
    ]
    return PairTerms(tuple(terms), 0.0)


def fitted_terms(drift: ActionDrift) -> PairTerms:
    """Those of the best fit of R_j by powers of sqrt(I_j) and one sqrt(I_k), at random exponential actions.

    The misfit is found at other ones.
    """
    points, others = random_actions(drift, 1), random_actions(drift, 2)
    values, expected = drift(points), drift(others)
    highest = min(0.5 * drift.lattice.dissipation.power + BEYOND, LARGEST_POWER)
    terms: list[PairTerm] = []
    wrong = 0.0
    for j, near in enumerate(drift.lattice.region.neighbours):
        own = [(j, a, 0.0) for a in np.arange(1.0, highest + 0.25, 0.5)]
        pairs = [
            (int(k), a, b)
            for k in near
            for a in np.arange(1.0, highest, 0.5)
            for b in np.arange(0.5, highest - a + 0.25, 0.5)
        ]
        basis = own + pairs
        matrix = _tabulated(points, drift.scale, j, basis)
        found = np.linalg.lstsq(matrix, values[:, j], rcond=1e-13)[0]
        wrong += float(((_tabulated(others, drift.scale, j, basis) @ found - expected[:, j]) ** 2).mean())
        for (k, a, b), c in list(zip(basis, found))[len(own) :]:
            scaled = float(c / drift.scale[j] ** a / drift.scale[k] ** b)
            terms.append(PairTerm(j, k, (float(a), float(b)), scaled))
    return PairTerms(tuple(terms), float(np.sqrt(wrong / max(float((expected**2).mean(axis=0).sum()), 1e-300))))


def _tabulated(
    points: NDArray[np.float64], scale: NDArray[np.float64], j: int, basis: list[tuple[int, float, float]]
) -> NDArray[np.float64]:
    x = points / scale
    return np.stack([x[:, j] ** a * (x[:, k] ** b if b else 1.0) for k, a, b in basis], axis=1)
