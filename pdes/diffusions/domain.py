"""Where an equation lives: in a box with cells, or on a mesh of dolfinx."""

from __future__ import annotations

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI


def ranks_of(mesh: object) -> MPI.Comm:
    """The ranks of a mesh, all where there is none; each rank by itself."""
    if mesh is None:
        return MPI.COMM_WORLD
    with needed_by("an equation on a mesh"):
        from .on_a_mesh.checked_mesh import ranks_of_mesh
    return ranks_of_mesh(mesh)


def check_domain(box: object, cells: object, periodic: object, mesh: object, comm: MPI.Comm) -> None:
    """Check that there is either a box with cells or a mesh; each rank by itself.

    Raises:
        InvalidArgument: both, a part of one, or a mesh that does not do.
        MissingFEniCSx: it is not here, and a mesh is given.
    """
    if mesh is not None:
        without_grid(box, cells, periodic)
        with needed_by("an equation on a mesh"):
            from .on_a_mesh.checked_mesh import checked_mesh
        checked_mesh(mesh, comm)
    elif box is None or cells is None:
        raise InvalidArgument("box" if box is None else "cells", "must be given, or a mesh instead of box and cells")


def without_grid(box: object, cells: object, periodic: object) -> None:
    """Check that nothing is given beside a mesh that would be said of a grid.

    Raises:
        InvalidArgument: it is.
    """
    for name, value in (("box", box), ("cells", cells)):
        if value is not None:
            raise InvalidArgument(name, "must be left out where a mesh is given: the mesh is the domain")
    if periodic is not False:
        raise InvalidArgument("periodic", "must be left out where a mesh is given: its topology says what is joined")


def not_on_a_mesh(name: str, value: object) -> None:
    """Check that what is for boxes only is not given on a mesh.

    Raises:
        InvalidArgument: it is.
    """
    if value is not None:
        raise InvalidArgument(name, "is for boxes; leave it out where a mesh is given")
