"""Elements on one cell of a tensor mesh: Lagrange functions, and the flows of Raviart and Thomas, of any degree.

A flow is given by its fluxes through the faces of p^d parts of the cell, which end at Gauss-Lobatto points: the
component along x_i is a polynomial of degree p in x_i and p - 1 in the others. What flows out of each part is a sum of
fluxes with signs, and a flow without such sums has no divergence at all.

Source: Raviart and Thomas (1977); in this basis Gerritsma, Edge functions for spectral element methods (2011).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce

import numpy as np
from scipy import linalg

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points


@dataclass(frozen=True)
class Rule:
    """Gauss quadrature on the unit cell.

    Args:
        dim: d.
        order: points along each direction.
    """

    dim: int
    order: int

    @cached_property
    def ticks(self) -> np.ndarray:
        """Points (Q, d)."""
        return np.array(list(itertools.product(self.line, repeat=self.dim)))

    @cached_property
    def line(self) -> np.ndarray:
        """Points of [0, 1] (n,)."""
        return 0.5 * (np.polynomial.legendre.leggauss(self.order)[0] + 1.0)

    @cached_property
    def weights(self) -> np.ndarray:
        """Weights (Q,)."""
        line = 0.5 * np.polynomial.legendre.leggauss(self.order)[1]
        return _product([line[:, None]] * self.dim)[:, 0]


@lru_cache(maxsize=64)
def gauss(dim: int, order: int) -> Rule:
    """The rule with a number of points along each direction."""
    return Rule(dim, order)


def _product(factors: list[np.ndarray]) -> np.ndarray:
    """Tables (Q^d, n_1 ... n_d) from those of single directions (Q, n_i)."""
    return reduce(np.kron, factors)


def edge_functions(degree: int, x: np.ndarray) -> np.ndarray:
    """The p polynomials of degree p - 1 with integral 1 between two Gauss-Lobatto neighbours, and 0 between others.

    Args:
        degree: p.
        x: in [0, 1] (P,).

    Returns:
        Values (P, p).
    """
    return -np.cumsum(lagrange_basis(degree, x, 1), axis=1)[:, :-1]


@lru_cache(maxsize=64)
def gradients(dim: int, degree: int, order: int) -> list[np.ndarray]:
    """Derivatives of the Lagrange functions of the unit cell along each direction, at Gauss points (Q, (p + 1)^d)."""
    line = gauss(dim, order).line
    values, slopes = lagrange_basis(degree, line), lagrange_basis(degree, line, 1)
    return [_product([slopes if k == i else values for k in range(dim)]) for i in range(dim)]


@lru_cache(maxsize=64)
def flows(dim: int, degree: int, order: int) -> list[np.ndarray]:
    """For each component the flows of unit flux in the unit cell, at Gauss points (Q, (p + 1) p^(d-1))."""
    line = gauss(dim, order).line
    values, edges = lagrange_basis(degree, line), edge_functions(degree, line)
    return [_product([values if k == i else edges for k in range(dim)]) for i in range(dim)]


@dataclass(frozen=True)
class FlowGraph:
    """The fluxes of a cell as flows between its parts.

    Args:
        dim: d.
        degree: p.
    """

    dim: int
    degree: int

    @cached_property
    def divergence(self) -> np.ndarray:
        """What flows out of each part, by the fluxes (p^d, d (p + 1) p^(d-1)): entries 1, -1 and 0."""
        step, same = np.diff(np.eye(self.degree + 1), axis=0), np.eye(self.degree)
        return np.concatenate(
            [_product([step if k == i else same for k in range(self.dim)]) for i in range(self.dim)], axis=1
        )

    @cached_property
    def outflow(self) -> np.ndarray:
        """What flows out of the cell through parts of its faces, by the fluxes (2 d p^(d-1), d (p + 1) p^(d-1)).

        For each direction the lower face comes first; the parts of a face are in C order.
        """
        p, d = self.degree, self.dim
        ends, same = np.eye(p + 1)[[0, p]] * np.array([[-1.0], [1.0]]), np.eye(p)
        blocks = []
        for i in range(d):
            sides = [_product([end[None] if k == i else same for k in range(d)]) for end in ends]
            blocks.append(np.concatenate(sides))
        return linalg.block_diag(*blocks)

    @cached_property
    def cycles(self) -> np.ndarray:
        """A basis of the flows without divergence (d (p + 1) p^(d-1), n), of integers: their sums are exactly 0."""
        divergence = self.divergence
        order = linalg.qr(divergence, mode="r", pivoting=True)[1]
        tree, rest = order[: len(divergence)], order[len(divergence) :]
        basis = np.zeros((divergence.shape[1], len(rest)))
        basis[rest] = np.eye(len(rest))
        # incidence matrices of graphs are totally unimodular: their inverses are of integers
        basis[tree] = -np.rint(np.linalg.solve(divergence[:, tree], divergence[:, rest]))
        return basis

    @cached_property
    def size_of_edges(self) -> float:
        """The largest integral of |e| over [0, 1] of edge functions e."""
        x = lobatto_points(2)[1] / 4096 + np.arange(4096) / 4096
        return 1.001 * float(np.abs(edge_functions(self.degree, x)).mean(axis=0).max())


@lru_cache(maxsize=16)
def flow_graph(dim: int, degree: int) -> FlowGraph:
    """The graph of a degree."""
    return FlowGraph(dim, degree)
