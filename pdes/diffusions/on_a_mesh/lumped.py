"""Elements of degree 1 with lumped mass: probabilities of nodes, their linear equation, and what it keeps.

With r_i = (int phi_i) rho(x_i) and u = rho/pi, the equation int d_t rho v + int sigma pi <M grad u, grad v> = 0 becomes

    d_t r_i = -sum_j A_ij u_j,    A_ij = int sigma pi <M grad phi_i, grad phi_j>,    u_j = r_j/(pi_j int phi_j).

The mass, sum r_i, and the equilibrium u = 1 are kept, whatever M and the mesh are; in s = r/sqrt(pi int phi) the matrix
S is symmetric and has no negative eigenvalue. Where A has positive entries beside the diagonal, solutions of the linear
equation may be negative by about their error; steps are limited there (`limits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.meshes.spread_values import SpreadRows

from ...time.relative_entropy import entropy_of_probabilities
from .problem import DiffusionOnMesh

# of sum r |log(r/r_eq)|: what a solve leaves in a relative entropy
ROUNDING = 1e-12
# of the mass of the equilibrium: nodes with less of it, where rates are largest in steep tails, add nothing to rounding
SEEN = 1e-14


@dataclass(frozen=True, eq=False)
class LumpedEquation:
    """d_t s = -S s at the nodes.

    Args:
        equation: on its mesh.
        held: nodes (m,) of this rank in which paths are killed, or None.
    """

    equation: DiffusionOnMesh
    held: np.ndarray | None = None

    @cached_property
    def spread_held(self) -> SpreadRows | None:
        """1 at nodes in which paths are killed and 0 elsewhere (1, m), for any rank; collective the first time."""
        if self.held is None:
            return None
        return SpreadRows.of(self.equation.spread_space.runs, self.held[None].astype(float))

    @cached_property
    def root(self) -> np.ndarray:
        """sqrt(pi_i int phi_i/Z) (m,), 0 where paths are killed."""
        root = np.sqrt(self.equation.pi / self.equation.partition)
        return root if self.held is None else np.where(self.held, 0.0, root)

    @cached_property
    def matrix(self) -> PETSc.Mat:
        """S, with rows of 0 where paths are killed; collective the first time."""
        return self.scaled(monotone=False)

    def scaled(self, *, monotone: bool) -> PETSc.Mat:
        """S, of A or of its monotone part (see `limits`), with rows of 0 where paths are killed; collective."""
        equation = self.equation
        matrix = equation.forms.matrix(equation.forms.stiffness)
        if monotone:
            _leave_monotone(matrix)
        scale = matrix.createVecRight()
        scale.array[:] = 1.0 / np.sqrt(equation.pi)
        matrix.diagonalScale(scale, scale)
        if self.held is not None:
            first = matrix.getOwnershipRange()[0]
            rows = np.flatnonzero(self.held).astype(PETSc.IntType) + first
            matrix.zeroRowsColumns(rows, diag=self.fastest_of(matrix))
        matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        matrix.setOption(PETSc.Mat.Option.SYMMETRY_ETERNAL, True)
        return matrix

    def fastest_of(self, matrix: PETSc.Mat, share: float = 0.0) -> float:
        """The largest entry of the diagonal, over all ranks, where paths are not killed and the equilibrium has more
        than a share of its mass.
        """
        # cells between nodes on the boundary of a set may be as flat as can be; nothing flows in them
        seen = np.abs(matrix.getDiagonal().array)[self.root**2 > share]
        return float(self.equation.comm.allreduce(float(seen.max(initial=0.0)), MPI.MAX))

    @cached_property
    def fastest(self) -> float:
        """The largest rate on the diagonal of S of nodes that have a part in rounding, in units of 1/time."""
        return self.fastest_of(self.matrix, SEEN)

    @cached_property
    def _shares(self) -> tuple[np.ndarray, np.ndarray]:
        """The equilibrium probabilities (m,), and their logarithms (m,)."""
        share = self.equation.pi / self.equation.partition
        return share, np.log(share)

    def relative_entropy(self, probabilities: np.ndarray) -> tuple[float, float]:
        """H = sum r log(r/r_eq) >= 0 of probabilities (m,), and what rounding may change of it; collective."""
        sums = entropy_of_probabilities(probabilities, *self._shares)
        value, size = self.equation.comm.allreduce(np.array(sums))
        return float(value), ROUNDING * float(size)

    def free_energy(self, relative_entropy: np.ndarray | float) -> np.ndarray | float:
        """F = sum r Psi + sigma sum r log(r/int phi) of a density whose mass is 1, an energy."""
        equation = self.equation
        return equation.temperature * (relative_entropy - np.log(equation.partition) + equation.lowest)


def _leave_monotone(matrix: PETSc.Mat) -> None:
    """Leave of A what is negative beside the diagonal, with rows that add up to 0; each rank its own rows."""
    first, last = matrix.getOwnershipRange()
    starts, columns, values = matrix.getValuesCSR()
    rows = np.repeat(np.arange(first, last), np.diff(starts))
    beside = rows != columns
    values = np.where(beside, np.minimum(values, 0.0), 0.0)
    values[~beside] = -np.bincount(rows - first, values, minlength=last - first)
    matrix.setValuesCSR(starts, columns, values)
    matrix.assemble()
