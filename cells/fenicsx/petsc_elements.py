"""The route of the whole recursion in UFL, solved with PETSc; to name it needs no FEniCSx, to take it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.checks import integer


@dataclass(frozen=True)
class PETScElements:
    """Route of cell problems: Lagrange elements of dolfinx on meshes of tori, one after the other, solved by PETSc.

    Every cell is solved with this degree and with the next one, whose difference is the error of the first.

    Args:
        degree: polynomial degree, 1 to 8.
        cells: number of cells of the mesh in each direction, at least 3.
        petsc_options: of the solver of the preconditioner, see `CorrectorProblem`.

    Raises:
        InvalidArgument: numbers out of range, or no options.
    """

    name: ClassVar[str] = "PETSc elements"
    degree: int = 4
    cells: int = 16
    petsc_options: Mapping[str, object] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "degree", integer("degree", self.degree, 1, 8))
        object.__setattr__(self, "cells", integer("cells", self.cells, 3))
        if self.petsc_options is not None and not isinstance(self.petsc_options, Mapping):
            raise InvalidArgument("petsc_options", f"must be a dictionary, not {type(self.petsc_options).__name__}")

    def description(self) -> str:
        """Name of the space."""
        return f"elements of degree {self.degree} on {self.cells} cells, PETSc"
