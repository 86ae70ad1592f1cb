"""The base of Fokker-Planck equations: their coefficients, the grid, and the generator on its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.petsc_solvers import checked_options
from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points
from scaling_limits.particles.sampling.ranks import same_on_all_ranks
from scaling_limits.particles.support.checks import number

from .coefficients import Coefficients, exponent_at
from .scharfetter_gummel import ScharfetterGummel

LARGEST_RTOL = 0.1


class ReversibleDiffusion:
    """A Fokker-Planck equation in a box: d_t rho = div(M (rho grad Psi + sigma grad rho)).

    Subclasses are frozen dataclasses that have these attributes as fields or make them from others.
    """

    coefficients: Coefficients
    rtol: float
    comm: MPI.Comm
    petsc_options: dict[str, Any] | None
    box: ArrayLike
    cells: int | Sequence[int]
    periodic: bool | Sequence[bool]

    @cached_property
    def grid(self) -> Grid:
        """The nodes."""
        return Grid.of(self.box, self.cells, self.periodic, self.comm)

    def _check_arguments(self) -> None:
        """Check what all such equations are given, on this rank.

        Raises:
            InvalidArgument: an argument out of range.
        """
        if number("rtol", self.rtol, above=0.0) > LARGEST_RTOL:
            raise InvalidArgument("rtol", f"must be at most {LARGEST_RTOL:g}, not {self.rtol:g}")
        checked_options(self.petsc_options)

    def _compare_ranks(self, temperature: float) -> None:
        """Raise where ranks were given different problems; collective."""
        same_on_all_ranks(
            self.comm, box=self.grid.box, cells=np.array(self.grid.cells), periodic=np.array(self.grid.periodic),
            rtol=self.rtol, temperature=temperature, petsc_options=self.petsc_options,
        )  # fmt: skip

    @cached_property
    def generator(self) -> ScharfetterGummel:
        """The generator on the nodes; `generator.edges.widest` is 1 where neighbours make a monotone scheme."""
        return ScharfetterGummel(self.grid, self.coefficients)

    scheme = property(attrgetter("generator"), doc="`generator`, by its former name.")

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return self.grid.dim

    def exponent(self, points: ArrayLike) -> np.ndarray:
        """Psi/sigma (P,) at points (P, d)."""
        return exponent_at(self.coefficients, checked_points("points", points, self.dim))
