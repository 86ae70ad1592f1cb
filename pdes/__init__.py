"""The effective equations: forms in UFL, solved with PETSc."""

from ..meshes import _fenicsx as _fenicsx  # isort: skip
from ..meshes import _compat
from .action_density import ActionDensity, EvolvedActions
from .billiard_forms import DeviationForm, EnergyForm, VarianceForm
from .billiard_limits import Ordering, constancy_gap, linear_wave, ordering_time
from .billiards import BilliardEquations, BilliardSolution
from .coefficients import Coefficients
from .density import Density, LatticeField
from .edge_scheme import EdgeScheme
from .effective_fokker_planck import EffectiveFokkerPlanck
from .effective_plane import EffectivePlane
from .errors import NotConverged, Unresolved
from .evolved import Evolved
from .finite_size import FiniteSizeEquations, FiniteSizeSolution
from .fokker_planck import FokkerPlanck
from .generator_forms import GeneratorForms
from .picard import PicardIteration, picard_iteration
from .resolvent_schemes import IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4, ResolventScheme
from .rosenbrock import RODAS3, RODAS4, Rosenbrock
from .transport_fokker_planck import TransportFokkerPlanck
from .transport_forms import TransportForms

__all__ = [
    "IMPLICIT_EULER",
    "RESOLVENT2",
    "RESOLVENT3",
    "RESOLVENT4",
    "RODAS3",
    "RODAS4",
    "ActionDensity",
    "BilliardEquations",
    "BilliardSolution",
    "Coefficients",
    "Density",
    "DeviationForm",
    "EdgeScheme",
    "EffectiveFokkerPlanck",
    "EffectivePlane",
    "EnergyForm",
    "Evolved",
    "EvolvedActions",
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
    "TransportFokkerPlanck",
    "TransportForms",
    "Unresolved",
    "VarianceForm",
    "constancy_gap",
    "linear_wave",
    "ordering_time",
    "picard_iteration",
]
