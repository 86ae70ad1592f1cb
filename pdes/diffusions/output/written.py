"""What densities, fields and evolutions share: pictures, files of ParaView and grids of pyvista."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.shapes import mesh_shape
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.axes import axes_of, closed_if_refused
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.shapes import Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI


class Written(Described, ABC):
    """A result that is one finite element function, or one for each time."""

    @abstractmethod
    def frames(self) -> Frames:
        """The functions; collective."""

    @property
    @abstractmethod
    def _ranks(self) -> MPI.Comm:
        """The ranks of the functions."""

    def shape(self, index: int = 0, level: float | None = None) -> Shape | None:
        """What a picture shows, on rank 0; collective.

        Args:
            index: of the function.
            level: of the cut across the third axis, for fields in space; None for the middle.

        Raises:
            InvalidArgument: a level outside of the domain.
            ImportError: pyvista is not here, for fields on meshes.
        """
        return mesh_shape(self._ranks, self.frames(), index, level)

    @closed_if_refused
    def plot(self, ax: Axes | None = None, *, level: float | None = None, **options: Any) -> Axes | None:
        """Draw the field: a curve, colours in the plane, or in space a cut across the third axis; collective.

        Args:
            ax: axes of matplotlib, on rank 0; None for those of a new figure.
            level: of the cut; None for the middle.
            options: of `Axes.plot`, `pcolormesh` or `tripcolor` (`streamplot` or `quiver` for vectors), such as
                norm="log" in the plane.

        Returns:
            The axes on rank 0, None on the others.

        Raises:
            InvalidArgument: no axes, or a level outside of the domain.
            ImportError: matplotlib is not here; on meshes pyvista.
        """
        same_on_all_ranks(self._ranks, level=level)
        shape, quantity = self.shape(0, level), self.frames().quantity

        def draw() -> Axes | None:
            if self._ranks.rank or shape is None:
                return None
            axes = axes_of(ax)
            shape.draw(axes, quantity, **options)
            return axes

        return on_all_ranks(self._ranks, draw)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a file for ParaView, with all times; collective, and each rank writes what it has.

        Args:
            path: its suffix decides on the format: .bp (VTX, by ADIOS2), .vtkhdf (by h5py), .pvd (and a file for each
                rank and time) or .xdmf (and a file .h5; values at vertices only). On a disk that all ranks see; what is
                there is replaced.

        Raises:
            InvalidArgument: another suffix, a format that cannot be written here, or no place for a file.
            OSError: the disk is full; it is looked at beforehand.
            MissingFEniCSx: it is not here.
        """
        with needed_by("a file for ParaView"):
            from scaling_limits.meshes.files.writers import write
        write(self._ranks, path, self.frames())

    def to_pyvista(self) -> Any:
        """The values on their mesh, as pyvista has it; collective.

        Returns:
            On rank 0 a `pyvista.UnstructuredGrid`, or for several times a `pyvista.MultiBlock` with one for each; None
            on the others.

        Raises:
            ImportError: pyvista is not here, or FEniCSx (MissingFEniCSx).
        """
        with needed_by("a grid of pyvista"):
            from scaling_limits.meshes.files.pyvista_grids import pyvista_grids
        return pyvista_grids(self._ranks, self.frames())
