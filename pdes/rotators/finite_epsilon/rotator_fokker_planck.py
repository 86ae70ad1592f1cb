"""The stationary Fokker-Planck equation of a few rotators at finite epsilon, without samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import LinearOperator, gmres, splu

from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.errors import NotConverged, Unresolved
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support import checks

from .complex_hermite import ComplexHermite
from .expansion import expanded
from .lattice_generator import PolynomialParts, bond, generator
from .law import EpsilonExpansion, RotatorMoments

MOST_SITES = 3
FIRST_DEGREE = 4
# for N: by how much degrees are raised, and the most polynomials
RAISED = {1: 4, 2: 3, 3: 2}
MOST_POLYNOMIALS = {1: 400, 2: 40_000, 3: 200_000}
# the variance of the Gaussian weight over that of the law, where the law decays faster than a Gaussian; of 0.4 .. 1
# measured for p = 4 and 6, it converges fastest
NARROWER = 0.4
REFITS = 3
# of GMRES
RESIDUAL, RESTART, CYCLES = 1e-13, 60, 3
MOST_DIRECT = 6000
# how little changes are believed to fall from a degree to the next, and how many are looked at
SLOWEST, LOOKED_AT = 0.9, 3
# beyond it nothing is known
LARGEST_ERROR = 1e-2
REMEDY = "take samples (CoupledRotators) where temperatures differ much or the coupling is strong, or a larger rtol"
Result = TypeVar("Result", RotatorMoments, EpsilonExpansion)


@dataclass(frozen=True, repr=False)
class RotatorFokkerPlanck(Described):
    """The stationary law of one, two or three rotators at finite epsilon, by a Galerkin method.

        0 = E[L h],  L = (1/epsilon) A + (epsilon^a/epsilon) B + C  (see `lattice_generator`),

    for all complex Hermite polynomials h of the amplitudes up to a degree that is raised until moments stay: a
    reference without noise for samples at the same epsilon, and the expansion in epsilon. f, G' and g are polynomials
    in u and conj(u). Two rotators come out to 1e-10 in seconds, where temperatures differ by less than ten times;
    three to 1e-5 in a minute, since those at the ends turn in the same direction and are close to resonance where
    their actions are the same. Every rank computes the same.

    Args:
        lattice: one to three rotators.
        rtol: relative error of means that is asked for.

    Raises:
        InvalidArgument: more than three sites; f, G' or g that is no polynomial.

    Source: Dymov, equation (2.5); the method is that of stationary moments.
    """

    lattice: RotatorLattice
    rtol: float = 1e-6

    def __post_init__(self) -> None:
        checks.instance("lattice", self.lattice, RotatorLattice)
        if self.lattice.size > MOST_SITES:
            raise InvalidArgument(
                "lattice", f"must have at most {MOST_SITES} sites, not {self.lattice.size}; take samples instead"
            )
        object.__setattr__(self, "rtol", checks.number("rtol", self.rtol, above=0.0))
        self.parts  # noqa: B018 - refuses what is no polynomial

    @cached_property
    def parts(self) -> PolynomialParts:
        """f, G' and g as polynomials."""
        return PolynomialParts.of(self.lattice)

    def stationary(self) -> RotatorMoments:
        """Means, covariances and flows of actions in the stationary law.

        Raises:
            NotConverged: moments still change by more than a percent at the highest degree.

        Warns:
            Unresolved: they change by more than `rtol`; the result says by how much.
        """
        found = self._settled(self._moments, "the stationary law")
        # dissipation and noise are of the size epsilon beside the rotation, and rounding is that of the whole
        return replace(found, error=found.error + 4 * np.finfo(float).eps / self.lattice.epsilon)

    def expansion(self) -> EpsilonExpansion:
        """The first terms of the stationary means as epsilon -> 0, for two rotators that turn in opposite directions.

        Raises:
            InvalidArgument: other lattices. (Of three rotators the outer ones turn in the same direction; the terms of
                second order have small divisors then, and are not known.)
            NotConverged: as for `stationary`.

        Warns:
            Unresolved: as for `stationary`.
        """
        if self.lattice.size != 2 or self.lattice.resonant_sites.any():
            raise InvalidArgument("lattice", "must have two sites that turn in opposite directions for an expansion")

        def terms(space: ComplexHermite) -> EpsilonExpansion:
            matrices = generator(self.lattice, self.parts, space)
            series = expanded(space, *(m.T.tocsc() for m in matrices))
            squares = self._squares(space)
            limit, first, second, thermal = (_means(squares, c) for c in series)
            return EpsilonExpansion(self.lattice.coupling_exponent, limit, first, second, thermal, np.inf)

        return self._settled(terms, "the expansion")

    def _settled(self, values: Callable[[ComplexHermite], Result], what: str) -> Result:
        """The values on larger and larger spaces until they stay, with their error, see `remainder`."""
        changes: list[float] = []
        before, degree = None, 0
        for space in self._spaces():
            try:
                last = values(space)
            except _TooLarge:
                break
            degree = space.degree
            if before is not None:
                changes.append(_change(before, last))
            before = last
            if remainder(changes) <= self.rtol:
                break
        assert before is not None
        error = remainder(changes)
        reason = f"known to {error:.1e} with polynomials of degree {2 * degree}, while rtol is {self.rtol:.1e}"
        if not error <= LARGEST_ERROR:
            raise NotConverged(what, reason, REMEDY)
        if error > self.rtol:
            warnings.warn(Unresolved(f"{what} is only {reason}; {REMEDY}"), stacklevel=3)
        return replace(before, error=error)

    def _spaces(self) -> Iterator[ComplexHermite]:
        """Spaces of rising degree, whose Gaussian weights fit what the first ones find."""
        size = self.lattice.size
        power = self.lattice.dissipation.power
        scales = np.sqrt(self.lattice.temperature ** (2.0 / power))
        narrower = 1.0 if power == 2 else NARROWER
        for _ in range(REFITS):
            space = ComplexHermite(tuple(scales), FIRST_DEGREE)
            means = _means(self._squares(space), self._coefficients(space))
            # a first guess that is far off leaves the scales where they are, and the changes of moments tell
            likely = np.isfinite(means) & (means > 0.05 * scales**2) & (means < 5 * scales**2)
            scales = np.where(likely, np.sqrt(2.0 * narrower * np.abs(means)), scales)
        space = ComplexHermite(tuple(scales), FIRST_DEGREE)
        while space.size <= MOST_POLYNOMIALS[size]:
            yield space
            space = ComplexHermite(space.scales, space.degree + RAISED[size])

    def _coefficients(self, space: ComplexHermite) -> NDArray[np.complex128]:
        """E h_n (S,) of the stationary law."""
        epsilon, a = self.lattice.epsilon, self.lattice.coupling_exponent
        rotation, coupling, thermostat = generator(self.lattice, self.parts, space)
        whole = (rotation / epsilon + epsilon ** (a - 1.0) * coupling + thermostat).T.tocsr()
        rest = _solved(whole[1:, 1:], -whole[1:, [0]].toarray().ravel(), space.turns[1:])
        return np.concatenate([[1.0], rest])

    def _squares(self, space: ComplexHermite) -> list[Any]:
        """|u_j|^2 as matrices, for each site."""
        return [space.operator(("u", j), ("conj", j)) for j in range(self.lattice.size)]

    def _moments(self, space: ComplexHermite) -> RotatorMoments:
        coefficients = self._coefficients(space)
        squares = self._squares(space)
        columns = [square[:, [0]] for square in squares]
        mean = _means(squares, coefficients)
        second = 0.25 * np.array(
            [[((square @ c).toarray().ravel() @ coefficients).real for c in columns] for square in squares]
        )
        bonds = self.lattice.region.bonds
        strength = self.lattice.epsilon ** (self.lattice.coupling_exponent - 1.0)
        exchange = [
            strength
            * 0.5
            * ((bond(space, j, k, self.parts.coupling) @ columns[k]).toarray().ravel() @ coefficients).real
            for j, k in ((int(tail), int(head)) for tail, head in bonds)
        ]
        return RotatorMoments(
            self.lattice.epsilon, mean, second - np.outer(mean, mean), np.array(exchange), bonds, np.inf, space.degree
        )


def _means(squares: list[Any], coefficients: NDArray[np.complex128]) -> NDArray[np.float64]:
    """E I_j (N,), from |u_j|^2 as matrices and E h_n (S,)."""
    return 0.5 * np.array([(square[:, [0]].toarray().ravel() @ coefficients).real for square in squares])


class _TooLarge(Exception):
    """A space is too large for the solver; what smaller ones gave is kept."""


def _solved(matrix: Any, source: NDArray[np.complex128], turns: NDArray[np.int64]) -> NDArray[np.complex128]:
    """The solution by GMRES, preconditioned by what keeps the turns of polynomials; by LU factors where that fails.

    Raises:
        _TooLarge: GMRES fails, and LU factors would take minutes.

    The rotation, which is 1/epsilon, and what the thermostats do to actions are in the preconditioner; the coupling is
    not, and is smaller than the rotation by epsilon^a.
    """
    entries = matrix.tocoo()
    same = (turns[entries.row] == turns[entries.col]).all(axis=1)
    inside = entries.data[same], (entries.row[same], entries.col[same])
    factor = splu(csc_array(inside, shape=matrix.shape))
    preconditioner = LinearOperator(matrix.shape, factor.solve, dtype=complex)
    found, failed = gmres(matrix, source, rtol=RESIDUAL, restart=RESTART, maxiter=CYCLES, M=preconditioner)
    if failed and matrix.shape[0] > MOST_DIRECT:
        raise _TooLarge
    return np.asarray(splu(matrix.tocsc()).solve(source) if failed else found)


def remainder(changes: list[float]) -> float:
    """What is left of a sequence after its last change, judged by how fast the last three changes fall.

    The largest one of the last three changes, times q/(1 - q) where they fall by q < SLOWEST a step, and at least once:
    changes that are small by chance are not believed, nor a slow decay taken for the end.
    """
    if len(changes) < LOOKED_AT:
        return np.inf
    last = changes[-LOOKED_AT:]
    if max(last) == 0.0:
        return 0.0
    fall = min(np.sqrt(last[-1] / max(last[0], 1e-8 * last[-1])), SLOWEST)
    return float(max(last) * max(1.0, fall / (1.0 - fall)))


def _change(one: Any, other: Any) -> float:
    """The largest relative change of what two results hold."""
    if isinstance(one, EpsilonExpansion):
        size = np.abs(other.limit).max()
        names = ("limit", "first", "second", "thermal")
        return max(float(np.abs(getattr(one, n) - getattr(other, n)).max()) for n in names) / size
    size = np.abs(other.mean).max()
    exchange = np.abs(one.exchange - other.exchange).max(initial=0.0)
    return float(
        max(
            (np.abs(one.mean - other.mean) / np.abs(other.mean)).max(),
            np.abs(one.covariance - other.covariance).max() / size**2,
            exchange / size,
        )
    )
