"""The effective equations: forms in UFL, solved with PETSc."""

from ..meshes import _compat
from .billiard_forms import DeviationForm, EnergyForm, VarianceForm
from .billiard_limits import Ordering, constancy_gap, linear_wave, ordering_time
from .billiards import BilliardEquations, BilliardSolution
from .errors import NotConverged, Unresolved
from .finite_size import FiniteSizeEquations, FiniteSizeSolution
from .picard import PicardIteration, picard_iteration
from .rosenbrock import RODAS3, RODAS4, Rosenbrock

__all__ = [
    "RODAS3",
    "RODAS4",
    "BilliardEquations",
    "BilliardSolution",
    "DeviationForm",
    "EnergyForm",
    "FiniteSizeEquations",
    "FiniteSizeSolution",
    "NotConverged",
    "Ordering",
    "PicardIteration",
    "Rosenbrock",
    "Unresolved",
    "VarianceForm",
    "constancy_gap",
    "linear_wave",
    "ordering_time",
    "picard_iteration",
]
