"""Example 2.4: dissipations that are diagonal but for a small perturbation, which is enough for Hg."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..region import LatticeRegion
from .dissipation import DirectedDissipation, Dissipation, LinearDissipation
from .general import PolynomialDissipation
from .monomials import placed_monomials


def allowed_constant(region: LatticeRegion) -> float:
    """1/(8 d (2 d + 1)^2): what C of Example 2.4 must be below."""
    return 1 / (8 * region.dim * (2 * region.dim + 1) ** 2)


def perturbation_constant(g: Dissipation, region: LatticeRegion) -> float | None:
    """A bound of C in |g_l(u)/c + |u_l|^(p-2) u_l| <= C sum_k |u_k|^(p-1) + const, for polynomials.

    c is the least coefficient of -|u_l|^(p-2) u_l of all sites. Of the terms of degree p - 1 each has
    prod_k |u_k|^a_k <= sum_k a_k/(p-1) |u_k|^(p-1), and terms of lower degree are in the constants; so it is an upper
    bound, and the least C may be smaller.

    Args:
        g: the dissipation.
        region: its sites.

    Returns:
        The bound, infinite where some site has no damping of its own; None for what is no polynomial of degree p - 1.

    Source: Dymov, Example 2.4.
    """
    if not isinstance(g, LinearDissipation | PolynomialDissipation | DirectedDissipation) or g.power % 2:
        return None
    damping = np.zeros(region.size)
    shares: dict[tuple[int, int], float] = {}
    for j, c, factors in placed_monomials(g, region):
        if len(factors) != g.power - 1:
            continue
        own = Counter(factors) == Counter({(j, False): g.power // 2, (j, True): g.power // 2 - 1})
        if own:
            damping[j] -= complex(c).real
        size = abs(complex(c).imag) if own else abs(c)
        for k, _ in factors:
            shares[j, k] = shares.get((j, k), 0.0) + size / (g.power - 1)
    if damping.min() <= 0:
        return float("inf")
    # sites with stronger damping than the least have the more as part of what is left, which helps: it may be dropped
    return max(shares.values(), default=0.0) / float(damping.min())
