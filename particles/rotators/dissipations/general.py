"""Dissipations of the user's own: polynomials, and functions that numba compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from types import FunctionType

import numpy as np

from ...errors import InvalidArgument
from ...support import checks
from ...support.compiled_functions import compiled, in_python
from ...support.function_values import frozen
from ..region import LatticeRegion
from .angle_averages import (
    MOST_ANGLES,
    MOST_ANGLES_AT_GIVEN,
    MOST_COMBINATIONS,
    degree_in_angles,
    site_average,
    site_values,
)
from .dissipation import Dissipation
from .kernels import (
    CompiledDissipation,
    PlacedMonomial,
    SiteFunction,
    compiled_custom,
    compiled_custom_averaged,
    compiled_polynomial,
)
from .polynomials import Polynomial, monomials_of
from .watched_amplitudes import check_places

EXAMPLE = "lambda j, u: -abs(u[j])**2 * u[j]"
POINTS_CHECKED = 6  # of those at which an average is asked for
MOST_CHECKED = 64  # sites at which a declared degree is looked at


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

    def __init__(self, polynomial: Polynomial | Iterable[Polynomial], power: int | None = None) -> None:
        if not callable(polynomial) and (isinstance(polynomial, str) or not isinstance(polynomial, Iterable)):
            raise InvalidArgument(
                "polynomial",
                f"must be a function such as lambda u: -Abs(u())**2 * u(), or a list of them, not "
                f"{checks.shown(polynomial)}",
            )
        given = [polynomial] if callable(polynomial) else list(polynomial)
        self._same = callable(polynomial)
        self.monomials = tuple(monomials_of(p) for p in given)
        self.power = max(self.degree + 1, 2) if power is None else checks.integer("power", power, 2)
        self._last: tuple[LatticeRegion, list[PlacedMonomial]] | None = None

    @property
    def degree(self) -> int:  # type: ignore[override]
        """The degree in u and its conjugate."""
        return max((m.degree for one in self.monomials for m in one), default=0)

    def check(self, region: LatticeRegion) -> None:
        """See `Dissipation.check`."""
        if not self._same and len(self.monomials) != region.size:
            raise InvalidArgument(
                "polynomial", f"must be one for each of {region.size} sites, not {len(self.monomials)}"
            )
        offsets = {offset for one in self.monomials for m in one for offset, _ in m.factors}
        if any(len(offset) > region.dim and any(offset[region.dim :]) for offset in offsets):
            raise InvalidArgument("polynomial", f"has offsets of more than {region.dim} directions")

    def placed(self, region: LatticeRegion) -> list[PlacedMonomial]:
        """The monomials of all sites, without those that reach out of the region; kept for the last region."""
        if self._last is not None and self._last[0] is region:
            return self._last[1]
        placed: list[PlacedMonomial] = []
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
                    placed.append((j, monomial.coefficient, factors))
        self._last = region, placed
        return placed

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        result = np.zeros(np.shape(u), dtype=np.complex128)
        for j, c, factors in self.placed(region):
            result[..., j] += c * np.prod([np.conj(u[..., k]) if bar else u[..., k] for k, bar in factors], axis=0)
        return result

    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """See `Dissipation.compiled`."""
        return compiled_polynomial(self.placed(region))

    def averaged(self, region: LatticeRegion) -> PolynomialDissipation:
        """The average K: the resonant monomials."""
        result = object.__new__(PolynomialDissipation)
        resonant = tuple(tuple(m for m in one if m.resonant) for one in self.monomials)
        vars(result).update(vars(self), monomials=resonant, _last=None)
        return result

    def dependencies(self, region: LatticeRegion, site: int) -> np.ndarray:
        """The sites whose amplitudes occur; not the site itself, where turning all of them together changes nothing."""
        of_site = [factors for j, _, factors in self.placed(region) if j == site]
        sites = {site} | {k for factors in of_site for k, _ in factors}
        if all(sum(-1 if bar else 1 for _, bar in factors) == 1 for factors in of_site):
            sites -= {site}
        return np.array(sorted(sites), dtype=np.int64)

    def turns(self, region: LatticeRegion) -> bool:
        """Whether there are monomials that are not resonant."""
        return not all(m.resonant for one in self.monomials for m in one)

    def separates(self, region: LatticeRegion) -> bool:
        """Whether the resonant monomials have the site's own amplitude only."""
        return all(k == j for j, _, factors in self.averaged(region).placed(region) for k, _ in factors)


@dataclass(frozen=True, eq=False)
class CustomDissipation(Dissipation):
    """g_j(u) = function(j, u), of the amplitudes u of all sites, of which it may use j and its neighbours.

    Args:
        function: from the number j of a site and u (N,), complex, to a complex number; compiled by numba. What it
            reads besides has the values of when the dissipation is made.
        power: p, so that g grows like |u|^(p-1).
        degree: the degree in the angles where g is a polynomial, so that its average is exact; None has it found.

    Raises:
        InvalidArgument: not such a function; with a lattice: one that changes u, that reads places of u where no sites
            are, or sites that are no neighbours, or that turns with more than the declared degree.

    Source: Dymov, assumption Hg.
    """

    function: Callable[[int, np.ndarray], complex]
    power: int
    _: KW_ONLY
    degree: int | None = None
    _as_made: FunctionType = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", checks.integer("power", self.power, 2, 64))
        if self.degree is not None:
            object.__setattr__(self, "degree", checks.integer("degree", self.degree, 0))
        object.__setattr__(self, "_as_made", frozen(in_python("function", self.function, EXAMPLE)))

    def __reduce__(self) -> tuple[partial[CustomDissipation], tuple[Callable[[int, np.ndarray], complex], int]]:
        return partial(type(self), degree=self.degree), (self.function, self.power)

    def _function_for(self, size: int) -> SiteFunction:
        """The function that kernels can call, for N sites.

        Raises:
            InvalidArgument: numba cannot compile it, or it does not return a number.
        """
        made = compiled("function", self._as_made, 0, np.full(size, 0.3 + 0.4j), example=EXAMPLE)
        value = made(0, np.full(size, 0.3 + 0.4j))
        if isinstance(value, bool) or not isinstance(value, int | float | complex | np.number):
            raise InvalidArgument("function", f"must return one number g_j(u), not {type(value).__name__}")
        return made

    def check(self, region: LatticeRegion) -> None:
        """See `Dissipation.check`: g_j must be finite, not change u, and depend on neighbours of j alone."""
        check_places(self._as_made, region)
        u, other = _random_amplitudes(region.size, 2)
        before, values = u.copy(), self.at(region, u)
        if not np.array_equal(u, before):
            raise InvalidArgument("function", "must not change u; take a copy of what it changes")
        if not np.isfinite(values).all():
            raise InvalidArgument(
                "function", f"must be finite, but g_{int(np.argwhere(~np.isfinite(values))[0, 1])} is not"
            )
        for j in range(region.size):
            near = np.append(region.neighbours[j], j)
            kept = other[:, near]
            other[:, near] = u[:, near]
            mixed = self.at_site(region, other, j)
            other[:, near] = kept
            if not np.array_equal(mixed, values[:, j]):
                raise InvalidArgument("function", f"g_{j} depends on sites that are no neighbours of {j} (Hg(i))")
        if self.degree is not None:
            self._check_degree(region)

    def _check_degree(self, region: LatticeRegion) -> None:
        for j in range(min(region.size, MOST_CHECKED)):
            near = np.append(region.neighbours[j], j)
            least = degree_in_angles(self._function_for(region.size), _moduli(region.size), j, near) - 1
            if least > int(self.degree or 0):
                raise InvalidArgument("degree", f"must be at least {least}, the frequency with which g_{j} turns")

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        return self._values(region, u, np.arange(region.size)).reshape(np.shape(u))

    def at_site(self, region: LatticeRegion, u: np.ndarray, site: int) -> np.ndarray:
        """g_j(u) (P,) of one site at amplitudes u (P, N)."""
        return self._values(region, u, np.array([site]))[:, 0]

    def _values(self, region: LatticeRegion, u: np.ndarray, sites: np.ndarray) -> np.ndarray:
        """g_j(u) (P, S) of sites (S,)."""
        return site_values(self._function_for(region.size))(_flat(u, region), sites)

    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """See `Dissipation.compiled`."""
        return compiled_custom(self._function_for(region.size))

    def dependencies(self, region: LatticeRegion, site: int) -> np.ndarray:
        """The sites whose angles change exp(-i theta_j) g_j at random amplitudes.

        Not the site itself, where turning all of them together changes nothing.
        """
        (u,) = _random_amplitudes(region.size, 1)
        expected = self.at_site(region, u, site)
        scale, turn, sites = np.abs(expected).max(), np.exp(0.7j), []
        for k in [*region.neighbours[site], site]:
            turned = u.copy()
            turned[:, k] *= turn
            value = self.at_site(region, turned, site) * (np.conj(turn) if k == site else 1.0)
            if np.abs(value - expected).max() > 1e-12 * scale:
                sites.append(int(k))
        together = np.abs(self.at_site(region, u * turn, site) * np.conj(turn) - expected).max() <= 1e-12 * scale
        return np.array(sorted(set(sites) - {site} if together else sites), dtype=np.int64)

    def averaged(self, region: LatticeRegion) -> AveragedOverAngles:
        """The average K, by trigonometric quadrature.

        Raises:
            InvalidArgument: the average does not settle.
        """
        near = [self.dependencies(region, j) for j in range(region.size)]
        if self.degree is not None:
            return AveragedOverAngles(self, self.degree + 2, near)
        highest = _degree(self._function_for(region.size), _moduli(region.size), near, MOST_ANGLES)
        return AveragedOverAngles(self, highest + 1, near)


def _flat(u: np.ndarray, region: LatticeRegion) -> np.ndarray:
    """Amplitudes (..., N) as (P, N), which compiled functions take."""
    return np.ascontiguousarray(u, dtype=np.complex128).reshape(-1, region.size)


def _degree(function: SiteFunction, u: np.ndarray, near: list[np.ndarray], most: int) -> int:
    """The largest frequency of all exp(-i theta_j) g_j in the angles of their sites `near`, at amplitudes u (P, N)."""
    return max(degree_in_angles(function, u, j, sites, most) for j, sites in enumerate(near))


def _random_amplitudes(size: int, count: int) -> np.ndarray:
    """Random amplitudes (count, 4, N)."""
    generator = np.random.Generator(np.random.Philox(key=size))
    return generator.standard_normal((count, 4, size, 2)).view(np.complex128)[..., 0]


def _moduli(size: int) -> np.ndarray:
    """Random amplitudes (4, N) of several sizes."""
    return _random_amplitudes(size, 1)[0] * np.array([0.5, 1.0, 1.5, 2.0])[:, None]


def amplitudes_of_scale(size: int, action: float) -> np.ndarray:
    """Amplitudes (6, N) of sites whose actions are of the order of one action, from equal and small to large ones."""
    moduli = np.sqrt(2.0 * action) * np.array([0.3, 1.0, 2.0, 2.5])
    return np.concatenate([moduli[:, None] * np.ones(size), np.sqrt(action) * _moduli(size)[-2:]]).astype(complex)


class AveragedOverAngles(Dissipation):
    """K_j(v) = int exp(-i theta_j) g_j(Psi_theta v) dtheta by the trapezoidal rule, exact for polynomials.

    Args:
        dissipation: g.
        angles: number of them for each site on which g_j depends.
        near: these sites, for each site.

    Raises:
        InvalidArgument: there are too many angles for a sum over all of them.
    """

    degree = 0

    def __init__(self, dissipation: CustomDissipation, angles: int, near: list[np.ndarray]) -> None:
        self.dissipation, self.angles, self.power, self._near = dissipation, angles, dissipation.power, near
        most = max(map(len, near))
        if angles**most > MOST_COMBINATIONS:
            raise InvalidArgument(
                "dissipation",
                f"its average takes {angles} angles for each of {most} sites; if it is a polynomial, write it as a "
                "PolynomialDissipation, whose average is known",
            )

    def resolved_at(self, region: LatticeRegion, u: np.ndarray) -> AveragedOverAngles:
        """The average with as many angles as g takes at the largest, the smallest and some other amplitudes u (P, N).

        Raises:
            InvalidArgument: it takes too many.
        """
        if self.dissipation.degree is not None or not len(u):
            return self
        order = np.argsort((np.abs(u) ** 2).sum(axis=1))
        some = np.ascontiguousarray(u[order[np.unique(np.linspace(0, len(u) - 1, POINTS_CHECKED).astype(int))]])
        made = self.dissipation._function_for(region.size)
        try:
            highest = _degree(made, some, self._near, MOST_ANGLES)
        except InvalidArgument:
            highest = _degree(made, some, self._near, MOST_ANGLES_AT_GIVEN)
        if highest < self.angles:
            return self
        return AveragedOverAngles(self.dissipation, highest + 1, self._near)

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`.

        Raises:
            InvalidArgument: g takes too many angles at these amplitudes.
        """
        flat = _flat(u, region)
        angles = self.resolved_at(region, flat).angles
        average = site_average(self.dissipation._function_for(region.size))
        columns = [average(flat, j, self._near[j], angles) for j in range(region.size)]
        return np.stack(columns, axis=1).reshape(np.shape(u))

    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """See `Dissipation.compiled`."""
        return compiled_custom_averaged(self.dissipation._function_for(region.size), self.angles, self._near)

    def averaged(self, region: LatticeRegion) -> AveragedOverAngles:
        """Itself."""
        return self
