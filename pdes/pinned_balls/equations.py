"""The effective equations of pinned billiard balls: mean mu and standard deviation sigma of the velocities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument, PinnedBalls
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.pinned_balls.velocities import velocities
from scaling_limits.particles.sampling import one_process
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support import checks
from scaling_limits.particles.support.checks import Profile
from scaling_limits.particles.support.logs import timed
from scaling_limits.particles.support.progress import watched

from ..time.integration import Statistics, integrate
from ..time.rosenbrock import Rosenbrock
from .compiled.kernels import known
from .compiled.system import CompiledSystem, compiled_elements
from .discretisation import BilliardStates, BilliardSystem
from .elements import Source, billiard_elements
from .energy_norm import ROUND_OFF, hidden_by_rounding, tolerance
from .forms import BilliardForm, DeviationForm, EnergyForm, VarianceForm
from .initial_data import InitialData, exchanging
from .interval_elements import energy_error, interpolation_error
from .mesh_choice import Choice, Mesh, spatial_error, unresolved
from .solution import BilliardSolution
from .solving import many
from .solving.end_layers import EndLayers
from .solving.task import TIME_SHARE, Task, default_scheme, first_step, step_tolerance

BOUNDARIES = ("closed", "absorbing")
# wave speeds beyond it belong to no number of balls
FASTEST = 1e12
# the share of sigma that counts as no excess any more
FROZEN = 0.01


@dataclass(frozen=True, repr=False)
class BilliardEquations(Described):
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
        speed = checks.number("wave_speed", self.wave_speed, above=0.0)
        if speed > FASTEST:
            raise InvalidArgument("wave_speed", f"must be at most {FASTEST:g}, not {speed:g}")
        object.__setattr__(self, "wave_speed", speed)
        if not isinstance(self.boundary, str) or self.boundary not in BOUNDARIES:
            raise InvalidArgument("boundary", f"must be one of {', '.join(BOUNDARIES)}, not {self.boundary!r}")
        velocities(self.mean, self.std, np.linspace(0.0, 1.0, 101), whole=False)

    @staticmethod
    def of(balls: PinnedBalls, boundary: str = "closed") -> BilliardEquations:
        """Return the effective equations of a system of balls, lambda = (n-1)/(2 sqrt(pi)) (2.8).

        Args:
            balls: the microscopic model, with exchange of energy.
            boundary: see the class.
        """
        balls = exchanging(balls)
        return BilliardEquations(balls.wave_speed, balls.mean, balls.std, boundary)

    def solve(
        self,
        times: ArrayLike,
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
        quiet: bool = False,
    ) -> BilliardSolution:
        """Solve with finite elements in x and an adaptive Rosenbrock method in t.

        Args:
            times: times (T,) of the result, not negative, not decreasing.
            rtol: tolerance, from 1e-11 to below 1, of the errors of mesh and time together, in mu and in sigma, each in
                L2 relative to its size (that of mu without the part that all balls share, and with that of sigma).
            cells: number of equal elements; None chooses from wave_speed, rtol, the data and the first time, and
                refuses wave speeds for which no mesh that may be chosen resolves 1/lambda.
            degree: polynomial degree of the elements; None takes 1 where cells are given, 4 where they are chosen.
            form: the form (A), (B) or (C) that is solved; None takes (C), which keeps the invariants. (A) divides by
                sigma, and is refused with absorbing ends, where that is 0.
            scheme: the Rosenbrock method; None takes the one of order 4, or of order 3 for rtol above 3e-3.
            progress: whether to show a progress bar (at a terminal or in a notebook, on rank 0).
            comm: the ranks that share the mesh.
            petsc_options: options of the linear solver, without prefix.
            source: right-hand sides of a manufactured solution.
            quiet: leave the warning out; `resolved` and `error` of the solution say the same.

        Returns:
            A `BilliardSolution`.

        Raises:
            InvalidArgument: an argument out of its range.
            NotConverged: the step had to be made too small; the message has time, step and reason.

        Warns:
            Unresolved: the mesh does not resolve the initial data (where they jump, averages are taken) or the solution
                to rtol, and the message says how far it is off; or it does not resolve 1/lambda, so that a larger
                diffusion is taken in place of 1: how far the solution is off is not known then, `error` is inf at times
                after 0, and the message says how many cells resolve it.
            LongRun: the steps take more than ten minutes, as forecast after ten seconds and later.
        """
        comm = communicator(comm)

        def checked() -> tuple[NDArray[np.float64], float, int | None, int | None]:
            _check_parts(form, scheme, source)
            checks.flag("progress", progress)
            checks.flag("quiet", quiet)
            return (
                checks.times(times),
                tolerance(rtol),
                None if cells is None else checks.integer("cells", cells, 2, 2**26),
                None if degree is None else checks.integer("degree", degree, 1, 8),
            )

        times, rtol, cells, degree = on_all_ranks(comm, checked)
        same_on_all_ranks(
            comm, times=times, rtol=rtol, cells=cells, degree=degree, wave_speed=self.wave_speed,
            boundary=self.boundary, form=form, scheme=scheme, petsc_options=petsc_options,
        )  # fmt: skip
        scheme = scheme or default_scheme(rtol)
        task = Task(times, rtol, form or EnergyForm(), scheme, source, progress, petsc_options, comm)
        return self._solved(task, cells, degree, quiet)

    @staticmethod
    def solve_all(
        problems: Sequence[BilliardEquations],
        times: ArrayLike,
        rtol: float = 1e-6,
        cells: int | None = None,
        *,
        degree: int | None = None,
        form: BilliardForm | None = None,
        scheme: Rosenbrock | None = None,
        workers: int | None = None,
        progress: bool = False,
        quiet: bool = False,
    ) -> list[BilliardSolution]:
        """Solve many problems, each by itself: other wave speeds, other data, other ends; threads share them.

        Every solution is the one that `solve` gives. Nothing is communicated: under MPI every rank solves the problems
        that it is given, such as problems[comm.rank :: comm.size].

        Args:
            problems: the equations, in any number.
            times: as in `solve`, for all of them.
            rtol: as in `solve`.
            cells: as in `solve`.
            degree: as in `solve`.
            form: as in `solve`; one of (A), (B) and (C).
            scheme: as in `solve`.
            workers: threads; None takes all cores that this process may use.
            progress: as in `solve`, of problems.
            quiet: as in `solve`.

        Returns:
            The solutions, in the order of the problems.

        Raises:
            InvalidArgument: an argument out of its range.
            NotConverged: a problem failed; the message has its number (from 0), the cause is its error, and `partial`
                the list of the solutions of all the others, with None in its place.

        Warns:
            Unresolved: some are not resolved; the message has their numbers, `resolved` and `error` of each say more.
            LongRun: one of them, or all of them together, takes more than ten minutes; as in `solve`.
        """
        many.check_problems(problems, BilliardEquations)
        form = form or EnergyForm()
        _check_parts(form, scheme, None)
        if not known(form):
            raise InvalidArgument("form", "must be one of the three forms where many problems are solved; use solve")
        for name, value in (("progress", progress), ("quiet", quiet)):
            checks.flag(name, value)
        rtol = tolerance(rtol)
        cells = None if cells is None else checks.integer("cells", cells, 2, 2**26)
        degree = None if degree is None else checks.integer("degree", degree, 1, 8)
        task = Task(
            checks.times(times), rtol, form, scheme or default_scheme(rtol), None, False, None, one_process.COMM_SELF
        )  # fmt: skip

        def solved(problem: BilliardEquations, between: Callable[[], None], say: many.Say) -> BilliardSolution:
            return problem._solved(replace(task, between=between, say_long=say), cells, degree, True)

        solutions = many.solved(solved, problems, workers, progress)
        if not quiet:
            many.warn_of_unresolved(solutions, rtol)
        return solutions

    def _solved(self, task: Task, cells: int | None, degree: int | None, quiet: bool) -> BilliardSolution:
        """Choose meshes until the error is met; the arguments are checked; collective."""
        if isinstance(task.form, DeviationForm) and self.boundary == "absorbing":
            raise InvalidArgument("form", "(A) divides by sigma, which is 0 at absorbing ends: take (B) or (C)")
        comm, rtol = one_process.COMM_SELF if task.compiled else task.comm, task.rtol
        choice = Choice(
            self.wave_speed, self.boundary == "absorbing", self._data, (1.0 - TIME_SHARE) * rtol, task.first, comm
        )  # fmt: skip
        mesh = choice.mesh(cells, degree)
        if cells is None:
            mesh.check_wave_speed(self.wave_speed)
        with timed(task.comm, "billiard equations") as said:
            solution, worst = self._on_mesh(mesh, task)
            while cells is None and (finer := choice.finer(mesh, worst - TIME_SHARE * rtol)):
                (solution, worst), mesh = self._on_mesh(finer, task), finer
            said |= {"cells": mesh.cells, "degree": mesh.degree, "scheme": task.scheme.name}
            said |= {"steps": solution.statistics.steps, "error": f"{worst:.1e}"}
        reason = hidden_by_rounding(mesh.misfit.range_of_mean, mesh.misfit.largest_std)
        reason = reason or unresolved(mesh, self.wave_speed, solution.resolved, rtol, worst)
        if reason and not quiet:
            warn(reason, Unresolved)
        return replace(solution, resolved=not reason)

    @cached_property
    def _data(self) -> InitialData:
        return InitialData(self.mean, self.std)

    def _on_mesh(self, mesh: Mesh, task: Task) -> tuple[BilliardSolution, float]:
        """Return the solution on one mesh, and its largest error at the times after 0.

        `resolved` says of 1/lambda alone whether the mesh resolves it.
        """
        solve = self._compiled_on_mesh if task.compiled else self._assembled_on_mesh
        statistics = Statistics()
        nodes, mu, w, momentum, energy, outflow = solve(mesh, task, statistics)
        error = self._error_of_mesh(mesh, task, nodes, mu, w)
        resolved = mesh.resolves(self.wave_speed)
        # with another diffusion these are other equations, and no estimate tells how far from them the solution is
        of_time = TIME_SHARE * task.rtol if resolved else np.inf
        error = error + np.where(task.times > 0, of_time, 0.0)
        solution = BilliardSolution(
            task.times, nodes, mu, w, momentum, energy, outflow, mesh.degree, resolved, error, statistics
        )
        return solution, float(error[task.times > 0].max(initial=0.0))

    def _error_of_mesh(
        self, mesh: Mesh, task: Task, nodes: np.ndarray, mu: np.ndarray, w: np.ndarray
    ) -> NDArray[np.float64]:
        """The error (T,) of the mesh, of nodal values (T, m); collective."""
        error = spatial_error(interpolation_error(mu, w, mesh.degree, ROUND_OFF), mesh, task.times, self.wave_speed)
        layers = EndLayers(self._data, self.wave_speed, self.boundary == "absorbing", mesh.cells, mesh.degree)
        error = np.hypot(error, on_all_ranks(task.comm, lambda: layers.error(task.times, nodes, mu, w)))
        if mesh.degree > 1:
            return error
        first = on_all_ranks(task.comm, lambda: self._data.at(nodes)[0])
        return np.where(task.times > 0, np.maximum(error, energy_error(nodes, mu, w, first)), error)

    def _assembled_on_mesh(self, mesh: Mesh, task: Task, statistics: Statistics) -> tuple[np.ndarray, ...]:
        """What `_collected` returns, by dolfinx and PETSc; collective."""
        absorbing = self.boundary == "absorbing"
        elements = billiard_elements(task.comm, mesh.cells, mesh.degree, task.form, absorbing, task.source)
        of_mesh = mesh.cells, mesh.degree, mesh.misfit.cells
        mean, std = on_all_ranks(task.comm, lambda: self._data.projected(elements.points, *of_mesh))
        with elements.lent(task.petsc_options) as bound:
            system = BilliardSystem(bound, self.wave_speed, step_tolerance(task.scheme, task.rtol), mean, std)
            first = first_step(mesh, self.wave_speed)
            look = task.outlook(mesh, statistics).look
            states = integrate(task.scheme, system, system.start, task.times, statistics, first=first, look=look)
            return _collected(elements.points, system, task, states)

    def _compiled_on_mesh(self, mesh: Mesh, task: Task, statistics: Statistics) -> tuple[np.ndarray, ...]:
        """What `_collected` returns, by one compiled function."""
        elements = compiled_elements(mesh.cells, mesh.degree, task.form, self.boundary == "absorbing")
        mean, std = self._data.at_all_nodes(elements.points, mesh.cells, mesh.degree, mesh.misfit)
        system = CompiledSystem(elements, self.wave_speed, step_tolerance(task.scheme, task.rtol), mean, std)
        first = first_step(mesh, self.wave_speed)
        look = task.outlook(mesh, statistics).look
        states = system.states(task.scheme, task.times, statistics, first=first, between=task.between, look=look)
        return _collected(elements.points, system, task, states)

    def freeze_time(
        self,
        rtol: float = 1e-4,
        cells: int | None = None,
        *,
        comm: MPI.Comm = MPI.COMM_WORLD,
        petsc_options: dict[str, Any] | None = None,
    ) -> float:
        """First time t at which the excess of sigma over mu_x/lambda is spent.

        int (sigma - mu_x/lambda)_+ dx <= 0.01 int sigma dx; where sigma = mu_x/lambda, mu does not change any more.
        Velocities out of order (mu_x < 0) have an excess without noise too: they sort themselves.

        Args:
            rtol: as in `solve`.
            cells: as in `solve`.
            comm: as in `solve`.
            petsc_options: as in `solve`.

        Returns:
            The time, in the unit of the equations, within 1 % of 1/lambda.

        Raises:
            InvalidArgument: an argument out of its range.
            NotConverged: the excess is not spent by the time max(100/lambda, 10).

        Warns:
            Unresolved: as in `solve`.
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
        raise NotConverged("freezing", "sigma keeps an excess over mu_x/lambda", "solve and look at it", time=horizon)

    def _excess_share(self, solution: BilliardSolution) -> np.ndarray:
        """Return int (sigma - mu_x/lambda)_+ dx/int sigma dx, shape (T,); 1 where there is an excess without noise."""
        x, sigma, mu = solution.nodes, np.sqrt(2 * solution.nodal_w), solution.nodal_mean
        excess = np.maximum(sigma - np.gradient(mu, x, axis=1) / self.wave_speed, 0.0)
        spent, whole = np.trapezoid(excess, x, axis=1), np.trapezoid(sigma, x, axis=1)
        rounding = 4 * np.finfo(float).eps * x.size * np.abs(mu).max(axis=1) / self.wave_speed
        share = np.divide(spent, whole, out=np.ones_like(whole), where=whole > 0)
        return np.where(spent <= rounding, 0.0, share)


def _check_parts(form: object, scheme: object, source: object) -> None:
    if form is not None and not all(hasattr(form, name) for name in ("label", "second", "variance", "residual")):
        known = ", ".join(f"{kind.__name__}()" for kind in (DeviationForm, VarianceForm, EnergyForm))
        raise InvalidArgument("form", f"must be one of {known}, not {checks.shown(form)}")
    if scheme is not None and not isinstance(scheme, Rosenbrock):
        raise InvalidArgument("scheme", f"must be RODAS3, RODAS4 or another Rosenbrock, not {checks.shown(scheme)}")
    if source is not None and not isinstance(source, Source):
        raise InvalidArgument("source", f"must be a Source, not {checks.shown(source)}")


def _collected(
    points: np.ndarray, system: BilliardStates, task: Task, states: Iterator[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Return nodes, mu, w, momentum, energy and outflow, on every rank."""
    found = np.stack(list(watched(states, task.times.size, task.progress, task.comm)))
    mean, w = system.velocities(found)
    totals = system.totals(found)
    if task.compiled:
        return points, mean, w, *totals
    parts = task.comm.allgather((points, mean, w))
    x, mean, w = (np.concatenate(part, axis=-1) for part in zip(*parts))
    order = np.argsort(x)
    return x[order], mean[:, order], w[:, order], *totals
