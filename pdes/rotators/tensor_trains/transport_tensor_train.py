"""The stationary law of the transport equation of a chain, as a tensor train."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.errors import LongRun, NotConverged, warn
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import instance, integer, number

from .alternating_scheme import AlternatingScheme
from .chain_flows import currents_of, mean_flows, mean_local
from .chain_law import ChainLaw
from .dilations import found_widths
from .operator import chain_operator
from .polynomial_drift import PolynomialDrift
from .site_basis import SiteBasis
from .site_moments import SiteMoments
from .tensor_algebra import Contractions, padded, product_law, rounded
from .train import Train, density_change

# polynomials of each site, level by level; sweeps of each level
FUNCTIONS, SWEEPS = (12, 16, 20, 24, 30, 36), 8
# the next level takes so many times as long, at the most; seconds of which one is told
GROWTH, LONG = 4.0, 600.0


@dataclass(frozen=True, eq=False, repr=False)
class TransportTensorTrain(Described):
    """The stationary Fokker-Planck equation 0 = sum_j d_j (R_j p - T_j I_j d_j p) of a chain of any number of actions.

    p = w u, with u a tensor train in polynomials of each action. Levels with more polynomials and a smaller tolerance
    follow one another until moments settle. Every rank computes by itself.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        rtol: relative error of means and second moments, from 1e-10 to 1e-2.
        max_rank: the largest rank.
        max_operations: multiplications after which it gives up; the default are some ten minutes.

    Raises:
        InvalidArgument: an argument out of range; no chain; a dissipation that is no polynomial, or does not confine a
            site alone.

    Source: Dymov, equation (2.8); Dolgov and Savostyanov (2014) for the scheme.
    """

    lattice: RotatorLattice
    rtol: float = 1e-6
    max_rank: int = 80
    max_operations: float = 3e12

    def __post_init__(self) -> None:
        instance("lattice", self.lattice, RotatorLattice)
        object.__setattr__(self, "rtol", number("rtol", self.rtol, above=0.0))
        if not 1e-10 <= self.rtol <= 1e-2:
            raise InvalidArgument("rtol", f"must be from 1e-10 to 1e-2, not {self.rtol:g}")
        object.__setattr__(self, "max_rank", integer("max_rank", self.max_rank, 1, 400))
        object.__setattr__(self, "max_operations", number("max_operations", self.max_operations, above=0.0))
        _ = self._drift

    @cached_property
    def _drift(self) -> PolynomialDrift:
        return PolynomialDrift.of(self.lattice)

    def stationary(self) -> ChainLaw:
        """The stationary law.

        Of chains with two ends and up to 64 sites it takes seconds to minutes where sites act weakly on one another;
        strong coupling takes larger ranks and more polynomials.

        Raises:
            NotConverged: the moments do not settle to `rtol`, with at most `max_rank` and `max_operations`.
            InvalidArgument: a flow is declared that depends on more than the two ends of a bond.

        Warns:
            LongRun: it may take more than ten minutes.
        """
        drift, widths = self._drift, found_widths(self.lattice, self._drift, self.rtol)
        before: _Level | None = None
        spent = 0.0
        for index, functions in enumerate(FUNCTIONS):
            bases = [
                SiteBasis(own, temperature, dilation, functions, end)
                for own, temperature, dilation, end in zip(drift.own, drift.temperature, widths.dilation, widths.end)
            ]
            cores = product_law(drift.size, functions) if before is None else padded(before.scheme.cores, functions)
            tolerance = self.rtol * max(10.0 ** (1 - index), 1e-2)
            left = self.max_operations - spent
            scheme = AlternatingScheme(chain_operator(drift, bases), cores, tolerance, self.max_rank, left)
            begin = time.perf_counter()
            moments, change = self._swept(scheme, bases, tolerance, left)
            level = _Level(functions, scheme, moments, self._error(moments, change, before))
            if level.error <= self.rtol and before is not None and scheme.operations <= left:
                return self._law(level, before, tolerance)
            spent += scheme.operations
            self._go_on(level, before, spent, time.perf_counter() - begin)
            before = level
        assert before is not None
        raise self._failure(before, before.scheme.cut)

    def _swept(
        self, scheme: AlternatingScheme, bases: list[SiteBasis], tolerance: float, left: float
    ) -> tuple[SiteMoments, float]:
        """Moments after sweeps until they settle, or the operations are used up, and their last relative change."""
        before: SiteMoments | None = None
        change = np.inf
        for _ in range(SWEEPS):
            scheme.sweep()
            moments = SiteMoments(self._drift, bases, Contractions(scheme.cores))
            change = np.inf if before is None else moments.difference(before)
            before = moments
            if change < 10.0 * tolerance or scheme.operations > left:
                break
        return moments, change

    def _error(self, moments: SiteMoments, change: float, before: _Level | None) -> float:
        balance = float(np.abs(moments.balance / self._drift.temperature).max())
        error = np.inf if before is None else max(moments.difference(before.moments), change, balance)
        # NaN is no error that a comparison finds
        return error if np.isfinite(error) else np.inf

    def _go_on(self, level: _Level, before: _Level | None, spent: float, seconds: float) -> None:
        """Raise where more polynomials do not help, warn where they take long."""
        if spent > self.max_operations:
            raise self._failure(level, level.scheme.cut, f"after {spent:.1e} multiplications ")
        # what the bound of the ranks cuts off is as large as the error that is left
        cut = level.scheme.cut * level.scheme.norm
        if before is not None and cut > 10.0 * self.rtol and level.error > before.error / 3.0:
            raise self._failure(level, cut)
        if GROWTH * seconds > LONG:
            minutes = GROWTH * seconds / 60.0
            hint = "a larger `rtol` or TransportProcess takes less; or stop it with Ctrl-C"
            warn(f"more polynomials of {self._drift.size} actions take about {minutes:.0f} minutes; {hint}", LongRun)

    def _failure(self, level: _Level, cut: float, when: str = "") -> NotConverged:
        """What is raised."""
        remedy = "a larger `max_rank` or `rtol`" if cut > self.rtol else "a larger `rtol`"
        if when:
            remedy = f"{remedy}, more `max_operations`"
        reason = (
            f"{when}moments have the relative error {level.error:.1e} at {level.functions} polynomials of each action"
        )
        return NotConverged(
            "the stationary law of the chain", reason, f"give {remedy}, or sample with TransportProcess"
        )

    def _law(self, level: _Level, before: _Level, tolerance: float) -> ChainLaw:
        order, moments = self._drift.order, level.moments
        place = np.argsort(order)
        currents, region = currents_of(self.lattice), self.lattice.region
        train = Train(moments.bases, rounded(level.scheme.cores, tolerance))
        fewer = Train(before.moments.bases, before.scheme.cores)
        coarse = mean_flows(currents, fewer, order)
        flow, local = mean_flows(currents, train, order), mean_local(currents, train, order)
        imbalance = float(np.abs(moments.balance).max())
        mean_error = np.maximum(np.abs(moments.mean - before.moments.mean), moments.mean * level.error)
        flow_error = np.maximum(np.abs(flow - coarse), imbalance)
        return ChainLaw(
            region.sites, region.bonds, self.lattice.temperature.copy(), moments.mean[place], mean_error[place],
            moments.covariance[np.ix_(place, place)], flow, flow_error, local, moments.balance[place], level.error,
            density_change(train, fewer), train.ranks, level.functions, order, train.sites, train.numbers,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Level:
    """What was found with so many polynomials.

    Args:
        functions: their number.
        scheme: that has made sweeps.
        moments: of the last one.
        error: relative.
    """

    functions: int
    scheme: AlternatingScheme
    moments: SiteMoments
    error: float
