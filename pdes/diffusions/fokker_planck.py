"""Fokker-Planck equations of reversible diffusions: d_t rho = div(M (rho grad Psi + sigma grad rho)) in a box."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import integer

from ..time.resolvents import RESOLVENT4, ResolventScheme
from .coefficients import Coefficients, check_periods, checked_coefficients
from .density import Density
from .density_evolution import DensityEvolution
from .domain import check_domain, not_on_a_mesh, ranks_of
from .evolution import evolve
from .given_coefficients import equation_of
from .hitting.fields import ScalarField
from .hitting.problems import committor, passage_time, poisson
from .hitting.target_sets import indicator
from .problem import ReversibleDiffusion
from .spectrum import Modes, slowest
from .stationary import stationary
from .transitions.first_passage import FirstPassage, first_passage
from .transitions.quasi_stationary import QuasiStationary, quasi_stationary
from .transitions.transition import Transition, transition

if TYPE_CHECKING:
    from dolfinx import fem
    from dolfinx.mesh import Mesh
    from mpi4py import MPI

    from .on_a_mesh.density import MeshDensity
    from .on_a_mesh.density_evolution import MeshDensityEvolution
    from .on_a_mesh.elliptic.fields import MeshField
    from .on_a_mesh.elliptic.first_passage import MeshFirstPassage, MeshQuasiStationary
    from .on_a_mesh.elliptic.sets import GivenSet
    from .on_a_mesh.elliptic.transition import MeshTransition
    from .on_a_mesh.solvers import MeshSolvers


class ReversibleFokkerPlanck(ReversibleDiffusion):
    """The solvers of d_t rho = div(M (rho grad Psi + sigma grad rho)) in a box, however M and Psi are given.

    Densities live on the nodes of a grid, with the finite volumes of Scharfetter-Gummel: mass, positivity, equilibrium
    and the decay of the free energy hold exactly for every tensor M (`scharfetter_gummel`). Rates are found with
    finite elements of high degree (`spectrum`).
    """

    mesh: Mesh | None = None

    @property
    def on_mesh(self) -> MeshSolvers | None:
        """The solvers on the mesh; None where there is a grid. Collective where there is a mesh.

        Raises:
            InvalidArgument: the mesh was moved since it was solved on; cells that are flat, folded or on one another.
        """
        if self.mesh is None:
            return None
        self._on_mesh.check_unmoved()
        return self._on_mesh

    @cached_property
    def _on_mesh(self) -> MeshSolvers:
        with needed_by("an equation on a mesh"):
            from .on_a_mesh.solvers import MeshSolvers
        return MeshSolvers.of_user(self.coefficients, self.mesh, self.rtol, self.comm, self.petsc_options)

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return self.grid.dim if self.mesh is None else int(self.mesh.geometry.dim)

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if self.mesh is not None and self.linear_algebra == "scipy":
            raise InvalidArgument(
                "linear_algebra", "is for boxes; leave it out where a mesh is given, which needs PETSc"
            )

    def _compare_ranks(self, temperature: float) -> None:
        if self.mesh is None:
            return super()._compare_ranks(temperature)
        return same_on_all_ranks(
            self.comm, rtol=self.rtol, temperature=temperature, petsc_options=self.petsc_options, dim=self.dim
        )

    def _take_ranks(self) -> None:
        """Take the ranks of the mesh, or all of them, where none are given; on this rank."""
        if self.comm is None:
            # of a frozen dataclass
            object.__setattr__(self, "comm", ranks_of(self.mesh))
        communicator(self.comm)

    def stationary(self) -> Density | MeshDensity:
        """The stationary density rho = exp(-Psi/sigma)/Z; not exp(-Psi/sigma)/M.

        Returns:
            The density. Its mass is that of another quadrature than the one for Z.

        Warns:
            Unresolved: the cells are too large to integrate exp(-Psi/sigma) to rtol.

        Source: Duncan, Duong and Pavliotis (2023), below (18).
        """
        if self.on_mesh is not None:
            return self.on_mesh.stationary()
        return stationary(self)

    def evolve(
        self, initial: Callable[[np.ndarray], ArrayLike], times: ArrayLike, *,
        scheme: ResolventScheme = RESOLVENT4, step: float | None = None,
        checkpoint: str | os.PathLike[str] | None = None, checkpoint_every: float = 60.0, progress: bool = False,
        absorbing: GivenSet | None = None, stream: str | os.PathLike[str] | None = None,
    ) -> DensityEvolution | MeshDensityEvolution:  # fmt: skip
        """The densities at times: d_t rho = div(M (rho grad Psi + sigma grad rho)), rho(0) given.

        Args:
            initial: rho(0), from points (P, d) to values (P,) >= 0; it is normalised.
            times: snapshots (T,), not negative, not decreasing.
            scheme: of the time steps; it declares its order.
            step: steps of this size, or a little less so that they end at the times; None chooses them by `rtol`.
            checkpoint: a file from which an interrupted evolution goes on, on any number of ranks.
            checkpoint_every: seconds between two writings of it.
            progress: show a progress bar, at a terminal or in a notebook, on rank 0.
            absorbing: a set in which paths are killed, from points (P, d) to truth values (P,).
            stream: a netCDF file on a disk that all ranks see, to which densities go as they come; memory has none.

        Returns:
            The densities, mass, free energy and minimum at the times; with an absorbing set, what has survived.

        Raises:
            InvalidArgument: a wrong argument, M or Psi; a checkpoint of another problem. On all ranks, wherever found.
            NotConverged: no step is small enough, or there are too many; the linear solver is not exact enough.

        Warns:
            Unresolved: the initial density varies faster than the cells.
        """
        if self.on_mesh is not None:
            not_on_a_mesh("stream", stream)
            return self.on_mesh.evolve(initial, times, scheme, step, checkpoint, checkpoint_every, progress, absorbing)
        same_on_all_ranks(self.comm, absorbing=absorbing is None)
        killing = None if absorbing is None else indicator("absorbing", absorbing, self.comm)
        return evolve(self, initial, times, scheme, step, checkpoint, checkpoint_every, progress, killing, stream)

    def functions(self, mesh: Mesh | None = None, degree: int = 1) -> tuple[fem.Function, fem.Function]:
        """M and Psi as finite element functions, for forms of one's own; collective.

        Args:
            mesh: of the functions; None takes that of the equation.
            degree: of the continuous elements, at least 1.

        Returns:
            M, with values (d, d), and Psi.

        Raises:
            InvalidArgument: an argument out of range, or no mesh.
        """
        with needed_by("functions of dolfinx"):
            from .on_a_mesh.functions import functions
        return functions(self.coefficients, self.mesh if mesh is None else mesh, degree, self.comm)

    def spectrum(self, k: int) -> np.ndarray:
        """The k smallest decay rates, 0 first: -div(sigma pi M grad f) = lambda pi f, pi = exp(-Psi/sigma).

        Args:
            k: how many.

        Returns:
            lambda (k,), in units of 1/time, not decreasing.

        Raises:
            InvalidArgument: k out of range.
            NotConverged: the eigensolver failed.

        Warns:
            Unresolved: elements of the highest degree that is affordable leave an error above rtol.
        """
        return self.modes(k).rates

    def modes(self, k: int) -> Modes:
        """The k slowest modes: rates, and eigenfunctions f as finite element functions; see `spectrum`."""
        count = on_all_ranks(self.comm, lambda: integer("k", k, 1))
        same_on_all_ranks(self.comm, k=count)
        if self.on_mesh is not None:
            return self.on_mesh.modes(count)
        return slowest(self, count)

    def mean_first_passage_time(self, target: GivenSet) -> ScalarField | MeshField:
        """The mean time T to reach a set: -div(sigma pi M grad T) = pi outside of it, T = 0 in it.

        Args:
            target: the set, from points (P, d) to truth values (P,); its boundary is found by bisection. On a line it
                may be an end of the interval, or a point that is a node.

        Returns:
            T as a field; `T.at(points)` in units of time.

        Raises:
            InvalidArgument: not such a callable, no node in the target, or all of them; no path reaches it.
            NotConverged: the linear solver is not exact enough.

        Warns:
            Unresolved: rounding or the cells leave more than rtol, or the grid does not resolve the target.
        """
        if self.on_mesh is not None:
            return self.on_mesh.mean_first_passage_time(target)
        return passage_time(self, indicator("target", target, self.comm))

    def committor(self, a: GivenSet, b: GivenSet) -> ScalarField | MeshField:
        """The probability q to reach b before a: -div(sigma pi M grad q) = 0 between them, q = 0 in a and 1 in b.

        Args:
            a: the set of reactants, from points (P, d) to truth values (P,).
            b: that of products.

        Returns:
            q as a field; `q.at(points)`, in [0, 1].

        Raises:
            InvalidArgument: not such callables, an empty set, or sets that meet or touch; no path reaches one of them.
            NotConverged: the linear solver is not exact enough.

        Warns:
            Unresolved: rounding or the cells leave more than rtol, or the grid does not resolve a set.
        """
        if self.on_mesh is not None:
            return self.on_mesh.committor(a, b)
        return committor(self, indicator("a", a, self.comm), indicator("b", b, self.comm))

    def transition(self, a: GivenSet, b: GivenSet, *, bounds: bool = False) -> Transition | MeshTransition:
        """The transitions from a set a to a set b in equilibrium: frequency, rates, duration, density, current,
        committors.

        Args:
            a: the set of reactants, from points (P, d) to truth values (P,).
            b: that of products.
            bounds: whether an interval that contains the frequency is computed too, by the principles of Dirichlet and
                Thomson, with finite elements.

        Returns:
            The transition; `frequency`, `rate`, `backward_rate` in units of 1/time, with their `errors`.

        Raises:
            InvalidArgument: not such callables, an empty set, or sets that meet or touch; no path reaches one of them.
            NotConverged: a solver failed.

        Warns:
            Unresolved: the cells leave an error of more than 2 %, or one that is not known.
        """
        if self.on_mesh is not None:
            return self.on_mesh.transition(a, b, bounds)
        return transition(self, indicator("a", a, self.comm), indicator("b", b, self.comm), bounds)

    def first_passage(self, target: GivenSet) -> FirstPassage | MeshFirstPassage:
        """The law of the time to reach a set: mean and variance as fields, and survival.

        Args:
            target: the set, from points (P, d) to truth values (P,).

        Returns:
            The law; `mean.at(points)`, `variance.at(points)`, `survival(times, initial)`.

        Raises:
            InvalidArgument: not such a callable, no node in the target, or all of them; no path reaches it.
            NotConverged: a solver failed.

        Warns:
            Unresolved: the cells leave an error of more than 2 %, or one that is not known.
        """
        if self.on_mesh is not None:
            return self.on_mesh.first_passage(target)
        return first_passage(self, indicator("target", target, self.comm))

    def quasi_stationary(self, target: GivenSet) -> QuasiStationary | MeshQuasiStationary:
        """The quasi-stationary law: that of paths which have not reached a set for long, and the rate at which they do.

        It is the slowest mode of the equation with paths killed in the set, L f = -lambda f, rho = pi f.

        Args:
            target: the set, from points (P, d) to truth values (P,).

        Returns:
            `density`, and `rate` in units of 1/time.

        Raises:
            InvalidArgument: not such a callable, no node in the target, or all of them; no path reaches it.
            NotConverged: a solver failed.

        Warns:
            Unresolved: the cells leave an error of more than 2 %, or another mode is as slow.
        """
        if self.on_mesh is not None:
            return self.on_mesh.quasi_stationary(target)
        return quasi_stationary(self, indicator("target", target, self.comm))

    def poisson(self, source: Callable[[np.ndarray], ArrayLike]) -> ScalarField | MeshField:
        """The Poisson equation of the generator: -div(sigma pi M grad f) = pi (g - <g>), <f> = 0.

        The asymptotic variance of time averages of g is 2 <f g>.

        Args:
            source: g, from points (P, d) to values (P,).

        Returns:
            f as a field.

        Raises:
            InvalidArgument: not such a callable, or values that are not finite.
            NotConverged: the linear solver is not exact enough.

        Warns:
            Unresolved: barriers leave no digits, or fewer than rtol asks for.
        """
        if self.on_mesh is not None:
            return self.on_mesh.poisson(source)
        return poisson(self, source)


@dataclass(frozen=True, eq=False, repr=False)
class FokkerPlanck(ReversibleFokkerPlanck):
    """The Fokker-Planck equation of a reversible diffusion in a box or on a mesh, without flux through its walls.

        d_t rho = div(M (rho grad Psi + sigma grad rho)),    equilibrium exp(-Psi/sigma).

    Args:
        coefficients: M(x), Psi(x) and sigma; anything with `mobility`, `free_energy` and `temperature`.
        box: (a_i, b_i) for each direction (d, 2), d = 1, 2, 3; None with a mesh.
        cells: number of cells along each direction (d,); None with a mesh.
        rtol: relative error of rates, and of each step of an evolution (in total variation).
        periodic: True, or for each direction whether it has no walls.
        mesh: of dolfinx, of simplices or of quadrilaterals or hexahedra, instead of box and cells. Its fields live on
            the rank that owns them, and sets may be facets or other entities with a tag, as a pair (mesh tags, value).
            What is returned has the names of the results of a box.
        comm: the ranks that share the work; None takes those of the mesh, or all.
        petsc_options: of the linear solver of evolutions and hitting problems, without prefix.
        linear_algebra: the library that solves in a box, "petsc" or "scipy" (on one rank); None takes PETSc where it is
            installed.

    Raises:
        InvalidArgument: an argument out of range; coefficients that are not periodic where the box is, or that are not
            finite, symmetric and positive definite (found when they are first asked for, on all ranks).

    Source: Duncan, Duong and Pavliotis (2023), Theorem 1, with V0 as part of Psi.
    """

    coefficients: Coefficients
    box: ArrayLike | None = None
    cells: int | Sequence[int] | None = None
    rtol: float = 1e-6
    _: KW_ONLY
    periodic: bool | Sequence[bool] = False
    mesh: Mesh | None = None
    comm: MPI.Comm = field(default=None, repr=False)
    petsc_options: dict[str, Any] | None = field(default=None, repr=False)
    linear_algebra: str | None = None

    def __post_init__(self) -> None:
        self._take_ranks()
        on_all_ranks(self.comm, self._check_arguments)
        self._compare_ranks(float(self.coefficients.temperature))
        if self.mesh is None:
            check_periods(self.grid, self.coefficients, self.rtol)

    def _check_arguments(self) -> None:
        check_domain(self.box, self.cells, self.periodic, self.mesh, self.comm)
        super()._check_arguments()
        checked_coefficients(self.coefficients)
        dim = getattr(self.coefficients, "dim", self.dim)
        if dim != self.dim:
            reason = f"must have {dim} directions, like the coefficients, not {self.dim}"
            raise InvalidArgument("mesh" if self.mesh else "box", reason)

    of: ClassVar[Any] = classmethod(equation_of)
    lattice = property(attrgetter("grid"), doc="`grid`, by its former name.")
