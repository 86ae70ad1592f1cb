"""Checkpoints of evolutions on a mesh: any number of ranks goes on, if mesh, coefficients and start are the same."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np

from scaling_limits.meshes.signed_sums import signed_sums

from ....time.checkpoint import Checkpoint
from ....time.density_integrator import StepChoice
from ..lumped import LumpedEquation

# change at a node, of Psi/sigma and of the rates relative to their sum there, that leaves the problem the same; that of
# the start, in total variation
SAME_FIELD, SAME_START = 1e-10, 1e-12


@dataclass(frozen=True)
class Saving:
    """How an evolution is saved.

    Args:
        path: of the file, on a disk of rank 0.
        every: seconds between two writings.
    """

    path: str | os.PathLike[str]
    every: float

    def keeper(self, lumped: LumpedEquation, times: np.ndarray, choice: StepChoice, start: np.ndarray) -> Checkpoint:
        """The checkpoint of an evolution; collective.

        Args:
            lumped: the equation, and where paths are killed.
            times: snapshots (T,).
            choice: of the steps.
            start: the probabilities (m,) at the nodes of this rank.

        Raises:
            InvalidArgument: a path that no file can be written to; nodes of the mesh that cannot be told apart.
        """
        equation = lumped.equation
        order = equation.node_order
        text = f"{choice} {equation.temperature!r} {order.digest}".encode()
        problem = hashlib.sha256(text + np.ascontiguousarray(times).tobytes()).hexdigest()
        fields = signed_sums(equation.comm, order.own, traits(lumped)) / (SAME_FIELD * np.sqrt(order.size))
        starts = signed_sums(equation.comm, order.own, start[:, None]) / SAME_START
        return Checkpoint(self.path, self.every, order, problem, np.concatenate([fields.ravel(), starts.ravel()]))


def traits(lumped: LumpedEquation) -> np.ndarray:
    """What tells equations apart at the nodes of this rank (m, d + 3): Psi/sigma, the rates out of nodes, where these
    lead on average, and whether paths are killed; collective.
    """
    equation, matrix = lumped.equation, lumped.matrix
    diagonal = matrix.getDiagonal().array
    scale = np.sqrt(equation.pi)
    right, left = matrix.createVecs()
    columns = [equation.exponents, np.log(diagonal)]
    for axis in range(equation.dim):
        x = equation.nodes[:, axis]
        # rows of the matrix add up to 0 with these scales, so that the place of the node itself falls out
        right.array[:] = scale * x / equation.width
        matrix.mult(right, left)
        columns.append(left.array / (diagonal * scale))
    columns.append(np.zeros(len(scale)) if lumped.held is None else lumped.held.astype(float))
    return np.stack(columns, axis=1)
