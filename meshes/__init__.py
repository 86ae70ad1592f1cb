"""Meshes of the domains that the equations live on: tori with a periodic topology; what makes one needs FEniCSx."""

from typing import TYPE_CHECKING

from scaling_limits.particles.support.lazy_names import lazy_names

# of modules by the same names, which would take the place of what is found later
from .box import Grid, box
from .torus import draw_space, torus

if TYPE_CHECKING:
    from .evaluation import evaluate
else:
    __getattr__, __dir__ = lazy_names(__name__, f"{__name__}.backend.fenicsx")

Lattice, lattice = Grid, Grid.of  # their former names

__all__ = ["Grid", "Lattice", "box", "draw_space", "evaluate", "lattice", "torus"]
