"""Meshes of the domains that the equations live on: tori with a periodic topology; importing them needs FEniCSx."""

from .backend import fenicsx as _fenicsx  # isort: skip
from .backend import compat as _compat
from .box import Lattice, box, lattice
from .evaluation import evaluate
from .torus import draw_space, torus

__all__ = ["Lattice", "box", "draw_space", "evaluate", "lattice", "torus"]
