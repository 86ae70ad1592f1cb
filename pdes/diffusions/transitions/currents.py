"""Currents on a grid: along edges, where they are conserved exactly, and as a vector field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.particles.showing.shapes import Shape
from scaling_limits.particles.support.not_pickled import NotPickled

from ..hitting.killed_chain import KilledChain
from ..interpolation import inside, interpolated
from ..output.grid_dataset import grid_dataset
from ..output.quantities import CURRENT
from ..output.shapes import on_grid
from ..output.written import Written

if TYPE_CHECKING:
    from dolfinx import fem
    from mpi4py import MPI


@dataclass(frozen=True, eq=False, repr=False)
class VectorField(NotPickled, Written):
    """A vector field J(x) in a box.

    Args:
        grid: the nodes.
        interpolant: J (P, d) at points (P, d) in the box, on this rank alone.
        nodal: J at the nodes (size, d).
    """

    grid: Grid
    interpolant: Callable[[np.ndarray], np.ndarray]
    nodal: np.ndarray

    def _summary(self) -> tuple[str, dict[str, Any]]:
        largest = float(np.linalg.norm(self.nodal, axis=1).max())
        return "VectorField J", {"nodes": "x".join(map(str, self.grid.shape)), "largest length": largest}

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return J(x); each rank by itself.

        Args:
            points: x (P, d), in the box.

        Returns:
            J (P, d).

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        return self.interpolant(inside(self.grid, points))

    @property
    def values(self) -> np.ndarray:
        """The field at all nodes, in the shape of the grid, with the components last."""
        return self.nodal.reshape(*self.grid.shape, self.grid.dim)

    @cached_property
    def function(self) -> fem.Function:
        """The field as a finite element function of degree 1; collective the first time."""
        with needed_by("a function of dolfinx"):
            from dolfinx import fem
        grid = self.grid
        space = fem.functionspace(grid.space.mesh, ("Lagrange", 1, (grid.dim,)))
        result = fem.Function(space, name="J")
        numbers = grid.numbers(space.tabulate_dof_coordinates()[:, : grid.dim])
        result.x.array[:] = np.nan_to_num(self.nodal[numbers]).ravel()
        return result

    def frames(self) -> Frames:
        """The field, for files; collective."""
        return Frames(CURRENT, None, lambda index: self.function)

    def shape(self, index: int = 0, level: float | None = None) -> Shape | None:
        """See `Written`; collective."""
        return on_grid(self.grid, lambda: self.values, level)

    def to_xarray(self) -> Any:
        """The field at the nodes as a `xarray.Dataset`, with a dimension `direction`; each rank by itself."""
        return grid_dataset(self.grid, CURRENT, self.values, "VectorField")

    @property
    def _ranks(self) -> MPI.Comm:
        return self.grid.comm


@dataclass(frozen=True, eq=False)
class EdgeCurrents:
    """The reactive current of a chain from set 0 to set 1, in equilibrium, along its edges.

    Args:
        chain: with the two sets.
        along: from x to y on the whole edges of this rank (E,).
        cut: on the cut edges of this rank, along their steps: into set 1, or, negative, out of set 0 (C,).
    """

    chain: KilledChain
    along: np.ndarray
    cut: np.ndarray

    @classmethod
    def of(cls, chain: KilledChain, terms: tuple[np.ndarray, ...]) -> EdgeCurrents:
        """The current mu k_xy (q_y - q_x), from terms (size, 2) whose sums are q and 1 - q.

        Where q is near 1, the difference is that of 1 - q, which has its digits there.
        """
        grid = chain.grid
        share = np.exp(-chain.generator.exponent) * chain.generator.volumes
        share = np.where(chain.generator.alive, share / share.sum(), 0.0)
        forward, backward = (np.nan_to_num(sum(term[:, k] for term in terms)) for k in (0, 1))
        up, down = (chain.differences(*(np.nan_to_num(term[:, k]) for term in terms)) for k in (0, 1))
        small = forward[chain.tail] + forward[chain.head] < 1.0
        along = share[chain.tail] * chain.out * np.where(small, up, -down)
        node = chain.cut.node
        cut = share[node] * chain.cut.rate * np.where(chain.cut.set == 1, backward[node], -forward[node])
        assert len(share) == grid.size
        return cls(chain, along, cut)

    def times(self, factor: float) -> EdgeCurrents:
        """The current multiplied by a factor."""
        return replace(self, along=factor * self.along, cut=factor * self.cut)

    def total(self) -> tuple[float, float]:
        """The current into set 1, and that out of set 0; collective."""
        into = float(self.cut[self.chain.cut.set == 1].sum())
        out = -float(self.cut[self.chain.cut.set == 0].sum())
        both = self.chain.grid.comm.allreduce(np.array([into, out]))
        return float(both[0]), float(both[1])

    def through(self, within: np.ndarray) -> float:
        """The current out of some nodes, given as truth values (size,); collective."""
        chain = self.chain
        leaves = within[chain.tail].astype(float) - within[chain.head]
        own = within[chain.cut.node]
        # into set 1 from within, and out of set 0 to the rest
        cut = np.where(chain.cut.set == 1, own, ~own) * np.abs(self.cut)
        return float(chain.grid.comm.allreduce(float((leaves * self.along).sum() + cut.sum())))

    def field(self) -> VectorField:
        """The current as a vector field: at a node half of the sum of currents times steps, by its volume;
        collective.
        """
        chain, grid = self.chain, self.chain.grid
        nodal = np.zeros((grid.size, grid.dim))
        for k in range(grid.dim):
            flow = 0.5 * self.along * chain.step[:, k] * grid.spacing[k]
            nodal[:, k] += np.bincount(chain.tail, flow, grid.size) + np.bincount(chain.head, flow, grid.size)
            flow = 0.5 * self.cut * chain.cut.step[:, k] * grid.spacing[k]
            nodal[:, k] += np.bincount(chain.cut.node, flow, grid.size)
        nodal = grid.comm.allreduce(nodal) / chain.generator.volumes[:, None]
        held = chain.place >= 0
        filled = _filled(grid, nodal, held)
        sets = chain.sets

        def interpolant(x: np.ndarray) -> np.ndarray:
            result = interpolated(grid, filled, x)
            for one in sets:
                result[one.holds(x)] = 0.0
            return result

        return VectorField(grid, interpolant, nodal)


def _filled(grid: Grid, nodal: np.ndarray, held: np.ndarray) -> np.ndarray:
    """A field (size, d) with the means of free neighbours at nodes in sets (size,), for interpolation beside them."""
    modes = ["wrap" if wraps else "constant" for wraps in grid.periodic]
    free = (~held).astype(float).reshape(grid.shape)
    count = ndimage.uniform_filter(free, 3, mode=modes)
    result = nodal.copy()
    for k in range(grid.dim):
        mean = ndimage.uniform_filter(free * nodal[:, k].reshape(grid.shape), 3, mode=modes)
        result[held, k] = np.divide(mean, count, out=np.zeros_like(mean), where=count > 1e-9).ravel()[held]
    return result
