"""All that is asked of a Fokker-Planck equation, on a mesh."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.archive import full_path
from scaling_limits.particles.support.checks import number

from ...time.resolvents import ResolventScheme
from ..coefficients import Coefficients
from ..spectrum import Modes
from .cell_shapes import check_shapes
from .density import MeshDensity
from .density_evolution import MeshDensityEvolution
from .elliptic.fields import MeshField
from .elliptic.first_passage import (
    MeshFirstPassage,
    MeshQuasiStationary,
    density_evolution,
    first_passage,
    quasi_stationary,
)
from .elliptic.hitting import committor, passage_time, poisson
from .elliptic.sets import GivenSet, MeshSet, resolved
from .elliptic.spectrum import modes
from .elliptic.transition import MeshTransition, transition
from .evolution import chosen
from .problem import DiffusionOnMesh
from .stationary import stationary
from .storage.checkpoints import Saving


class MeshSolvers(DiffusionOnMesh):
    """The solvers of an equation on a mesh; each is described where `FokkerPlanck` has it."""

    @classmethod
    def of_user(
        cls, coefficients: Coefficients, mesh: dolfinx_mesh.Mesh | None, rtol: float, comm: MPI.Comm,
        petsc_options: dict[str, Any] | None,
    ) -> MeshSolvers:  # fmt: skip
        """The solvers on a mesh of the user's; collective.

        Raises:
            InvalidArgument: cells that are flat, folded or on one another.
        """
        assert mesh is not None
        # of the user's only: cells within sets may become flat when nodes are moved onto boundaries
        check_shapes(mesh)
        return cls(coefficients, mesh, rtol, comm, petsc_options)

    def stationary(self) -> MeshDensity:
        """See `FokkerPlanck.stationary`."""
        return stationary(self)

    def evolve(
        self, initial: Callable[[np.ndarray], ArrayLike], times: ArrayLike, scheme: ResolventScheme,
        step: float | None, checkpoint: str | os.PathLike[str] | None, every: float, progress: bool,
        absorbing: GivenSet | None,
    ) -> MeshDensityEvolution:  # fmt: skip
        """See `FokkerPlanck.evolve`."""
        snapshots, choice, shown = chosen(self, times, scheme, step, progress)
        every = on_all_ranks(self.comm, lambda: number("checkpoint_every", every, least=0.0))
        place = on_all_ranks(self.comm, lambda: full_path("checkpoint", checkpoint))
        same_on_all_ranks(self.comm, checkpoint=place, checkpoint_every=every, absorbing=absorbing is None)
        saving = None if checkpoint is None else Saving(checkpoint, every)
        found = None if absorbing is None else resolved(self, MeshSet("absorbing", absorbing, 0.0))
        equation = self if found is None else found.equation
        return density_evolution(equation, initial, snapshots, choice, found, shown, saving)

    def modes(self, k: int) -> Modes:
        """See `FokkerPlanck.modes`."""
        return modes(self, k)

    def mean_first_passage_time(self, target: GivenSet) -> MeshField:
        """See `FokkerPlanck.mean_first_passage_time`."""
        return passage_time(self, target)

    def committor(self, a: GivenSet, b: GivenSet) -> MeshField:
        """See `FokkerPlanck.committor`."""
        return committor(self, a, b)

    def poisson(self, source: Callable[[np.ndarray], ArrayLike]) -> MeshField:
        """See `FokkerPlanck.poisson`."""
        return poisson(self, source)

    def transition(self, a: GivenSet, b: GivenSet, bounds: bool) -> MeshTransition:
        """See `FokkerPlanck.transition`."""
        return transition(self, a, b, bounds)

    def first_passage(self, target: GivenSet) -> MeshFirstPassage:
        """See `FokkerPlanck.first_passage`."""
        return first_passage(self, target)

    def quasi_stationary(self, target: GivenSet) -> MeshQuasiStationary:
        """See `FokkerPlanck.quasi_stationary`."""
        return quasi_stationary(self, target)
