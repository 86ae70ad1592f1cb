"""Densities on a lattice, and functions of the position that solve for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from dolfinx import fem

from scaling_limits.meshes.box import Lattice
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points

FLOOR = -700.0  # the logarithm of a density that is as good as 0


def interpolated(lattice: Lattice, field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (P, ...) between the nodes of a field (size, ...), linear along each direction."""
    nodes, _, weights = corners(lattice, points)
    result = np.zeros((len(points), *field.shape[1:]))
    for node, weight in zip(nodes.T, weights.T):
        result += weight.reshape(-1, *[1] * (field.ndim - 1)) * field[node]
    return result


def corners(lattice: Lattice, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes (P, 2^d) of the cells of points (P, d), the places (P, d) of the first of them, and the weights (P,
    2^d) of linear interpolation.
    """
    scaled = (points - lattice.bounds[:, 0]) / lattice.spacing
    cell = np.clip(np.floor(scaled).astype(np.int64), 0, np.array(lattice.cells) - 1)
    offset = (scaled - cell)[:, None, :]
    which = np.array(list(itertools.product((0, 1), repeat=lattice.dim)))
    nodes = lattice.flat((cell[:, None, :] + which) % lattice.shape)
    return nodes, cell, np.prod(np.where(which, offset, 1.0 - offset), axis=2)


def inside(lattice: Lattice, points: Any) -> np.ndarray:
    """Return points (P, d) in the box; those beyond a period are taken back."""
    x = checked_points("points", points, lattice.dim)
    low, high = lattice.bounds.T
    slack = 1e-9 * (high - low)
    walls = ~np.array(lattice.periodic)
    if (walls & ((x < low - slack) | (x > high + slack))).any():
        raise InvalidArgument("points", f"must be in the box {lattice.bounds.tolist()}")
    return np.where(walls, np.clip(x, low, high), low + (x - low) % (high - low))


@dataclass(frozen=True, eq=False)
class Density:
    """A probability density rho(x) = pi(x) u(x), pi = exp(-Psi/sigma), with log u linear between the nodes.

    Args:
        lattice: the nodes.
        exponent: x (P, d) -> Psi(x)/sigma (P,).
        log_ratio: log u at the nodes (size,).
        mass: the integral of rho.
        centre: the integral of x rho (d,).
    """

    lattice: Lattice
    exponent: Callable[[np.ndarray], np.ndarray]
    log_ratio: np.ndarray
    mass: float
    centre: np.ndarray

    def at(self, points: Any) -> np.ndarray:
        """rho(x).

        Args:
            points: x (P, d), in the box.

        Returns:
            rho (P,), in units of 1/volume.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = inside(self.lattice, points)
        return np.exp(interpolated(self.lattice, self.log_ratio, x) - self.exponent(x))

    def mean(self) -> np.ndarray:
        """The mean position E X (d,)."""
        return self.centre.copy()

    @cached_property
    def nodes(self) -> np.ndarray:
        """The coordinates (size, d) of all nodes, in C order."""
        index = np.stack(np.unravel_index(np.arange(self.lattice.size), self.lattice.shape), axis=1)
        return self.lattice.bounds[:, 0] + index * self.lattice.spacing

    @cached_property
    def values(self) -> np.ndarray:
        """Rho at all nodes, in the shape of the lattice."""
        return np.exp(self.log_ratio - self.exponent(self.nodes)).reshape(self.lattice.shape)

    @cached_property
    def function(self) -> fem.Function:
        """Rho as a finite element function of degree 1 (collective the first time)."""
        return self.lattice.function(self.values.ravel(), "rho")
