"""What a solve of the pinned-billiard equations is asked for, and the scheme and the first step where none is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles.sampling.workers import warn_together_if_long

from ...time.integration import Statistics
from ...time.rosenbrock import RODAS3, RODAS4, Rosenbrock
from ..compiled.kernels import known
from ..elements import Source
from ..forms import BilliardForm
from ..mesh_choice import Mesh
from .outlook import REMEDY, Outlook

if TYPE_CHECKING:
    from mpi4py import MPI

# of rtol for all steps together; the rest is for the mesh
TIME_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Task:
    """What a solve is asked for, checked; see `BilliardEquations.solve`."""

    times: NDArray[np.float64]
    rtol: float
    form: BilliardForm
    scheme: Rosenbrock
    source: Source | None
    progress: bool
    petsc_options: dict[str, Any] | None
    comm: MPI.Comm
    between: Callable[[], None] | None = None
    say_long: Callable[[str, float], None] | None = None

    def outlook(self, mesh: Mesh, statistics: Statistics) -> Outlook:
        """What says that an integration on a mesh will take long: a warning, unless the task has another way.

        Ranks that share the mesh go by the clock of the first one, and warn together.
        """
        comm, nodes = self.comm, mesh.cells * mesh.degree + 1

        def say(what: str, seconds: float) -> None:
            warn_together_if_long(what, seconds * comm.size, 1, REMEDY, comm)

        def common_clock() -> float:
            return float(comm.bcast(time.monotonic()))

        clock = time.monotonic if comm.size == 1 else common_clock
        return Outlook(statistics, nodes, float(self.times[-1]), self.say_long or say, clock)

    @property
    def compiled(self) -> bool:
        """Whether all of it is one compiled function: on one rank, without options for PETSc and without a source."""
        return self.comm.size == 1 and self.petsc_options is None and self.source is None and known(self.form)

    @property
    def first(self) -> float:
        """The first positive time, 0 where there is none."""
        return float(self.times[self.times > 0].min()) if self.times[-1] > 0 else 0.0


def default_scheme(rtol: float) -> Rosenbrock:
    """The scheme of a solve that names none."""
    return RODAS3 if rtol > 3e-3 else RODAS4


def first_step(mesh: Mesh, speed: float) -> float:
    """The first step that is tried."""
    spacing = 1.0 / (mesh.cells * mesh.degree)
    return min(0.1 * spacing / speed, spacing**2)


def step_tolerance(scheme: Rosenbrock, rtol: float) -> float:
    """The local error of a step with which the errors of all steps together stay below TIME_SHARE rtol.

    Waves that go to and fro carry errors along. With these factors all steps together were seen to err by at most
    0.45 rtol (lambda = 0.5 to 3000, rtol = 1e-1 to 1e-6, until the noise is spent). Layers that move make a step now
    and then worse than its estimate: factors of 0.25 and 0.04 went to 0.8 rtol there, with more steps, of which a third
    was refused.
    """
    return (0.1 if scheme.order >= 4 else 0.01) * rtol
