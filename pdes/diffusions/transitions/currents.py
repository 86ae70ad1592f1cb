"""Currents on a grid: along edges, where they are conserved exactly, and as a vector field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.particles.showing.shapes import Shape
from scaling_limits.particles.support.not_pickled import NotPickled

from ..hitting.killed_chain import KilledChain
from ..hitting.target_sets import TargetSet
from ..interpolation import inside
from ..output.grid_dataset import grid_dataset
from ..output.quantities import CURRENT
from ..output.shapes import on_grid
from ..output.written import Written
from ..storage.grid_files import damaged, load_on_grid, save_on_grid
from ..storage.kept_functions import BesideSets, InSteps, KeptFunction

if TYPE_CHECKING:
    from dolfinx import fem
    from mpi4py import MPI

# what a file of a current may have: on a line, and else
OPTIONAL = {"ends", "steps", "numbers", "continued"}


@dataclass(frozen=True, eq=False, repr=False)
class VectorField(NotPickled, Written):
    """A vector field J(x) in a box.

    Args:
        grid: the nodes.
        interpolant: J (P, d) at points (P, d) in the box, on this rank alone.
        nodal: J at the nodes (size, d).
    """

    grid: Grid
    interpolant: KeptFunction
    nodal: np.ndarray
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path) reads it"

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the field to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        save_on_grid(self.grid, path, "VectorField", lambda: self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What a file holds of the field, besides the grid."""
        return {"nodal": self.nodal} | self.interpolant.content

    @classmethod
    def load(cls, path: str | os.PathLike[str], comm: MPI.Comm | None = None) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Outside of sets the field is what it was to rounding; in the cells that the boundary of a set cuts it goes on
        into the set, by less than a cell.

        Args:
            path: the file, on a disk of rank 0.
            comm: the ranks that share the field; None takes all.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        grid, content = load_on_grid(comm, path, "VectorField", {"nodal"}, OPTIONAL)
        return cls.read(grid, content, path)

    @classmethod
    def read(cls, grid: Grid, content: Mapping[str, np.ndarray], path: str | os.PathLike[str]) -> Self:
        """The inverse of `content`; the path is for messages.

        Raises:
            InvalidArgument: the file is damaged.
        """
        nodal = content["nodal"]
        if nodal.shape != (grid.size, grid.dim):
            raise damaged(path)
        try:
            if grid.dim == 1:
                steps = InSteps(content["ends"], content["steps"])
                if steps.ends.shape != (steps.steps.size + 1,) or not (np.diff(steps.ends) > 0).all():
                    raise damaged(path)
                return cls(grid, steps, nodal)
            beside = BesideSets(grid, nodal, content["numbers"], content["continued"])
        except KeyError as missing:
            raise damaged(path, f"{missing} is not in it") from None
        if beside.continued.shape != (len(beside.numbers), grid.dim) or (beside.numbers >= grid.size).any():
            raise damaged(path)
        return cls(grid, beside, nodal)


@dataclass(frozen=True, eq=False)
class OutsideOfSets:
    """A vector field that is 0 in sets.

    Args:
        field: that goes on into them.
        sets: these.
    """

    field: BesideSets
    sets: tuple[TargetSet, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values (P, d) at points (P, d)."""
        result = self.field(x)
        for one in self.sets:
            result[one.holds(x)] = 0.0
        return result

    @property
    def content(self) -> dict[str, np.ndarray]:
        """See `KeptFunction`."""
        return self.field.content


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
        filled = _filled(grid, nodal, chain.place >= 0)
        numbers = np.flatnonzero((filled != nodal).any(axis=1))
        beside = BesideSets(grid, nodal, numbers, filled[numbers])
        return VectorField(grid, OutsideOfSets(beside, chain.sets), nodal)


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
