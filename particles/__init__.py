"""Microscopic models and their samplers; needs no FEniCSx."""

from .diagnostics import WhiteNoiseTests, correlation_density, correlation_p_value, diagnostics, run_correlations
from .ensemble import Ensemble, load
from .errors import InvalidArgument
from .multiscale_potential import MultiscalePotential
from .pinned_balls import PinnedBalls
from .potential_gallery import egg_carton, fully_coupled, laminate, mueller_brown, self_similar

__all__ = [
    "Ensemble",
    "InvalidArgument",
    "MultiscalePotential",
    "PinnedBalls",
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
