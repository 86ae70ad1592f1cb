"""The stationary law of the transport equation of a chain, as a tensor train."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import instance, integer, number

from .alternating_scheme import AlternatingScheme
from .dilations import found_dilations
from .operator import chain_operator
from .polynomial_drift import PolynomialDrift
from .site_basis import SiteBasis
from .site_moments import SiteMoments
from .tensor_algebra import Contractions, padded, product_law, rounded

# polynomials of each site, level by level; sweeps of each level
FUNCTIONS, SWEEPS = (12, 16, 20, 24, 28), 8


@dataclass(frozen=True, eq=False, repr=False)
class ChainLaw(Described):
    """Moments of the stationary law of a chain, in the order of the lattice's sites.

    Args:
        mean: E I_j (N,), actions.
        covariance: (N, N), actions squared.
        balance: what E R_j + T_j is (N,), which is 0 in the stationary law.
        ranks: of the tensor train (N - 1,), along the chain.
        functions: polynomials of each site.
        error: the largest relative change of E I_j, E I_j^2 and E I_j I_{j+1} from the level before, or |balance|/T_j.
    """

    mean: np.ndarray
    covariance: np.ndarray
    balance: np.ndarray
    ranks: tuple[int, ...]
    functions: int
    error: float

    @property
    def variance(self) -> np.ndarray:
        """The variances (N,)."""
        return np.diag(self.covariance).copy()


@dataclass(frozen=True, eq=False, repr=False)
class TransportTensorTrain(Described):
    """The stationary Fokker-Planck equation 0 = sum_j d_j (R_j p - T_j I_j d_j p) of a chain of any number of actions.

    p = w u, with u a tensor train in polynomials of each action. Levels with more polynomials and a smaller tolerance
    follow one another until moments settle. Every rank computes by itself.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        rtol: relative error of means and second moments.
        max_rank: the largest rank.

    Raises:
        InvalidArgument: an argument out of range; no chain; a dissipation that is no polynomial.

    Source: Dymov, equation (2.8); Dolgov and Savostyanov (2014) for the scheme.
    """

    lattice: RotatorLattice
    rtol: float = 1e-6
    max_rank: int = 80

    def __post_init__(self) -> None:
        instance("lattice", self.lattice, RotatorLattice)
        object.__setattr__(self, "rtol", number("rtol", self.rtol, above=0.0))
        if not 1e-10 <= self.rtol <= 1e-2:
            raise InvalidArgument("rtol", f"must be from 1e-10 to 1e-2, not {self.rtol:g}")
        object.__setattr__(self, "max_rank", integer("max_rank", self.max_rank, 1, 400))
        _ = self._drift

    @cached_property
    def _drift(self) -> PolynomialDrift:
        return PolynomialDrift.of(self.lattice)

    def stationary(self) -> ChainLaw:
        """The stationary law.

        Raises:
            NotConverged: the moments do not settle to `rtol`.
        """
        drift, dilation = self._drift, found_dilations(self.lattice, self._drift)
        cores = product_law(drift.size, FUNCTIONS[0])
        before: SiteMoments | None = None
        error, cut = np.inf, 0.0
        for level, functions in enumerate(FUNCTIONS):
            tolerance = self.rtol * max(10.0 ** (1 - level), 1e-2)
            bases = [SiteBasis(*site, functions) for site in zip(drift.own, drift.temperature, dilation)]
            scheme = AlternatingScheme(chain_operator(drift, bases), padded(cores, functions), tolerance, self.max_rank)
            moments = _swept(scheme, drift, bases, tolerance)
            cores, cut = scheme.cores, scheme.cut
            if before is not None:
                balance = float(np.abs(moments.balance / drift.temperature).max())
                error = max(moments.difference(before), balance)
                if error <= self.rtol:
                    return self._law(moments, rounded(cores, tolerance), functions, error)
            before = moments
        remedy = "a larger `max_rank`" if cut > self.rtol else "a larger `rtol`"
        reason = f"moments change by {error:.1e} at {FUNCTIONS[-1]} polynomials of each action"
        remedy = f"give {remedy}, or sample with TransportProcess"
        raise NotConverged("the stationary law of the chain", reason, remedy)

    def _law(self, moments: SiteMoments, cores: list[np.ndarray], functions: int, error: float) -> ChainLaw:
        place = np.argsort(self._drift.order)
        ranks = tuple(core.shape[0] for core in cores[1:])
        covariance = moments.covariance[np.ix_(place, place)]
        return ChainLaw(moments.mean[place], covariance, moments.balance[place], ranks, functions, error)


def _swept(scheme: AlternatingScheme, drift: PolynomialDrift, bases: list[SiteBasis], tolerance: float) -> SiteMoments:
    """Moments after sweeps until they settle."""
    before: SiteMoments | None = None
    for _ in range(SWEEPS):
        scheme.sweep()
        moments = SiteMoments(drift, bases, Contractions(scheme.cores))
        if before is not None and moments.difference(before) < 10.0 * tolerance:
            break
        before = moments
    return moments
