"""The evolution of a density: its start at the nodes, the integrator, and the checkpoint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.sampling.workers import warn_if_long
from scaling_limits.particles.support.checks import times as checked_times

from ..time.checkpoint import Checkpoint, integrate_from
from ..time.density_integrator import DensityIntegrator, StepChoice
from ..time.resolvent_schemes import ResolventScheme
from .box_quadrature import integral
from .coefficients import function_at
from .density_evolution import DensityEvolution
from .problem import ReversibleDiffusion
from .reversible import ReversibleSystem
from .scharfetter_gummel import HIGHEST

BETWEEN = 3  # Gauss points along each direction of a cell, at which an initial density is compared with its nodes
UNSEEN = 0.1  # relative difference of its integrals; one that jumps has this of a cell in so many cells
BEYOND = 1e-12  # of the initial mass, behind walls where no path goes
SOLVE = 2e-7  # seconds of a linear solve, for each node
MOST_GIVEN = 2**40  # steps of a given size
SAME_FIELD = 1e-10  # change of Psi/sigma, log M_ii and M_ij/sqrt(M_ii M_jj) at a node, in a checkpoint's problem
SAME_START = 1e-12  # change of the initial density, in total variation, there


def evolve(
    equation: ReversibleDiffusion, initial: Callable[[np.ndarray], ArrayLike], times: ArrayLike,
    scheme: ResolventScheme, step: float | None, checkpoint: str | os.PathLike[str] | None, every: float,
    progress: bool,
) -> DensityEvolution:  # fmt: skip
    """The densities at times; see `FokkerPlanck.evolve`."""
    comm, grid = equation.comm, equation.grid
    snapshots, choice = on_all_ranks(comm, lambda: _chosen(equation, times, scheme, step))
    same_on_all_ranks(
        comm, times=snapshots, step=choice.step, scheme=scheme.name, checkpoint=checkpoint is None,
        checkpoint_every=every,
    )  # fmt: skip
    probabilities = _start(equation, initial)
    generator = equation.generator
    system = ReversibleSystem(generator, choice, equation.petsc_options)
    traits = np.concatenate([
        (generator.traits / (SAME_FIELD * np.sqrt(grid.size))).ravel(),
        grid.signed_sums(probabilities[:, None]).ravel() / SAME_START,
    ])  # fmt: skip
    keeper = Checkpoint(checkpoint, every, grid, _problem(equation, snapshots, choice), traits)
    integrator = DensityIntegrator(system, choice)
    end = integrate_from(keeper, integrator, system.start(probabilities), snapshots, progress)
    densities = np.array([grid.whole(density) for density in end.snapshots])
    return DensityEvolution(equation, snapshots, densities, np.array(end.entropies), end.statistics)


def _chosen(
    equation: ReversibleDiffusion, times: ArrayLike, scheme: ResolventScheme, step: float | None
) -> tuple[np.ndarray, StepChoice]:
    snapshots, choice = checked_times(times), StepChoice.of(scheme, step, equation.rtol)
    if choice.step is not None and snapshots[-1] > MOST_GIVEN * choice.step:
        raise InvalidArgument("step", f"{choice.step:g} makes more than {MOST_GIVEN} steps to {snapshots[-1]:g}")
    if choice.step is not None and equation.comm.rank == 0:
        solves = choice.scheme.order * float(snapshots[-1]) / choice.step
        seconds = SOLVE * solves * equation.grid.size / equation.comm.size
        warn_if_long(f"{solves:.2g} solves of the evolution", seconds, 1, "take a larger step, or none")
    return snapshots, choice


def _start(equation: ReversibleDiffusion, initial: Callable[[np.ndarray], ArrayLike]) -> np.ndarray:
    """Probabilities (m,) at the nodes of this rank, which add up to 1 over all ranks, and are 0 where no path goes."""
    comm, grid = equation.comm, equation.grid
    values = on_all_ranks(comm, lambda: function_at("initial", initial, grid.points, nonnegative=True))
    total = float(comm.allreduce(float((values * grid.volumes).sum())))
    if total <= 0:
        raise InvalidArgument("initial", "is 0 at all nodes; take more cells, or a wider density")
    _look_between_nodes(equation, initial, total)
    probabilities, alive = values * grid.volumes / total, equation.generator.root > 0
    beyond = comm.allreduce(float(probabilities[~alive].sum()))
    if beyond > BEYOND:
        message = f"puts {beyond:.1e} of its mass where exp(-Psi/sigma) is below exp(-{HIGHEST:g}) of its maximum"
        raise InvalidArgument("initial", message)
    return np.where(alive, probabilities, 0.0) / (1.0 - beyond) if beyond > 0 else probabilities


def _look_between_nodes(
    equation: ReversibleDiffusion, initial: Callable[[np.ndarray], ArrayLike], total: float
) -> None:
    """Warn where the sum of the initial density over the nodes is not its integral over the cells."""

    def mass(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return weights @ function_at("initial", initial, x, nonnegative=True)

    found = float(integral(equation.grid, mass, BETWEEN))
    # one that is 0 at all those points is meant to live on nodes: a start at one of them
    if found > 0 and abs(found - total) > UNSEEN * max(found, total) and equation.comm.rank == 0:
        message = f"the integral of the initial density is {found:.3g} by points in cells, and {total:.3g} by nodes"
        warn(f"{message}: it varies faster than the cells; take more cells", Unresolved)


def _problem(equation: ReversibleDiffusion, times: np.ndarray, choice: StepChoice) -> str:
    """A hash of what two runs of one problem share to the last digit. Fields are compared by their traits instead, and
    options of the linear solver not at all: its solves are held to rtol.
    """
    grid = equation.grid
    parts = [grid.box, np.array(grid.cells), np.array(grid.periodic), times]
    text = f"{choice} {equation.coefficients.temperature!r}".encode()
    return hashlib.sha256(text + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
