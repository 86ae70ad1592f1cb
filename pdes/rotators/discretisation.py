"""The transport equation for actions in elements on one box: its matrices and its stationary density."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from . import coupled, separable
from .accuracy import compared, fewer
from .density import ActionDensity, StationaryError
from .space import ActionAxis, ActionSpace, graded, product_of
from .weights import SingleSiteWeights

if TYPE_CHECKING:
    from mpi4py import MPI

CUT = 1e-6  # mass beyond a given box above which a warning says so
NEGATIVE = 1e-6  # negative mass of a stationary law above which a warning says so, ...
REFUSED = 1e-2  # ... and above which it is no result


@dataclass(frozen=True, eq=False)
class TransportDiscretisation:
    """d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p) on the box [0, U_1] x ... x [0, U_N], p = w u, u in elements.

    Args:
        sites: R, T and the laws that the sites would have alone.
        weights: w; the laws of the sites alone, or exponentials.
        upper: ends U of the box, shape (N,).
        cells: numbers of cells along the axes.
        degree: of the elements.
        separable: whether R_j depends on I_j only.
        sized: whether the box was chosen for the density; one that was given may cut it off.
        comm: the ranks that share the matrices.
        petsc_options: of the linear solvers, without prefix.
    """

    sites: SingleSiteWeights
    weights: SingleSiteWeights
    upper: np.ndarray
    cells: tuple[int, ...]
    degree: int
    separable: bool
    sized: bool
    comm: MPI.Comm
    petsc_options: dict[str, Any] | None = None

    @cached_property
    def space(self) -> ActionSpace:
        """The elements, and the weight w.

        Raises:
            InvalidArgument: w underflows or overflows in whole cells.
        """
        axes = [
            ActionAxis(graded(upper, cells), self.degree, partial(self.weights.logarithm, j))
            for j, (upper, cells) in enumerate(zip(self.upper, self.cells))
        ]
        for j, axis in enumerate(axes):
            if not axis.representable:
                raise InvalidArgument(
                    "cells" if self.sized else "upper",
                    f"the law of site {j} is below 1e-300, or above 1e300 w(0), in whole cells for U = "
                    f"{self.upper[j]:.3g}; give a smaller upper, more cells or wide=True",
                )
        if self.separable:
            axes = [separable.with_its_law(axis, self.sites, j, self.comm) for j, axis in enumerate(axes)]
        return ActionSpace(tuple(axes), self.comm)

    @cached_property
    def forms(self) -> coupled.TransportForms:
        """The forms in UFL."""
        return coupled.TransportForms(self.space, self.weights)

    @cached_property
    def matrices(self) -> coupled.TransportMatrices:
        """The matrices of the forms (collective the first time)."""
        return self.forms.matrices()

    @cached_property
    def density(self) -> ActionDensity:
        """The stationary density, without a look at how well it is resolved."""
        if self.separable:
            axes = self.space.axes
            logs = [self.sites.logarithm(j, axis.nodes) - axis.logarithm(axis.nodes) for j, axis in enumerate(axes)]
            u = product_of(np.exp(log - log.max()) for log in logs)
        else:
            u = coupled.stationary(self.space, self.matrices, self.petsc_options)
        return ActionDensity(self.space, self.space.normalised(u), lambda: self.errors)

    @cached_property
    def errors(self) -> StationaryError:
        """What the stationary density is accurate to, by a solve on fewer cells (collective the first time).

        Where these are too few for any density, the errors are as large as can be.
        """
        if self.separable and self.weights is self.sites:
            # u is constant
            return compared(self.density, None, self.tail)
        try:
            coarse = replace(self, cells=fewer(self.cells)).density
        except (NotConverged, InvalidArgument):
            return StationaryError(2.0, self.upper.copy())
        return compared(self.density, coarse, self.tail)

    @cached_property
    def tail(self) -> np.ndarray:
        """The stationary mass beyond U_j, shape (N,): by quadrature of the laws of sites alone where they are exact,
        else extrapolated from the decay at the end of the box.
        """
        if self.separable:
            return np.array([self.sites.tail_mass(j, float(u)) for j, u in enumerate(self.upper)])
        return mass_beyond_box(self.density, pessimistic=False)

    def stationary(self) -> ActionDensity:
        """The stationary density.

        Raises:
            NotConverged: the linear solver failed, or the density is negative on much of its mass.

        Warns:
            Unresolved: the given box cuts off some of it, or the elements make it negative.
        """
        self.warn_of_tail(self.tail, "the stationary law")
        if not self.separable:
            self._check_sign()
        return self.density

    def warn_of_tail(self, tail: np.ndarray, what: str) -> None:
        """Warn, on rank 0, where a box that was given cuts off some of a density and squeezes it into itself.

        Args:
            tail: the mass beyond U_j, shape (N,).
            what: the name of the density.
        """
        if not self.sized and tail.max() > CUT and self.comm.rank == 0:
            message = f"{what} has about {tail.max():.1e} of its mass beyond the given U = {np.round(self.upper, 3)}"
            message += ", which is cut off; give a larger `upper`, or none"
            warn(message, Unresolved)

    def _check_sign(self) -> None:
        negative = self.density.negative
        if negative <= NEGATIVE:
            return
        reason = f"it is negative on {negative:.1e} of its mass"
        remedy = "take more cells, or wide=True with an `upper`"
        if negative > REFUSED:
            raise NotConverged("the stationary law of the actions", reason, remedy)
        if self.comm.rank == 0:
            warn(f"the stationary law of the actions: {reason}; {remedy}", Unresolved)

    def rates(self, count: int) -> np.ndarray:
        """The slowest rates, 0 first; see `TransportFokkerPlanck.spectrum`."""
        if self.separable:
            return separable.rates(self.space, self.weights.temperature, count)
        return coupled.rates(self.space, self.matrices, count)


def mass_beyond_box(rho: ActionDensity, *, pessimistic: bool = True) -> np.ndarray:
    """The mass of a density beyond U_j, shape (N,), extrapolated from its exponential decay at the end of the box.

    Args:
        rho: the density.
        pessimistic: where it does not decay there: whether to say 1, or the mass of a tail as long as the box.
    """
    result = []
    for j, u in enumerate(rho.space.upper):
        near, end = rho.marginal(j, np.array([0.97 * u, u]))
        decay = np.log(max(near, 1e-300) / max(end, 1e-300)) / (0.03 * u)
        result.append(end / decay if decay > 0 else 1.0 if pessimistic else end * u)
    return np.array(result)
