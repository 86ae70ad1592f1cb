"""The effective equations: forms in UFL, solved with PETSc."""

from ..meshes import _compat
from .billiard_forms import DeviationForm, EnergyForm, VarianceForm
from .billiard_limits import Ordering, constancy_gap, linear_wave, ordering_time
from .billiards import BilliardEquations, BilliardSolution
from .density import Density, LatticeField
from .edge_scheme import Coefficients, EdgeScheme
from .effective_fokker_planck import EffectiveFokkerPlanck
from .errors import NotConverged, Unresolved
from .evolved import Evolved
from .finite_size import FiniteSizeEquations, FiniteSizeSolution
from .fokker_planck import FokkerPlanck
from .generator_forms import GeneratorForms
from .picard import PicardIteration, picard_iteration
from .resolvent_schemes import IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4, ResolventScheme
from .rosenbrock import RODAS3, RODAS4, Rosenbrock

__all__ = [
    "IMPLICIT_EULER",
    "RESOLVENT2",
    "RESOLVENT3",
    "RESOLVENT4",
    "RODAS3",
    "RODAS4",
    "BilliardEquations",
    "BilliardSolution",
    "Coefficients",
    "Density",
    "DeviationForm",
    "EdgeScheme",
    "EffectiveFokkerPlanck",
    "EnergyForm",
    "Evolved",
    "FiniteSizeEquations",
    "FiniteSizeSolution",
    "FokkerPlanck",
    "GeneratorForms",
    "LatticeField",
    "NotConverged",
    "Ordering",
    "PicardIteration",
    "ResolventScheme",
    "Rosenbrock",
    "Unresolved",
    "VarianceForm",
    "constancy_gap",
    "linear_wave",
    "ordering_time",
    "picard_iteration",
]
