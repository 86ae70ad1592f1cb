"""The generator of rotators at finite epsilon in complex Hermite polynomials.

    L = (1/epsilon) A + (epsilon^a/epsilon) B + C,

    A = sum_j i f_j(|u_j|^2) (u_j d_j - conj),
    B = sum_bonds i G'(|w|^2) (w (d_j - d_k) - conj),  w = u_j - u_k,
    C = sum_j (g_j d_j + conj + 2 T_j d_j conj(d_j)),

with d_j the derivative by u_j, per slow time. f, G' and g are polynomials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy import sparse

from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.rotators.dissipations.kernels import PlacedMonomial
from scaling_limits.particles.rotators.dissipations.monomials import placed_monomials
from scaling_limits.particles.support.compiled_functions import values_of

from .complex_hermite import ComplexHermite, Letter

MOST_POWER = 8
ROUNDING = 1e-12
# squares |u|^2 at which functions are looked at, in units of T^(2/p)
WIDEST = 30.0


def polynomial_of(name: str, function: Callable[[float], float], widest: float) -> NDArray[np.float64]:
    """The coefficients c_k of a function sum_k c_k x^k of |u|^2, from its values on [0, widest].

    Raises:
        InvalidArgument: it is no polynomial of at most the eighth degree.
    """
    x = widest * 0.5 * (1.0 + chebyshev.chebpts1(4 * MOST_POWER))
    coefficients = chebyshev.Chebyshev.fit(x, values_of(function, x, name), 2 * MOST_POWER, domain=[0.0, widest])
    size = np.abs(coefficients.coef).max()
    kept = coefficients.trim(ROUNDING * size)
    apart = np.abs(kept(x) - values_of(function, x, name)).max()
    if kept.degree() > MOST_POWER or apart > 100 * ROUNDING * size:
        raise InvalidArgument(
            name, f"must be a polynomial in |u|^2 of at most the degree {MOST_POWER} for a law without samples"
        )
    powers = np.asarray(kept.convert(kind=np.polynomial.Polynomial, domain=[-1, 1]).coef)
    # what is rounding at every |u|^2 that was looked at counts as none
    return np.where(np.abs(powers) * widest ** np.arange(len(powers)) > 10 * ROUNDING * size, powers, 0.0)


@dataclass(frozen=True)
class PolynomialParts:
    """The parts of a lattice as polynomials.

    Args:
        frequency: coefficients of s_j f_j for each site.
        coupling: coefficients of G'.
        dissipation: the monomials of g.
    """

    frequency: tuple[NDArray[np.float64], ...]
    coupling: NDArray[np.float64]
    dissipation: list[PlacedMonomial]

    @classmethod
    def of(cls, lattice: RotatorLattice) -> PolynomialParts:
        """Those of a lattice.

        Raises:
            InvalidArgument: f, G' or g is no polynomial, or g changes otherwise than u when all angles turn.
        """
        widest = WIDEST * float(lattice.temperature.max()) ** (2.0 / lattice.dissipation.power)
        kinds = lattice.frequencies
        every = [polynomial_of("frequency", function, widest) for function in kinds.functions]
        monomials = placed_monomials(lattice.dissipation, lattice.region)
        if any(sum(-1 if bar else 1 for _, bar in factors) != 1 for _, _, factors in monomials):
            raise InvalidArgument(
                "dissipation", "must turn as u does when all angles turn together, for a law without samples"
            )
        frequency = tuple(s * every[kind] for s, kind in zip(lattice.spins, kinds.number))
        return cls(frequency, polynomial_of("coupling", lattice.compiled_coupling, 4 * widest), monomials)

    @property
    def raises(self) -> int:
        """By how much the generator raises half of the degree."""
        letters = max((len(factors) for _, _, factors in self.dissipation), default=1)
        return max(len(self.coupling) - 1, (letters - 1) // 2, *(len(f) - 1 for f in self.frequency))


def polynomial_in(matrix: Any, coefficients: NDArray[np.float64]) -> Any:
    """sum_k c_k X^k of a sparse matrix X, by Horner's rule."""
    result = coefficients[-1] * sparse.eye_array(matrix.shape[0], format="csr")
    for c in coefficients[-2::-1]:
        result = matrix @ result + c * sparse.eye_array(matrix.shape[0], format="csr")
    return result


def generator(lattice: RotatorLattice, parts: PolynomialParts, space: ComplexHermite) -> tuple[Any, Any, Any]:
    """The matrices A, B and C (S, S) of a lattice on a space, as at the head of this file; those of finite degree only.

    The products are taken in a larger space, so that what is cut off is what leaves the space.
    """
    wide = ComplexHermite(space.scales, space.degree + parts.raises)
    kept = wide.places(space.states)
    rotation = sparse.csr_array((wide.size, wide.size), dtype=complex)
    thermostat, coupling = rotation.copy(), rotation.copy()
    for j, f in enumerate(parts.frequency):
        square = wide.operator(("u", j), ("conj", j))
        rotation = rotation + 1j * polynomial_in(square, f) @ sparse.diags_array(wide.turns[:, j].astype(float))
        thermostat = thermostat + 2.0 * lattice.temperature[j] * wide.operator(("by_u", j), ("by_conj", j))
    for j, c, factors in parts.dissipation:
        word: list[Letter] = [("conj" if bar else "u", k) for k, bar in factors]
        bars: list[Letter] = [("u" if bar else "conj", k) for k, bar in factors]
        thermostat = thermostat + c * wide.operator(*word, ("by_u", j))
        thermostat = thermostat + np.conj(c) * wide.operator(*bars, ("by_conj", j))
    for j, k in lattice.region.bonds:
        coupling = coupling + bond(wide, int(j), int(k), parts.coupling)
    return tuple(matrix.tocsr()[kept][:, kept] for matrix in (rotation, coupling, thermostat))


def bond(space: ComplexHermite, j: int, k: int, coupling: NDArray[np.float64]) -> Any:
    """The part i G'(|w|^2) (w (d_j - d_k) - conj) of a bond."""
    square, difference = 0.0, 0.0
    for first, sign in ((j, 1.0), (k, -1.0)):
        for second, other in ((j, 1.0), (k, -1.0)):
            square = square + sign * other * space.operator(("u", first), ("conj", second))
            difference = difference + sign * other * space.operator(("u", first), ("by_u", second))
            difference = difference - sign * other * space.operator(("conj", first), ("by_conj", second))
    return 1j * polynomial_in(square, coupling) @ difference
