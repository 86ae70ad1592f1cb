"""The upper bound of Dirichlet: the energy of any function that is 0 on A and 1 on B.

nu = min int sigma mu M grad f . grad f. Lagrange elements vanish on the outer union of A and are 1 on that of B. Where
pi = exp(-Psi/sigma) is negligible the matrix has a small number in its place; the energy of the function that was found
is an integral of pi itself over the whole box, whatever the solver has done.

Source: Bovier and den Hollander, Metastability (2015), Theorem 7.33.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.ranks import on_all_ranks

from .basins import Basins, basins
from .cell_elements import gauss, gradients
from .cell_integrals import Measured, Medium, cell_sums, first_order
from .cell_sets import CellSet
from .least_energy import Terminals, least_energy
from .linear_system import CellMatrices
from .tensor_mesh import TensorMesh


@dataclass(frozen=True)
class DirichletSettings:
    """What the matrix has in place of pi where that is very small, and what the numbers allow.

    Args:
        floor: part of pi at the pass.
        contrast: part of the largest pi in the same cell.
        range: of Psi/sigma between the pass and the lowest point.
    """

    floor: float = 1e-20
    contrast: float = 1e-8
    range: float = 600.0


SETTINGS = DirichletSettings()


def nodes_of(mesh: TensorMesh, one: CellSet, degree: int) -> np.ndarray:
    """Whether each node is in the closed outer union of a set (nodes,)."""
    held = np.zeros(mesh.node_count(degree), dtype=bool)
    cells = np.arange(mesh.size)
    held[mesh.nodes(cells[one.outer], degree)] = True
    faces = mesh.faces(cells)
    place = np.array(np.unravel_index(np.arange((degree + 1) ** mesh.dim), (degree + 1,) * mesh.dim))
    for column in np.flatnonzero(one.outer_faces[faces].any(axis=0)):
        at = cells[one.outer_faces[faces[:, column]]]
        held[mesh.nodes(at, degree)[:, place[column // 2] == degree * (column % 2)]] = True
    return held


def check_apart(mesh: TensorMesh, a: CellSet, b: CellSet) -> None:
    """Raise where the outer unions of two sets have a point in common.

    Raises:
        InvalidArgument: they meet, or these cells are too large to tell.
    """
    shared = nodes_of(mesh, a, 1) & nodes_of(mesh, b, 1)
    if shared.any():
        nodes = mesh.nodes(np.arange(mesh.size), 1)
        cell = int(np.flatnonzero(shared[nodes].any(axis=1))[0])
        place = [float(f"{x:.10g}") for x in mesh.points(np.array([cell]), np.full((1, mesh.dim), 0.5))[0]]
        reason = f"meets or touches {a.name}, or less than a cell is between them, near x = {place}"
        raise InvalidArgument(b.name, f"{reason}; take sets that are apart, or more cells")


def source_cells(mesh: TensorMesh, cells: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The cells in a union of cells (cells,) and those at faces in walls (faces,)."""
    return np.flatnonzero(cells | faces[mesh.faces(np.arange(mesh.size))].any(axis=1))


def passes(mesh: TensorMesh, exponent: np.ndarray, sources: list[np.ndarray], inside: np.ndarray) -> Basins:
    """The basins of two sets.

    Args:
        mesh: the cells.
        exponent: Psi/sigma of each cell (cells,); infinite for cells that are taken out.
        sources: the cells of each set and those at its walls.
        inside: whether a cell is in one of the sets (cells,).
    """
    links = mesh.cells_of_faces()
    links = links[(links >= 0).all(axis=1)]
    return basins(np.where(inside, -np.inf, exponent), links, sources)


def owners(count: int, numbers: np.ndarray, exponent: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """The owner of each unknown (count,): that of the lowest cell that has it.

    Args:
        count: of unknowns.
        numbers: of the unknowns of cells (n, k).
        exponent: Psi/sigma of these cells (n,).
        owner: of these cells (n,).
    """
    result = np.full(count, -1)
    order = np.argsort(-exponent, kind="stable")
    # of several values for one unknown the last one stays
    result[numbers[order]] = owner[order][:, None]
    return result


def quadratic(tensors: np.ndarray, vectors: list[np.ndarray]) -> np.ndarray:
    """v . T v (n, Q) for tensors (n, Q, d, d) and the components of vectors (n, Q)."""
    total = np.zeros(tensors.shape[:2])
    for i, one in enumerate(vectors):
        for j, other in enumerate(vectors):
            total += tensors[:, :, i, j] * one * other
    return total


def upper_energy(
    medium: Medium, a: CellSet, b: CellSet, degree: int, extremes: tuple[np.ndarray, np.ndarray]
) -> tuple[Measured, float]:
    """The energy int sigma exp(height - Psi/sigma) M grad f . grad f of a good f, and the height; collective.

    Args:
        medium: M and Psi in the cells.
        a: where f = 0.
        b: where f = 1.
        degree: of the elements.
        extremes: the least and the largest Psi/sigma of each cell (cells,).

    Raises:
        NotConverged: the matrix cannot be factored, or the pass is too high for double precision.
    """
    mesh, exponent = medium.mesh, extremes[1]
    every = np.arange(mesh.size)
    inside = a.outer | b.outer
    sources = [source_cells(mesh, one.outer, one.outer_faces) for one in (a, b)]
    found = passes(mesh, exponent, sources, inside)
    if not found.height - extremes[0].min() < SETTINGS.range:
        height = f"the pass between a and b is {found.height - extremes[0].min():.4g} sigma above the lowest point"
        remedy = f"take a higher temperature, or more cells if it is lower: it must be less than {SETTINGS.range:g}"
        raise NotConverged("bounds of the frequency in double precision", height, remedy)
    numbers, count = mesh.nodes(every, degree), mesh.node_count(degree)
    owner = owners(count, numbers, exponent, found.owner)
    fixed = np.zeros(count, dtype=bool)
    for value, one in enumerate((a, b)):
        held = nodes_of(mesh, one, degree)
        owner[held], fixed = value, fixed | held
    terminals = Terminals.of(owner, fixed, np.ones(count, dtype=bool), numbers[found.wells])
    own = mesh.own[~inside[mesh.own]]
    matrices = on_all_ranks(mesh.comm, lambda: _matrices(medium, own, degree, found.height))
    cells = CellMatrices(matrices, numbers[own], count, mesh.comm, medium.library, mesh.index(own))
    values = least_energy(cells, terminals)
    local = cells.local(values.steps, values.rest)

    def energy(some: np.ndarray, order: int) -> np.ndarray:
        return _energies(medium, some, local[np.searchsorted(own, some)], order, found.height)

    return cell_sums(mesh, own, energy, first_order(mesh, degree)), found.height


def _matrices(medium: Medium, cells: np.ndarray, degree: int, height: float) -> np.ndarray:
    """int sigma pi M grad f . grad g over cells (n, k, k), with pi at least what the settings say."""
    dim, order = medium.mesh.dim, first_order(medium.mesh, degree)
    rule, slopes, h = gauss(dim, order), gradients(dim, degree, order), medium.mesh.widths(cells)
    exponent, tensors = medium.at(cells, order)
    pi = np.exp(height - exponent)
    pi = np.maximum(pi, SETTINGS.floor)
    pi = np.maximum(pi, SETTINGS.contrast * pi.max(axis=1, keepdims=True, initial=0.0))
    size = slopes[0].shape[1]
    result = np.zeros((len(cells), size * size))
    for i in range(dim):
        for j in range(dim):
            share = pi * tensors[:, :, i, j] * rule.weights * (np.prod(h, axis=1) / h[:, i] / h[:, j])[:, None]
            result += share @ (slopes[i][:, :, None] * slopes[j][:, None, :]).reshape(len(rule.weights), -1)
    result = result.reshape(-1, size, size)
    return 0.5 * (result + result.swapaxes(1, 2))


def _energies(medium: Medium, cells: np.ndarray, local: np.ndarray, order: int, height: float) -> np.ndarray:
    """int sigma pi M grad f . grad f over each cell (n,), for local values of f (n, k)."""
    mesh = medium.mesh
    degree = round(local.shape[1] ** (1 / mesh.dim)) - 1
    exponent, tensors = medium.at(cells, order)
    h = mesh.widths(cells)
    slopes = [local @ g.T / h[:, [i]] for i, g in enumerate(gradients(mesh.dim, degree, order))]
    with np.errstate(over="ignore", invalid="ignore"):
        density = quadratic(tensors, slopes) * np.exp(height - exponent)
    return np.asarray(density @ gauss(mesh.dim, order).weights * np.prod(h, axis=1))
