"""Dissipations as sums of monomials c u_k .. conj(u_l) .., where they are that."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgument
from ..region import LatticeRegion
from .dissipation import DiagonalDissipation, DirectedDissipation, Dissipation, LinearDissipation
from .general import PolynomialDissipation
from .kernels import PlacedMonomial


def placed_monomials(dissipation: Dissipation, region: LatticeRegion) -> list[PlacedMonomial]:
    """The monomials of g_j(u) of all sites: j, coefficient, and for each factor its site and whether it is conjugated.

    Args:
        dissipation: g.
        region: where it acts.

    Raises:
        InvalidArgument: g is no polynomial, or is not known to be one.
    """
    if isinstance(dissipation, PolynomialDissipation):
        return dissipation.placed(region)
    if isinstance(dissipation, DiagonalDissipation) and dissipation.p % 2 == 0:
        return [(j, -1.0, _powers(j, j, dissipation.p // 2 - 1)) for j in range(region.size)]
    if isinstance(dissipation, LinearDissipation):
        damped: list[PlacedMonomial] = [(j, -1.0, [(j, False)]) for j in range(region.size)]
        rows, columns, values = dissipation.entries(region)
        return damped + [(int(j), complex(b), [(int(k), False)]) for j, k, b in zip(rows, columns, values) if b != 0]
    if isinstance(dissipation, DirectedDissipation):
        return _directed(dissipation, region)
    raise InvalidArgument(
        "dissipation",
        f"must be a polynomial in u and its conjugate, but {type(dissipation).__name__} is not known to be one; write "
        "it as a PolynomialDissipation, or take samples",
    )


def _powers(j: int, k: int, power: int) -> list[tuple[int, bool]]:
    """The factors of u_j |u_k|^(2 power)."""
    return [(j, False)] + [(k, False), (k, True)] * power


def _directed(dissipation: DirectedDissipation, region: LatticeRegion) -> list[PlacedMonomial]:
    """2^-q (s/2 (h(u_{j+1}, u_j) - h(u_{j-1}, u_j)) - |u_j|^(p-2)) u_j, h(v, u) = |v|^(p-2) + |v|^2 |u|^(p-4)."""
    q, first = dissipation.power // 2, np.eye(region.dim, dtype=np.int64)[0]
    result: list[PlacedMonomial] = []
    for j, after, before in zip(range(region.size), region.shifted(first), region.shifted(-first)):
        result.append((j, -(0.5**q), _powers(j, j, q - 1)))
        for k, sign in ((int(after), 1.0), (int(before), -1.0)):
            if k >= 0 and dissipation.strength:
                c = 0.5 ** (q + 1) * sign * dissipation.strength
                result.append((j, c, _powers(j, k, q - 1)))
                result.append((j, c, [*_powers(j, k, 1), *[(j, False), (j, True)] * (q - 2)]))
    return result
