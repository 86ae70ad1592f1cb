"""Microscopic models and their samplers; needs no FEniCSx."""

from ._rotator_assumptions import Assumption, AssumptionWarning
from .canonical_variables import canonical_variables
from .diagnostics import WhiteNoiseTests, correlation_density, correlation_p_value, diagnostics, run_correlations
from .dissipations import DiagonalDissipation, DirectedDissipation, Dissipation, LinearDissipation
from .effective_langevin import EffectiveLangevin
from .ensemble import Ensemble, load
from .errors import InvalidArgument
from .general_dissipations import CustomDissipation, PolynomialDissipation
from .langevin import Langevin
from .langevin_schemes import LEIMKUHLER_MATTHEWS, STOCHASTIC_HEUN, LangevinScheme
from .lattice_region import LatticeRegion
from .multiscale_potential import MultiscalePotential
from .paths import Paths, Unstable
from .pinned_balls import PinnedBalls
from .potential_gallery import egg_carton, fully_coupled, laminate, mueller_brown, self_similar
from .rotator_ensemble import RotatorEnsemble
from .rotator_lattice import RotatorLattice
from .transport_process import TransportProcess
from .workers import LongRun

__all__ = [
    "LEIMKUHLER_MATTHEWS",
    "STOCHASTIC_HEUN",
    "Assumption",
    "AssumptionWarning",
    "CustomDissipation",
    "DiagonalDissipation",
    "DirectedDissipation",
    "Dissipation",
    "EffectiveLangevin",
    "Ensemble",
    "InvalidArgument",
    "Langevin",
    "LangevinScheme",
    "LatticeRegion",
    "LinearDissipation",
    "LongRun",
    "MultiscalePotential",
    "Paths",
    "PinnedBalls",
    "PolynomialDissipation",
    "RotatorEnsemble",
    "RotatorLattice",
    "TransportProcess",
    "Unstable",
    "WhiteNoiseTests",
    "canonical_variables",
    "correlation_density",
    "correlation_p_value",
    "diagnostics",
    "egg_carton",
    "fully_coupled",
    "laminate",
    "load",
    "mueller_brown",
    "run_correlations",
    "self_similar",
]
