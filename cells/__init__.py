"""Averages over tori: correctors and effective tensors of N-scale potentials; importing them needs FEniCSx."""

from scaling_limits.meshes.backend import fenicsx as _fenicsx  # isort: skip
from scaling_limits.particles.errors import NotConverged, Unresolved

from .averaged_dissipation import AveragedDissipation, averaged_dissipation
from .correctors import CorrectorLevel, correctors
from .effective_coefficients import EffectiveCoefficients, effective_coefficients
from .effective_tensor import effective_tensor
from .fenicsx.corrector_forms import CorrectorForms
from .fenicsx.corrector_problem import CorrectorProblem, CorrectorSolution
from .fenicsx.petsc_recursion import PETScElements
from .spaces.discretisations import FiniteElements, FourierGalerkin, HarmonicMean, choose_route
from .tensor_result import EffectiveTensor

__all__ = [
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
    "averaged_dissipation",
    "choose_route",
    "correctors",
    "effective_coefficients",
    "effective_tensor",
]
