"""Averages over tori: correctors and effective tensors of N-scale potentials; UFL forms of them need FEniCSx."""

from typing import TYPE_CHECKING

from scaling_limits.meshes.backend.fenicsx import is_there
from scaling_limits.particles.errors import NotConverged, Unresolved
from scaling_limits.particles.support.lazy_names import lazy_names

# of modules by the same names, which would take the place of what is found later
from .angle_average import AngleAverage, angle_average
from .averaged_dissipation import AveragedDissipation, averaged_dissipation
from .correctors import CorrectorLevel, correctors
from .effective_coefficients import EffectiveCoefficients, effective_coefficients
from .effective_tensor import effective_tensor
from .fenicsx.petsc_elements import PETScElements
from .spaces.discretisations import FiniteElements, FourierGalerkin, HarmonicMean, choose_route
from .tensor_result import EffectiveTensor

if TYPE_CHECKING:
    from .fenicsx.corrector_forms import CorrectorForms
    from .fenicsx.corrector_problem import CorrectorProblem, CorrectorSolution
else:
    __getattr__, __dir__ = lazy_names(__name__, "scaling_limits.meshes.backend.fenicsx")

__all__ = [
    "AngleAverage",
    "AveragedDissipation",
    "CorrectorForms",
    "CorrectorLevel",
    "CorrectorProblem",
    "CorrectorSolution",
    "EffectiveCoefficients",
    "EffectiveTensor",
    "FiniteElements",
    "FourierGalerkin",
    "HarmonicMean",
    "NotConverged",
    "PETScElements",
    "Unresolved",
    "angle_average",
    "averaged_dissipation",
    "choose_route",
    "correctors",
    "effective_coefficients",
    "effective_tensor",
]

if not TYPE_CHECKING and not is_there():
    # `import *` takes what can be had
    __all__ = [name for name in __all__ if name in __dir__()]
