"""Densities of actions in time: exact where sites do not act on one another, else by implicit steps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.archive import target
from scaling_limits.particles.support.checks import flag, number
from scaling_limits.particles.support.checks import times as checked_times

from ..time.checkpoint import Checkpoint
from ..time.density_integrator import DensityIntegrator, StepChoice
from ..time.integration import Statistics
from . import separable
from .density_evolution import EvolvedActions
from .discretisation import TransportDiscretisation, mass_beyond_box
from .evolution import ActionEvolution
from .initial import fingerprint

CUT_IN_A_STEP = 1e-3  # negative mass that a step sets to 0, above which a warning says so


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
        cls, comm: MPI.Comm, times: Any, scheme: Any, step: Any, rtol: float, separable: bool, checkpoint: Any,
        checkpoint_every: Any, progress: Any,
    ) -> TimeIntegration:  # fmt: skip
        """The integration of the arguments of `TransportFokkerPlanck.evolve`, checked before any work; collective.

        Raises:
            InvalidArgument: an argument out of range, or not the same on all ranks.

        Warns:
            UserWarning: arguments that are not used, since time is exact.
        """

        def of_this_rank() -> TimeIntegration:
            stepper = StepChoice.of(scheme, step, rtol, exact=separable)
            every = number("checkpoint_every", checkpoint_every, least=0.0)
            if checkpoint is not None:
                target("checkpoint", checkpoint)
            return cls(checked_times(times), stepper, checkpoint, every, flag("progress", progress))

        result = on_all_ranks(comm, of_this_rank)
        given = [name for name, value in (("checkpoint", checkpoint), ("step", step)) if value is not None]
        if separable and given and comm.rank == 0:
            message = f"{' and '.join(given)} not used: sites do not act on one another, and time is exact"
            warn(message, UserWarning)
        same_on_all_ranks(comm, times=result.snapshots, step=step)
        return result

    def evolved(self, found: TransportDiscretisation, values: np.ndarray) -> EvolvedActions:
        """The densities at the snapshots; collective.

        Args:
            found: the discretisation, whose box holds the initial density.
            values: the initial density on its grid of quadrature points.

        Raises:
            InvalidArgument: the cells are much too large for the density; a checkpoint of another problem.
            NotConverged: no step is small enough.

        Warns:
            Unresolved: the cells are too large for the density, or the given box cuts some of it off.
        """
        start = found.space.normalised(found.space.projected(values))
        if found.separable:
            fields, undershoot = separable.evolved(found.space, found.weights, start, self.snapshots)
            statistics = Statistics()
        else:
            evolution = ActionEvolution(found.space, *found.matrices, found.petsc_options)
            keeper = None
            if self.checkpoint is not None:
                problem = fingerprint(found, start, self.snapshots, self.stepper)
                keeper = Checkpoint(self.checkpoint, self.checkpoint_every, found.space, problem)
            shown = self.progress and found.comm.rank == 0
            integrator = DensityIntegrator(evolution, self.stepper)
            end = integrator.integrated(evolution.start(start), self.snapshots, keeper, shown)
            fields = np.array([found.space.whole(field) for field in end.snapshots])
            undershoot, statistics = evolution.undershoot, end.statistics
        run = EvolvedActions(found, self.snapshots, fields, undershoot, statistics)
        _warn(run)
        return run


def _warn(run: EvolvedActions) -> None:
    found = run.discretisation
    if run.undershoot > CUT_IN_A_STEP and found.comm.rank == 0:
        message = f"the density was negative on {run.undershoot:.1e} of its mass in a step, and was set to 0 there"
        warn(f"{message}; take more cells", Unresolved)
    if not found.sized:
        tails = [mass_beyond_box(run[i], pessimistic=False) for i in range(len(run))]
        found.warn_of_tail(np.max(tails, axis=0), "the density")
