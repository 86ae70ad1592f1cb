"""Meshes of the domains that the equations live on: tori with a periodic topology; what makes one needs FEniCSx."""

from typing import TYPE_CHECKING

from scaling_limits.particles.support.lazy_names import lazy_names

from .backend.fenicsx import is_there

# of modules by the same names, which would take the place of what is found later
from .box import Grid, box
from .torus import draw_space, torus

if TYPE_CHECKING:
    from .evaluation import evaluate
else:
    __getattr__, __dir__ = lazy_names(__name__, f"{__name__}.backend.fenicsx")

Lattice, lattice = Grid, Grid.of  # their former names

__all__ = ["Grid", "Lattice", "box", "draw_space", "evaluate", "lattice", "torus"]

if not TYPE_CHECKING and not is_there():
    # `import *` takes what can be had
    __all__ = [name for name in __all__ if name in __dir__()]
