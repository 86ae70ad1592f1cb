"""The effective equation of an N-scale potential, from its cell problems to its Fokker-Planck equation."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.cells.effective_coefficients import EffectiveCoefficients, effective_coefficients
from scaling_limits.meshes.backend.krylov import checked_options
from scaling_limits.meshes.box import checked_bounds, lattice
from scaling_limits.particles import EffectiveLangevin, InvalidArgument, MultiscalePotential
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.support.checks import number

from .fokker_planck import FokkerPlanck


class EffectiveFokkerPlanck(FokkerPlanck):
    """The effective equation of Brownian motion in an N-scale potential: M(x) and Psi(x) from its cell problems.

    Args:
        potential: V0, V1, sigma.
        box: (a_i, b_i) for each direction (d, 2), large enough that exp(-Psi/sigma) is small at its walls.
        cells: number of cells along each direction (d,).
        rtol: relative error of M and Z1, of rates, and of each step of an evolution.
        periodic: True, or for each direction whether it has no walls.
        cache: a folder in which M and Psi are kept from one run to the next.
        progress: show a progress bar while cells are solved, at a terminal, on rank 0.
        comm: the ranks that share the work.
        petsc_options: of the linear solver of evolutions and hitting problems, without prefix.

    Raises:
        InvalidArgument: an argument out of range.
        NotConverged: the cell problems, or the interpolation of M and Psi in this box.

    Source: Duncan, Duong and Pavliotis (2023), Theorem 1.
    """

    coefficients: EffectiveCoefficients

    def __init__(
        self,
        potential: MultiscalePotential,
        box: Any,
        cells: Any,
        rtol: float = 1e-6,
        *,
        periodic: Any = False,
        cache: str | os.PathLike[str] | None = None,
        progress: bool = False,
        comm: MPI.Comm = MPI.COMM_WORLD,
        petsc_options: dict[str, Any] | None = None,
    ) -> None:
        def checked() -> float:
            bounds = checked_bounds("box", box)
            if not isinstance(potential, MultiscalePotential):
                raise InvalidArgument("potential", f"must be a MultiscalePotential, not {type(potential).__name__}")
            if len(bounds) != potential.dim:
                message = f"must have {potential.dim} directions, like the potential, not {len(bounds)}"
                raise InvalidArgument("box", message)
            lattice(box, cells, periodic, comm)  # its complaints come before the cells are solved
            checked_options(petsc_options)
            return max(number("rtol", rtol, above=0.0), 1e-12)

        aim = on_all_ranks(communicator(comm), checked)
        coefficients = effective_coefficients(potential, box, aim, cache=cache, progress=progress, comm=comm)
        super().__init__(coefficients, box, cells, rtol, periodic=periodic, comm=comm, petsc_options=petsc_options)

    def drift(self, points: Any) -> np.ndarray:
        """b = -M grad Psi + sigma div M at points (P, d), of the Ito equation (18); `EffectiveCoefficients.drift`."""
        return self.coefficients.drift(points)

    def noise(self, points: Any) -> np.ndarray:
        """sqrt(2 sigma M) at points (P, d), shape (P, d, d); `EffectiveCoefficients.noise`."""
        return self.coefficients.noise(points)

    def particles(self) -> EffectiveLangevin:
        """The sampler of the effective equation: dX = b(X) dt + sqrt(2 sigma M(X)) dW, reflected at the walls."""
        return EffectiveLangevin(self.drift, self.noise, self.lattice.bounds, self.lattice.periodic)
