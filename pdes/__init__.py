"""The effective equations: forms in UFL, solved with PETSc."""

from .billiards import BilliardEquations, BilliardSolution
from .errors import NotConverged, Unresolved
from .finite_size import FiniteSizeEquations, FiniteSizeSolution

__all__ = ["BilliardEquations", "BilliardSolution", "FiniteSizeEquations", "FiniteSizeSolution", "NotConverged", "Unresolved"]
