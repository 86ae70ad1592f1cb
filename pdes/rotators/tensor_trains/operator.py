"""The operator of the Fokker-Planck equation of a chain as a tensor train.

    (A u)(q) = sum_j int w [I_j (T_j d_j u + (T_j s_j - r_j) u) - sum_abc C_jabc I_{j-1}^a I_j^b I_{j+1}^c u] d_j q

is a sum of products of matrices of one, two or three neighbouring sites. In its cores (A, B, n, n) the first state
to the left of a site is "nothing yet", the second "done", and there is one for each product that is still to come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .polynomial_drift import PolynomialDrift
from .site_basis import SiteBasis

# what is still to come of a product: kinds of matrices ("power" or "drifted") and exponents, from left to right
Rest = tuple[tuple[str, int], ...]


def chain_operator(drift: PolynomialDrift, bases: Sequence[SiteBasis]) -> list[np.ndarray]:
    """The cores (A, B, n, n) of the operator A.

    Args:
        drift: R.
        bases: of the sites.
    """
    size = drift.size
    first: list[dict[Rest, np.ndarray]] = [{} for _ in range(size)]
    later: list[set[Rest]] = [set() for _ in range(size)]
    for j, one in enumerate(drift.products):
        for powers, coefficient in one.items():
            factors = _factors(j, powers)
            begin = min(factors)
            whole = tuple(factors[k] for k in sorted(factors))
            matrix = -coefficient * _matrix(bases[begin], whole[0])
            first[begin][whole[1:]] = first[begin].get(whole[1:], 0.0) + matrix
            for k in range(1, len(whole)):
                later[begin + k].add(whole[k:])
    return [_core(j, bases, first, later) for j in range(size)]


def _factors(j: int, powers: tuple[int, int, int]) -> dict[int, tuple[str, int]]:
    kinds = {j - 1: ("power", powers[0]), j: ("drifted", powers[1]), j + 1: ("power", powers[2])}
    return {site: kind for site, kind in kinds.items() if kind[1]}


def _matrix(basis: SiteBasis, factor: tuple[str, int]) -> np.ndarray:
    kind, exponent = factor
    return basis.power(exponent) if kind == "power" else basis.drifted(exponent)


def _core(
    j: int, bases: Sequence[SiteBasis], first: list[dict[Rest, np.ndarray]], later: list[set[Rest]]
) -> np.ndarray:
    """The core of the site j."""
    size, n = len(bases), bases[j].functions
    before = sorted(later[j])
    after = sorted(later[j + 1]) if j + 1 < size else []
    result: np.ndarray = np.zeros((2 + len(before), 2 + len(after), n, n))
    result[0, 0] = result[1, 1] = np.eye(n)
    result[0, 1] = bases[j].outflow
    for rest, matrix in first[j].items():
        result[0, 2 + after.index(rest)] += matrix
    for a, rest in enumerate(before):
        target = 2 + after.index(rest[1:]) if len(rest) > 1 else 1
        result[2 + a, target] = _matrix(bases[j], rest[0])
    if j == 0:
        result = result[:1]
    return result[:, 1:2] if j == size - 1 else result
