"""The effective equation of an N-scale potential, from its cell problems to its Fokker-Planck equation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.cells.effective_coefficients import EffectiveCoefficients, effective_coefficients
from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.box import checked_bounds
from scaling_limits.particles import EffectiveLangevin, InvalidArgument, MultiscalePotential
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import flag

from .coefficients import check_periods
from .domain import check_domain
from .fokker_planck import ReversibleFokkerPlanck

if TYPE_CHECKING:
    from dolfinx.mesh import Mesh
    from mpi4py import MPI

# least tolerance that the cell problems are asked for
LEAST_RTOL = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveFokkerPlanck(ReversibleFokkerPlanck):
    """The effective equation of Brownian motion in an N-scale potential: M(x) and Psi(x) from its cell problems.

    The cell problems are solved when the coefficients are first asked for, by any of the methods; collective.

    Args:
        potential: V0, V1, sigma.
        box: (a_i, b_i) for each direction (d, 2), large enough that exp(-Psi/sigma) is small at its walls; None with a
            mesh.
        cells: number of cells along each direction (d,); None with a mesh.
        rtol: relative error of M and Z1, of rates, and of each step of an evolution.
        periodic: True, or for each direction whether it has no walls.
        cache: a folder in which M and Psi are kept from one run to the next.
        progress: show a progress bar while cells are solved, at a terminal or in a notebook, on rank 0.
        mesh: of dolfinx, instead of box and cells, as `FokkerPlanck` has it; the cell problems are solved for the box
            around it.
        comm: the ranks that share the work; None takes those of the mesh, or all.
        petsc_options: of the linear solver of evolutions and hitting problems, without prefix.
        linear_algebra: the library that solves in a box, "petsc" or "scipy" (on one rank); None takes PETSc where it is
            installed.

    Raises:
        InvalidArgument: an argument out of range; later, coefficients that are not periodic where the box is.
        NotConverged: later, the cell problems, or the interpolation of M and Psi in this box.

    Source: Duncan, Duong and Pavliotis (2023), Theorem 1.
    """

    potential: MultiscalePotential
    box: ArrayLike | None = None
    cells: int | Sequence[int] | None = None
    rtol: float = 1e-6
    _: KW_ONLY
    periodic: bool | Sequence[bool] = False
    mesh: Mesh | None = None
    cache: str | os.PathLike[str] | None = None
    progress: bool = False
    comm: MPI.Comm = field(default=None, repr=False)
    petsc_options: dict[str, Any] | None = field(default=None, repr=False)
    linear_algebra: str | None = None

    def __post_init__(self) -> None:
        self._take_ranks()
        on_all_ranks(self.comm, self._check_arguments)
        self._compare_ranks(float(self.potential.temperature))

    def _check_arguments(self) -> None:
        potential = self.potential
        if not isinstance(potential, MultiscalePotential):
            raise InvalidArgument("potential", f"must be a MultiscalePotential, not {type(potential).__name__}")
        check_domain(self.box, self.cells, self.periodic, self.mesh, self.comm)
        if self.mesh is None:
            self._check_box(potential)
        elif self.dim != potential.dim:
            raise InvalidArgument("mesh", f"must have {potential.dim} directions, like the potential, not {self.dim}")
        super()._check_arguments()
        flag("progress", self.progress)

    def _check_box(self, potential: MultiscalePotential) -> None:
        assert self.box is not None
        box = checked_bounds("box", self.box)
        if len(box) != potential.dim:
            raise InvalidArgument("box", f"must have {potential.dim} directions, like the potential, not {len(box)}")
        potential.check_inside("box", np.array(box).T)
        # refuses cells and periods
        _ = self.grid

    lattice = property(attrgetter("grid"), doc="`grid`, by its former name.")

    @cached_property
    def coefficients(self) -> EffectiveCoefficients:  # type: ignore[override]
        """M and Psi, from the cell problems; collective the first time."""
        rtol = max(self.rtol, LEAST_RTOL)
        coefficients = effective_coefficients(
            self.potential, self._extent, rtol, cache=self.cache, progress=self.progress, comm=self.comm
        )
        if self.mesh is None:
            check_periods(self.grid, coefficients, self.rtol)
        return coefficients

    @cached_property
    def _extent(self) -> ArrayLike:
        """The box, or that around the mesh; collective the first time."""
        if self.mesh is None:
            assert self.box is not None
            return self.box
        with needed_by("an equation on a mesh"):
            from .on_a_mesh.checked_mesh import extent
        box = extent(self.mesh)
        on_all_ranks(self.comm, lambda: self.potential.check_inside("mesh", box.T))
        return box

    def drift(self, points: ArrayLike) -> np.ndarray:
        """b = -M grad Psi + sigma div M at points (P, d), of the Ito equation (18); `EffectiveCoefficients.drift`."""
        return self.coefficients.drift(points)

    def noise(self, points: ArrayLike) -> np.ndarray:
        """sqrt(2 sigma M) at points (P, d), shape (P, d, d); `EffectiveCoefficients.noise`."""
        return self.coefficients.noise(points)

    def particles(self) -> EffectiveLangevin:
        """The sampler of the effective equation: dX = b(X) dt + sqrt(2 sigma M(X)) dW, without flux at walls."""
        # solved now, by all ranks together
        coefficients = self.coefficients
        if self.mesh is not None:
            raise InvalidArgument("mesh", "has walls that the sampler does not know; take box and cells")
        return EffectiveLangevin(coefficients.drift, coefficients.noise, self.grid.box, self.grid.periodic)
