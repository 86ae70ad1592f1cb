"""Microscopic models and their samplers; needs no FEniCSx."""

from .diagnostics import WhiteNoiseTests, correlation_density, correlation_p_value, diagnostics, run_correlations
from .effective_langevin import EffectiveLangevin
from .ensemble import Ensemble, load
from .errors import InvalidArgument
from .langevin import Langevin
from .langevin_schemes import LEIMKUHLER_MATTHEWS, STOCHASTIC_HEUN, LangevinScheme
from .multiscale_potential import MultiscalePotential
from .paths import Paths, Unstable
from .pinned_balls import PinnedBalls
from .potential_gallery import egg_carton, fully_coupled, laminate, mueller_brown, self_similar

__all__ = [
    "LEIMKUHLER_MATTHEWS",
    "STOCHASTIC_HEUN",
    "EffectiveLangevin",
    "Ensemble",
    "InvalidArgument",
    "Langevin",
    "LangevinScheme",
    "MultiscalePotential",
    "Paths",
    "PinnedBalls",
    "Unstable",
    "WhiteNoiseTests",
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
