"""The effective equations of pinned billiard balls: mean mu and standard deviation sigma of the velocities."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from ..cells.progress import watched
from ..particles import InvalidArgument, PinnedBalls, _checks
from .billiard_discretisation import BilliardSystem, Source, billiard_system, lobatto_points
from .billiard_forms import BilliardForm, EnergyForm
from .errors import NotConverged, Unresolved
from .rosenbrock import RODAS3, RODAS4, Rosenbrock, Statistics, Stepping

Profile = Callable[[np.ndarray], Any]
BOUNDARIES = ("closed", "absorbing")
MOST_CELLS = 40_000
FROZEN = 0.01  # the share of sigma that counts as no excess any more


@dataclass(frozen=True, eq=False)
class BilliardSolution:
    """A solution of the pinned-billiard equations at T times; every rank holds all of it.

    times (T,); nodes (C+1 groups, flattened) positions of the nodes; nodal_mean, nodal_w (T, m) their mu and w >= 0;
    momentum, energy (T,) the integrals of mu and (mu^2 + sigma^2)/2; energy_outflow (T,) the energy that has left
    through absorbing ends; resolved whether the mesh resolves 1/lambda; statistics what the solve has cost.
    """

    times: np.ndarray
    nodes: np.ndarray
    nodal_mean: np.ndarray
    nodal_w: np.ndarray
    momentum: np.ndarray
    energy: np.ndarray
    energy_outflow: np.ndarray
    degree: int
    resolved: bool
    statistics: Statistics

    def mean_at(self, x: Any) -> np.ndarray:
        """mu(x, t) at points (P,) in [0, 1], shape (T, P)."""
        return self._at(x, self.nodal_mean)

    def std_at(self, x: Any) -> np.ndarray:
        """sigma(x, t) >= 0 at points (P,) in [0, 1], shape (T, P)."""
        # sigma has a square root's slope where it vanishes, and w does not
        return np.sqrt(2.0 * np.maximum(self._at(x, self.nodal_w), 0.0))

    def _at(self, x: Any, values: np.ndarray) -> np.ndarray:
        points = np.atleast_1d(_checks.real_array("x", x))
        if points.ndim != 1 or (points < 0).any() or (points > 1).any():
            raise InvalidArgument("x", "must be a list of points in [0, 1]")
        if self.degree == 1:
            return np.array([np.interp(points, self.nodes, row) for row in values])
        cells = (self.nodes.size - 1) // self.degree
        cell = np.minimum((points * cells).astype(int), cells - 1)
        basis = lagrange(lobatto_points(self.degree), points * cells - cell)
        return np.einsum("pk,tpk->tp", basis, values[:, cell[:, None] * self.degree + np.arange(self.degree + 1)])


def lagrange(nodes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the values (P, K) of the Lagrange polynomials of the nodes (K,) at the points (P,)."""
    others = [np.delete(nodes, k) for k in range(nodes.size)]
    return np.stack([np.prod((points[:, None] - o) / (nodes[k] - o), axis=1) for k, o in enumerate(others)], axis=1)


@dataclass(frozen=True)
class BilliardEquations:
    """mu_t = (mu_x - lambda sigma)_x,   w_t = w_xx + mu_x (mu_x - lambda sigma),   w = sigma^2/2, on 0 < x < 1.

    Equivalently E_t = (E_x - lambda mu sigma)_x for E = (mu^2 + sigma^2)/2. Source: (2.9)-(2.10) and section 4 of
    Burdzy, Hoskins and Steinerberger.

    Args:
        wave_speed: lambda > 0, in lengths of the interval per unit of time.
        mean: mu0, callable from points (P,) to velocities (P,).
        std: sigma0 >= 0, callable from points (P,) to velocities (P,); it may vanish.
        boundary: "closed", as the balls are: mu_x = lambda sigma and no flux of energy; or "absorbing", as in the
            paper (2.11)-(2.12): mu_x = 0 and sigma = 0, through which energy leaves.

    Raises:
        InvalidArgument: an argument out of its range.
    """

    wave_speed: float
    mean: Profile
    std: Profile
    boundary: str = "closed"

    def __post_init__(self) -> None:
        object.__setattr__(self, "wave_speed", _checks.number("wave_speed", self.wave_speed, above=0.0))
        if self.boundary not in BOUNDARIES:
            raise InvalidArgument("boundary", f"must be one of {', '.join(BOUNDARIES)}, not {self.boundary!r}")
        probe = np.linspace(0.0, 1.0, 101)
        _checks.profile("mean", self.mean, probe)
        _checks.profile("std", self.std, probe, nonnegative=True)

    @staticmethod
    def of(balls: PinnedBalls, boundary: str = "closed") -> BilliardEquations:
        """Return the effective equations of a system of balls, lambda = (n-1)/(2 sqrt(pi)) (2.8).

        Args:
            balls: the microscopic model, with exchange of energy.
            boundary: see the class.
        """
        if not balls.energy_exchange:
            raise InvalidArgument("balls", "without exchange of energy the balls have no equations of this kind")
        return BilliardEquations(balls.wave_speed, balls.mean, balls.std, boundary)

    def solve(
        self,
        times: Any,
        rtol: float = 1e-6,
        cells: int | None = None,
        *,
        degree: int | None = None,
        form: BilliardForm | None = None,
        scheme: Rosenbrock | None = None,
        progress: bool = False,
        comm: MPI.Comm = MPI.COMM_WORLD,
        petsc_options: dict[str, Any] | None = None,
        source: Source | None = None,
    ) -> BilliardSolution:
        """Solve with finite elements in x and an adaptive Rosenbrock method in t.

        Args:
            times: times (T,) of the result, increasing, not negative.
            rtol: tolerance of a step's error in mu and in sigma, each in L2 relative to its size.
            cells: number of equal elements; None chooses from wave_speed and rtol.
            degree: polynomial degree of the elements; None takes 1 where cells are given, 4 where they are chosen.
            form: the form (A), (B) or (C) that is solved; None takes (C), which keeps the invariants.
            scheme: the Rosenbrock method; None takes the one of order 3, or of order 4 for rtol below 1e-5.
            progress: whether to show a progress bar (only at a terminal, only on rank 0).
            comm: the ranks that share the mesh.
            petsc_options: options of the linear solver, without prefix.
            source: right-hand sides of a manufactured solution.

        Returns:
            A `BilliardSolution`.

        Raises:
            InvalidArgument: an argument out of its range.
            NotConverged: the step had to be made too small; the message has time, step and reason.

        Warns:
            Unresolved: the mesh does not resolve 1/lambda; diffusion lambda h/2 is used in place of 1.
        """
        times = _checks.times(times)
        rtol = _checks.number("rtol", rtol, above=0.0)
        cells, degree = self._mesh(rtol, cells, degree)
        form, absorbing = form or EnergyForm(), self.boundary == "absorbing"
        if petsc_options is None and source is None:
            system = billiard_system(comm, cells, degree, form, absorbing)
        else:
            system = BilliardSystem(comm, cells, degree, form, absorbing, petsc_options, source)
        system.configure(self.wave_speed, rtol)
        if not system.resolved:
            warnings.warn(
                f"{cells} cells do not resolve 1/lambda = {1 / self.wave_speed:.3g}; the solution is smeared at the "
                f"scale of a cell. At least {math.ceil(0.5 * self.wave_speed)} cells of degree 1 are needed",
                Unresolved,
                stacklevel=2,
            )
        x = system.points()
        mean, std = _checks.profile("mean", self.mean, x), _checks.profile("std", self.std, x, nonnegative=True)
        stepping = Stepping(scheme or (RODAS3 if rtol > 1e-5 else RODAS4), first=self._first_step(cells, degree))
        statistics = Statistics()
        states = stepping.integrate(system, system.state(mean, std), times, statistics)
        return _collected(system, degree, times, states, statistics, progress)

    def freeze_time(
        self,
        rtol: float = 1e-4,
        cells: int | None = None,
        *,
        comm: MPI.Comm = MPI.COMM_WORLD,
        petsc_options: dict[str, Any] | None = None,
    ) -> float:
        """First time t at which the excess of sigma over |mu_x|/lambda is spent.

        int (sigma - |mu_x|/lambda)_+ dx <= 0.01 int sigma dx; where sigma = mu_x/lambda, mu does not change any more.

        Args:
            rtol: as in `solve`.
            cells: as in `solve`.
            comm: as in `solve`.
            petsc_options: as in `solve`.

        Returns:
            The time, in the unit of the equations, within 1 % of 1/lambda.

        Raises:
            NotConverged: the excess is not spent by the time max(100/lambda, 10).
        """
        stop, horizon = 1.0 / self.wave_speed, max(100.0 / self.wave_speed, 10.0)
        while stop <= horizon:
            times = np.linspace(0.0, stop, 101)
            share = self._excess_share(self.solve(times, rtol, cells, comm=comm, petsc_options=petsc_options))
            spent = np.flatnonzero(share <= FROZEN)
            if spent.size:
                k = int(spent[0])
                if k == 0:
                    return 0.0
                part = (share[k - 1] - FROZEN) / (share[k - 1] - share[k])
                return float(times[k - 1] + part * (times[k] - times[k - 1]))
            stop *= 4
        raise NotConverged("freezing", "sigma keeps an excess over |mu_x|/lambda", "solve and look at it", time=horizon)

    def _excess_share(self, solution: BilliardSolution) -> np.ndarray:
        x, sigma = solution.nodes, np.sqrt(2 * solution.nodal_w)
        frozen = np.abs(np.gradient(solution.nodal_mean, x, axis=1)) / self.wave_speed
        whole = np.trapezoid(sigma, x, axis=1)
        return np.trapezoid(np.maximum(sigma - frozen, 0.0), x, axis=1) / np.where(whole > 0, whole, 1.0)

    def _mesh(self, rtol: float, cells: int | None, degree: int | None) -> tuple[int, int]:
        if degree is not None:
            degree = _checks.integer("degree", degree, 1, 8)
        if cells is not None:
            return _checks.integer("cells", cells, 2, 2**26), degree or 1
        degree = degree or 4
        needed = max(32.0, 0.4 * self.wave_speed * (1e-3 / rtol) ** (1.0 / (degree + 1)))
        if needed <= MOST_CELLS:
            return math.ceil(needed), degree
        return MOST_CELLS, 1

    def _first_step(self, cells: int, degree: int) -> float:
        spacing = 1.0 / (cells * degree)
        return min(0.1 * spacing / self.wave_speed, spacing**2)


def _collected(
    system: BilliardSystem, degree: int, times: np.ndarray, states: Any, statistics: Statistics, progress: bool
) -> BilliardSolution:
    rows, totals = [], []
    for y in watched(states, times.size, progress, system.comm):
        rows.append(np.stack(system.velocities(y)))
        totals.append(system.totals(y))
    parts = system.comm.allgather((system.points(), np.stack(rows)))
    x = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts], axis=2)
    order = np.argsort(x)
    momentum, energy, outflow = np.array(totals).T
    return BilliardSolution(
        times, x[order], values[:, 0, order], values[:, 1, order], momentum, energy, outflow, degree, system.resolved,
        statistics,
    )  # fmt: skip
