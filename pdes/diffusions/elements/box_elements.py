"""Elements Q_p on boxes that are unions of the user's cells, and their matrices by sums along one direction at a time.

Every cell of the user has quadrature points of its own, however large the elements are: elements of any size see a
layer that is one cell wide.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.meshes.backend.quadrature import composite_gauss, lagrange_basis
from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.linear_algebra.sparse_matrix import SparseMatrix, scale_to_unit_diagonal
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..capacity.tensor_mesh import TensorMesh
from ..coefficients import Coefficients, exponent_at, mobility_at
from .box_unknowns import BoxUnknowns, ElementRows

# part of the largest pi, 69 sigma above the minimum of Psi; steep walls beyond it would make matrices indefinite
NEGLIGIBLE = 1e-30

# entries of the matrices of elements, and points, that are made at a time
AT_ONCE = 2**21
POINTS_AT_ONCE = 2**17
# points on a rank at which coefficients are kept; at more of them they are computed anew for each pass
MOST_KEPT = 2**21
# Gauss points of a cell along each direction, beyond the degree of elements that are cells
MORE_POINTS = 3
# at least in cells that are parts of elements; one more on every other level, so that two levels share no rule
LEAST_POINTS = 4
# times as many along each direction, by the dimension, where Psi/sigma changes by more than STEEP for each point:
# polynomials could move between the few points that have nearly all of pi, at no cost
TIMES_AS_MANY = {1: 4, 2: 3, 3: 2}
STEEP = 1.0


def breaks(cells: int, level: int) -> np.ndarray:
    """The numbers of the nodes between elements, each of 2^level cells but the last, which may have fewer."""
    return np.unique(np.r_[np.arange(0, cells, 2**level), cells])


@dataclass(frozen=True, eq=False)
class _Part:
    """Elements with the same number of cells along each direction, on this rank.

    Args:
        elements: their local numbers (E,).
        values: of the basis along each direction at the points there, d times (points, degree + 1).
        slopes: its derivatives, on [0, 1].
        widths: of the elements (E, d), in units of length.
        weights: pi times the weights of the points (E, points, ..., points).
        conductivities: sigma M times that (d, d, E, points, ..., points).
    """

    elements: np.ndarray
    values: list[np.ndarray]
    slopes: list[np.ndarray]
    widths: np.ndarray
    weights: np.ndarray
    conductivities: np.ndarray


@dataclass(frozen=True, eq=False)
class BoxElements:
    """Continuous elements of degree p along each direction, and the forms of -L on them.

    Args:
        grid: the user's cells.
        levels: elements are of 2^level cells along each direction (d,).
        degree: p.
        coefficients: M, Psi, sigma.
        lowest: the least Psi/sigma, or about it.
    """

    grid: Grid
    levels: tuple[int, ...]
    degree: int
    coefficients: Coefficients
    lowest: float

    @cached_property
    def ends(self) -> list[np.ndarray]:
        """The numbers of the nodes between elements, along each direction."""
        return [breaks(n, level) for n, level in zip(self.grid.cells, self.levels)]

    @cached_property
    def unknowns(self) -> BoxUnknowns:
        """The values at Gauss-Lobatto points."""
        grid = self.grid
        places = [np.linspace(a, b, n + 1)[ends] for (a, b), n, ends in zip(grid.box, grid.cells, self.ends)]
        return BoxUnknowns(TensorMesh(tuple(places), grid.periodic, grid.comm), self.degree)

    @cached_property
    def _kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The kinds of elements of this rank, by their numbers of cells (K, d), of which kind each is, and the least
        corners and widths (E, d).
        """
        mesh = self.unknowns.mesh
        low, widths = mesh.corners(mesh.own), mesh.widths(mesh.own)
        sizes = np.rint(widths / self.grid.spacing).astype(int)
        kinds, which = np.unique(sizes, axis=0, return_inverse=True)
        return kinds, which.ravel(), low, widths

    def _points_of(self, kind: np.ndarray) -> int:
        """Points of an element of a kind."""
        return int(np.prod([n * self._points(level, n) for n, level in zip(kind, self.levels)]))

    @cached_property
    def _kept(self) -> list[_Part] | None:
        """All parts of this rank, where their points are not too many; collective."""
        kinds, which, *_ = self._kinds
        points = sum(self._points_of(kind) * int((which == i).sum()) for i, kind in enumerate(kinds))
        few = points <= MOST_KEPT
        return on_all_ranks(self.grid.comm, lambda: list(self._made()) if few else None)

    def _parts(self) -> Iterator[_Part]:
        """The elements of this rank, a part at a time."""
        yield from self._made() if self._kept is None else self._kept

    def _made(self) -> Iterator[_Part]:
        """The same, computed."""
        kinds, which, low, widths = self._kinds
        for i, kind in enumerate(kinds):
            every = np.flatnonzero(which == i)
            pieces = -(-every.size * self._points_of(kind) // POINTS_AT_ONCE)
            for own in np.array_split(every, min(pieces, every.size)):
                part: _Part | None
                part, steep = self._part(kind, own, low, widths, 1)
                if steep.any():
                    yield self._part(kind, own[steep], low, widths, TIMES_AS_MANY[self.grid.dim])[0]
                    rest = own[~steep]
                    part = self._part(kind, rest, low, widths, 1)[0] if rest.size else None
                if part is not None:
                    yield part

    def _part(
        self, kind: np.ndarray, elements: np.ndarray, low: np.ndarray, widths: np.ndarray, more: int
    ) -> tuple[_Part, np.ndarray]:
        """Elements of a kind with `more` times as many points along a direction, and in which of them Psi is steep."""
        rules = [
            composite_gauss(np.linspace(0.0, 1.0, more * n + 1), self._points(level, n))
            for n, level in zip(kind, self.levels)
        ]
        ticks = [x.ravel() for x, _ in rules]
        shares = np.prod(np.meshgrid(*(w.ravel() for _, w in rules), indexing="ij"), axis=0)
        offsets = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1)
        along = (1,) * self.grid.dim
        low, widths = low[elements], widths[elements]
        x = low.reshape(-1, *along, self.grid.dim) + offsets * widths.reshape(-1, *along, self.grid.dim)
        pi, tensors = self._coefficients(x)
        weights = pi * shares * np.prod(widths, axis=1).reshape(-1, *along)
        values, slopes = ([lagrange_basis(self.degree, t, order) for t in ticks] for order in (0, 1))
        part = _Part(elements, values, slopes, widths, weights, np.moveaxis(tensors, (-2, -1), (0, 1)) * weights)
        flat = np.maximum(pi.reshape(len(x), -1), NEGLIGIBLE)
        steep = np.log(flat.max(axis=1) / flat.min(axis=1)) > STEEP * max(map(len, ticks))
        return part, steep

    def _points(self, level: int, cells: int) -> int:
        """Gauss points along a direction of each cell of an element that has so many of them."""
        enough = -(-(self.degree + MORE_POINTS) // cells)
        return enough if level == 0 else max(enough, LEAST_POINTS + (level % 2 == 0))

    def _coefficients(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pi and sigma M at points (E, ..., d); pi is 0 where it is negligible in all of an element.

        It is not below that in other elements: polynomials could move there between the few points that are left.
        """
        points = x.reshape(-1, self.grid.dim)
        pi = np.exp(self.lowest - exponent_at(self.coefficients, points)).reshape(x.shape[:-1])
        seen = pi.reshape(len(x), -1).max(axis=1, initial=0.0) > NEGLIGIBLE
        tensors = float(self.coefficients.temperature) * mobility_at(self.coefficients, points)
        pi = np.maximum(pi, NEGLIGIBLE) * seen.reshape(-1, *(1,) * self.grid.dim)
        return pi, tensors.reshape(*x.shape, self.grid.dim)

    def matrices(self, library: type[SparseMatrix]) -> tuple[SparseMatrix, SparseMatrix, np.ndarray]:
        """The matrices of energy and product, and the roots (m,) of the diagonal of the second; both are divided by it
        from both sides, so that their entries are of order one wherever pi is. Roots are infinite where pi is
        negligible. Collective.

        Args:
            library: that holds them.
        """
        rows = ElementRows(self.unknowns, 2)
        _ = self._kept
        on_all_ranks(self.grid.comm, lambda: self._add_elements(rows))
        energy, product = (library.of_rows(self.grid.comm, table, self.unknowns.parts) for table in rows.finished())
        return energy, product, scale_to_unit_diagonal(energy, product)

    def _add_elements(self, rows: ElementRows) -> None:
        """Add the matrices of the elements of this rank."""
        for part in self._parts():
            for some, stiffness, mass in self._element_matrices(part):
                rows.add(part.elements[some], (stiffness, mass))

    def _element_matrices(self, part: _Part) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Some elements at a time, and their matrices (E, N, N), N = (p + 1)^d."""
        dim = self.grid.dim
        size = (self.degree + 1) ** dim
        step = max(1, AT_ONCE // size**2)
        for start in range(0, len(part.elements), step):
            some = slice(start, start + step)
            mass = _summed(part.weights[some], [_products(v, v) for v in part.values])
            stiffness = np.zeros_like(mass)
            for a, b in itertools.combinations_with_replacement(range(dim), 2):
                tables = [
                    _products(s if i == a else v, s if i == b else v)
                    for i, (v, s) in enumerate(zip(part.values, part.slopes))
                ]
                scale = (part.widths[some, a] * part.widths[some, b]).reshape(-1, *(1,) * dim)
                term = _summed(part.conductivities[a, b, some] / scale, tables)
                stiffness += term if a == b else term + term.swapaxes(1, 2)
            yield some, stiffness, mass

    def product(self, f: np.ndarray, g: np.ndarray) -> float:
        """int pi f g, for values as `integrals` has them; collective."""
        return float(self.integrals([f, g])[0][0, 1])

    def energy(self, f: np.ndarray) -> float:
        """int sigma pi <M grad f, grad f>, likewise; collective."""
        return float(self.integrals([], [f])[1][0])

    def integrals(
        self, functions: Sequence[np.ndarray], of_energy: Sequence[np.ndarray] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """int pi f_i f_j of some functions (n, n), and int sigma pi <M grad f, grad f> of others (k,), from gradients,
        which keeps the digits of small energies; in one pass, collective.

        Args:
            functions: f_i by their values at the unknowns that this rank knows (`BoxUnknowns.known`).
            of_energy: f, likewise.
        """
        many = len(functions)

        def own(part: _Part) -> np.ndarray:
            values = [_at_points(self._nodal(f, part), part.values) for f in functions]
            products = [(part.weights * f * g).sum() for f in values for g in values]
            return np.array([*products, *(self._energy_in(part, f) for f in of_energy)])

        sums = self._summed(own, many**2 + len(of_energy))
        return sums[: many**2].reshape(many, many), sums[many**2 :]

    def _summed(self, own: Callable[[_Part], np.ndarray], count: int) -> np.ndarray:
        """What parts contribute (count,), over all ranks; collective."""
        _ = self._kept
        total = on_all_ranks(self.grid.comm, lambda: sum((own(part) for part in self._parts()), np.zeros(count)))
        return np.asarray(self.grid.comm.allreduce(total))

    def _energy_in(self, part: _Part, function: np.ndarray) -> float:
        dim, nodal = self.grid.dim, self._nodal(function, part)
        gradient = []
        for a in range(dim):
            tables = [s if i == a else v for i, (v, s) in enumerate(zip(part.values, part.slopes))]
            gradient.append(_at_points(nodal, tables) / part.widths[:, a].reshape(-1, *(1,) * dim))
        return sum(
            float((part.conductivities[a, b] * gradient[a] * gradient[b]).sum())
            for a, b in itertools.product(range(dim), repeat=2)
        )

    def _nodal(self, f: np.ndarray, part: _Part) -> np.ndarray:
        """Values of f at the nodes of elements (E, p + 1, ..., p + 1)."""
        return f[self.unknowns.local[part.elements]].reshape(-1, *(self.degree + 1,) * self.grid.dim)


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of the functions (points, m) of two bases (points, m, m)."""
    return first[:, :, None] * second[:, None, :]


def _summed(weights: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """Sums over points (E, points, ..., points) of products of tables (points, m, m), as matrices (E, m^d, m^d)."""
    dim = len(tables)
    for table in tables:
        # what is summed comes first among the directions, its two indices go to the end
        weights = np.tensordot(weights, table, axes=(1, 0))
    rows, columns = range(1, 2 * dim, 2), range(2, 2 * dim + 1, 2)
    size = int(np.prod([table.shape[1] for table in tables]))
    return weights.transpose(0, *rows, *columns).reshape(-1, size, size)


def _at_points(nodal: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """The values at points (E, points, ..., points) of functions with values at nodes (E, m, ..., m)."""
    for table in tables:
        nodal = np.tensordot(nodal, table, axes=(1, 1))
    return nodal
