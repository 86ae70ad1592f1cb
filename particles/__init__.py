"""Microscopic models and their samplers; needs no FEniCSx."""

from .ensemble import Ensemble, load
from .errors import InvalidArgument
from .pinned_balls import PinnedBalls

__all__ = ["Ensemble", "InvalidArgument", "PinnedBalls", "load"]
