"""Meshes of the domains that the equations live on: tori with a periodic topology; importing them needs FEniCSx."""

from . import _compat as _compat
from .drawing import draw_space
from .torus import torus

__all__ = ["draw_space", "torus"]
