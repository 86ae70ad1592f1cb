"""Meshes of the domains that the equations live on: tori with a periodic topology; importing them needs FEniCSx."""

from . import _fenicsx as _fenicsx  # isort: skip
from . import _compat as _compat
from .box import Lattice, box, lattice
from .drawing import draw_space
from .evaluation import evaluate
from .torus import torus

__all__ = ["Lattice", "box", "draw_space", "evaluate", "lattice", "torus"]
