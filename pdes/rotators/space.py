"""Functions of N actions: tensor products of Lagrange elements on [0, U_1] x ... x [0, U_N], with a weight.

Densities are p = w u, with w = w_1(I_1) ... w_N(I_N), w_j = exp(int_0^{I_j} R_j(0, .., I, .., 0)/(T_j I) dI), the
law that each site would have alone, and u in the space. Where sites do not act on one another, u is constant in
equilibrium.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points
from scaling_limits.meshes.box import box

# power of the break points: cells are narrower near I = 0, where most of the mass is
GRADING = 1.5
# break points beyond which w varies so little within a cell that fewer points of quadrature do
MANY_CELLS = 41


@dataclass(frozen=True, eq=False)
class ActionAxis:
    """Lagrange elements on the intervals of one axis, and quadrature there.

    Args:
        breaks: ends of the intervals (n + 1,), from 0 to U.
        degree: k of the elements.
        logarithm: log w_j, from actions (P,) to values (P,).
        parts: into which each interval is cut for quadrature, where w varies within it.
    """

    breaks: np.ndarray
    degree: int
    logarithm: Callable[[np.ndarray], np.ndarray]
    parts: int = 1

    @cached_property
    def nodes(self) -> np.ndarray:
        """The nodes (n k + 1,), increasing."""
        inner = self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * lobatto_points(self.degree)[None, :-1]
        return np.append(inner.ravel(), self.breaks[-1])

    @property
    def size(self) -> int:
        """Number of nodes."""
        return (len(self.breaks) - 1) * self.degree + 1

    def local(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first node (P,) of the element of each point, and the values (P, k + 1) of its basis."""
        element = np.clip(np.searchsorted(self.breaks, points, side="right") - 1, 0, len(self.breaks) - 2)
        width = np.diff(self.breaks)[element]
        return element * self.degree, lagrange_basis(self.degree, (points - self.breaks[element]) / width)

    @cached_property
    def rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Legendre points (Q,) and weights (Q,) of all cells, without w."""
        extra = 6 if len(self.breaks) <= MANY_CELLS else 2
        nodes, weights = np.polynomial.legendre.leggauss(self.degree + extra)
        cut = (self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * np.arange(self.parts) / self.parts).ravel()
        width = np.repeat(np.diff(self.breaks) / self.parts, self.parts)
        points = (cut[:, None] + 0.5 * width[:, None] * (nodes + 1.0)).ravel()
        return points, (0.5 * width[:, None] * weights).ravel()

    @cached_property
    def quadrature(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (Q,), weights times w (Q,), and the basis there (Q, size)."""
        points, lengths = self.rule
        return points, lengths * np.exp(self.logarithm(points)), self._tabulated(0)

    @cached_property
    def slopes(self) -> np.ndarray:
        """The derivatives phi_a' at the quadrature points (Q, size)."""
        return self._tabulated(1)

    def _tabulated(self, derivative: int) -> np.ndarray:
        """A derivative of the basis at the quadrature points (Q, size)."""
        points, _ = self.rule
        cells, k = len(self.breaks) - 1, self.degree
        cell = np.repeat(np.arange(cells), points.size // cells)
        width = np.diff(self.breaks)[cell]
        result = np.zeros((points.size, self.size))
        values = lagrange_basis(k, (points - self.breaks[cell]) / width, derivative) / width[:, None] ** derivative
        result[np.arange(points.size)[:, None], cell[:, None] * k + np.arange(k + 1)] = values
        return result

    def moment(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The integrals int w f phi_a (size,)."""
        points, shares, basis = self.quadrature
        return basis.T @ (shares * function(points))

    @cached_property
    def mass(self) -> np.ndarray:
        """The matrix int w phi_a phi_b (size, size)."""
        _, shares, basis = self.quadrature
        return basis.T @ (shares[:, None] * basis)

    @property
    def representable(self) -> bool:
        """Whether w is neither 0 nor infinite, as numbers, in whole intervals."""
        with np.errstate(over="ignore", invalid="ignore"):
            sizes = np.diag(self.mass)
        return bool(((sizes > 0) & np.isfinite(sizes)).all())


def graded(upper: float, cells: int) -> np.ndarray:
    """Break points (cells + 1,) from 0 to U, closer to one another near 0."""
    return upper * np.linspace(0.0, 1.0, cells + 1) ** GRADING


@dataclass(frozen=True, eq=False)
class ActionSpace:
    """The tensor product of the axes; fields are arrays in C order.

    Args:
        axes: of the sites.
        comm: the ranks that share matrices.
    """

    axes: tuple[ActionAxis, ...]
    comm: MPI.Comm

    @property
    def dim(self) -> int:
        """Number N of actions."""
        return len(self.axes)

    @property
    def degree(self) -> int:
        """Degree k of the elements."""
        return self.axes[0].degree

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of nodes along the axes."""
        return tuple(axis.size for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(np.prod(self.shape))

    @property
    def upper(self) -> np.ndarray:
        """Ends U of the box, shape (N,)."""
        return np.array([axis.breaks[-1] for axis in self.axes])

    @cached_property
    def space(self) -> fem.FunctionSpace:
        """The space in dolfinx (collective the first time)."""
        bounds = [(0.0, axis.breaks[-1]) for axis in self.axes]
        mesh = box(bounds, [axis.breaks for axis in self.axes], comm=self.comm)
        return fem.functionspace(mesh, ("Lagrange", self.degree))

    @cached_property
    def _order(self) -> np.ndarray:
        """The places in C order of the degrees of freedom of this rank, ghosts too."""
        x = self.space.tabulate_dof_coordinates()[:, : self.dim]
        index = []
        for i, axis in enumerate(self.axes):
            right = np.clip(np.searchsorted(axis.nodes, x[:, i]), 1, axis.size - 1)
            nearer = np.abs(axis.nodes[right] - x[:, i]) < np.abs(axis.nodes[right - 1] - x[:, i])
            index.append(np.where(nearer, right, right - 1))
        return np.ravel_multi_index(tuple(index), self.shape)

    @cached_property
    def own(self) -> np.ndarray:
        """The places in C order of the degrees of freedom that this rank owns."""
        return self._order[: self.space.dofmap.index_map.size_local]

    def whole(self, values: np.ndarray) -> np.ndarray:
        """Values of the degrees of freedom that each rank owns as the field (size,) in C order, on all ranks."""
        result = np.empty((self.size, *values.shape[1:]))
        for places, part in self.comm.allgather((self.own, values)):
            result[places] = part
        return result

    def function(self, field: np.ndarray, name: str) -> fem.Function:
        """The finite element function of a field (size,)."""
        result = fem.Function(self.space, name=name)
        result.x.array[:] = field.ravel()[self._order]
        return result

    def contract(self, field: np.ndarray, vectors: list[np.ndarray | None]) -> np.ndarray:
        """Sums of a field over some axes, with weights; None leaves an axis."""
        result = field.reshape(self.shape)
        for i in reversed(range(self.dim)):
            vector = vectors[i]
            if vector is not None:
                result = np.tensordot(result, vector, axes=(i, 0))
        return result

    @cached_property
    def ones(self) -> list[np.ndarray]:
        """The integrals int w_j phi_a for each axis."""
        return [axis.moment(np.ones_like) for axis in self.axes]

    def mass(self, field: np.ndarray) -> float:
        """The mass int w u."""
        return float(self.contract(field, list(self.ones)))

    def normalised(self, field: np.ndarray) -> np.ndarray:
        """The multiple (size,) of a field for which int w u = 1."""
        return field.ravel() / self.mass(field)

    def interpolated(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The field u at points (P, N) within the box."""
        elements = [axis.local(points[:, i]) for i, axis in enumerate(self.axes)]
        result = np.zeros(len(points))
        shaped = field.reshape(self.shape)
        for choice in np.ndindex(*[self.degree + 1] * self.dim):
            places = tuple(first + a for (first, _), a in zip(elements, choice))
            result += shaped[places] * np.prod([values[:, a] for (_, values), a in zip(elements, choice)], axis=0)
        return result

    def weight(self, points: np.ndarray) -> np.ndarray:
        """The weight w at points (P, N)."""
        return np.exp(np.sum([each_once(axis.logarithm, points[:, i]) for i, axis in enumerate(self.axes)], axis=0))

    def on_grid(self, function: Callable[[np.ndarray], ArrayLike]) -> np.ndarray:
        """A function of points (P, N) at all quadrature points, in the shape of their grid (with what it returns
        more).
        """
        grids = np.meshgrid(*[axis.quadrature[0] for axis in self.axes], indexing="ij")
        points = np.stack([g.ravel() for g in grids], axis=1)
        values = np.asarray(function(points))
        return values.reshape(*grids[0].shape, *values.shape[1:])

    def grid_values(self, field: np.ndarray) -> np.ndarray:
        """The field u at all quadrature points, in the shape of their grid."""
        result = field.reshape(self.shape)
        for i, axis in enumerate(self.axes):
            result = np.moveaxis(np.tensordot(axis.quadrature[2], result, axes=(1, i)), 0, i)
        return result

    def integrals(self, values: np.ndarray) -> np.ndarray:
        """int w f of values (Q_1, .., Q_N, ...) at all quadrature points."""
        return _summed(values, [axis.quadrature[1] for axis in self.axes])

    def plain_integral(self, values: np.ndarray) -> float:
        """int f of values (Q_1, .., Q_N) at all quadrature points."""
        return float(_summed(values, [axis.rule[1] for axis in self.axes]))

    def projected(self, density: np.ndarray) -> np.ndarray:
        """The field u whose w u has the same integrals with all functions of the space as a density on the grid."""
        result = density
        for i, axis in enumerate(self.axes):
            plain = axis.quadrature[2] * axis.rule[1][:, None]
            scale = np.sqrt(np.diag(axis.mass))
            solver = np.linalg.solve(axis.mass / np.outer(scale, scale), plain.T / scale[:, None]) / scale[:, None]
            result = np.moveaxis(np.tensordot(solver, result, axes=(1, i)), 0, i)
        return result.ravel()


def _summed(values: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    for weight in weights:
        values = np.tensordot(weight, values, axes=(0, 0))
    return values


def product_of(factors: Iterable[np.ndarray]) -> np.ndarray:
    """The field f_1(I_1) ... f_N(I_N) of one factor (size_j,) for each axis, in the shape of the space."""
    return reduce(np.multiply.outer, factors)


def each_once(function: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    """A function at values (P,), evaluated once for each of those that differ."""
    different, places = np.unique(values, return_inverse=True)
    return function(different)[places]
