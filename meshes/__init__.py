"""Meshes of the domains that the equations live on: tori with a periodic topology; importing them needs FEniCSx."""

from .backend import fenicsx as _fenicsx  # isort: skip
from .box import Grid, box
from .evaluation import evaluate
from .torus import draw_space, torus

Lattice, lattice = Grid, Grid.of  # their former names

__all__ = ["Grid", "Lattice", "box", "draw_space", "evaluate", "lattice", "torus"]
