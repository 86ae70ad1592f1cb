"""The one place that knows how dolfinx 0.9, 0.10 and 0.11 differ."""

from __future__ import annotations

from typing import Any

import dolfinx
import numpy as np
from dolfinx import fem
from petsc4py import PETSc

TESTED = ("0.9", "0.10", "0.11")  # 0.10 at the level of its sources only


def version() -> str:
    """Return the version of dolfinx, as major.minor."""
    return ".".join(dolfinx.__version__.split(".")[:2])


def create_vector(space: fem.FunctionSpace) -> PETSc.Vec:
    """Return a PETSc vector with the ghosts of a space (dolfinx's own function takes a form in 0.9, a space later)."""
    index_map, block = space.dofmap.index_map, space.dofmap.index_map_bs
    return PETSc.Vec().createGhost(
        np.asarray(index_map.ghosts, PETSc.IntType),
        size=(index_map.size_local * block, index_map.size_global * block),
        bsize=block,
        comm=space.mesh.comm,
    )


def geometry_dofmap(mesh: dolfinx.mesh.Mesh) -> Any:
    """Return the node numbers of the cells (an attribute that was renamed in 0.11)."""
    geometry = mesh.geometry
    return geometry.dofmaps[0] if hasattr(geometry, "dofmaps") else geometry.dofmap
