"""The Fokker-Planck equation of the transport equation for the actions of rotators."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.cells.averaged_dissipation import averaged_dissipation
from scaling_limits.meshes.backend.krylov import checked_options
from scaling_limits.particles import AssumptionWarning, InvalidArgument, RotatorLattice
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.rotators.assumptions import warn_of_bad_sites
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.archive import target
from scaling_limits.particles.support.checks import flag, integer, number, shown
from scaling_limits.particles.support.checks import times as checked_times

from ..time.checkpoint import Checkpoint, integrate_from
from ..time.density_integrator import DensityIntegrator, StepChoice
from ..time.resolvent_schemes import RESOLVENT4, ResolventScheme
from ..time.statistics import Statistics
from . import coupled, separable
from .density import ActionDensity
from .density_evolution import EvolvedActions
from .evolution import ActionEvolution
from .forms import TransportForms
from .limits import check_sign, density_on_grid, mass_behind, mass_beyond, problem_of
from .space import ActionAxis, ActionSpace, OwnLaws, WideLaws, graded, product_of
from .truncation import checked_upper, own_tail, own_upper

TAIL = 1e-24  # mass beyond the box: rates of modes that grow like powers need it so small
COUPLED_TAIL = 1e-14  # the same where sites act on one another
COUPLED = {1: (32, 8), 2: (16, 6), 3: (10, 3)}  # cells and degree, for N
SEPARABLE = {1: (32, 8), 2: (24, 8), 3: (16, 6)}
MOST_COUPLED = {1: 4000, 2: 80_000, 3: 40_000}  # nodes; degrees go down to 1 before there are more
MOST_SEPARABLE = {1: 4000, 2: 1_000_000, 3: 2_000_000}
WIDENINGS = 12
BEYOND = 1e-10  # of the initial mass, outside of the box
CUT = 1e-6  # of it, where the box was given: more is said
REFUSED = 1e-2  # of it: more is refused
WIDTHS = 25.0  # of the weight for wide densities, in a box


@dataclass(frozen=True, eq=False)
class TransportFokkerPlanck:
    """d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p) for the density p of N = 1, 2, 3 actions.

    The flux vanishes at I_j = 0 by itself; at I_j = U_j it is set to 0. Densities are w u, with u in elements of
    high degree and w the product of the laws that the sites would have alone (`action_space`). Where R_j depends on
    I_j only, the equation falls apart into N equations of one action, and time is exact.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        upper: U, one for all or one for each action (N,); None takes boxes beyond which the stationary mass is below
            1e-24 (1e-14 where sites act on one another), and wider ones for evolutions that start hot.
        cells: number of cells, one for all or one for each action; None takes 32, 16 or 10 for N = 1, 2, 3 (32, 24
            or 16 where R_j depends on I_j only).
        degree: of the elements; None takes 8, 6 or 3, or less where there are many cells.
        wide: take exponentials as w, for densities that are much wider than the stationary one.
        rtol: error of each step of an evolution, in total variation; where time is exact it does not matter.
        comm: the ranks that share the work.
        petsc_options: of the linear solvers, without prefix.

    Raises:
        InvalidArgument: an argument out of range; more than 3 sites; a dissipation that does not confine the actions.
        NotConverged: no box holds the stationary law.

    Warns:
        AssumptionWarning: the lattice has defects, and sites near them do not follow this equation.

    Source: Dymov, equation (2.8).
    """

    lattice: RotatorLattice
    upper: Any = None
    cells: Any = None
    _: KW_ONLY
    degree: int | None = None
    wide: bool = False
    rtol: float = 1e-6
    comm: MPI.Comm = field(default_factory=lambda: MPI.COMM_WORLD, repr=False)
    petsc_options: dict[str, Any] | None = field(default=None, repr=False)
    sized: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.lattice, RotatorLattice):
            raise InvalidArgument("lattice", f"must be a RotatorLattice, not {type(self.lattice).__name__}")
        if self.dim not in (1, 2, 3):
            message = f"must have 1, 2 or 3 sites, not {self.dim}; TransportProcess samples any number"
            raise InvalidArgument("lattice", message)
        if not isinstance(self.comm, MPI.Comm):
            raise InvalidArgument("comm", f"must be a communicator of mpi4py, not {shown(self.comm)}")
        object.__setattr__(self, "rtol", number("rtol", self.rtol, above=0.0))
        flag("wide", self.wide)
        checked_options(self.petsc_options)
        given = checked_upper(self.upper, self.dim)
        usual = (SEPARABLE if self.separable else COUPLED)[self.dim]
        counts: Any = usual[0] if self.cells is None else self.cells
        counts = [counts] * self.dim if np.ndim(counts) == 0 else list(counts)
        if len(counts) != self.dim:
            raise InvalidArgument("cells", f"must be given for each of {self.dim} actions, not {self.cells!r}")
        counts = [integer(f"cells[{j}]", n, 1) for j, n in enumerate(counts)]
        object.__setattr__(self, "sized", given is None)
        object.__setattr__(self, "cells", tuple(counts))
        object.__setattr__(self, "degree", self._checked_degree(counts, usual[1]))
        if given is None:
            tail = TAIL if self.separable else COUPLED_TAIL
            given = np.array([own_upper(self.own_laws, j, tail) for j in range(self.dim)])
            given = given if self.separable else self._widened(given)
        object.__setattr__(self, "upper", given)
        if self.comm.rank == 0:
            warn_of_bad_sites(self.lattice, "the density of the transport equation")

    def _checked_degree(self, counts: list[int], usual: int) -> int:
        if self.degree is not None:
            return integer("degree", self.degree, 1, 12)
        most = MOST_SEPARABLE[self.dim] if self.separable else MOST_COUPLED[self.dim]
        best = usual
        while best > 1 and np.prod([n * best + 1.0 for n in counts]) > most:
            best -= 1
        return best

    def _widened(self, upper: np.ndarray) -> np.ndarray:
        """The box for sites that act on one another: wider, until a coarse stationary law ends before it does.

        Raises:
            NotConverged: it does not.
        """
        coarse = {2: (8, 4), 3: (6, 2)}[self.dim]
        for _ in range(WIDENINGS):
            with warnings.catch_warnings():  # they are of the box that is looked for
                warnings.simplefilter("ignore")
                trial = TransportFokkerPlanck(self.lattice, upper, coarse[0], degree=coarse[1], comm=self.comm)
                tails = mass_behind(trial._stationary)
            if (tails <= COUPLED_TAIL).all():
                return upper
            upper = np.where(tails > COUPLED_TAIL, 1.15 * upper, upper)
        raise NotConverged(
            "the search for a box of the actions",
            f"there are tails of {tails.max():.1e} beyond U = {np.round(upper, 2)}",
            "check that the dissipation confines the actions (Hg), or give `upper`",
        )

    @property
    def dim(self) -> int:
        """N."""
        return self.lattice.size

    @cached_property
    def separable(self) -> bool:
        """Whether R_j depends on I_j only, as with diagonal and linear dissipation."""
        return self.dim == 1 or self.lattice.dissipation.separates(self.lattice.region)

    @cached_property
    def own_laws(self) -> OwnLaws:
        """R, T and the laws of sites alone."""
        return OwnLaws(averaged_dissipation(self.lattice), self.lattice.temperature)

    @cached_property
    def laws(self) -> OwnLaws:
        """R, T and the weights w_j."""
        own = self.own_laws
        return WideLaws(own.dissipation, own.temperature, self.upper / WIDTHS) if self.wide else own

    @cached_property
    def space(self) -> ActionSpace:
        """The elements, and the weight w."""
        assert self.degree is not None
        axes = [
            ActionAxis(graded(upper, cells), self.degree, partial(self.laws.logarithm, j))
            for j, (upper, cells) in enumerate(zip(self.upper, self.cells))
        ]
        for j, axis in enumerate(axes):
            if not axis.representable:
                raise InvalidArgument(
                    "upper" if not self.sized else "cells",
                    f"the law of site {j} is below 1e-300, or above 1e300 w(0), in whole cells for U = "
                    f"{self.upper[j]:.3g}; give a smaller upper, more cells or wide=True",
                )
        if self.separable:
            axes = [separable.with_its_law(axis, self.own_laws, j, self.comm) for j, axis in enumerate(axes)]
        return ActionSpace(tuple(axes), self.comm)

    @cached_property
    def forms(self) -> TransportForms:
        """The forms in UFL."""
        return TransportForms(self.space, self.laws)

    @cached_property
    def _matrices(self) -> tuple[Any, Any, np.ndarray]:
        return self.forms.matrices()

    @cached_property
    def tail(self) -> np.ndarray:
        """The stationary mass beyond U_j (N,): where sites do not act on one another by quadrature, else as its
        decay at the end of the box has it.
        """
        if self.separable:
            return np.array([own_tail(self.own_laws, j, float(u)) for j, u in enumerate(self.upper)])
        return mass_behind(self._stationary, sure=False)

    @cached_property
    def _stationary(self) -> ActionDensity:
        if self.separable:
            own = self.own_laws
            logs = [own.logarithm(j, axis.nodes) - axis.logarithm(axis.nodes) for j, axis in enumerate(self.space.axes)]
            u = product_of(np.exp(log - log.max()) for log in logs)
        else:
            u = coupled.stationary(self.space, *self._matrices, self.petsc_options)
        return ActionDensity(self.space, self.space.normalised(u))

    def stationary(self) -> ActionDensity:
        """sum_j d_j (R_j p - T_j I_j d_j p) = 0, int p = 1.

        Returns:
            The density, with its moments and marginals.

        Raises:
            NotConverged: the linear solver failed.

        Warns:
            Unresolved: the given box cuts off some of it, or the cells are too large for it.

        Source: Dymov, Theorem 2.3; for diagonal dissipation p is prop. to prod_j exp(-(2/(p T_j)) (2 I_j)^(p/2)).
        """
        self._warn_of_tail(self.tail, "the stationary law")
        if not self.separable:
            check_sign(self._stationary, self.comm)
        return self._stationary

    def _warn_of_tail(self, tail: np.ndarray, what: str) -> None:
        """Warn where a box that was given cuts off some of a density: what is beyond is squeezed into it."""
        if not self.sized and tail.max() > CUT and self.comm.rank == 0:
            message = f"{what} has about {tail.max():.1e} of its mass beyond the given U = {np.round(self.upper, 3)}"
            message += ", which is cut off; give a larger `upper`, or none"
            warn(message, Unresolved)

    def evolve(
        self,
        initial: Callable[[np.ndarray], Any],
        times: Any,
        *,
        scheme: ResolventScheme = RESOLVENT4,
        step: float | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        progress: bool = False,
    ) -> EvolvedActions:
        """d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p), p(0) given.

        Args:
            initial: p(0), from points I (P, N) to values (P,) >= 0; it is normalised.
            times: snapshots tau (T,), not negative, not decreasing.
            scheme: of the time steps, where sites act on one another.
            step: steps of this size, or a little less so that they end at the times; None chooses them by `rtol`.
            checkpoint: a file from which an interrupted evolution goes on, also in another process and on another
                number of ranks; where sites do not act on one another none is written.
            checkpoint_every: seconds between two writings of it.
            progress: show a progress bar, at a terminal, on rank 0.

        Returns:
            The densities, mass, mean, minimum and relative entropy at the times.

        Raises:
            InvalidArgument: an argument out of range; a density that is negative, not finite, 0 everywhere or beyond
                the box; a checkpoint of another problem.
            NotConverged: no step is small enough.

        Warns:
            Unresolved: the cells are too large for the initial density, or the given box cuts some of it off.
        """
        snapshots, stepper = on_all_ranks(
            self.comm, lambda: self._arguments(times, scheme, step, checkpoint, checkpoint_every, progress)
        )
        same_on_all_ranks(self.comm, times=snapshots, step=step)
        options = {"scheme": scheme, "step": step, "checkpoint": checkpoint, "checkpoint_every": checkpoint_every}
        values = on_all_ranks(self.comm, lambda: density_on_grid(self.space, initial))
        if (wider := on_all_ranks(self.comm, lambda: self._wider(initial, values))) is not None:
            return wider._evolved(density_on_grid(wider.space, initial), snapshots, stepper, options, progress)
        return self._evolved(values, snapshots, stepper, options, progress)

    def _arguments(
        self, times: Any, scheme: Any, step: Any, checkpoint: Any, every: Any, progress: Any
    ) -> tuple[np.ndarray, StepChoice]:
        """Look at the arguments before any work, and say which of them are not used."""
        snapshots = checked_times(times)
        stepper = StepChoice.of(scheme, step, self.rtol, exact=self.separable)
        number("checkpoint_every", every, least=0.0)
        flag("progress", progress)
        if checkpoint is not None:
            target("checkpoint", checkpoint)
        given = [name for name, value in (("checkpoint", checkpoint), ("step", step)) if value is not None]
        if self.separable and given and self.comm.rank == 0:
            message = f"{' and '.join(given)} not used: sites do not act on one another, and time is exact"
            warn(message, UserWarning)
        return snapshots, stepper

    def _evolved(
        self, values: np.ndarray, snapshots: np.ndarray, stepper: StepChoice, options: dict[str, Any], progress: bool
    ) -> EvolvedActions:
        start = self.space.normalised(self.space.projected(values))
        if self.separable:
            fields, undershoot = separable.evolved(self.space, self.laws, start, snapshots)
            return self._checked(EvolvedActions(self, snapshots, fields, undershoot, Statistics()))
        evolution = ActionEvolution(self.space, *self._matrices, self.petsc_options)
        problem = "" if options["checkpoint"] is None else problem_of(self, start, snapshots, stepper)
        keeper = Checkpoint(options["checkpoint"], options["checkpoint_every"], self.space, problem)
        integrator = DensityIntegrator(evolution, stepper)
        end = integrate_from(keeper, integrator, evolution.start(start), snapshots, progress)
        fields = np.array([self.space.whole(field) for field in end.snapshots])
        return self._checked(EvolvedActions(self, snapshots, fields, evolution.undershoot, end.statistics))

    def _checked(self, run: EvolvedActions) -> EvolvedActions:
        if run.undershoot > 1e-3 and self.comm.rank == 0:
            message = f"the density was negative on {run.undershoot:.1e} of its mass in a step, and was set to 0 there"
            warn(f"{message}; take more cells", Unresolved)
        if not self.sized:
            behind = np.max([mass_behind(run[i], sure=False) for i in range(len(run))], axis=0)
            self._warn_of_tail(behind, "the density")
        return run

    def _wider(self, initial: Callable[[np.ndarray], Any], values: np.ndarray) -> TransportFokkerPlanck | None:
        """The equation in a box that holds the initial density, or None if this one does or was given.

        Raises:
            InvalidArgument: the box was given, and does not hold it.
        """
        beyond = mass_beyond(self.space, initial, values)
        if beyond <= (BEYOND if self.sized else CUT):
            return None
        if not self.sized:
            message = f"has {beyond:.1e} of its mass outside of [0, U], U = {np.round(self.upper, 3)}"
            if beyond > REFUSED:
                raise InvalidArgument("initial", f"{message}; give a larger `upper`, or none")
            if self.comm.rank == 0:
                warn(f"the initial density {message}, which is cut off", Unresolved)
            return None
        upper = self.upper
        for _ in range(WIDENINGS):
            upper = 1.5 * upper
            wider = self._like(upper=upper, wide=True)
            if mass_beyond(wider.space, initial, density_on_grid(wider.space, initial)) <= BEYOND:
                object.__setattr__(wider, "sized", True)
                return wider
        raise InvalidArgument("initial", f"has mass beyond U = {np.round(upper, 3)}; is it integrable?")

    def _like(self, **changes: Any) -> TransportFokkerPlanck:
        """The same with other arguments; what was to be said of the lattice was said."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AssumptionWarning)
            return replace(self, **changes)

    def spectrum(self, k: int) -> np.ndarray:
        """-L p = lambda p, L p = -sum_j d_j (R_j p - T_j I_j d_j p): the k slowest rates, 0 first.

        Args:
            k: how many.

        Returns:
            lambda (k,), in units of 1/slow time, real parts not decreasing; complex where sites act on one another
            without detailed balance and some of the rates are, and then (k + 1,) where the last would be one of a
            complex pair without the other.

        Raises:
            InvalidArgument: k out of range.
            NotConverged: the eigensolver failed.
        """
        count = integer("k", k, 1, max(self.space.size // 4, 1))
        if self.separable:
            if self.wide:
                return self._like(upper=None, wide=False).spectrum(count)
            return separable.rates(self.space, self.laws.temperature, count)
        return coupled.rates(self.space, *self._matrices[:2], count)

    def flow(self, density: ActionDensity | None = None) -> np.ndarray:
        """E Theta (B,): the mean flow of actions through the bonds `lattice.region.bonds` (section 4.4).

        Args:
            density: of the actions; None takes the stationary one.

        Raises:
            InvalidArgument: a dissipation that declares no flow, or no density of as many actions.
        """
        theta = partial(self.lattice.dissipation.flow, self.lattice.region)
        theta(np.zeros((1, self.dim)))  # a dissipation without flow is refused before any work
        if density is None:
            density = self.stationary()
        if not isinstance(density, ActionDensity) or density.space.dim != self.dim:
            raise InvalidArgument("density", f"must be an ActionDensity of {self.dim} actions, not {shown(density)}")
        return np.asarray(density.expectation(theta))
