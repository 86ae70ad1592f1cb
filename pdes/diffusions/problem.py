"""What solvers need to know of a Fokker-Planck equation that has been put on a grid."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.box import Grid

from .coefficients import Coefficients
from .scharfetter_gummel import ScharfetterGummel


class ReversibleDiffusion(Protocol):
    """d_t rho = div(M (rho grad Psi + sigma grad rho)) in a box, on the nodes of a grid."""

    @property
    def grid(self) -> Grid:
        """The nodes."""

    @property
    def generator(self) -> ScharfetterGummel:
        """The generator on the nodes."""

    @property
    def coefficients(self) -> Coefficients:
        """M, Psi and sigma."""

    @property
    def dim(self) -> int:
        """Dimension d of space."""

    @property
    def rtol(self) -> float:
        """The tolerance."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def petsc_options(self) -> dict[str, Any] | None:
        """Of the linear solver, without prefix."""

    def exponent(self, points: np.ndarray) -> np.ndarray:
        """Psi/sigma (P,) at points (P, d)."""
