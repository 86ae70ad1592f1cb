"""The transport equation for actions of a lattice of rotators, and the discretisation that is taken for it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.cells.averaged_dissipation import averaged_dissipation
from scaling_limits.meshes.backend.petsc_solvers import checked_options
from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.rotators.assumptions import warn_of_bad_sites
from scaling_limits.particles.support.checks import flag, number, shown

from .chosen_sizes import Chosen, cells_and_degree, given_box
from .discretisation import TransportDiscretisation
from .elements.space import ActionSpace
from .elements.weights import SingleSiteWeights
from .truncation import box_of_coupled_sites, box_of_sites, exponential_weights

SIZES = ("upper", "cells", "degree")


@dataclass(frozen=True, eq=False, repr=False)
class TransportProblem:
    """What `TransportFokkerPlanck`, where the arguments are explained, solves, and on which discretisation."""

    lattice: RotatorLattice
    upper: Chosen[ArrayLike, np.ndarray] = Chosen()  # noqa: RUF009
    cells: Chosen[int | tuple[int, ...], tuple[int, ...]] = Chosen()  # noqa: RUF009
    _: KW_ONLY
    degree: Chosen[int, int] = Chosen()  # noqa: RUF009
    wide: bool = False
    rtol: float = 1e-6
    comm: MPI.Comm = field(default_factory=lambda: MPI.COMM_WORLD)
    petsc_options: dict[str, Any] | None = None
    chosen: dict[str, Any] = field(default_factory=dict)

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
        # `replace` hands on what the fields read as: what the other equation had chosen by itself is not given
        left = [name for name in SIZES if vars(self)[name] is None or vars(self)[name] is self.chosen.get(name)]
        vars(self).update(dict.fromkeys(left), chosen={})
        _ = self._checked  # refuses arguments before any work
        if self.comm.rank == 0:
            warn_of_bad_sites(self.lattice, "the density of the transport equation")

    @cached_property
    def _checked(self) -> tuple[tuple[int, ...], int, np.ndarray, bool]:
        """Cells, degree, the box that is given or that of the laws of sites alone, and whether it is the latter."""
        given = vars(self)
        cells, degree = cells_and_degree(given["cells"], given["degree"], self.dim, separable=self.separable)
        upper = given_box(given["upper"], self.dim)
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
        found = TransportDiscretisation(
            self.site_weights, weights, upper, cells, degree, self.separable, sized, self.comm, self.petsc_options
        )
        self.chosen.update((name, getattr(found, name)) for name in SIZES if vars(self)[name] is None)
        return found

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
