"""The Fokker-Planck equation of the transport equation for the actions of rotators."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.cells.averaged_dissipation import averaged_dissipation
from scaling_limits.meshes.backend.options import checked_options
from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.rotators.assumptions import warn_of_bad_sites
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import flag, instance, integer, number, shown

from ..time.resolvents import RESOLVENT4, ResolventScheme
from .density import ActionDensity
from .density_evolution import EvolvedActions
from .discretisation import TransportDiscretisation
from .evolution import TimeIntegration
from .initial import density_on_grid, holding
from .sizes import ChosenIfNone, box_of_coupled_sites, box_of_sites, cells_and_degree, checked_box
from .space import ActionSpace
from .weights import SingleSiteWeights, exponential_weights

SIZES = ("upper", "cells", "degree")


@dataclass(frozen=True, eq=False, repr=False)
class TransportFokkerPlanck(Described):
    """The Fokker-Planck equation of the transport equation, for the density p of N = 1, 2, 3 actions.

        d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p).

    The flux vanishes at I_j = 0 by itself; at I_j = U_j it is set to 0. Densities are w u, with u in elements of
    high degree and w the product of the laws that the sites would have alone (`space`). Where R_j depends on I_j only,
    the equation falls apart into N equations of one action, and time is exact.

    `upper`, `cells` and `degree` read as what is taken for them; `dataclasses.replace` chooses those anew that were not
    given. The box of coupled sites is looked for when it is first needed, which takes some coarse solves.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        upper: ends U of the box, one for all or one for each action (N,); None takes boxes beyond which the stationary
            mass is below 1e-24 (1e-14 where sites act on one another), and wider ones for evolutions that start hot.
        cells: number of cells, one for all or one for each action; None takes 32, 16 or 10 for N = 1, 2, 3 (32, 24
            or 16 where R_j depends on I_j only).
        degree: of the elements; None takes 8, 6 or 3, or less where there are many cells.
        wide: take exponentials as w, for densities that are much wider than the stationary one.
        rtol: error of each step of an evolution, in total variation; where time is exact it does not matter.
        comm: the ranks that share the work.
        petsc_options: of the linear solvers, without prefix.
        chosen: what an equation has chosen for itself, by name of the argument, which `replace` hands on.

    Raises:
        InvalidArgument: an argument out of range; more than 3 sites; a dissipation that does not confine the actions.
        NotConverged: no box holds the stationary law of coupled sites; from what needs the box first.

    Warns:
        AssumptionWarning: the lattice has defects, and sites near them do not follow this equation.

    Source: Dymov, equation (2.8).
    """

    lattice: RotatorLattice
    upper: ChosenIfNone[ArrayLike, np.ndarray] = ChosenIfNone()  # noqa: RUF009
    cells: ChosenIfNone[int | tuple[int, ...], tuple[int, ...]] = ChosenIfNone()  # noqa: RUF009
    _: KW_ONLY
    degree: ChosenIfNone[int, int] = ChosenIfNone()  # noqa: RUF009
    wide: bool = False
    rtol: float = 1e-6
    comm: MPI.Comm = field(default_factory=lambda: MPI.COMM_WORLD)
    petsc_options: dict[str, Any] | None = None
    chosen: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        instance("lattice", self.lattice, RotatorLattice)
        if self.dim not in (1, 2, 3):
            message = f"must have 1, 2 or 3 sites, not {self.dim}; TransportProcess samples any number"
            raise InvalidArgument("lattice", message)
        communicator(self.comm)
        object.__setattr__(self, "rtol", number("rtol", self.rtol, above=0.0))
        flag("wide", self.wide)
        if self.petsc_options is not None:
            checked_options(self.petsc_options)
        # `replace` hands on what the fields read as: what the other equation had chosen by itself is not given
        left = [name for name in SIZES if vars(self)[name] is None or vars(self)[name] is self.chosen.get(name)]
        vars(self).update(dict.fromkeys(left), chosen={})
        # refuses arguments before any work
        _ = self._checked
        if self.comm.rank == 0:
            lattice = self.lattice
            separates = lattice.dissipation.separates(lattice.region)
            warn_of_bad_sites(lattice.good_sites, "the density of the transport equation", separates=separates)

    @cached_property
    def _checked(self) -> tuple[tuple[int, ...], int, np.ndarray, bool]:
        """Cells, degree, the box that is given or that of the laws of sites alone, and whether it is the latter."""
        given = vars(self)
        cells, degree = cells_and_degree(given["cells"], given["degree"], self.dim, separable=self.separable)
        upper = checked_box(given["upper"], self.dim)
        if upper is not None:
            return cells, degree, upper, False
        return cells, degree, box_of_sites(self.site_weights, separable=self.separable), True

    @cached_property
    def discretisation(self) -> TransportDiscretisation:
        """The elements on the box that is taken for the stationary law."""
        cells, degree, upper, sized = self._checked
        if sized and not self.separable:
            upper = box_of_coupled_sites(self.site_weights, upper)
        weights = exponential_weights(self.site_weights, upper) if self.wide else self.site_weights
        result = TransportDiscretisation(
            self.site_weights, weights, upper, cells, degree, self.separable, sized, self.comm, self.petsc_options
        )
        self.chosen.update((name, getattr(result, name)) for name in SIZES if vars(self)[name] is None)
        return result

    def __repr__(self) -> str:
        given = "".join(f", {name}={vars(self)[name]!r}" for name in SIZES if vars(self)[name] is not None)
        wide = ", wide=True" if self.wide else ""
        return f"{type(self).__name__}({self.dim} actions, {self.lattice.dissipation!r}{given}{wide})"

    @property
    def dim(self) -> int:
        """Number N of actions."""
        return self.lattice.size

    @cached_property
    def separable(self) -> bool:
        """Whether R_j depends on I_j only, as with diagonal and linear dissipation."""
        return self.dim == 1 or self.lattice.dissipation.separates(self.lattice.region)

    @cached_property
    def site_weights(self) -> SingleSiteWeights:
        """The averaged dissipation R, the temperatures T and the laws of sites alone."""
        return SingleSiteWeights(averaged_dissipation(self.lattice), self.lattice.temperature)

    @property
    def own_laws(self) -> SingleSiteWeights:
        """An earlier name of `site_weights`."""
        return self.site_weights

    @property
    def space(self) -> ActionSpace:
        """The elements, and the weight w."""
        return self.discretisation.space

    @property
    def tail(self) -> np.ndarray:
        """The stationary mass beyond U_j, shape (N,)."""
        return self.discretisation.tail

    def stationary(self) -> ActionDensity:
        """Solve sum_j d_j (R_j p - T_j I_j d_j p) = 0, int p = 1.

        Returns:
            The density, with its moments and marginals.

        Raises:
            NotConverged: the linear solver failed.

        Warns:
            Unresolved: the given box cuts off some of it, or the cells are too large for it.

        Source: Dymov, Theorem 2.3; for diagonal dissipation p is prop. to prod_j exp(-(2/(p T_j)) (2 I_j)^(p/2)).
        """
        return self.discretisation.stationary()

    def evolve(
        self,
        initial: Callable[[np.ndarray], ArrayLike],
        times: ArrayLike,
        *,
        scheme: ResolventScheme = RESOLVENT4,
        step: float | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        progress: bool = False,
    ) -> EvolvedActions:
        """Solve d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p) from a given p(0).

        A start that the box does not hold is solved in a wider one, with exponential weights, if the box was chosen:
        `upper` of the result's `discretisation` tells which box it was.

        Args:
            initial: the density p(0), from points I (P, N) to values (P,) >= 0; it is normalised.
            times: snapshots tau (T,), not negative, not decreasing.
            scheme: of the time steps, where sites act on one another.
            step: steps of this size, or a little less so that they end at the times; None chooses them by `rtol`.
            checkpoint: a file from which an interrupted evolution goes on, also in another process and on another
                number of ranks; where sites do not act on one another none is written.
            checkpoint_every: seconds between two writings of it.
            progress: show a progress bar, at a terminal or in a notebook, on rank 0.

        Returns:
            The densities, mass, mean, minimum and relative entropy at the times.

        Raises:
            InvalidArgument: an argument out of range; a density that is negative, not finite, 0 everywhere or beyond
                the box; a checkpoint of another problem.
            NotConverged: no step is small enough.

        Warns:
            Unresolved: the cells are too large for the initial density, or the given box cuts some of it off.
        """
        integration = TimeIntegration.checked(
            self.comm, times, scheme, step, self.rtol, self.separable, checkpoint, checkpoint_every, progress
        )
        values = on_all_ranks(self.comm, lambda: density_on_grid(self.space, initial))
        discretisation, values = on_all_ranks(self.comm, lambda: holding(self.discretisation, initial, values))
        return integration.evolved(discretisation, values)

    def spectrum(self, k: int) -> np.ndarray:
        """The k slowest rates lambda, -L p = lambda p for L p = -sum_j d_j (R_j p - T_j I_j d_j p), 0 first.

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
        if self.separable and self.wide:
            # detailed balance, which makes rates exact, is seen in the weights of the sites alone only
            box = box_of_sites(self.site_weights, separable=True)
            return replace(self.discretisation, weights=self.site_weights, upper=box, sized=True).rates(count)
        return self.discretisation.rates(count)

    def flow(self, density: ActionDensity | None = None) -> np.ndarray:
        """The mean E Theta (B,) of what a dissipation declares as its flow, in action/slow time (section 4.4).

        R_j = (Theta(j) - Theta(j-1))/2 + ...: positive from the second to the first site of a bond of
        `lattice.region.bonds`, and twice what passes. `ActionCurrents`, `MeanCurrents`, `ChainLaw` and
        `density_currents` have J = -Theta/2, from the first to the second site.

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
