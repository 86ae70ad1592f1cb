"""Where coefficients seem to jump between the nodes of a grid."""

from __future__ import annotations

import itertools

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.neighbour_values import NearValues
from scaling_limits.particles.sampling.mpi import MPI

from ..scharfetter_gummel import HIGHEST, ScharfetterGummel

# change of log M_ii or of Psi/sigma from node to node from which it may be a jump, and by which factor it is larger
# than those on both sides
JUMP, ALONE = 0.2, 4.0


def jump(generator: ScharfetterGummel) -> list[float] | None:
    """A place between nodes where M or exp(-Psi/sigma) seems to jump; None where there is none. Collective.

    Neighbours along an axis differ by more than `JUMP` in the logarithm, and several times as much as those around.
    """
    grid, last = generator.grid, np.array(generator.grid.shape) - 1
    diagonal = np.log(np.diagonal(generator.tensors, axis1=1, axis2=2))
    fields = np.concatenate([np.minimum(generator.exponents.own, HIGHEST)[:, None], diagonal], axis=1)
    # places along each axis: the one before, the next one, and that behind it
    rows = [
        [grid.flat(np.clip(grid.index + offset * along, 0, last)) for offset in (-1, 1, 2)]
        for along in np.eye(grid.dim, dtype=np.int64)
    ]
    near = NearValues.of(grid.comm, grid.ends, fields, itertools.chain.from_iterable(rows))
    for column, axis in itertools.product(range(fields.shape[1]), range(grid.dim)):
        before, after, behind = (near.take(numbers)[:, column] for numbers in rows[axis])
        number = grid.own.start + _first_alone(grid, axis, before, fields[:, column], after, behind)
        first = grid.comm.allreduce(int(number.min(initial=grid.size)), MPI.MIN)
        if first < grid.size:
            index = np.array(np.unravel_index(first, grid.shape)) + 0.5 * (np.arange(grid.dim) == axis)
            return grid.shown(grid.box[:, 0] + index * grid.spacing)
    return None


def _first_alone(
    grid: Grid, axis: int, before: np.ndarray, here: np.ndarray, after: np.ndarray, behind: np.ndarray
) -> np.ndarray:
    """The first node of this rank, if any, from which a field changes along an axis and hardly does on both sides.

    Args:
        grid: the nodes.
        axis: along which.
        before: the field one node before (m,), and so on; at the ends of the axis that of the last node.
        here: at the nodes.
        after: one node behind.
        behind: two nodes behind.
    """
    index, end = grid.index[:, axis], grid.shape[axis] - 1
    change = np.abs(after - here)
    left = np.where(index > 0, np.abs(here - before), change)
    right = np.where(index < end - 1, np.abs(behind - after), change)
    # the second largest of three neighbours: a kink or a steep slope has two that are alike
    around = np.median([left, change, right], axis=0)
    return np.flatnonzero((index < end) & (change > JUMP) & (change > ALONE * around))[:1]
