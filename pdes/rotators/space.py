"""Functions of N actions: tensor products of Lagrange elements on [0, U_1] x ... x [0, U_N], with a weight.

Densities are p = w u, with w = w_1(I_1) ... w_N(I_N), w_j = exp(int_0^{I_j} R_j(0, .., I, .., 0)/(T_j I) dI), the
law that each site would have alone, and u in the space. Where sites do not act on one another, u is constant in
equilibrium.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import basix
import numpy as np
from dolfinx import fem
from mpi4py import MPI

from scaling_limits.cells.averaged_dissipation import AveragedDissipation
from scaling_limits.meshes.box import box

from .exponent import Exponent

GRADING = 1.5  # cells are narrower near I = 0, where most of the mass is
MANY_CELLS = 41  # in narrower ones w varies little, and fewer points of quadrature do


@dataclass(frozen=True, eq=False)
class OwnLaws:
    """w_j of each site, and their logarithmic derivatives s_j(I) = R_j(0, .., I, .., 0)/(T_j I).

    Args:
        dissipation: R.
        temperature: T (N,).
    """

    dissipation: AveragedDissipation
    temperature: np.ndarray

    def slope(self, site: int, actions: np.ndarray) -> np.ndarray:
        """s_j(I) (...)."""
        flat = np.zeros((actions.size, len(self.temperature)))
        flat[:, site] = actions.ravel()
        return (self.dissipation.rate(flat)[:, site] / self.temperature[site]).reshape(actions.shape)

    def exponent(self, site: int) -> Exponent:
        """Log w_j, kept for all that ask for it."""
        kept = self.__dict__.setdefault("_exponents", {})
        if site not in kept:
            kept[site] = Exponent(lambda actions: self.slope(site, actions), float(self.temperature[site]))
        return kept[site]

    def logarithm(self, site: int, actions: np.ndarray) -> np.ndarray:
        """Log w_j(I) (...), right to 1e-10 or as a warning says."""
        return self.exponent(site)(actions)


@dataclass(frozen=True, eq=False)
class WideLaws(OwnLaws):
    """w_j = exp(-I/theta_j), for densities that are wider than the laws of sites alone.

    Args:
        dissipation: R.
        temperature: T (N,).
        widths: theta (N,).
    """

    widths: np.ndarray

    def slope(self, site: int, actions: np.ndarray) -> np.ndarray:
        """-1/theta_j (...)."""
        return np.full(actions.shape, -1.0 / self.widths[site])

    def logarithm(self, site: int, actions: np.ndarray) -> np.ndarray:
        """-I/theta_j (...)."""
        return -actions / float(self.widths[site])


@dataclass(frozen=True, eq=False)
class ActionAxis:
    """Lagrange elements on the intervals of one axis, and quadrature there.

    Args:
        breaks: ends of the intervals (n + 1,), from 0 to U.
        degree: k.
        logarithm: log w_j.
        parts: into which each interval is cut for quadrature, where w varies within it.
    """

    breaks: np.ndarray
    degree: int
    logarithm: Callable[[np.ndarray], np.ndarray]
    parts: int = 1

    @cached_property
    def _reference(self) -> np.ndarray:
        """The nodes of an element on [0, 1], in increasing order."""
        element = basix.create_element(
            basix.ElementFamily.P, basix.CellType.interval, self.degree, basix.LagrangeVariant.gll_warped
        )
        return np.sort(element.points[:, 0])

    @cached_property
    def nodes(self) -> np.ndarray:
        """(n k + 1,), increasing."""
        inner = self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * self._reference[None, :-1]
        return np.append(inner.ravel(), self.breaks[-1])

    @property
    def size(self) -> int:
        """Number of nodes."""
        return (len(self.breaks) - 1) * self.degree + 1

    def _basis(self, t: np.ndarray) -> np.ndarray:
        """The Lagrange polynomials of the reference element at t (P,): (P, k + 1)."""
        nodes = self._reference
        result = np.ones((len(t), len(nodes)))
        for a, node in enumerate(nodes):
            for other in np.delete(nodes, a):
                result[:, a] *= (t - other) / (node - other)
        return result

    def local(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first node (P,) of the element of each point, and the values (P, k + 1) of its basis."""
        element = np.clip(np.searchsorted(self.breaks, points, side="right") - 1, 0, len(self.breaks) - 2)
        width = np.diff(self.breaks)[element]
        return element * self.degree, self._basis((points - self.breaks[element]) / width)

    @cached_property
    def rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Gauss's points (Q,) and weights (Q,), without w."""
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
        shares = lengths * np.exp(self.logarithm(points))
        first, values = self.local(points)
        basis = np.zeros((points.size, self.size))
        for a in range(self.degree + 1):
            basis[np.arange(points.size), first + a] = values[:, a]
        return points, shares, basis

    def error(self, laws: OwnLaws, site: int) -> float:
        """The error of the quadrature of the law that the site would have alone: of the masses in all intervals, in
        total variation.
        """
        points, lengths = self.rule
        ends, logs = laws.exponent(site).masses(0.0, float(self.breaks[-1]), self.breaks)
        top = float(logs.max())
        with np.errstate(over="ignore"):
            shares = lengths * np.exp(laws.logarithm(site, points) - top)
        masses = np.exp(logs - top)
        places = np.searchsorted(self.breaks[1:-1], 0.5 * (ends[1:] + ends[:-1]))
        exact = np.bincount(places, masses, len(self.breaks) - 1)
        return float(np.abs(shares.reshape(len(exact), -1).sum(axis=1) - exact).sum() / masses.sum())

    def moment(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """int w f phi_a (size,)."""
        points, shares, basis = self.quadrature
        return basis.T @ (shares * function(points))

    @cached_property
    def mass(self) -> np.ndarray:
        """int w phi_a phi_b (size, size)."""
        _, shares, basis = self.quadrature
        return basis.T @ (shares[:, None] * basis)

    @property
    def representable(self) -> bool:
        """Whether w is neither 0 nor infinite, as numbers, in whole intervals."""
        with np.errstate(over="ignore", invalid="ignore"):
            sizes = np.diag(self.mass)
        return bool(((sizes > 0) & np.isfinite(sizes)).all())

    @cached_property
    def slopes(self) -> np.ndarray:
        """phi_a' at the quadrature points (Q, size)."""
        _, _, basis = self.quadrature
        k, t = self.degree, 2.0 * self._reference - 1.0
        chebyshev = np.polynomial.chebyshev
        derivative = chebyshev.chebvander(t, k - 1) @ chebyshev.chebder(np.linalg.inv(chebyshev.chebvander(t, k)))
        result = np.zeros_like(basis)
        rows = len(basis) // (len(self.breaks) - 1)
        for e, width in enumerate(np.diff(self.breaks)):
            part = slice(e * rows, (e + 1) * rows), slice(e * k, (e + 1) * k + 1)
            result[part] = basis[part] @ (derivative * (2.0 / width))
        return result


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
        """N."""
        return len(self.axes)

    @property
    def degree(self) -> int:
        """K."""
        return self.axes[0].degree

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes along each axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def size(self) -> int:
        """Nodes in all."""
        return int(np.prod(self.shape))

    @property
    def upper(self) -> np.ndarray:
        """U (N,)."""
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
        """int w_j phi_a for each axis."""
        return [axis.moment(np.ones_like) for axis in self.axes]

    def mass(self, field: np.ndarray) -> float:
        """int w u."""
        return float(self.contract(field, list(self.ones)))

    def normalised(self, field: np.ndarray) -> np.ndarray:
        """The multiple (size,) of a field for which int w u = 1."""
        return field.ravel() / self.mass(field)

    def interpolated(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """U at points (P, N), within the box."""
        found = [axis.local(points[:, i]) for i, axis in enumerate(self.axes)]
        result = np.zeros(len(points))
        shaped = field.reshape(self.shape)
        for choice in np.ndindex(*[self.degree + 1] * self.dim):
            places = tuple(first + a for (first, _), a in zip(found, choice))
            result += shaped[places] * np.prod([values[:, a] for (_, values), a in zip(found, choice)], axis=0)
        return result

    def weight(self, points: np.ndarray) -> np.ndarray:
        """W at points (P, N)."""
        return np.exp(np.sum([each_once(axis.logarithm, points[:, i]) for i, axis in enumerate(self.axes)], axis=0))

    def on_grid(self, function: Callable[[np.ndarray], Any]) -> np.ndarray:
        """A function of points (P, N) at all quadrature points, in the shape of their grid (with what it returns
        more).
        """
        grids = np.meshgrid(*[axis.quadrature[0] for axis in self.axes], indexing="ij")
        points = np.stack([g.ravel() for g in grids], axis=1)
        values = np.asarray(function(points))
        return values.reshape(*grids[0].shape, *values.shape[1:])

    def grid_values(self, field: np.ndarray) -> np.ndarray:
        """U at all quadrature points, in the shape of their grid."""
        result = field.reshape(self.shape)
        for i, axis in enumerate(self.axes):
            result = np.moveaxis(np.tensordot(axis.quadrature[2], result, axes=(1, i)), 0, i)
        return result

    def integrals(self, values: np.ndarray) -> Any:
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


def _summed(values: np.ndarray, weights: list[np.ndarray]) -> Any:
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


def graded(upper: float, cells: int) -> np.ndarray:
    """Break points (cells + 1,) from 0 to U."""
    return upper * np.linspace(0.0, 1.0, cells + 1) ** GRADING
