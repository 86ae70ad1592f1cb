"""Averages over tori: correctors and effective tensors of N-scale potentials; importing them needs FEniCSx."""

from ..meshes import _fenicsx as _fenicsx  # isort: skip
from .averaged_dissipation import AveragedDissipation, averaged_dissipation
from .corrector_forms import CorrectorForms
from .corrector_problem import CorrectorProblem, CorrectorSolution
from .correctors import CorrectorLevel, correctors
from .effective_coefficients import EffectiveCoefficients, effective_coefficients
from .effective_tensor import EffectiveTensor, effective_tensor
from .errors import NotConverged, Unresolved
from .routes import FiniteElements, FourierGalerkin, HarmonicMean, choose_route

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
    "Unresolved",
    "averaged_dissipation",
    "choose_route",
    "correctors",
    "effective_coefficients",
    "effective_tensor",
]
