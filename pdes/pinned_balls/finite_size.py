"""The one-step equations of n pinned balls, closed with exact Gaussian expectations: the PDE before its expansion.

In the time tau = collisions/(n-2), with r and a as in (5.9)-(5.10) and <.> the sums over the triples that contain x,

    d mu(x)/d tau = <mean of mu over the triple - mu(x)> + sqrt(3)/(2 pi) (E r(x-1) - E r(x+1))          (5.1), (5.13)
    d e(x)/d tau  = <mean of e over the triple - e(x)>  + sqrt(3)/pi (E[a r](x-1) - E[a r](x+1))         (5.2), (5.15)

for e = mu^2 + sigma^2. Near a frozen state sigma is as small as the gap of mu between neighbours, and the expansion
that leads to the PDE is not small in 1/n; these equations keep it whole. What they still assume is independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument, PinnedBalls
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.pinned_balls.profiles import VelocityProfiles
from scaling_limits.particles.pinned_balls.spec import wave_speed
from scaling_limits.particles.pinned_balls.velocities import positions, velocities
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.philox import COMPILED
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.sampling.workers import warn_together_if_long
from scaling_limits.particles.showing.described import Described, times_text
from scaling_limits.particles.support import checks
from scaling_limits.particles.support.checks import Profile
from scaling_limits.particles.support.progress import watched

from ..time.chebyshev import RungeKuttaChebyshev
from ..time.integration import Statistics, integrate
from .correlated_lattice import correlated_rate
from .energy_norm import EnergyNorm, hidden_by_rounding, tolerance
from .gaussian_expectations import expectations
from .initial_data import exchanging
from .solution import SavedSolution, points_of

# of mu^2 + sigma^2; what is left of sigma^2 below it is rounding
NOISE = 2e-14
# of one core, for one evaluation of the rates
SECONDS_PER_SITE = 3.5e-7
# a site feels its neighbours' neighbours
HALO = 2
# 3 of the exchange of energy (4 c^2 + 4 c - 8)/3 at c = -1/2, and up to 2 of the sorting
SPECTRAL_RADIUS = 5.0


@njit(inline="always")
def _variance(mu, e):  # type: ignore[no-untyped-def]
    """Return e - mu^2, and 0 where that is no more than rounding: else the rounding would be sorted like noise."""
    variance = e - mu * mu
    return variance if variance > NOISE * e else 0.0


@njit(cache=True, **COMPILED)
def lattice_rate(mu, e, skip, keep, d_mu, d_e):  # type: ignore[no-untyped-def]
    """Fill the rates d_mu, d_e (keep,) of the sites skip .. skip+keep-1 of a piece of the lattice with its halo."""
    size = mu.shape[0]
    sort = math.sqrt(3.0) / (2.0 * math.pi)
    d_mu[:] = 0.0
    d_e[:] = 0.0
    # every triple that moves a site that is kept
    for y in range(max(1, skip - 1), min(size - 1, skip + keep + 1)):
        mean = (mu[y - 1] + mu[y] + mu[y + 1]) * (1.0 / 3.0)
        energy = (e[y - 1] + e[y] + e[y + 1]) * (1.0 / 3.0)
        v1 = _variance(mu[y - 1], e[y - 1])
        v2 = _variance(mu[y], e[y])
        v3 = _variance(mu[y + 1], e[y + 1])
        r, ar = expectations(mu[y - 1], mu[y], mu[y + 1], v1, v2, v3)
        for side in range(-1, 2):
            x = y + side - skip
            if 0 <= x < keep:
                d_mu[x] += mean - mu[y + side] + side * sort * r
                d_e[x] += energy - e[y + side] + side * 2.0 * sort * ar


class LatticeSystem:
    """y' = f(y) for y = (mu, e) on the sites of this rank (an `integration.StabilisedSystem`)."""

    spectral_radius = SPECTRAL_RADIUS

    def __init__(self, n: int, rtol: float, comm: MPI.Comm, correlations: int = 0) -> None:
        self._halo = HALO + (correlations + 2 if correlations else 0)
        if n < 2 * self._halo * comm.size and comm.size > 1:
            most = max(1, n // (2 * self._halo))
            raise InvalidArgument("comm", f"{comm.size} ranks are too many for {n} balls; use at most {most}")
        # the slowest disturbance: sigma next to the state at rest, mu_x = lambda sigma, of the length of the chain; mu
        # has to follow it, so that it decays in less than the time (1 + lambda^2/pi^2)/pi^2 of the PDE; here twice that
        self.relaxation = (n - 1) ** 2 * (1.0 + (wave_speed(n) / math.pi) ** 2) / math.pi**2
        bounds = np.linspace(0, n, comm.size + 1).astype(int)
        self.comm, self.rtol = comm, rtol
        self.first, self.last = int(bounds[comm.rank]), int(bounds[comm.rank + 1])
        self._before = self._halo if comm.rank > 0 else 0
        self._after = self._halo if comm.rank < comm.size - 1 else 0
        self._piece = np.empty((2 + correlations, self._before + self.size + self._after))
        self._norm = EnergyNorm(np.full(self.size, 1.0 / n), comm)

    @property
    def size(self) -> int:
        """Number of sites of this rank."""
        return self.last - self.first

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        """Return f(y), shape (2 + K, m)."""
        piece, own = self._piece, slice(self._before, self._before + self.size)
        piece[:, own] = y
        if self.comm.size > 1:
            left = self.comm.rank - 1 if self._before else MPI.PROC_NULL
            right = self.comm.rank + 1 if self._after else MPI.PROC_NULL
            ghost = np.empty((y.shape[0], self._halo))
            self.comm.Sendrecv(np.ascontiguousarray(y[:, -self._halo :]), right, recvbuf=ghost, source=left)
            piece[:, : self._before] = ghost[:, : self._before]
            self.comm.Sendrecv(np.ascontiguousarray(y[:, : self._halo]), left, recvbuf=ghost, source=right)
            piece[:, self._before + self.size :] = ghost[:, : self._after]
        f = np.empty_like(y)
        if y.shape[0] == 2:
            lattice_rate(piece[0], piece[1], self._before, self.size, f[0], f[1])
        else:
            variance = piece[1] - piece[0] ** 2
            variance[variance <= NOISE * piece[1]] = 0.0
            correlated_rate(piece[0], piece[1], piece[2:], variance, self._before, self.size, f[0], f[1], f[2:])
        return f

    def moments(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu, w >= 0) of the sites of this rank."""
        return y[0], np.maximum(0.5 * (y[1] - y[0] ** 2), 0.0)

    def error(self, y: np.ndarray, new: np.ndarray, difference: np.ndarray) -> float:
        """Return the error estimate in mu and sigma over rtol."""
        return self._norm.relative_error(self.moments(new), self.moments(new - difference)) / self.rtol

    def accept(self, t: float, new: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the state with sigma^2 >= 0 and the same energy."""
        w = 0.5 * (new[1] - new[0] ** 2)
        restored, reason = self._norm.restored(new[0], w, None, self.rtol)
        return (new if restored is w else np.concatenate([[new[0], new[0] ** 2 + 2 * restored], new[2:]])), reason


@dataclass(frozen=True, eq=False, repr=False)
class FiniteSizeSolution(VelocityProfiles, SavedSolution):
    """A solution of the finite-size equations at T times; every rank holds all of it.

    Args:
        times: shape (T,).
        positions: of the balls, (i-1)/(n-1), shape (n,).
        mean: mu of the balls, shape (T, n).
        std: sigma of the balls, shape (T, n).
        covariance: shape (K, T, n), with Cov(v(x), v(x+k)) as its entry [k-1, :, x].
        momentum: the mean of mu over the balls, shape (T,).
        energy: the mean of (mu^2 + sigma^2)/2 over the balls, shape (T,).
        statistics: what the solve has cost.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    covariance: NDArray[np.float64]
    momentum: NDArray[np.float64]
    energy: NDArray[np.float64]
    statistics: Statistics

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {"times": times_text(self.times), "balls": self.positions.size, "cost": f"{self.statistics.steps} steps"}
        return type(self).__name__, said

    @property
    def _places(self) -> np.ndarray:
        return self.positions

    def _profile(self, quantity: str) -> np.ndarray:
        return self.mean if quantity == "mean" else self.std

    def mean_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """The mean velocity at points (P,) in [0, 1], linear between the balls, shape (T, P)."""
        return self._at(x, self.mean)

    def std_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """The standard deviation at points (P,) in [0, 1], linear between the balls, shape (T, P)."""
        return self._at(x, self.std)

    def _at(self, x: ArrayLike, values: np.ndarray) -> NDArray[np.float64]:
        points = points_of(x)
        return np.array([np.interp(points, self.positions, row) for row in values])


@dataclass(frozen=True, repr=False)
class FiniteSizeEquations(Described):
    """The equations (5.1)-(5.2) with (5.13), (5.15) for n balls, closed with exact Gaussian expectations.

    Args:
        n: number of balls, at least 3.
        mean: mu0, callable from positions (P,) in [0, 1] to velocities (P,).
        std: sigma0 >= 0, likewise.
        correlations: largest distance K at which covariances of the velocities are carried along; 0 takes them to be
            independent, as the paper does.

    Raises:
        InvalidArgument: an argument out of its range.
    """

    n: int
    mean: Profile
    std: Profile
    correlations: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", checks.integer("n", self.n, 3, 2**31 - 1))
        object.__setattr__(self, "correlations", checks.integer("correlations", self.correlations, 0, self.n - 1))
        velocities(self.mean, self.std, self.positions)

    @staticmethod
    def of(balls: PinnedBalls, correlations: int = 0) -> FiniteSizeEquations:
        """Return the equations of a system of balls with exchange of energy.

        Args:
            balls: the microscopic model.
            correlations: see the class.
        """
        balls = exchanging(balls)
        return FiniteSizeEquations(balls.n, balls.mean, balls.std, correlations)

    @property
    def positions(self) -> NDArray[np.float64]:
        """The positions (i-1)/(n-1) of the balls, shape (n,)."""
        return positions(self.n)

    def solve(
        self,
        times: ArrayLike,
        rtol: float = 1e-5,
        *,
        scheme: RungeKuttaChebyshev | None = None,
        progress: bool = False,
        comm: MPI.Comm = MPI.COMM_WORLD,
        petsc_options: dict[str, Any] | None = None,
    ) -> FiniteSizeSolution:
        """Solve as a lattice equation, with an adaptive explicit method of many stages.

        Args:
            times: times (T,) in the unit of the effective equations, not negative, not decreasing.
            rtol: tolerance, at least 1e-11 and below 1, of a step's error in mu and in sigma, each in l2 relative to
                its size. The errors of the steps add up: of order 2, the method errs by some rtol in all at 1e-4, some
                ten at 1e-6.
            scheme: the time scheme.
            progress: whether to show a progress bar (at a terminal or in a notebook, on rank 0).
            comm: the ranks that share the lattice.
            petsc_options: must be empty, since nothing is solved with PETSc here; as in all solves of this package.

        Returns:
            A `FiniteSizeSolution`.

        Raises:
            InvalidArgument: an argument out of its range; on all ranks, if on one.
            NotConverged: the step had to be made too small, or there were too many.

        Warns:
            Unresolved: sigma is so small against the differences of mu that rounding hides it.
            LongRun: the steps take more than ten minutes.
        """
        comm = communicator(comm)
        times, rtol = on_all_ranks(comm, lambda: self._checked(times, rtol, scheme, progress, petsc_options))
        x = self.positions
        mu, sigma = on_all_ranks(comm, lambda: velocities(self.mean, self.std, x))
        same_on_all_ranks(
            comm, times=times, rtol=rtol, n=self.n, correlations=self.correlations, mean=mu, std=sigma, scheme=scheme
        )
        # a constant added to mu changes nothing but the digits that are left for sigma
        frame = float(mu.mean())
        mu = mu - frame
        if reason := hidden_by_rounding(float(np.abs(mu).max()), float(sigma.max())):
            warn(reason, Unresolved)
        system = LatticeSystem(self.n, rtol, comm, self.correlations)
        mu, sigma = mu[system.first : system.last], sigma[system.first : system.last]
        statistics = Statistics()
        start = np.stack([mu, mu**2 + sigma**2, *np.zeros((self.correlations, mu.size))])
        tau = times * (0.5 * (self.n - 1) ** 2)
        scheme = scheme or RungeKuttaChebyshev()
        self._warn_if_long(scheme, system, float(tau[-1]))
        states = integrate(scheme, system, start, tau, statistics, first=scheme.first(system))
        rows = np.array([np.stack([*system.moments(y), *y[2:]]) for y in watched(states, times.size, progress, comm)])
        mean, w, *covariances = np.moveaxis(np.concatenate(comm.allgather(rows), axis=2), 1, 0)
        mean = mean + frame
        energy = (0.5 * mean**2 + w).mean(axis=1)
        covariance = np.reshape(covariances, (self.correlations, *mean.shape))
        return FiniteSizeSolution(times, x, mean, np.sqrt(2 * w), covariance, mean.mean(axis=1), energy, statistics)

    def _warn_if_long(self, scheme: RungeKuttaChebyshev, system: LatticeSystem, end: float) -> None:
        steps = min(end, 2.0 * system.relaxation) / scheme.longest(system)
        each = scheme.most_stages * self.n * SECONDS_PER_SITE * (1.0 + self.correlations / 20.0)
        what = f"at least {steps:.2g} steps of {self.n} balls"
        warn_together_if_long(what, steps * each, 1, "take shorter times", system.comm)

    @staticmethod
    def _checked(
        times: ArrayLike, rtol: float, scheme: object, progress: bool, petsc_options: object
    ) -> tuple[np.ndarray, float]:
        if petsc_options:
            raise InvalidArgument("petsc_options", "there is no PETSc solver here that could take any")
        if scheme is not None and not isinstance(scheme, RungeKuttaChebyshev):
            raise InvalidArgument("scheme", f"must be a RungeKuttaChebyshev, not {checks.shown(scheme)}")
        checks.flag("progress", progress)
        return checks.times(times), tolerance(rtol)
