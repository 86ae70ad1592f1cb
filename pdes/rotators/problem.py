"""What results and checkpoints need to know of a transport equation for actions."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from mpi4py import MPI

from scaling_limits.particles import RotatorLattice

from .density import ActionDensity
from .space import ActionSpace, OwnLaws


class TransportProblem(Protocol):
    """d_tau p = - sum_j d_j (R_j p - T_j I_j d_j p) on a box of actions."""

    @property
    def lattice(self) -> RotatorLattice:
        """The rotators."""

    @property
    def upper(self) -> np.ndarray:
        """The ends U (N,) of the box."""

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells along each axis."""

    @property
    def degree(self) -> int | None:
        """Of the elements."""

    @property
    def laws(self) -> OwnLaws:
        """R, T and the weights."""

    @property
    def space(self) -> ActionSpace:
        """The elements."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    def stationary(self) -> ActionDensity:
        """The stationary density."""
