"""Fokker-Planck equations of reversible diffusions: d_t rho = div(M (rho grad Psi + sigma grad rho)) in a box."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.backend.krylov import checked_options
from scaling_limits.meshes.box import Lattice, lattice
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.sampling.workers import warn_if_long
from scaling_limits.particles.support.checks import integer, number
from scaling_limits.particles.support.checks import times as checked_times

from ..time.checkpoint import Checkpoint
from ..time.evolution import Evolution, Stepper, probabilities_of
from ..time.resolvent_schemes import RESOLVENT4, ResolventScheme
from .box_quadrature import moments, points_per_direction
from .coefficients import Coefficients, checked_coefficients, exponent_at, function_at, mobility_at
from .density import FLOOR, Density
from .density_evolution import Evolved
from .hitting import problems
from .scharfetter_gummel import HIGHEST, EdgeScheme
from .spectrum import Modes, slowest

PERIOD_RTOL = 1e-8  # of what should be the same on both sides of a period
BETWEEN = 3  # Gauss points along each direction of a cell, at which an initial density is looked at
UNSEEN = 0.1  # relative difference of its integrals; one that jumps has this of a cell in so many cells
FACES = 16  # random points of a face at which that is looked at
BEYOND = 1e-12  # of the initial mass, behind walls where no path goes
SOLVE = 2e-7  # seconds of a linear solve, for each node
MOST_GIVEN = 2**40  # steps of a given size
SAME_FIELD = 1e-10  # change of Psi/sigma, log M_ii and M_ij/sqrt(M_ii M_jj) at a node, in a checkpoint's problem
SAME_START = 1e-12  # change of the initial density, in total variation, there


@dataclass(frozen=True, eq=False)
class FokkerPlanck:
    """d_t rho = div(M (rho grad Psi + sigma grad rho)), without flux through the walls of a box; equilibrium is
    exp(-Psi/sigma).

    Densities live on the nodes of a lattice, with exponentially fitted conductances along edges: mass, positivity,
    equilibrium and the decay of the free energy hold exactly for every tensor M (`edge_scheme`). Rates are found with
    elements of high degree (`spectrum`).

    Args:
        coefficients: M(x), Psi(x) and sigma; anything with `mobility`, `free_energy` and `temperature`.
        box: (a_i, b_i) for each direction (d, 2), d = 1, 2, 3.
        cells: number of cells along each direction (d,).
        rtol: relative error of rates, and of each step of an evolution (in total variation).
        periodic: True, or for each direction whether it has no walls.
        comm: the ranks that share the work.
        petsc_options: of the linear solver of evolutions and hitting problems, without prefix.

    Raises:
        InvalidArgument: an argument out of range; coefficients that are not periodic where the box is, or that are not
            finite, symmetric and positive definite (found when they are first asked for, on all ranks).

    Source: Duncan, Duong and Pavliotis (2023), Theorem 1, with V0 as part of Psi.
    """

    coefficients: Coefficients
    box: Any
    cells: Any
    rtol: float = 1e-6
    _: KW_ONLY
    periodic: Any = False
    comm: MPI.Comm = field(default_factory=lambda: MPI.COMM_WORLD, repr=False)
    petsc_options: dict[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        communicator(self.comm)
        on_all_ranks(self.comm, self._check_arguments)
        grid = self.lattice
        same_on_all_ranks(
            self.comm, box=grid.bounds, cells=np.array(grid.cells), periodic=np.array(grid.periodic), rtol=self.rtol,
            temperature=float(self.coefficients.temperature), petsc_options=self.petsc_options,
        )  # fmt: skip
        self._check_periods()

    def _check_arguments(self) -> None:
        if number("rtol", self.rtol, above=0.0) > 0.1:
            raise InvalidArgument("rtol", f"must be at most 0.1, not {self.rtol:g}")
        checked_coefficients(self.coefficients)
        checked_options(self.petsc_options)
        dim = getattr(self.coefficients, "dim", self.dim)
        if dim != self.dim:
            raise InvalidArgument("box", f"must have {dim} directions, like the coefficients, not {self.dim}")

    @cached_property
    def lattice(self) -> Lattice:
        """The nodes."""
        return lattice(self.box, self.cells, self.periodic, self.comm)

    @cached_property
    def scheme(self) -> EdgeScheme:
        """The generator on the nodes; `scheme.edges.widest` is 1 where neighbours are enough for a monotone scheme."""
        return EdgeScheme(self.lattice, self.coefficients)

    @property
    def dim(self) -> int:
        """D."""
        return self.lattice.dim

    def _check_periods(self) -> None:
        generator = np.random.Generator(np.random.Philox(key=FACES))
        low, high = self.lattice.bounds.T
        for i in np.flatnonzero(self.lattice.periodic):
            sides = np.repeat((low + (high - low) * generator.random((FACES, self.dim)))[None], 2, axis=0)
            sides[0, :, i], sides[1, :, i] = low[i], high[i]
            on_all_ranks(self.comm, partial(self._check_faces, int(i), sides))

    def _check_faces(self, i: int, sides: np.ndarray) -> None:
        exponents = [self.exponent(x) for x in sides]
        tensors = [mobility_at(self.coefficients, x) for x in sides]
        scale = max(1.0, float(np.abs(exponents[0]).max()))
        if np.abs(exponents[0] - exponents[1]).max() > PERIOD_RTOL * scale:
            raise InvalidArgument("periodic", f"Psi is not the same at both ends of direction {i}")
        if np.abs(tensors[0] - tensors[1]).max() > max(PERIOD_RTOL, 4 * self.rtol) * np.abs(tensors[0]).max():
            raise InvalidArgument("periodic", f"M is not the same at both ends of direction {i}")

    def exponent(self, points: np.ndarray) -> np.ndarray:
        """Psi/sigma (P,) at points (P, d)."""
        return exponent_at(self.coefficients, checked_points("points", points, self.dim))

    @cached_property
    def _log_partition(self) -> float:
        """log Z, Z = int exp(-Psi/sigma) over the box."""
        lowest, order = self.scheme.lowest, points_per_direction(self.lattice)

        def boltzmann(x: np.ndarray) -> np.ndarray:
            return np.exp(-np.maximum(self.exponent(x) - lowest, FLOOR))

        found, coarser = (float(moments(self.lattice, boltzmann, n)[0]) for n in (order, order - 1))
        if abs(found - coarser) > max(self.rtol, 1e-12) * found and self.comm.rank == 0:
            known = abs(1 - coarser / found)
            message = f"exp(-Psi/sigma) varies too much in a cell: its integral is known to {known:.1e} only"
            # the caller is behind the property and the method that asks for it
            warn(f"{message}; take more cells", Unresolved)
        return float(np.log(found)) - lowest

    def stationary(self) -> Density:
        """rho = exp(-Psi/sigma)/Z, the equilibrium; not exp(-Psi/sigma)/M.

        Returns:
            The density. Its mass is that of another quadrature than the one for Z.

        Warns:
            Unresolved: the cells are too large to integrate exp(-Psi/sigma) to rtol.

        Source: Duncan, Duong and Pavliotis (2023), below (18).
        """
        log_partition = self._log_partition
        order = points_per_direction(self.lattice) + 1
        found = moments(self.lattice, lambda x: np.exp(-self.exponent(x) - log_partition), order)
        uniform = np.full(self.lattice.size, -log_partition)
        return Density(self.lattice, self.exponent, uniform, float(found[0]), found[1:])

    def evolve(
        self,
        initial: Callable[[np.ndarray], Any],
        times: Any,
        *,
        scheme: ResolventScheme = RESOLVENT4,
        step: float | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        progress: bool = False,
    ) -> Evolved:
        """d_t rho = div(M (rho grad Psi + sigma grad rho)), rho(0) given.

        Args:
            initial: rho(0), from points (P, d) to values (P,) >= 0; it is normalised.
            times: snapshots (T,), not negative, not decreasing.
            scheme: of the time steps; it declares its order.
            step: steps of this size, or a little less so that they end at the times; None chooses them by `rtol`.
            checkpoint: a file from which an interrupted evolution goes on, on any number of ranks.
            checkpoint_every: seconds between two writings of it.
            progress: show a progress bar, at a terminal, on rank 0.

        Returns:
            The densities, mass, free energy and minimum at the times.

        Raises:
            InvalidArgument: an argument out of range; a density that is negative, not finite or 0 at all nodes; a wrong
                M or Psi; a checkpoint of another problem. On all ranks, wherever it was found.
            NotConverged: no step is small enough, or there are too many; the linear solver is not exact enough.

        Warns:
            Unresolved: the initial density varies faster than the cells, so that the nodes see another one.
        """
        snapshots, stepper = on_all_ranks(self.comm, lambda: self._chosen(times, scheme, step))
        same_on_all_ranks(
            self.comm, times=snapshots, step=stepper.step, scheme=scheme.name, checkpoint=checkpoint is None,
            checkpoint_every=checkpoint_every,
        )  # fmt: skip
        points = self.lattice.points
        values = on_all_ranks(self.comm, lambda: function_at("initial", initial, points, nonnegative=True))
        probabilities, total = probabilities_of(values, self.lattice.volumes, self.comm)
        if total <= 0:
            raise InvalidArgument("initial", "is 0 at all nodes; take more cells, or a wider density")
        self._look_between_nodes(initial, total)
        beyond = self.comm.allreduce(float(probabilities[self.scheme.root == 0].sum()))
        if beyond > 0:
            if beyond > BEYOND:
                message = (
                    f"puts {beyond:.1e} of its mass where exp(-Psi/sigma) is below exp(-{HIGHEST:g}) of its maximum"
                )
                raise InvalidArgument("initial", message)
            probabilities = np.where(self.scheme.root > 0, probabilities, 0.0) / (1.0 - beyond)
        evolution = Evolution(self.scheme, stepper, self.petsc_options)
        traits = np.concatenate([
            (self.scheme.traits / (SAME_FIELD * np.sqrt(self.lattice.size))).ravel(),
            self.lattice.signed_sums(probabilities[:, None]).ravel() / SAME_START,
        ])  # fmt: skip
        keeper = Checkpoint(checkpoint, checkpoint_every, self.lattice, self._problem(snapshots, stepper), traits)
        journey = keeper.travel(evolution, evolution.start(probabilities), snapshots, progress)
        seen = np.array([self.lattice.whole(field) for field in journey.seen])
        return Evolved(self, snapshots, seen, np.array(journey.entropies), journey.statistics)

    def _look_between_nodes(self, initial: Callable[[np.ndarray], Any], total: float) -> None:
        """Warn where the nodes do not see the initial density: where their sum is not its integral over the cells."""

        def density(x: np.ndarray) -> np.ndarray:
            return function_at("initial", initial, x, nonnegative=True)

        seen = float(moments(self.lattice, density, BETWEEN)[0])
        # one that is 0 at all those points is meant to live on nodes: a start at one of them
        if seen > 0 and abs(seen - total) > UNSEEN * max(seen, total) and self.comm.rank == 0:
            message = f"the integral of the initial density is {seen:.3g} by points in cells, and {total:.3g} by nodes"
            warn(f"{message}: it varies faster than the cells; take more cells", Unresolved)

    def _chosen(self, times: Any, scheme: Any, step: Any) -> tuple[np.ndarray, Stepper]:
        snapshots, stepper = checked_times(times), Stepper.chosen(scheme, step, self.rtol)
        if stepper.step is not None and snapshots[-1] > MOST_GIVEN * stepper.step:
            raise InvalidArgument("step", f"{stepper.step:g} makes more than {MOST_GIVEN} steps to {snapshots[-1]:g}")
        if stepper.step is not None and self.comm.rank == 0:
            solves = stepper.scheme.order * float(snapshots[-1]) / stepper.step
            seconds = SOLVE * solves * self.lattice.size / self.comm.size
            warn_if_long(f"{solves:.2g} solves of the evolution", seconds, 1, "take a larger step, or none")
        return snapshots, stepper

    def _problem(self, times: np.ndarray, stepper: Stepper) -> str:
        """What must be the same to the last digit; fields are compared by their traits. Options of the linear solver
        do not matter: its solves are held to rtol.
        """
        parts = [self.lattice.bounds, np.array(self.lattice.cells), np.array(self.lattice.periodic), times]
        text = f"{stepper} {self.coefficients.temperature!r}".encode()
        return hashlib.sha256(text + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def spectrum(self, k: int) -> np.ndarray:
        """-div(sigma pi M grad f) = lambda pi f, pi = exp(-Psi/sigma): the k smallest decay rates, 0 first.

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
        return slowest(self, count)

    def mean_first_passage_time(self, target: Callable[[np.ndarray], Any]) -> Any:
        """-div(sigma pi M grad T) = pi outside of the target, T = 0 in it: the mean time to reach it.

        Args:
            target: the set, from points (P, d) to truth values (P,); its boundary is found by bisection. On a line it
                may be an end of the interval, or a point that is a node.

        Returns:
            T as a field; `T.at(points)` in units of time.

        Raises:
            InvalidArgument: not such a callable, no node in the target, or all of them; no path reaches it.
            NotConverged: the linear solver is not exact enough.

        Warns:
            Unresolved: rounding or the cells leave more than rtol, or the lattice does not resolve the target.
        """
        return problems.mean_first_passage_time(self, target)

    def committor(self, a: Callable[[np.ndarray], Any], b: Callable[[np.ndarray], Any]) -> Any:
        """-div(sigma pi M grad q) = 0 between two sets, q = 0 in a and 1 in b: the probability to reach b before a.

        Args:
            a: the set of reactants, from points (P, d) to truth values (P,).
            b: that of products.

        Returns:
            q as a field; `q.at(points)`, in [0, 1].

        Raises:
            InvalidArgument: not such callables, an empty set, or sets that meet or touch; no path reaches one of them.
            NotConverged: the linear solver is not exact enough.

        Warns:
            Unresolved: rounding or the cells leave more than rtol, or the lattice does not resolve a set.
        """
        return problems.committor(self, a, b)

    def poisson(self, source: Callable[[np.ndarray], Any]) -> Any:
        """-div(sigma pi M grad f) = pi (g - <g>), <f> = 0: the Poisson equation of the generator.

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
        return problems.poisson(self, source)
