"""Densities of actions in time: exact where sites do not act on one another, else by implicit steps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.archive import full_path
from scaling_limits.particles.support.checks import flag, number
from scaling_limits.particles.support.checks import times as checked_times

from ..time.checkpoint import Checkpoint
from ..time.density_integrator import DensityIntegrator, IntegratorState, StepChoice
from ..time.integration import Statistics
from ..time.resolvents import Resolvents, ResolventScheme
from . import separable
from .coupled import TransportMatrices
from .density_evolution import EvolvedActions
from .discretisation import TransportDiscretisation, mass_beyond_box
from .initial import fingerprint
from .space import ActionSpace, product_of

if TYPE_CHECKING:
    from mpi4py import MPI

CUT_IN_A_STEP = 1e-3  # negative mass that a step sets to 0, above which a warning says so
REFUSED = 0.5  # of the mass; a density that is negative on so much of it is none


@dataclass(frozen=True)
class TimeIntegration:
    """When densities are kept on their way, and how they are led there.

    Args:
        snapshots: slow times tau, shape (T,).
        stepper: how steps are chosen.
        checkpoint: the file of an interrupted evolution, or None.
        checkpoint_every: seconds between two writings of it.
        progress: whether to show a progress bar.
    """

    snapshots: np.ndarray
    stepper: StepChoice
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float
    progress: bool

    @classmethod
    def checked(
        cls, comm: MPI.Comm, times: ArrayLike, scheme: ResolventScheme, step: float | None, rtol: float,
        separable: bool, checkpoint: str | os.PathLike[str] | None, checkpoint_every: float, progress: bool,
    ) -> TimeIntegration:  # fmt: skip
        """The integration of the arguments of `TransportFokkerPlanck.evolve`, checked before any work; collective.

        Raises:
            InvalidArgument: an argument out of range, or not the same on all ranks.

        Warns:
            UserWarning: arguments that are not used, since time is exact.
        """

        def of_this_rank() -> tuple[TimeIntegration, str]:
            stepper = StepChoice.of(scheme, step, rtol, exact=separable)
            every = number("checkpoint_every", checkpoint_every, least=0.0)
            place = full_path("checkpoint", checkpoint)
            return cls(checked_times(times), stepper, checkpoint, every, flag("progress", progress)), place

        result, place = on_all_ranks(comm, of_this_rank)
        given = [name for name, value in (("checkpoint", checkpoint), ("step", step)) if value is not None]
        if separable and given and comm.rank == 0:
            message = f"{' and '.join(given)} not used: sites do not act on one another, and time is exact"
            warn(message, UserWarning)
        every = result.checkpoint_every
        same_on_all_ranks(comm, times=result.snapshots, step=step, checkpoint=place, checkpoint_every=every)
        return result

    def evolved(self, discretisation: TransportDiscretisation, values: np.ndarray) -> EvolvedActions:
        """The densities at the snapshots; collective.

        Args:
            discretisation: the one whose box holds the initial density.
            values: the initial density on its grid of quadrature points.

        Raises:
            InvalidArgument: the cells are much too large for the density; a checkpoint of another problem.
            NotConverged: no step is small enough.

        Warns:
            Unresolved: the cells are too large for the density, or the given box cuts some of it off.
        """
        space = discretisation.space
        start = space.normalised(space.projected(values))
        if discretisation.separable:
            fields, undershoot = separable.evolved(space, discretisation.weights, start, self.snapshots)
            statistics = Statistics()
        else:
            evolution = ActionEvolution(space, discretisation.matrices, discretisation.petsc_options)
            keeper = None
            if self.checkpoint is not None:
                problem = fingerprint(discretisation, start, self.snapshots, self.stepper)
                keeper = Checkpoint(self.checkpoint, self.checkpoint_every, space, problem)
            integrator = DensityIntegrator(evolution, self.stepper)
            shown = self.progress and space.comm.rank == 0
            end = integrator.integrated(evolution.start(start), self.snapshots, keeper, shown)
            fields = np.array([space.whole(field) for field in end.snapshots])
            undershoot, statistics = evolution.undershoot, end.statistics
        run = EvolvedActions(discretisation, self.snapshots, fields, undershoot, statistics)
        _warn(run)
        return run


def _warn(run: EvolvedActions) -> None:
    discretisation = run.discretisation
    if run.undershoot > CUT_IN_A_STEP and discretisation.comm.rank == 0:
        message = f"the density was negative on {run.undershoot:.1e} of its mass in a step, and was set to 0 there"
        warn(f"{message}; take more cells", Unresolved)
    if not discretisation.sized:
        tails = [mass_beyond_box(run[i], pessimistic=False) for i in range(len(run))]
        discretisation.warn_of_tail(np.max(tails, axis=0), "the density")


class ActionEvolution:
    """B d_t s = -A s for s = sqrt(diag B) u, with u >= 0 at the nodes (a `density_integrator.DensitySystem`).

    Args:
        space: of u.
        matrices: A and B, divided by sqrt(diag B) from both sides, and these roots.
        petsc_options: of the linear solver, without prefix.
    """

    def __init__(self, space: ActionSpace, matrices: TransportMatrices, petsc_options: dict[str, Any] | None) -> None:
        self._space, self._roots = space, matrices.roots
        # int w u = weights . s
        self._weights = product_of(space.ones).ravel()[space.own] / self._roots
        self.resolvents = Resolvents(
            PetscMatrix(matrices.outflow), self._roots, space.dim, "transport_", petsc_options,
            PetscMatrix(matrices.product),
        )  # fmt: skip
        self.undershoot = 0.0

    def _sum(self, values: np.ndarray) -> float:
        return float(self._space.comm.allreduce(float(values.sum())))

    def norm(self, state: np.ndarray) -> float:
        """Return the sum of |s| with the weights of the mass."""
        return self._sum(np.abs(state) * self._weights)

    def start(self, field: np.ndarray) -> IntegratorState:
        """Return the state of a field u (size,).

        Raises:
            InvalidArgument: the cells are much too large for it.
        """
        state, _, reason = self.accept(IntegratorState(np.empty(0)), field[self._space.own] * self._roots)
        if reason:
            raise InvalidArgument("initial", f"cannot be represented: {reason}")
        return IntegratorState(state=state, entropy=0.0)

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state with u >= 0 at the nodes and mass 1, no entropy, and why it is refused (or nothing)."""
        positive = np.maximum(new, 0.0)
        total, kept = self._sum(new * self._weights), self._sum(positive * self._weights)
        negative = self._sum((positive - new) * np.abs(self._weights))
        if not negative <= REFUSED * abs(total) or not kept > 0:
            return new, np.inf, f"the density is negative on {negative:.1e} of its mass; take more cells"
        self.undershoot = max(self.undershoot, negative)
        return positive / kept, 0.0, ""

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return u on this rank, and no entropy: that is found from the fields, when it is asked for."""
        return old.state / self._roots, 0.0
