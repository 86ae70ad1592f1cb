"""Dissipations as sums of monomials c u_k .. conj(u_l) .., where they are that."""

from __future__ import annotations

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
        return dissipation._placed(region)
    if isinstance(dissipation, DiagonalDissipation) and dissipation.p % 2 == 0:
        return [(j, -1.0, _powers(j, j, dissipation.p // 2 - 1)) for j in range(region.size)]
    if isinstance(dissipation, LinearDissipation):
        damped: list[PlacedMonomial] = [(j, -1.0, [(j, False)]) for j in range(region.size)]
        rows, columns, values = dissipation.entries(region)
        return damped + [(int(j), complex(b), [(int(k), False)]) for j, k, b in zip(rows, columns, values) if b != 0]
    if isinstance(dissipation, DirectedDissipation):
        return _directed(region)
    raise InvalidArgument(
        "dissipation",
        f"must be a polynomial in u and its conjugate, but {type(dissipation).__name__} is not known to be one; write "
        "it as a PolynomialDissipation, or take samples",
    )


def _powers(j: int, k: int, power: int) -> list[tuple[int, bool]]:
    """The factors of u_j |u_k|^(2 power)."""
    return [(j, False)] + [(k, False), (k, True)] * power


def _directed(region: LatticeRegion) -> list[PlacedMonomial]:
    after, before = DirectedDissipation._beside(region)
    result: list[PlacedMonomial] = []
    for j in range(region.size):
        for k, sign in ((after[j], 1.0), (before[j], -1.0), (j, -1.0)):
            if k >= 0:
                result.append((j, 0.25 * sign, _powers(j, int(k), 1)))
    return result
