"""Microscopic models and their samplers; needs no FEniCSx."""

from .diagnostics import WhiteNoiseTests, correlation_density, correlation_p_value, diagnostics, run_correlations
from .ensemble import Ensemble, load
from .errors import InvalidArgument
from .multiscale_potential import MultiscalePotential
from .pinned_balls import PinnedBalls

__all__ = [
    "Ensemble",
    "InvalidArgument",
    "MultiscalePotential",
    "PinnedBalls",
    "WhiteNoiseTests",
    "correlation_density",
    "correlation_p_value",
    "diagnostics",
    "load",
    "run_correlations",
]
