"""What densities, fields and evolutions share: files of ParaView and grids of pyvista."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.files.frames import Frames

if TYPE_CHECKING:
    from mpi4py import MPI


class Written(ABC):
    """A result that is one finite element function, or one for each time."""

    @abstractmethod
    def frames(self) -> Frames:
        """The functions; collective."""

    @property
    @abstractmethod
    def _ranks(self) -> MPI.Comm:
        """The ranks of the functions."""

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
