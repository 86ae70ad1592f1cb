"""The evolution of a density on a mesh: linear steps, with limits where they lose the sign or raise the free energy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import flag
from scaling_limits.particles.support.checks import times as checked_times

from ...time.density_integrator import DensityIntegrator, IntegratorState, StepChoice
from ...time.resolvents import Resolvents, ResolventScheme
from . import limits
from .initial import Initial, probabilities_of
from .limits import StepLimiter
from .lumped import LumpedEquation
from .problem import DiffusionOnMesh
from .storage.checkpoints import Saving


@dataclass(frozen=True)
class EvolutionSettings:
    """What an evolution allows, beside rtol.

    Args:
        exact: part of rtol that linear solves may leave of the mass.
        exact_steps: part of the mass that they may leave where steps have a given size.
        drift: part of the mass by which linear solves may miss it; it is scaled back.
        longest: gamma h S at most: beyond it rounding of the fast rates drowns the slow ones.
        most: steps between two snapshots.
        share: of what limits have changed so far, an error of the cells, that the error of a step may be, and the next
            change, where that is more than rtol.
        said: part of the mass that limits have changed, in all, from which a warning says so.
    """

    exact: float = 1e-3
    exact_steps: float = 1e-12
    drift: float = 1e-6
    longest: float = 1e9
    most: int = 2**14
    share: float = 0.01
    said: float = 0.02


SETTINGS = EvolutionSettings()
LEAST_MASS = 1e-290
# steps of a given size at most
MOST_STEPS = 2**40


class NodalSystem:
    """d_t s = -S s with r = sqrt(pi int phi) s >= 0 (a `density_integrator.DensitySystem`).

    Args:
        lumped: S, and where paths are killed.
        choice: of the steps.
    """

    def __init__(self, lumped: LumpedEquation, choice: StepChoice) -> None:
        equation = lumped.equation
        self.lumped, self.choice = lumped, choice
        self.allowed = SETTINGS.exact_steps if choice.rtol is None else SETTINGS.exact * choice.rtol
        self.resolvents = Resolvents(
            PetscMatrix(lumped.matrix), lumped.root, equation.dim, "fokker_planck_", equation.petsc_options,
            allowed=self.allowed,
        )  # fmt: skip
        self._mass = 1.0

    def norm(self, state: np.ndarray) -> float:
        """Return sum sqrt(m) |s|, relative to the mass that is left."""
        return self.lumped.equation.total(np.abs(state) * self.lumped.root) / self._mass

    def start(self, probabilities: np.ndarray) -> IntegratorState:
        """Return the state of probabilities r (m,) at the nodes of this rank."""
        root = self.lumped.root
        state = np.where(root > 0, probabilities / np.where(root > 0, root, 1.0), 0.0)
        return IntegratorState(state=state, entropy=self.lumped.relative_entropy(state * root)[0])

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the state, before limits, and why it is refused."""
        total = self.lumped.equation.total(new * self.lumped.root)
        if self.lumped.held is not None:
            self._mass = max(self.lumped.equation.total(old.state * self.lumped.root), LEAST_MASS)
            return new, 0.0, "" if np.isfinite(total) else "the linear step is not finite"
        return new, 0.0, "" if abs(total - 1.0) <= SETTINGS.drift else f"the mass becomes {total:.6e}"

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return the probabilities r on this rank, and H."""
        return old.state * self.lumped.root, old.entropy


class MeshIntegrator(DensityIntegrator):
    """Linear steps with limits.

    Args:
        system: what is integrated.
        choice: of the steps.
    """

    def __init__(self, system: NodalSystem, choice: StepChoice) -> None:
        super().__init__(system, choice)
        self.system, self.choice = system, choice
        self._control = replace(self._control, most=SETTINGS.most)
        self.limiter = StepLimiter(system.lumped, system.allowed)

    def take_step(self, state: IntegratorState, span: float, until: float) -> None:
        """Try one step, unless the state is at rest, or the step too long for rounding."""
        if state.memory.size:
            self.recall(state)
        self._take_step(state, span, until)
        state.memory = np.array([self.limiter.steps, self.limiter.changed])

    def recall(self, state: IntegratorState) -> None:
        """Go on from what a state keeps, of this run or of one before it."""
        self.limiter.steps, self.limiter.changed = int(state.memory[0]), float(state.memory[1])

    def _take_step(self, state: IntegratorState, span: float, until: float) -> None:
        free, place = self.system.lumped.held is None, state.place
        if free and state.entropy <= limits.SETTINGS.even:
            while place.doubled() != place:
                place = place.doubled()
            state.place = place.next()
            return
        longest = SETTINGS.longest / (self.choice.scheme.gamma * self.system.lumped.fastest)
        if self.choice.rtol is not None and span / place.count > longest:
            state.place = place.halved(int(np.ceil(np.log2(span / place.count / longest))))
        super().take_step(state, span, until)

    def attempt(self, state: IntegratorState, h: float) -> tuple[np.ndarray, float, float, str]:
        """Return the state after a step, its entropy, its error in units of what is allowed, and why it is refused."""
        rtol = self.choice.rtol
        # times as large as rtol
        allowed = 1.0 if rtol is None else max(1.0, SETTINGS.share * self.limiter.changed / rtol)
        linear, error = self.linear_step(state, h)
        error /= allowed
        linear, _, reason = self.system.accept(state, linear)
        if reason or not error <= 1.0:
            return state.state, np.inf, error, reason
        step = self.limiter.limited(state, linear, h)
        if rtol is not None:
            # changes are of first order in h: as a number from which the control takes a root
            error = max(error, (step.change / (allowed * rtol)) ** self.choice.scheme.order)
        if not step.reason and error <= 1.0:
            self.limiter.keep(step)
        return step.state, step.entropy, error, step.reason


@dataclass(frozen=True, eq=False)
class NodalEvolution:
    """What an evolution gives: at the nodes of this rank.

    Args:
        probabilities: (T, m).
        relative_entropy: (T,).
        end: the state at the last time.
        limited_steps: how many steps were changed by limits.
    """

    probabilities: np.ndarray
    relative_entropy: np.ndarray
    end: IntegratorState
    limited_steps: int


def evolved(
    equation: DiffusionOnMesh, initial: Initial, times: np.ndarray, choice: StepChoice, held: np.ndarray | None,
    shown: bool, saving: Saving | None = None,
) -> NodalEvolution:  # fmt: skip
    """The probabilities of the nodes at times; collective.

    Args:
        equation: on its mesh.
        initial: the density at time 0, or a point.
        times: snapshots (T,).
        choice: of the steps.
        held: nodes (m,) of this rank in which paths are killed, or None.
        shown: whether a progress bar is shown.
        saving: where it is saved as it goes on, or None.
    """
    lumped = LumpedEquation(equation, held)
    start = probabilities_of(equation, initial)
    system = NodalSystem(lumped, choice)
    integrator = MeshIntegrator(system, choice)
    start = start if held is None else np.where(held, 0.0, start)
    keeper = None if saving is None else saving.keeper(lumped, times, choice, start)
    end = integrator.integrated(system.start(start), times, keeper, shown and equation.comm.rank == 0)
    if end.memory.size:
        integrator.recall(end)
    limiter = integrator.limiter
    if "monotone" in vars(limiter):
        end.statistics.factorisations += limiter.monotone.factorisations
    if limiter.changed > SETTINGS.said and equation.comm.rank == 0 and not equation.quiet:
        message = f"limits that keep densities positive changed {limiter.changed:.1e} of their mass in all"
        warn(f"{message}: look at `error`, refine the mesh, or make it fit M", Unresolved)
    return NodalEvolution(np.array(end.snapshots), np.array(end.entropies), end, limiter.steps)


def chosen(
    equation: DiffusionOnMesh, times: ArrayLike, scheme: ResolventScheme, step: float | None, progress: bool
) -> tuple[np.ndarray, StepChoice, bool]:
    """The checked times and steps, the same on all ranks; collective.

    Raises:
        InvalidArgument: an argument out of range, or other ones on other ranks.
    """

    def checked() -> tuple[np.ndarray, StepChoice, bool]:
        snapshots, choice = checked_times(times), StepChoice.of(scheme, step, equation.rtol)
        if choice.step is not None and snapshots[-1] > MOST_STEPS * choice.step:
            raise InvalidArgument("step", f"{choice.step:g} makes more than {MOST_STEPS} steps to {snapshots[-1]:g}")
        return snapshots, choice, flag("progress", progress)

    found = on_all_ranks(equation.comm, checked)
    same_on_all_ranks(equation.comm, times=found[0], step=found[1].step, scheme=scheme.name)
    return found
