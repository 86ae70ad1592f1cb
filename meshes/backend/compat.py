"""Differences between the versions of FEniCSx, and side effects of importing it, undone; no other file knows them."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import dolfinx
import numpy as np
import ufl
from dolfinx import cpp as _cpp
from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI

from scaling_limits.particles.errors import warn

TESTED = ("0.9", "0.10", "0.11")  # 0.10 at the level of its sources only


def show_warnings() -> None:
    """Undo what ffcx does at its import: it sends all Python warnings to a logger that nobody reads."""
    logger = logging.getLogger("py.warnings")
    heard = [h for h in (*logger.handlers, *logging.getLogger().handlers) if not isinstance(h, logging.NullHandler)]
    if not heard:
        logging.captureWarnings(False)


def check_version() -> None:
    """Warn of a dolfinx that the test suite has not been run with."""
    version = ".".join(dolfinx.__version__.split(".")[:2])
    if version not in TESTED:
        warn(f"dolfinx {version} has not been tried; tried are {', '.join(TESTED)}")


def create_mesh(comm: MPI.Comm, cells: np.ndarray, x: np.ndarray, domain: ufl.Mesh) -> dolfinx_mesh.Mesh:
    """Make a mesh from the vertices of its cells on rank 0; neighbours are ghosts. Arguments changed order in 0.10."""
    partitioner = _cell_partitioner(dolfinx_mesh.GhostMode.shared_facet)
    if list(inspect.signature(dolfinx_mesh.create_mesh).parameters)[2] == "x":
        return dolfinx_mesh.create_mesh(comm, cells, x, domain, partitioner)
    return dolfinx_mesh.create_mesh(comm, cells, domain, x, partitioner)


def mesh_of_gmsh(model: Any, comm: MPI.Comm, dim: int) -> tuple[dolfinx_mesh.Mesh, Any, Any]:
    """The mesh of a model of gmsh on rank 0 with its tags; dolfinx.io.gmsh since 0.10.

    Args:
        model: `gmsh.model`, with physical groups; not looked at on other ranks.
        comm: the ranks that share the mesh.
        dim: of space.

    Returns:
        The mesh, and the tags of its cells and facets by physical groups.
    """
    partitioner = _cell_partitioner(dolfinx_mesh.GhostMode.shared_facet)
    try:
        from dolfinx.io import gmshio as reader
    except ImportError:
        from dolfinx.io import gmsh as reader
    found = reader.model_to_mesh(model, comm, 0, gdim=dim, partitioner=partitioner)
    if isinstance(found, tuple) and not hasattr(found, "mesh"):
        return found
    return found.mesh, found.cell_tags, found.facet_tags


def _cell_partitioner(mode: dolfinx_mesh.GhostMode) -> Any:
    try:
        return dolfinx_mesh.create_cell_partitioner(mode, 2)
    except TypeError:
        return dolfinx_mesh.create_cell_partitioner(mode)


def replace_geometry(mesh: dolfinx_mesh.Mesh, x: np.ndarray, domain: ufl.Mesh) -> dolfinx_mesh.Mesh:
    """Make a mesh of the same topology in which each cell of this rank has nodes of its own.

    Args:
        mesh: gives topology and reference map.
        x: coordinates (cells of this rank with ghosts, nodes of a cell, dimension).
        domain: what the new mesh is for UFL.
    """
    count, nodes, dim = x.shape
    index_map = _cpp.common.IndexMap(mesh.comm, count * nodes)
    coordinate_map = mesh.geometry.cmaps[0] if hasattr(mesh.geometry, "cmaps") else mesh.geometry.cmap
    geometry = _cpp.mesh.Geometry_float64(
        index_map,
        np.arange(count * nodes, dtype=np.int32).reshape(count, nodes),
        getattr(coordinate_map, "_cpp_object", coordinate_map),
        np.ascontiguousarray(x.reshape(-1, dim)),
        np.arange(count * nodes, dtype=np.int64) + index_map.local_range[0],
    )
    return dolfinx_mesh.Mesh(_cpp.mesh.Mesh_float64(mesh.comm, mesh.topology._cpp_object, geometry), domain)


def moved_mesh(mesh: dolfinx_mesh.Mesh, x: np.ndarray) -> dolfinx_mesh.Mesh:
    """Make a mesh of the same topology whose nodes are at x (nodes of this rank with ghosts, 3)."""
    geometry = mesh.geometry
    coordinate_map = geometry.cmaps[0] if hasattr(geometry, "cmaps") else geometry.cmap
    moved = _cpp.mesh.Geometry_float64(
        geometry.index_map(),
        np.ascontiguousarray(geometry_dofmap(mesh)),
        getattr(coordinate_map, "_cpp_object", coordinate_map),
        np.ascontiguousarray(x[:, : geometry.dim]),
        np.ascontiguousarray(geometry.input_global_indices),
    )
    domain = ufl.Mesh(mesh.ufl_domain().ufl_coordinate_element())
    return dolfinx_mesh.Mesh(_cpp.mesh.Mesh_float64(mesh.comm, mesh.topology._cpp_object, moved), domain)


def interpolation_points(space: fem.FunctionSpace) -> np.ndarray:
    """Return the points of interpolation in the reference cell; a method before 0.10."""
    points = space.element.interpolation_points
    return points() if callable(points) else points


def geometry_dofmap(mesh: dolfinx_mesh.Mesh) -> np.ndarray:
    """Return the nodes of each cell of this rank, with ghosts; an attribute of another name from 0.11 on."""
    geometry = mesh.geometry
    return geometry.dofmaps[0] if hasattr(geometry, "dofmaps") else geometry.dofmap


show_warnings()
check_version()
