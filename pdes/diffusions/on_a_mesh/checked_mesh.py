"""Which meshes an equation may have: cells of one kind, as many dimensions as space, and all of one piece."""

from __future__ import annotations

import numpy as np
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from scaling_limits.meshes.backend.compat import geometry_dofmap
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.checks import shown

CELLS = ("interval", "triangle", "quadrilateral", "tetrahedron", "hexahedron")


def checked_mesh(mesh: object, comm: MPI.Comm) -> dolfinx_mesh.Mesh:
    """Return a mesh that an equation can have; each rank by itself.

    Args:
        mesh: of the user's.
        comm: the ranks of the equation.

    Raises:
        InvalidArgument: no mesh of dolfinx, one of single precision, on other ranks, of cells that are curved or of
            several kinds, of a manifold in a space of more dimensions, or without cells.
    """
    if not isinstance(mesh, dolfinx_mesh.Mesh):
        raise InvalidArgument("mesh", f"must be a dolfinx.mesh.Mesh, not {shown(mesh)}")
    if MPI.Comm.Compare(mesh.comm, comm) not in (MPI.IDENT, MPI.CONGRUENT):
        raise InvalidArgument("mesh", "must be on the ranks of the equation; give comm=mesh.comm")
    if mesh.geometry.x.dtype != np.float64:
        raise InvalidArgument("mesh", f"must be of double precision, not {mesh.geometry.x.dtype}")
    kind = _kind(mesh)
    if kind not in CELLS:
        raise InvalidArgument("mesh", f"must have cells of one kind, one of {', '.join(CELLS)}; it has {kind}")
    cell, space = mesh.topology.dim, mesh.geometry.dim
    if cell != space:
        remedy = f"give its nodes {cell} coordinates (gdim={cell})"
        raise InvalidArgument("mesh", f"must have cells of dimension {space}, like space, not {cell}; {remedy}")
    nodes = geometry_dofmap(mesh).shape[1]
    if nodes != (2**cell if kind in ("quadrilateral", "hexahedron") else cell + 1):
        raise InvalidArgument("mesh", f"must have straight cells, of degree 1; they have {nodes} nodes each")
    if mesh.topology.index_map(cell).size_global == 0:
        raise InvalidArgument("mesh", "has no cells")
    return mesh


def ranks_of_mesh(mesh: object) -> MPI.Comm:
    """The ranks of a mesh, all where it is none; each rank by itself.

    The communicator of a mesh ends with it, so that one with the same ranks is preferred.
    """
    if not isinstance(mesh, dolfinx_mesh.Mesh):
        return MPI.COMM_WORLD
    same = (MPI.IDENT, MPI.CONGRUENT)
    lasting = [comm for comm in (MPI.COMM_WORLD, MPI.COMM_SELF) if MPI.Comm.Compare(mesh.comm, comm) in same]
    return lasting[0] if lasting else mesh.comm


def _kind(mesh: dolfinx_mesh.Mesh) -> str:
    kinds = getattr(mesh.topology, "entity_types", None)
    if kinds is not None and len(kinds[-1]) > 1:
        return " and ".join(kind.name for kind in kinds[-1])
    return str(mesh.topology.cell_name())


def extent(mesh: dolfinx_mesh.Mesh) -> np.ndarray:
    """The box (d, 2) around a mesh; collective."""
    x = mesh.geometry.x[:, : mesh.geometry.dim]
    ends = np.stack([-x.min(axis=0, initial=np.inf), x.max(axis=0, initial=-np.inf)])
    mesh.comm.Allreduce(MPI.IN_PLACE, ends, MPI.MAX)
    return np.stack([-ends[0], ends[1]], axis=1)


def pieces(mesh: dolfinx_mesh.Mesh) -> int:
    """How many pieces the mesh consists of, cells being joined by facets; collective.

    Each rank finds its own pieces, and those of all ranks are joined by the facets that ranks share.
    """
    dim = mesh.topology.dim
    mesh.topology.create_connectivity(dim, dim - 1)
    cells, facets = mesh.topology.index_map(dim), mesh.topology.index_map(dim - 1)
    joins = mesh.topology.connectivity(dim, dim - 1)
    first = joins.offsets[: cells.size_local + 1]
    of_cell = np.repeat(np.arange(cells.size_local), np.diff(first))
    facet = joins.array[: first[-1]]
    count = cells.size_local + facets.size_local + facets.num_ghosts
    graph = coo_array((np.ones(len(facet)), (of_cell, cells.size_local + facet)), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    own, place = np.unique(label[: cells.size_local], return_inverse=True)
    # of facets that more ranks than one know, the piece on this rank
    piece_of = np.full(facets.size_local + facets.num_ghosts, -1)
    piece_of[facet] = place.ravel()[of_cell]
    shared = np.zeros(len(piece_of), dtype=bool)
    shared[facets.size_local :] = True
    destinations = facets.index_to_dest_ranks()
    shared[: facets.size_local] = np.diff(destinations.offsets)[: facets.size_local] > 0
    local = np.flatnonzero(shared & (piece_of >= 0)).astype(np.int32)
    pairs = np.stack([facets.local_to_global(local), piece_of[local]], axis=1)
    return _joined(mesh.comm.gather((len(own), pairs)), mesh.comm)


def _joined(found: list[tuple[int, np.ndarray]] | None, comm: MPI.Comm) -> int:
    """The pieces of all ranks, joined by their shared facets on rank 0; collective."""
    number = 0
    if found is not None:
        starts = np.cumsum([0, *(count for count, _ in found)])
        facets = np.concatenate([pairs[:, 0] for _, pairs in found])
        pieces_ = np.concatenate([pairs[:, 1] + start for (_, pairs), start in zip(found, starts)])
        _, facet = np.unique(facets, return_inverse=True)
        count = int(starts[-1]) + len(facets)
        graph = coo_array((np.ones(len(facets)), (pieces_, starts[-1] + facet.ravel())), shape=(count, count))
        label = connected_components(graph, directed=False)[1]
        number = len(np.unique(label[: starts[-1]]))
    return int(comm.bcast(number))
