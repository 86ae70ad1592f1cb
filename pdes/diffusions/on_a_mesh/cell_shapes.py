"""Whether cells have an inside and do not lie on one another: what an equation cannot tell from its answers."""

from __future__ import annotations

import basix
import numpy as np
from dolfinx import mesh as dolfinx_mesh

from scaling_limits.meshes.backend.compat import geometry_dofmap
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks

# least Jacobian of a cell, by the power of its longest edge; least distance of its middle from a facet, by that edge
FLAT, BESIDE = 1e-15, 1e-10
# cells or facets that are looked at together: so many that what is made of them stays in the cache
AT_ONCE = 2**13


def check_shapes(mesh: dolfinx_mesh.Mesh) -> None:
    """Check the cells, and neighbours as far as a rank knows both of them; collective.

    Args:
        mesh: of simplices or boxes.

    Raises:
        InvalidArgument: coordinates that are not finite; a cell that is flat or turned over; a facet of more than two
            cells, or with both cells on one side.
    """
    corners = np.asarray(geometry_dofmap(mesh))
    # collective, and before what may fail on one rank
    mesh.topology.create_connectivity(mesh.topology.dim, mesh.topology.dim - 1)

    def check() -> None:
        for first in range(0, len(corners), AT_ONCE):
            _check_cells(mesh, corners[first : first + AT_ONCE])
        _check_facets(mesh, corners)

    on_all_ranks(mesh.comm, check)


def _refuse(what: str, place: np.ndarray) -> None:
    raise InvalidArgument("mesh", f"{what}, at about {[float(f'{c:.6g}') for c in place]}")


def _check_cells(mesh: dolfinx_mesh.Mesh, corners: np.ndarray) -> None:
    x = mesh.geometry.x[corners.T][..., : mesh.geometry.dim]
    if not np.isfinite(x).all():
        raise InvalidArgument("mesh", "must have finite coordinates; they contain NaN or infinity")
    size = _size(x)
    with np.errstate(over="ignore", under="ignore"):
        # by the size, so that small and large meshes have the same numbers
        jacobians = _jacobians(x / np.where(size > 0, size, 1.0)[:, None])
    least, most = jacobians.min(axis=0), jacobians.max(axis=0)
    flat = ~(np.maximum(-least, most) > FLAT) | (size == 0)
    if flat.any():
        _refuse("must have cells with an inside, but one is flat", x[:, flat][:, 0].mean(axis=0))
    folded = (least < -BESIDE) & (most > BESIDE)
    if folded.any():
        _refuse(
            "must have convex cells with corners in the order of dolfinx, but one is folded", x[:, folded][:, 0].mean(0)
        )


def _size(x: np.ndarray) -> np.ndarray:
    """The longest edge along an axis (C,) of the boxes around corners (k, C, d)."""
    return np.asarray((x.max(axis=0) - x.min(axis=0)).max(axis=1))


def _jacobians(x: np.ndarray) -> np.ndarray:
    """The Jacobians of cells with corners (k, C, d): of simplices (1, C), of boxes at all corners (k, C)."""
    count, _, dim = x.shape
    if count == dim + 1:
        return _determinants([x[k] - x[0] for k in range(1, count)])[None]
    found = []
    for corner in range(count):
        ends = [(corner & ~(1 << axis), corner | 1 << axis) for axis in range(dim)]
        found.append(_determinants([x[end] - x[begin] for begin, end in ends]))
    return np.stack(found)


def _determinants(rows: list[np.ndarray]) -> np.ndarray:
    """The determinants (C,) of the matrices with rows (C, d)."""
    if len(rows) == 2:
        return np.asarray(rows[0][:, 0] * rows[1][:, 1] - rows[0][:, 1] * rows[1][:, 0])
    return np.asarray(np.linalg.det(np.stack(rows, axis=1)))


def _check_facets(mesh: dolfinx_mesh.Mesh, corners: np.ndarray) -> None:
    """Check the two cells of each inner facet; the facets of other places, as at a seam, are left out."""
    topology, dim = mesh.topology, mesh.topology.dim
    reference = basix.topology(getattr(basix.CellType, topology.cell_name()))[dim - 1]
    facets = topology.connectivity(dim, dim - 1).array.reshape(len(corners), len(reference))
    order = np.argsort(facets.ravel(), kind="stable")
    facet = facets.ravel()[order]
    if len(facet) > 2 and (facet[2:] == facet[:-2]).any():
        cell = order[np.flatnonzero(facet[2:] == facet[:-2])[0]] // len(reference)
        _refuse(
            "must have one or two cells at a facet, but has more", mesh.geometry.x[corners[cell], :dim].mean(axis=0)
        )
    second = np.flatnonzero(facet[1:] == facet[:-1]) + 1
    for first in range(0, len(second), AT_ONCE):
        part = second[first : first + AT_ONCE]
        one, other = (np.divmod(order[place], len(reference)) for place in (part - 1, part))
        _check_sides(mesh, corners, np.array(reference), one, other)


def _check_sides(
    mesh: dolfinx_mesh.Mesh, corners: np.ndarray, reference: np.ndarray,
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray],
) -> None:  # fmt: skip
    """Check that cells are on different sides of their facet; both are given by cells and numbers of facets (F,)."""
    x, dim = mesh.geometry.x[:, : mesh.geometry.dim], mesh.geometry.dim
    cells = [x[corners[cell].T] for cell, _ in (one, other)]
    facets = [x[np.take_along_axis(corners[cell], reference[k], 1).T] for cell, k in (one, other)]
    size = _size(cells[0])
    middle, middle_there = (corner.mean(axis=0) for corner in facets)
    same = np.abs(middle_there - middle).max(axis=1) < BESIDE * size
    normal = _normals((facets[0] - middle) / size[:, None], dim)
    sides = [((cell.mean(axis=0) - middle) * normal).sum(axis=1) / size for cell in cells]
    folded = same & (sides[0] * sides[1] > 0) & (np.minimum(np.abs(sides[0]), np.abs(sides[1])) > BESIDE)
    if folded.any():
        _refuse("must have cells on both sides of their facets, but two lie on one another", middle[folded][0])


def _normals(corner: np.ndarray, dim: int) -> np.ndarray:
    """Unit normals (F, d) of facets with corners (k, F, d)."""
    if dim == 1:
        return np.ones((corner.shape[1], 1))
    along = corner[1] - corner[0]
    normal = np.stack([-along[:, 1], along[:, 0]], 1) if dim == 2 else np.cross(along, corner[2] - corner[0])
    return np.asarray(normal / np.linalg.norm(normal, axis=1)[:, None])
