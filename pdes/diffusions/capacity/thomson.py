"""The lower bound of Thomson: the resistance of any current from A to B.

1/nu = min int j . (sigma mu M)^-1 j over currents j of unit flux from A to B, without sources between them and without
flux through walls. Currents of Raviart and Thomas have no divergence in each cell by their basis; that the fluxes of
two neighbours agree is solved for, with a potential on each part of each face as the multiplier (Fraeijs de Veubeke). A
defect d, by rounding or by the solver, makes the bound (flux - |d|)^2 / int j . (sigma mu M)^-1 j, for the committor is
between 0 and 1. The inner unions of A and B take the current up; cells where pi is negligible carry none.

Source: Bovier and den Hollander, Metastability (2015), Theorem 7.37; Arnold and Brezzi (1985) for the multiplier.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from scaling_limits.particles.sampling.ranks import on_all_ranks

from .cell_elements import flow_graph, flows, gauss
from .cell_integrals import Measured, Medium, cell_sums, first_order
from .cell_sets import CellSet
from .dirichlet import owners, passes, quadratic, source_cells
from .least_energy import Terminals, least_energy
from .linear_system import CellMatrices
from .tensor_mesh import TensorMesh


@dataclass(frozen=True)
class ThomsonSettings:
    """Which cells carry a current.

    Args:
        above: how far above the pass Psi/sigma may be in a cell; the current there is below exp(-above) of the whole.
        contrast: part of the largest resistivity in a cell below which the matrix has no other.
        regular: added to the diagonal 1 of the matrix of a cell.
    """

    above: float = 36.0
    contrast: float = 1e-10
    regular: float = 1e-14


SETTINGS = ThomsonSettings()


@dataclass(frozen=True)
class Current:
    """A current from A to B.

    Args:
        flux: from A to B.
        defect: the integral of |div j|, jumps between cells included.
        resistance: int j . (sigma pi M)^-1 j, pi = exp(height - Psi/sigma).
        height: of the pass.
    """

    flux: float
    defect: float
    resistance: Measured
    height: float


def best_current(medium: Medium, a: CellSet, b: CellSet, degree: int, exponent: np.ndarray) -> Current | None:
    """A current of almost least resistance, None where an inner union is empty; collective.

    Args:
        medium: M and Psi in the cells.
        a: where the current begins.
        b: where it ends.
        degree: of the elements.
        exponent: the largest Psi/sigma of each cell (cells,).

    Raises:
        NotConverged: the matrix cannot be factored.
    """
    mesh = medium.mesh
    inside = a.inner | b.inner
    sources = [source_cells(mesh, one.inner, one.inner_faces) for one in (a, b)]
    if not all(len(cells) for cells in sources):
        return None
    found = passes(mesh, exponent, sources, inside)
    kept = _connected(mesh, ~inside & (exponent <= found.height + SETTINGS.above), sources)
    if not (kept | inside).all():
        found = passes(mesh, np.where(kept, exponent, np.inf), sources, inside)
    numbers, count = _numbers(mesh, degree)
    known = _known(mesh, (a, b), kept, found.owner, exponent)
    owner, fixed = (np.repeat(one, degree ** (mesh.dim - 1)) for one in known)
    used = np.zeros(count, dtype=bool)
    used[numbers[kept]] = True
    wells = found.wells[kept[found.wells]]
    terminals = Terminals.of(owner, fixed & used, used, numbers[found.wells] if len(wells) else numbers[:0])
    own = mesh.own[kept[mesh.own]]
    inverses = on_all_ranks(mesh.comm, lambda: _inverses(medium, own, degree, found.height))
    graph = flow_graph(mesh.dim, degree)
    ends = graph.outflow @ graph.cycles
    matrices = ends @ inverses @ ends.T
    matrices = 0.5 * (matrices + matrices.swapaxes(1, 2))
    cells = CellMatrices(matrices, numbers[own], count, mesh.comm, medium.library, mesh.index(own))
    values = least_energy(cells, terminals)
    fluxes = (inverses @ (cells.local(values.steps, values.rest) @ ends)[:, :, None])[:, :, 0] @ graph.cycles.T
    return _measured(medium, own, fluxes, terminals, numbers[own], degree, found.height)


def inverses(tensors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverses of symmetric positive definite tensors (n, Q, d, d), d = 1, 2, 3, and their rounding at most (n, Q).

    They are scaled to the diagonal 1 first, so that units of the axes cost no digits, and inverted by cofactors.
    """
    dim = tensors.shape[-1]
    roots = np.sqrt(np.einsum("nqii->nqi", tensors))
    scale = roots[..., :, None] * roots[..., None, :]
    scaled = tensors / scale
    cofactors = np.ones_like(scaled)
    if dim == 2:
        cofactors[..., 0, 1] = cofactors[..., 1, 0] = -scaled[..., 0, 1]
    for i, j in itertools.product(range(3), repeat=2) if dim == 3 else ():
        (r, s), (u, v) = [(i + 1) % 3, (i + 2) % 3], [(j + 1) % 3, (j + 2) % 3]
        cofactors[..., i, j] = scaled[..., r, u] * scaled[..., s, v] - scaled[..., r, v] * scaled[..., s, u]
    inverse = cofactors / (scaled[..., 0, :] * cofactors[..., 0, :]).sum(axis=-1)[..., None, None]
    # the condition is at most d times the trace of the inverse
    rounding = 32 * np.finfo(float).eps * dim * np.einsum("nqii->nq", inverse)
    return inverse / scale, rounding


def _connected(mesh: TensorMesh, kept: np.ndarray, sources: list[np.ndarray]) -> np.ndarray:
    """Those cells that are kept and have a way to A or to B."""
    links = mesh.cells_of_faces()
    links = links[(links >= 0).all(axis=1)]
    ends = np.concatenate(sources)
    through = kept.copy()
    through[ends] = True
    links = links[through[links].all(axis=1)]
    graph = coo_matrix((np.ones(len(links)), links.T), shape=(mesh.size, mesh.size))
    names = connected_components(graph, directed=False)[1]
    return kept & np.isin(names, names[ends])


def _numbers(mesh: TensorMesh, degree: int) -> tuple[np.ndarray, int]:
    """The numbers of the parts of the faces of all cells (cells, 2 d p^(d-1)), and how many there are."""
    parts = degree ** (mesh.dim - 1)
    faces = mesh.faces(np.arange(mesh.size))
    return (faces[:, :, None] * parts + np.arange(parts)).reshape(mesh.size, -1), mesh.face_count * parts


def _known(
    mesh: TensorMesh, sets: tuple[CellSet, CellSet], kept: np.ndarray, owner: np.ndarray, exponent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The owner of each face, and whether its potential is given."""
    faces = mesh.faces(np.arange(mesh.size))
    owned = owners(mesh.face_count, faces[kept], exponent[kept], owner[kept])
    fixed = np.zeros(mesh.face_count, dtype=bool)
    for value, one in enumerate(sets):
        held = one.inner_faces.copy()
        held[faces[one.inner]] = True
        owned[held], fixed = value, fixed | held
    return owned, fixed


def _inverses(medium: Medium, cells: np.ndarray, degree: int, height: float) -> np.ndarray:
    """The inverses (n, k, k) of the resistances of cycles in cells."""
    dim, order = medium.mesh.dim, first_order(medium.mesh, degree)
    rule, parts, h = gauss(dim, order), flows(dim, degree, order), medium.mesh.widths(cells)
    exponent, tensors = medium.at(cells, order)
    largest = exponent.max(axis=1, keepdims=True, initial=-np.inf)
    # relative to the largest one of the cell
    resistivity = np.maximum(np.exp(exponent - largest), SETTINGS.contrast)[:, :, None, None] * inverses(tensors)[0]
    sizes = [part.shape[1] for part in parts]
    first = np.concatenate([[0], np.cumsum(sizes)])
    whole = np.zeros((len(cells), first[-1], first[-1]))
    for i in range(dim):
        for j in range(dim):
            share = resistivity[:, :, i, j] * rule.weights * (h[:, i] * h[:, j] / np.prod(h, axis=1))[:, None]
            block = share @ (parts[i][:, :, None] * parts[j][:, None, :]).reshape(len(rule.weights), -1)
            whole[:, first[i] : first[i + 1], first[j] : first[j + 1]] = block.reshape(-1, sizes[i], sizes[j])
    cycles = flow_graph(dim, degree).cycles
    matrices = cycles.T @ whole @ cycles
    roots = np.sqrt(np.einsum("nii->ni", matrices))
    scale = roots[:, :, None] * roots[:, None, :]
    scaled = matrices / scale + SETTINGS.regular * np.eye(cycles.shape[1])
    return np.linalg.inv(scaled) / scale * np.exp(height - largest)[:, :, None]


def _measured(
    medium: Medium,
    own: np.ndarray,
    fluxes: np.ndarray,
    terminals: Terminals,
    numbers: np.ndarray,
    degree: int,
    height: float,
) -> Current:
    """Flux, defect and resistance of the current that has these fluxes in the cells of this rank."""
    mesh = medium.mesh
    graph, dim = flow_graph(mesh.dim, degree), mesh.dim
    out = np.bincount(numbers.ravel(), (fluxes @ graph.outflow.T).ravel(), minlength=len(terminals.used))
    out = np.asarray(mesh.comm.allreduce(out))
    sources = float(mesh.comm.allreduce(np.abs(fluxes @ graph.divergence.T).sum()))
    jumps = float(np.abs(out[terminals.used & ~terminals.fixed]).sum())
    defect = graph.size_of_edges ** (dim - 1) * jumps + graph.size_of_edges**dim * sources
    # the committor is 0 in one set and 1 in the other, whichever it is
    flux = max(abs(float(out[terminals.fixed & (terminals.owner == k)].sum())) for k in (0, 1))

    def resistance(some: np.ndarray, order: int) -> np.ndarray:
        return _resistances(medium, some, fluxes[np.searchsorted(own, some)], degree, order, height)

    return Current(flux, defect, cell_sums(mesh, own, resistance, first_order(mesh, degree)), height)


def _resistances(
    medium: Medium, cells: np.ndarray, fluxes: np.ndarray, degree: int, order: int, height: float
) -> np.ndarray:
    """int j . (sigma pi M)^-1 j over each cell (n,), for fluxes (n, k)."""
    mesh = medium.mesh
    exponent, tensors = medium.at(cells, order)
    h, first, columns = mesh.widths(cells), 0, []
    for i, part in enumerate(flows(mesh.dim, degree, order)):
        own = fluxes[:, first : first + part.shape[1]]
        columns.append(own @ part.T * h[:, [i]])
        first += part.shape[1]
    inverse, rounding = inverses(tensors)
    square = (1.0 + rounding) * quadratic(inverse, columns)
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.where(square > 0, square * np.exp(exponent - height), 0.0)
    return np.asarray(density @ gauss(mesh.dim, order).weights / np.prod(h, axis=1))
