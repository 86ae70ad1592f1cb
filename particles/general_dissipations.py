"""Dissipations of the user's own: polynomials, and functions that numba compiles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit

from . import _checks
from ._drift_kernels import Drift, custom_averaged_drift, custom_drift, polynomial_drift
from ._polynomials import Monomial, monomials_of
from ._user_functions import compiled
from .dissipations import Dissipation
from .errors import InvalidArgument
from .lattice_region import LatticeRegion

ANGLE_RTOL = 1e-13  # of averages over angles whose degree is not known
MOST_ANGLES = 64  # for each site


class PolynomialDissipation(Dissipation):
    """g_j(u) a polynomial in u_k and conj(u_k), |k - j| <= 1; u is 0 outside of the region.

    Args:
        polynomial: from u to a sympy expression, where u(offset) is the amplitude at the site j + offset (u() or
            u(0) at j itself, u(1), u(-1), and u(0, 1) and so on in the plane), and sympy's conjugate and Abs(u)**2
            may be used; one for all sites, or a list with one for each.
        power: p, the degree of g plus one; None takes the degree that is found.

    Raises:
        InvalidArgument: no polynomial, or one that reaches beyond the neighbours.

    Source: Dymov, assumption Hg and Example 2.4.
    """

    def __init__(self, polynomial: Any, power: int | None = None) -> None:
        if not callable(polynomial) and (isinstance(polynomial, str) or not isinstance(polynomial, Iterable)):
            raise InvalidArgument(
                "polynomial",
                f"must be a function such as lambda u: -Abs(u())**2 * u(), or a list of them, not "
                f"{_checks.shown(polynomial)}",
            )
        given = [polynomial] if callable(polynomial) else list(polynomial)
        self._same = callable(polynomial)
        self._init(tuple(monomials_of(p) for p in given), power)

    def _init(self, monomials: tuple[tuple[Monomial, ...], ...], power: int | None) -> None:
        self.monomials = monomials
        self._last: tuple[LatticeRegion, list[tuple[int, complex, list[tuple[int, bool]]]]] | None = None
        self.degree = max((m.degree for one in monomials for m in one), default=0)
        self.power = max(self.degree + 1, 2) if power is None else _checks.integer("power", power, 2)

    def check(self, region: LatticeRegion) -> None:
        """See `Dissipation.check`."""
        if not self._same and len(self.monomials) != region.size:
            raise InvalidArgument(
                "polynomial", f"must be one for each of {region.size} sites, not {len(self.monomials)}"
            )
        offsets = {offset for one in self.monomials for m in one for offset, _ in m.factors}
        if any(len(offset) > region.dim and any(offset[region.dim :]) for offset in offsets):
            raise InvalidArgument("polynomial", f"has offsets of more than {region.dim} directions")

    def _placed(self, region: LatticeRegion) -> list[tuple[int, complex, list[tuple[int, bool]]]]:
        """The monomials of all sites, without those that reach out of the region; kept for the last region."""
        if self._last is not None and self._last[0] is region:
            return self._last[1]
        found: list[tuple[int, complex, list[tuple[int, bool]]]] = []
        reach: dict[tuple[int, ...], np.ndarray] = {}
        for j in range(region.size):
            for monomial in self.monomials[0 if self._same else j]:
                factors: list[tuple[int, bool]] = []
                for offset, (a, b) in monomial.factors:
                    if offset not in reach:
                        reach[offset] = region.shifted((*offset, 0, 0)[: region.dim])
                    k = int(reach[offset][j])
                    factors += [(k, False)] * a + [(k, True)] * b
                if all(k >= 0 for k, _ in factors):
                    found.append((j, monomial.coefficient, factors))
        self._last = region, found
        return found

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        result = np.zeros(np.shape(u), dtype=np.complex128)
        for j, c, factors in self._placed(region):
            result[..., j] += c * np.prod([np.conj(u[..., k]) if bar else u[..., k] for k, bar in factors], axis=0)
        return result

    def drift(self, region: LatticeRegion) -> Drift:
        """See `Dissipation.drift`."""
        return polynomial_drift(self._placed(region))

    def averaged(self, region: LatticeRegion) -> PolynomialDissipation:
        """K: the resonant monomials."""
        result = object.__new__(PolynomialDissipation)
        result._same = self._same
        result._init(tuple(tuple(m for m in one if m.resonant) for one in self.monomials), self.power)
        return result

    def dependencies(self, region: LatticeRegion, site: int) -> np.ndarray:
        """The sites whose amplitudes occur; not the site itself, where turning all of them together changes nothing."""
        mine = [factors for j, _, factors in self._placed(region) if j == site]
        found = {site} | {k for factors in mine for k, _ in factors}
        if all(sum(-1 if bar else 1 for _, bar in factors) == 1 for factors in mine):
            found -= {site}
        return np.array(sorted(found), dtype=np.int64)

    def separates(self, region: LatticeRegion) -> bool:
        """Whether the resonant monomials have the site's own amplitude only."""
        return all(k == j for j, _, factors in self.averaged(region)._placed(region) for k, _ in factors)


@dataclass(frozen=True, eq=False)
class CustomDissipation(Dissipation):
    """g_j(u) = function(j, u), of the amplitudes u of all sites, of which it may use j and its neighbours.

    Args:
        function: from the number j of a site and u (N,), complex, to a complex number; compiled by numba.
        power: p, so that g grows like |u|^(p-1).
        degree: the degree in the angles where g is a polynomial, so that its average is exact; None has it found.

    Raises:
        InvalidArgument: not such a function.

    Source: Dymov, assumption Hg.
    """

    function: Callable[[int, np.ndarray], complex]
    power: int
    _: KW_ONLY
    degree: int | None = None

    def __post_init__(self) -> None:
        _checks.integer("power", self.power, 2)
        if self.degree is not None:
            _checks.integer("degree", self.degree, 0)
        if not callable(self.function):
            raise InvalidArgument("function", f"must be a callable from (j, u) to g_j(u), not {self.function!r}")

    @cached_property
    def _evaluate(self) -> Callable[[np.ndarray], np.ndarray]:
        function = self._compiled(1)

        @njit
        def values(u):  # type: ignore[no-untyped-def]
            result = np.empty(u.shape, dtype=np.complex128)
            for i in range(u.shape[0]):
                for j in range(u.shape[1]):
                    result[i, j] = function(j, u[i])
            return result

        return values

    def _compiled(self, size: int) -> Any:
        trial = np.full(size, 0.3 + 0.4j)
        return compiled("function", self.function, 0, trial, example="lambda j, u: -abs(u[j])**2 * u[j]")

    def check(self, region: LatticeRegion) -> None:
        """See `Dissipation.check`: g_j must not change with amplitudes that are not next to j."""
        self._compiled(region.size)
        u, other = _random_amplitudes(region.size, 2)
        for j in range(region.size):
            mixed = other.copy()
            near = np.append(region.neighbours[j], j)
            mixed[:, near] = u[:, near]
            if not np.array_equal(self.at(region, mixed)[:, j], self.at(region, u)[:, j]):
                raise InvalidArgument("function", f"g_{j} depends on sites that are no neighbours of {j} (Hg(i))")

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        flat = np.ascontiguousarray(u, dtype=np.complex128).reshape(-1, region.size)
        return self._evaluate(flat).reshape(np.shape(u))

    def drift(self, region: LatticeRegion) -> Drift:
        """See `Dissipation.drift`."""
        return custom_drift(self._compiled(region.size))

    def dependencies(self, region: LatticeRegion, site: int) -> np.ndarray:
        """The sites whose angles change exp(-i theta_j) g_j at random amplitudes; not the site itself, where turning
        all of them together changes nothing.
        """
        (u,) = _random_amplitudes(region.size, 1)
        expected = self.at(region, u)[:, site]
        scale, turn, found = np.abs(expected).max(), np.exp(0.7j), []
        for k in [*region.neighbours[site], site]:
            turned = u.copy()
            turned[:, k] *= turn
            value = self.at(region, turned)[:, site] * (np.conj(turn) if k == site else 1.0)
            if np.abs(value - expected).max() > 1e-12 * scale:
                found.append(int(k))
        together = np.abs(self.at(region, u * turn)[:, site] * np.conj(turn) - expected).max() <= 1e-12 * scale
        return np.array(sorted(set(found) - {site} if together else found), dtype=np.int64)

    def averaged(self, region: LatticeRegion) -> Dissipation:
        """K, by trigonometric quadrature."""
        return AngleAverage(self, region, angles_needed(self, region))


def _random_amplitudes(size: int, count: int) -> np.ndarray:
    """Random amplitudes (count, 4, N)."""
    generator = np.random.Generator(np.random.Philox(key=size))
    return generator.standard_normal((count, 4, size, 2)).view(np.complex128)[..., 0]


class AngleAverage(Dissipation):
    """K_j(v) = int exp(-i theta_j) g_j(Psi_theta v) dtheta by the trapezoidal rule, exact for polynomials.

    Args:
        dissipation: g.
        region: the sites.
        nodes: number of angles for each site on which g_j depends.
    """

    degree = 0

    def __init__(self, dissipation: CustomDissipation, region: LatticeRegion, nodes: int) -> None:
        self.dissipation, self.nodes, self.power = dissipation, nodes, dissipation.power
        self._near = [dissipation.dependencies(region, j) for j in range(region.size)]

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        flat = np.asarray(u, dtype=np.complex128).reshape(-1, region.size)
        columns = [average_of_site(self.dissipation, region, flat, j, self.nodes) for j in range(region.size)]
        return np.stack(columns, axis=1).reshape(np.shape(u))

    def drift(self, region: LatticeRegion) -> Drift:
        """See `Dissipation.drift`."""
        return custom_averaged_drift(self.dissipation._compiled(region.size), self.nodes, self._near)

    def averaged(self, region: LatticeRegion) -> AngleAverage:
        """Itself."""
        return self

    def dependencies(self, region: LatticeRegion, site: int) -> np.ndarray:
        """None: it turns with its own site."""
        return np.empty(0, dtype=np.int64)


def average_of_site(
    dissipation: Dissipation, region: LatticeRegion, v: np.ndarray, site: int, nodes: int
) -> np.ndarray:
    """K_j(v) (P,) of one site at amplitudes v (P, N), with `nodes` angles for each site on which g_j depends."""
    near = dissipation.dependencies(region, site)
    phases = np.exp(2j * np.pi * np.arange(nodes) / nodes)
    total = np.zeros(len(v), dtype=np.complex128)
    for choice in itertools.product(range(nodes), repeat=len(near)):
        turned = v.copy()
        turned[:, near] *= phases[list(choice)]
        own = phases[choice[int(np.flatnonzero(near == site)[0])]] if site in near else 1.0
        total += np.conj(own) * dissipation.at(region, turned)[:, site]
    return total / nodes ** len(near)


def angles_needed(dissipation: Dissipation, region: LatticeRegion) -> int:
    """The number of angles for each site: degree + 2 where the degree is known, else as many as leave the average
    where two more numbers of them put it.

    Raises:
        InvalidArgument: the average does not settle.
    """
    if dissipation.degree is not None:
        return dissipation.degree + 2
    (v,) = _random_amplitudes(region.size, 1)
    v *= np.array([0.5, 1.0, 1.5, 2.0])[:, None]
    sites = range(min(region.size, 3))
    found: list[np.ndarray] = []
    for nodes in range(2, MOST_ANGLES + 1):
        found.append(np.stack([average_of_site(dissipation, region, v, j, nodes) for j in sites]))
        scale = max(float(np.abs(dissipation.at(region, v)).max()), 1e-300)
        if len(found) > 2 and max(np.abs(found[-1] - f).max() for f in found[-3:-1]) <= ANGLE_RTOL * scale:
            return nodes - 2
    raise InvalidArgument(
        "dissipation", f"its average over angles does not settle with {MOST_ANGLES} of them for each site"
    )
