"""The base of Fokker-Planck equations: coefficients, grid, generator on its nodes, integrals over the box."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.options import checked_options
from scaling_limits.meshes.backend.quadrature import composite_gauss
from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.linear_algebra.choice import check_library, matrix_type
from scaling_limits.meshes.linear_algebra.sparse_matrix import SparseMatrix
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import relative_tolerance

from .coefficients import Coefficients, compare_ranks, exponent_at
from .scharfetter_gummel import ScharfetterGummel

if TYPE_CHECKING:
    from mpi4py import MPI

# of an integrand over the box
EVALUATIONS = 4_000_000
# Gauss points along each direction of a cell
MOST_POINTS = 10
# points that are evaluated at a time
AT_ONCE = 2**16
# in each direction of a coarser grid
LEAST_CELLS = 3


class ReversibleDiffusion(Described):
    """A Fokker-Planck equation in a box: d_t rho = div(M (rho grad Psi + sigma grad rho)).

    Subclasses are frozen dataclasses that have these attributes as fields or make them from others.
    """

    coefficients: Coefficients
    rtol: float
    comm: MPI.Comm
    petsc_options: dict[str, Any] | None
    # the library that solves
    linear_algebra: str | None = None
    box: ArrayLike | None
    cells: int | Sequence[int] | None
    periodic: bool | Sequence[bool]

    @cached_property
    def grid(self) -> Grid:
        """The nodes.

        Raises:
            InvalidArgument: there is no box with cells, but a mesh.
        """
        if self.box is None or self.cells is None:
            raise InvalidArgument("box", "must be given with cells for what is asked of the nodes of a grid")
        return Grid.of(self.box, self.cells, self.periodic, self.comm)

    def _check_arguments(self) -> None:
        """Check what all such equations are given, on this rank.

        Raises:
            InvalidArgument: an argument out of range.
        """
        relative_tolerance(self.rtol, above=0.0)
        checked_options(self.petsc_options)
        check_library(self.linear_algebra, self.comm, self.petsc_options)

    def _compare_ranks(self, temperature: float) -> None:
        """Raise where ranks were given different problems; collective."""
        same_on_all_ranks(
            self.comm, box=self.grid.box, cells=np.array(self.grid.cells), periodic=np.array(self.grid.periodic),
            rtol=self.rtol, temperature=temperature, petsc_options=self.petsc_options,
            linear_algebra=self.linear_algebra,
        )  # fmt: skip

    @cached_property
    def generator(self) -> ScharfetterGummel:
        """The generator on the nodes; `generator.edges.widest` is 1 where neighbours make a monotone scheme."""
        compare_ranks(self.grid, self.coefficients)
        return ScharfetterGummel(self.grid, self.coefficients)

    scheme = property(attrgetter("generator"), doc="`generator`, by its former name.")

    @cached_property
    def library(self) -> type[SparseMatrix]:
        """The matrices of the library that solves: PETSc where it is, else scipy, or what `linear_algebra` asks for."""
        return matrix_type(self.linear_algebra)

    def matrix(self, rows: scipy.sparse.csr_array) -> SparseMatrix:
        """The symmetric matrix with these rows on this rank (m, size); collective."""
        return self.library.of_rows(self.comm, rows, self.grid.index)

    @cached_property
    def coarser(self) -> CoarserDiffusion | None:
        """The equation on cells twice as large, whose difference tells the error of the cells; None where they are
        few.
        """
        cells = [-(-n // 2) for n in self.grid.cells]
        if min(cells) < LEAST_CELLS:
            return None
        return CoarserDiffusion(
            self.coefficients, self.grid.box, cells, self.grid.periodic, self.rtol, self.comm, self.petsc_options,
            self.linear_algebra,
        )  # fmt: skip

    @property
    def error_of_coefficients(self) -> float:
        """The relative error of M and of exp(-Psi/sigma) that the coefficients state, 0 where they state none."""
        stated = getattr(self.coefficients, "error", None)
        return max(float(stated), 0.0) if isinstance(stated, int | float) else 0.0

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return self.grid.dim

    def exponent(self, points: ArrayLike) -> np.ndarray:
        """Psi/sigma (P,) at points (P, d)."""
        return exponent_at(self.coefficients, checked_points("points", points, self.dim))


@dataclass(frozen=True, eq=False)
class CoarserDiffusion(ReversibleDiffusion):
    """The same equation on another grid.

    Args:
        coefficients: M, Psi, sigma.
        box: (a_i, b_i) for each direction (d, 2).
        cells: number of cells along each direction (d,).
        periodic: for each direction whether it has no walls.
        rtol: relative error of each step of an evolution.
        comm: the ranks that share the work.
        petsc_options: of linear solvers.
        linear_algebra: the library that solves.
    """

    coefficients: Coefficients
    box: ArrayLike
    cells: Sequence[int]
    periodic: Sequence[bool]
    rtol: float
    comm: MPI.Comm
    petsc_options: dict[str, Any] | None
    linear_algebra: str | None = None

    @cached_property
    def generator(self) -> ScharfetterGummel:
        """The generator on the nodes; what is to be said of them is said for the finer ones."""
        return ScharfetterGummel(self.grid, self.coefficients, quiet=True)


def points_per_direction(grid: Grid) -> int:
    """How many Gauss points of a cell are affordable along each direction."""
    cells = float(np.prod(grid.cells))
    return int(np.clip((EVALUATIONS / cells) ** (1 / grid.dim), 2, MOST_POINTS))


def integral(grid: Grid, part: Callable[[np.ndarray, np.ndarray], np.ndarray], order: int) -> np.ndarray:
    """The integral over the box, the same on all ranks; collective.

    Args:
        grid: gives the box and its cells.
        part: from points (P, d) and their weights (P,) to the weighted sum of the integrand, of any shape.
        order: Gauss points along each direction of a cell.
    """
    (ticks,), (weights,) = composite_gauss(np.array([0.0, 1.0]), order)
    dim = grid.dim
    offsets = np.array(list(itertools.product(ticks, repeat=dim)))
    shares = np.prod(list(itertools.product(weights, repeat=dim)), axis=1)
    count = int(np.prod(grid.cells))
    first, last = (count * rank // grid.comm.size for rank in (grid.comm.rank, grid.comm.rank + 1))
    at_once = max(1, AT_ONCE // len(shares))

    def own() -> np.ndarray | float:
        total: np.ndarray | float = 0.0
        for start in range(first, last, at_once):
            cells = np.stack(np.unravel_index(np.arange(start, min(start + at_once, last)), grid.cells), axis=1)
            x = (grid.box[:, 0] + (cells[:, None] + offsets) * grid.spacing).reshape(-1, dim)
            total = total + part(x, np.tile(shares, len(cells)))
        return total

    return np.asarray(grid.comm.allreduce(on_all_ranks(grid.comm, own)) * np.prod(grid.spacing))
