"""The equation on a mesh: its nodes, what belongs to each of them, and the forms of its generator."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx import mesh as dolfinx_mesh
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.meshes.backend.compat import geometry_dofmap
from scaling_limits.meshes.node_order import NodeOrder
from scaling_limits.meshes.point_search import PointSearch
from scaling_limits.meshes.shared_values import check_shared
from scaling_limits.meshes.spread_functions import SpreadSpace
from scaling_limits.meshes.spread_values import SpreadRows
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..coefficients import Coefficients, exponent_at
from .checked_mesh import pieces
from .forms import MeshForms
from .searched_mesh import SearchedMesh

# largest Psi/sigma above the least one: exp(-Psi/sigma) and its products must be doubles
HIGHEST = 300.0
# change of Psi/sigma within a cell from which a warning says so, where exp(-Psi/sigma) is above SEEN of its maximum
STEEP, SEEN = 4.0, 1e-8


@dataclass(frozen=True, eq=False)
class DiffusionOnMesh(SearchedMesh):
    """d_t rho = div(M (rho grad Psi + sigma grad rho)) on a mesh, without flux through its boundary.

    Args:
        coefficients: M, Psi, sigma.
        mesh: checked, of simplices or boxes.
        rtol: relative error of each step of an evolution.
        comm: the ranks that share the mesh.
        petsc_options: of the linear solvers, without prefix.
        quiet: whether nothing is said of cells that are too large.
    """

    coefficients: Coefficients
    mesh: dolfinx_mesh.Mesh
    rtol: float
    comm: MPI.Comm
    petsc_options: dict[str, Any] | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        _ = self._digest

    @cached_property
    def _digest(self) -> int:
        """Of the nodes of this rank, as they were at first."""
        return self._digest_now()

    def _digest_now(self) -> int:
        return zlib.crc32(np.ascontiguousarray(self.mesh.geometry.x).tobytes())

    def check_unmoved(self) -> None:
        """Check that the nodes are where they were, since much is known of them already; collective.

        Raises:
            InvalidArgument: they are not.
        """

        def check() -> None:
            if self._digest_now() != self._digest:
                raise InvalidArgument("mesh", "was moved since it was solved on; make another equation with it")

        on_all_ranks(self.comm, check)

    @cached_property
    def search(self) -> PointSearch:
        """The cells, to be searched by any rank; collective the first time.

        Raises:
            InvalidArgument: the mesh was moved.
        """
        self.check_unmoved()
        return PointSearch(self.mesh, self.comm)

    @property
    def temperature(self) -> float:
        """sigma."""
        return float(self.coefficients.temperature)

    def pi_at(self, points: np.ndarray) -> np.ndarray:
        """exp(lowest - Psi/sigma) (P,) at points (P, d); each rank by itself, when `lowest` is known."""
        return np.asarray(np.exp(self.lowest - exponent_at(self.coefficients, points)))

    @cached_property
    def spread_space(self) -> SpreadSpace:
        """The elements of degree 1, for evaluation by any rank; collective the first time."""
        return SpreadSpace(self.search, self.space)

    @cached_property
    def node_order(self) -> NodeOrder:
        """An order of the nodes that does not depend on the ranks; collective the first time."""
        return NodeOrder.of(self.spread_space)

    @cached_property
    def spread_nodes(self) -> SpreadRows:
        """Psi/sigma and the volumes at the nodes (2, m), for any rank; collective the first time."""
        return SpreadRows.of(self.spread_space.runs, np.stack([self.exponents, self.volumes]))

    @cached_property
    def space(self) -> fem.FunctionSpace:
        """Continuous elements of degree 1, whose unknowns are the nodes; collective the first time.

        Raises:
            InvalidArgument: a mesh of several pieces.
        """
        count = pieces(self.mesh)
        if count > 1:
            message = f"must be of one piece, but consists of {count} that share no facets: each has an equilibrium of"
            remedy = "its own; give them one by one (dolfinx.mesh.create_submesh), or join their nodes"
            raise InvalidArgument("mesh", f"{message} {remedy}")
        return fem.functionspace(self.mesh, ("Lagrange", 1))

    @cached_property
    def size(self) -> int:
        """Nodes in all."""
        return int(self.space.dofmap.index_map.size_global)

    @cached_property
    def own(self) -> int:
        """Nodes m of this rank; they are numbered before the ghosts."""
        return int(self.space.dofmap.index_map.size_local)

    @cached_property
    def all_nodes(self) -> np.ndarray:
        """The coordinates (n, d) of the nodes of this rank and of its ghosts, to the last digit those of the mesh."""
        # elements have them with rounding, so that sets such as x >= 1 would have some of the nodes of a wall only
        layout = self.space.dofmap.index_map
        nodes = np.full((layout.size_local + layout.num_ghosts, self.dim), np.nan)
        corners = np.asarray(geometry_dofmap(self.mesh)).ravel()
        nodes[self.space.dofmap.list.ravel()] = self.mesh.geometry.x[corners, : self.dim]
        return nodes

    @cached_property
    def nodes(self) -> np.ndarray:
        """The coordinates (m, d) of the nodes of this rank."""
        return self.all_nodes[: self.own]

    @cached_property
    def exponents(self) -> np.ndarray:
        """Psi/sigma (m,) at the nodes of this rank; collective the first time.

        Raises:
            InvalidArgument: Psi is not finite somewhere, varies too much, or differs between ranks.
        """
        nodes = self.all_nodes
        everywhere = on_all_ranks(self.comm, lambda: exponent_at(self.coefficients, nodes))
        values = everywhere[: self.own]
        check_shared(self.found(everywhere, "Psi"), "free_energy", np.abs(everywhere).max(initial=1.0))
        low = self.comm.allreduce(float(values.min(initial=np.inf)), MPI.MIN)
        high = self.comm.allreduce(float(values.max(initial=-np.inf)), MPI.MAX)
        if not high - low <= HIGHEST:
            message = f"Psi/sigma ranges over {high - low:.3g} on it, where exp(-Psi/sigma) is next to 0"
            raise InvalidArgument("mesh", f"{message}: leave out where it is more than {HIGHEST:g} above its minimum")
        return values

    @cached_property
    def lowest(self) -> float:
        """The least Psi/sigma of all nodes; pi is exp(lowest - Psi/sigma) in all forms."""
        return float(self.comm.allreduce(float(self.exponents.min(initial=np.inf)), MPI.MIN))

    @cached_property
    def largest_exponent(self) -> float:
        """The largest Psi/sigma of all nodes."""
        return float(self.comm.allreduce(float(self.exponents.max(initial=-np.inf)), MPI.MAX))

    @cached_property
    def volumes(self) -> np.ndarray:
        """The volume (m,) that belongs to each node of this rank, int phi_i > 0."""
        test = ufl.TestFunction(self.space)
        vector = fem_petsc.assemble_vector(fem.form(test * ufl.dx(metadata={"quadrature_degree": 2})))
        return self.added(vector)

    @cached_property
    def pi(self) -> np.ndarray:
        """The equilibrium weights (m,) of the nodes of this rank: volume times exp(lowest - Psi/sigma)."""
        return np.asarray(self.volumes * np.exp(self.lowest - self.exponents))

    @cached_property
    def partition(self) -> float:
        """The sum of `pi` over all nodes."""
        return self.total(self.pi)

    def total(self, values: np.ndarray) -> float:
        """The sum of values at the nodes of all ranks; collective."""
        return float(self.comm.allreduce(float(values.sum())))

    def added(self, vector: Any) -> np.ndarray:
        """The entries (m,) of an assembled vector on this rank, with what other ranks add to them; it is destroyed."""
        vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        values = np.array(vector.array)
        vector.destroy()
        return values

    def function(self, values: np.ndarray, name: str) -> fem.Function:
        """The function of degree 1 of values (m,) at the nodes of this rank; collective."""
        result = fem.Function(self.space, name=name)
        result.x.array[: self.own] = values
        result.x.scatter_forward()
        return result

    def found(self, everywhere: np.ndarray, name: str) -> fem.Function:
        """The function of degree 1 of the values (n,) that this rank has found for its nodes and ghosts."""
        result = fem.Function(self.space, name=name)
        result.x.array[:] = everywhere
        return result

    @property
    def cells(self) -> int:
        """Cells in all."""
        return int(self.mesh.topology.index_map(self.mesh.topology.dim).size_global)

    @cached_property
    def width(self) -> float:
        """The largest extent of the mesh along an axis, a length; collective the first time."""
        ends = np.stack([-self.nodes.min(axis=0, initial=np.inf), self.nodes.max(axis=0, initial=-np.inf)])
        self.comm.Allreduce(MPI.IN_PLACE, ends, MPI.MAX)
        return float(ends.sum(axis=0).max())

    @cached_property
    def farthest(self) -> float:
        """The largest coordinate, a length, by which they are rounded; collective the first time."""
        return float(self.comm.allreduce(float(np.abs(self.nodes).max(initial=0.0)), MPI.MAX))

    @cached_property
    def diffusive_rate(self) -> float:
        """sigma M/L^2 where pi is largest, a scale for the slow rates; collective the first time."""
        mass = self.forms.weights[1].x.array.reshape(-1, self.dim, self.dim)
        top = np.trace(mass, axis1=1, axis2=2).max(initial=0.0) / self.dim
        return self.comm.allreduce(float(top), MPI.MAX) / self.width**2

    @cached_property
    def forms(self) -> MeshForms:
        """The forms with elements of degree 1, as evolutions have them; collective the first time."""
        return self.forms_of(1, 2)

    def forms_of(self, degree: int, quadrature: int) -> MeshForms:
        """The forms with elements of a degree; collective."""
        self.check_unmoved()
        _ = self._steep
        if (degree, quadrature) not in self._made:
            space = self.space if degree == 1 else fem.functionspace(self.mesh, ("Lagrange", degree))
            self._made[degree, quadrature] = MeshForms(space, self.coefficients, self.lowest, quadrature)
        return self._made[degree, quadrature]

    @cached_property
    def _made(self) -> dict[tuple[int, int], MeshForms]:
        """Forms by degree and quadrature."""
        return {}

    @cached_property
    def _steep(self) -> bool:
        """Whether Psi changes too much within cells; says so the first time."""
        corners = self.function(self.exponents - self.lowest, "Psi").x.array[self.space.dofmap.list]
        seen = corners.min(axis=1, initial=np.inf) < -np.log(SEEN)
        change = np.ptp(corners[seen], axis=1).max(initial=0.0) if seen.any() else 0.0
        most = self.comm.allreduce(float(change), MPI.MAX)
        if most > STEEP and self.comm.rank == 0 and not self.quiet:
            message = f"Psi/sigma changes by up to {most:.3g} within a cell"
            warn(f"{message}: look at `error` of results, or refine there", Unresolved)
        return most > STEEP
