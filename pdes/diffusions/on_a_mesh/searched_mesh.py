"""A mesh in which any rank finds any point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx.mesh import Mesh
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.point_search import PointSearch
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points


class SearchedMesh:
    """A mesh of cells of one kind; subclasses have these attributes as fields."""

    mesh: Mesh
    comm: MPI.Comm

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return int(self.mesh.geometry.dim)

    def checked(self, points: ArrayLike) -> np.ndarray:
        """Return points (P, d) that a user gave; each rank by itself.

        Raises:
            InvalidArgument: a wrong shape.
        """
        return checked_points("points", points, self.dim)

    @cached_property
    def search(self) -> PointSearch:
        """The cells, to be searched by any rank; collective the first time."""
        return PointSearch(self.mesh, self.comm)


@dataclass(frozen=True, eq=False)
class MeshAlone(SearchedMesh):
    """A mesh without an equation, as it was read from a file.

    Args:
        mesh: the mesh.
        comm: its ranks.
    """

    mesh: Mesh
    comm: MPI.Comm
