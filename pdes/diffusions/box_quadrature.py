"""Integrals over boxes, cell by cell, shared by the ranks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scaling_limits.meshes.box import Lattice
from scaling_limits.particles.sampling.ranks import on_all_ranks

EVALUATIONS = 4_000_000
MOST_POINTS = 10  # along each direction of a cell
AT_ONCE = 2**18


def points_per_direction(lattice: Lattice) -> int:
    """How many Gauss points of a cell are affordable along each direction."""
    cells = float(np.prod(lattice.cells))
    return int(np.clip((EVALUATIONS / cells) ** (1 / lattice.dim), 2, MOST_POINTS))


def moments(lattice: Lattice, density: Callable[[np.ndarray], np.ndarray], order: int) -> np.ndarray:
    """The integrals of rho and of x_i rho over the box (d + 1,), the same on all ranks; collective.

    Args:
        lattice: gives the box and its cells.
        density: rho from points (P, d) to values (P,).
        order: Gauss points along each direction of a cell.
    """
    ticks, weights = np.polynomial.legendre.leggauss(order)
    dim = lattice.dim
    offsets = np.stack(np.meshgrid(*[0.5 * (ticks + 1)] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    shares = np.prod(np.stack(np.meshgrid(*[0.5 * weights] * dim, indexing="ij"), axis=-1).reshape(-1, dim), axis=1)
    count = int(np.prod(lattice.cells))
    first, last = (count * rank // lattice.comm.size for rank in (lattice.comm.rank, lattice.comm.rank + 1))
    at_once = max(1, AT_ONCE // len(shares))

    def own() -> np.ndarray:
        sums = np.zeros(dim + 1)
        for start in range(first, last, at_once):
            cells = np.stack(np.unravel_index(np.arange(start, min(start + at_once, last)), lattice.cells), axis=1)
            x = lattice.bounds[:, 0] + (cells[:, None] + offsets) * lattice.spacing
            values = density(x.reshape(-1, dim)).reshape(len(cells), -1) * shares
            sums[0] += values.sum()
            sums[1:] += np.einsum("cq,cqi->i", values, x)
        return sums

    return np.asarray(lattice.comm.allreduce(on_all_ranks(lattice.comm, own)) * np.prod(lattice.spacing))
