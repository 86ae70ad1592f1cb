"""The evolution of a density on a mesh: linear steps where they keep the sign, entropy variables where they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import flag
from scaling_limits.particles.support.checks import times as checked_times

from ...time.density_integrator import DensityIntegrator, IntegratorState, StepChoice
from ...time.resolvents import Resolvents, ResolventScheme
from .entropy_steps import EULER, SDIRK2, SDIRK4, EntropySteps
from .initial import Initial, probabilities_of
from .lumped import LumpedEquation
from .problem import DiffusionOnMesh
from .storage.checkpoints import Saving


@dataclass(frozen=True)
class EvolutionSettings:
    """What an evolution allows, beside rtol.

    Args:
        exact: part of rtol that linear solves and Newton's method may leave of the mass.
        exact_steps: part of the mass that they may leave where steps have a given size.
        negative: part of rtol that may become negative of the mass in a linear step, and be set to 0; more would excite
            fast modes again and again.
        drift: part of the mass by which linear solves may miss it; it is scaled back.
        even: relative entropy below which a state is left alone.
        longest: gamma h S at most: beyond it rounding of the fast rates drowns the slow ones.
        most: steps between two snapshots.
        steps: in entropy variables before a linear one is tried again, at first and at most.
        settled: linear steps in a row after which the first of these numbers holds again.
        divided: times that a step of a given size in entropy variables may be divided by two.
        said: part of the mass that was negative, in all, from which a warning says so where sets kill.
    """

    exact: float = 1e-3
    exact_steps: float = 1e-12
    negative: float = 1e-3
    drift: float = 1e-6
    even: float = 1e-20
    longest: float = 1e9
    most: int = 2**14
    steps: tuple[int, int] = (8, 512)
    settled: int = 64
    divided: int = 8
    said: float = 1e-3


SETTINGS = EvolutionSettings()
LEAST_MASS = 1e-290


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
        self.negative = SETTINGS.negative * (choice.rtol or equation.rtol)
        self.resolvents = Resolvents(
            lumped.matrix, lumped.root, equation.dim, "fokker_planck_", equation.petsc_options, allowed=self.allowed
        )
        self.clipped, self._mass = 0.0, 1.0

    def norm(self, state: np.ndarray) -> float:
        """Return sum sqrt(m) |s|, relative to the mass that is left."""
        return self.lumped.equation.total(np.abs(state) * self.lumped.root) / self._mass

    def start(self, probabilities: np.ndarray) -> IntegratorState:
        """Return the state of probabilities r (m,) at the nodes of this rank."""
        root = self.lumped.root
        state = np.where(root > 0, probabilities / np.where(root > 0, root, 1.0), 0.0)
        return IntegratorState(state=state, entropy=self.entropy(state)[0])

    def entropy(self, state: np.ndarray) -> tuple[float, float]:
        """Return H, and what rounding may change of it."""
        return self.lumped.relative_entropy(state * self.lumped.root)

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state with r >= 0 and the mass of before, its entropy, and why it is refused."""
        density = new * self.lumped.root
        total = self.lumped.equation.total(density)
        beyond = self.lumped.equation.total(np.maximum(-density, 0.0))
        before = 1.0 if self.lumped.held is None else self._left(old)
        killing = self.lumped.held is not None
        if not killing and not abs(total - 1.0) <= SETTINGS.drift:
            return new, np.inf, f"the mass becomes {total:.6e}"
        if killing and not 0.0 <= total <= before * (1.0 + SETTINGS.drift):
            return new, np.inf, f"the mass rises from {before:.6e} to {total:.6e}"
        if not killing and not beyond <= self.negative:
            return new, np.inf, f"the density is negative on {beyond:.1e} of its mass"
        self.clipped += beyond / before
        return self.kept(old, np.maximum(new, 0.0), min(total, before) if killing else 1.0)

    def _left(self, old: IntegratorState) -> float:
        self._mass = max(self.lumped.equation.total(old.state * self.lumped.root), LEAST_MASS)
        return self._mass

    def kept(self, old: IntegratorState, positive: np.ndarray, mass: float) -> tuple[np.ndarray, float, str]:
        """Return a state that is not negative with a given mass, its entropy, and why it is refused."""
        total = self.lumped.equation.total(positive * self.lumped.root)
        state = positive * (mass / total if total > 0 else 0.0)
        entropy, noise = self.entropy(state)
        if self.lumped.held is not None or entropy <= old.entropy + noise:
            # the lowest value so far is what later ones are held against, so that noise never adds up
            return state, entropy if self.lumped.held is not None else min(entropy, old.entropy), ""
        if entropy <= SETTINGS.even:
            return old.state, old.entropy, ""
        return state, np.inf, f"the relative entropy rises from {old.entropy:.6e} to {entropy:.6e}"

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return the probabilities r on this rank, and H."""
        return old.state * self.lumped.root, old.entropy


class MeshIntegrator(DensityIntegrator):
    """Linear steps, and steps in entropy variables where those would lose the sign or the decay of the free energy.

    Args:
        system: what is integrated.
        choice: of the steps.
    """

    def __init__(self, system: NodalSystem, choice: StepChoice) -> None:
        super().__init__(system, choice)
        self.system, self.choice = system, choice
        self._control = replace(self._control, most=SETTINGS.most)
        self.entropy_steps = EntropySteps(system.lumped.equation)
        self.method = {1: EULER, 2: SDIRK2}.get(choice.scheme.order, SDIRK4)
        self.taken, self._to_go, self._next, self._in_a_row = 0, 0, SETTINGS.steps[0], 0

    def take_step(self, state: IntegratorState, span: float, until: float) -> None:
        """Try one step, unless the state is at rest, or the step too long for rounding."""
        if state.memory.size:
            self.recall(state)
        self._take_step(state, span, until)
        state.memory = np.array([self.taken, self._to_go, self._next, self._in_a_row, self.system.clipped])
        state.guesses = [] if self.entropy_steps.low is None else [self.entropy_steps.low]

    def recall(self, state: IntegratorState) -> None:
        """Go on from what a state keeps, of this run or of one before it."""
        self.taken, self._to_go, self._next, self._in_a_row = (int(number) for number in state.memory[:4])
        self.system.clipped = float(state.memory[4])
        self.entropy_steps.low = state.guesses[0] if state.guesses else None

    def _take_step(self, state: IntegratorState, span: float, until: float) -> None:
        free, place = self.system.lumped.held is None, state.place
        if free and state.entropy <= SETTINGS.even:
            while place.doubled() != place:
                place = place.doubled()
            state.place = place.next()
            return
        longest = SETTINGS.longest / (self.choice.scheme.gamma * self.system.lumped.fastest)
        if self.choice.rtol is not None and span / place.count > longest:
            state.place = place.halved(int(np.ceil(np.log2(span / place.count / longest))))
        super().take_step(state, span, until)

    def attempt(self, state: IntegratorState, h: float) -> tuple[np.ndarray, float, float, str]:
        """Return the state after a step, its entropy, its error in units of rtol, and why it is refused."""
        if self.system.lumped.held is not None:
            return super().attempt(state, h)
        if self._to_go == 0:
            found = super().attempt(state, h)
            if not found[3] or found[2] > 1.0:
                self._in_a_row += 1
                if self._in_a_row >= SETTINGS.settled:
                    self._next = SETTINGS.steps[0]
                return found
            self._in_a_row = 0
            self._to_go, self._next = self._next, min(2 * self._next, SETTINGS.steps[1])
        self._to_go -= 1
        return self._in_entropy_variables(state, h)

    def _in_entropy_variables(self, state: IntegratorState, h: float) -> tuple[np.ndarray, float, float, str]:
        """The same by a step in entropy variables; those of a given size are divided where their stages have no
        solution.
        """
        system, rtol = self.system, self.choice.rtol
        root, total = system.lumped.root, system.lumped.equation.total
        for level in range(1 if rtol is not None else SETTINGS.divided):
            new, reason = state.state * root, ""
            for _ in range(2**level):
                if not reason:
                    step = h / 2**level
                    new, difference, reason = self.entropy_steps.step(self.method, new, step, system.allowed)
            if not reason:
                break
        if reason:
            return state.state, np.inf, 0.0, reason
        error = 0.0 if rtol is None else total(np.abs(difference)) / rtol
        accepted, entropy, reason = system.kept(state, new / root, 1.0)
        self.taken += not reason and error <= 1.0
        return accepted, entropy, error, reason


@dataclass(frozen=True, eq=False)
class NodalEvolution:
    """What an evolution gives: at the nodes of this rank.

    Args:
        probabilities: (T, m).
        relative_entropy: (T,).
        end: the state at the last time.
        entropy_steps: how many steps were in entropy variables.
    """

    probabilities: np.ndarray
    relative_entropy: np.ndarray
    end: IntegratorState
    entropy_steps: int


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
    end.statistics.factorisations += integrator.entropy_steps.factorisations
    end.statistics.evaluations += integrator.entropy_steps.evaluations
    if held is not None and system.clipped > SETTINGS.said and equation.comm.rank == 0 and not equation.quiet:
        message = f"densities were negative on {system.clipped:.1e} of their mass in all, and were set to 0 there"
        warn(f"{message}: refine the mesh, or make it fit M", Unresolved)
    return NodalEvolution(np.array(end.snapshots), np.array(end.entropies), end, integrator.taken)


def chosen(
    equation: DiffusionOnMesh, times: ArrayLike, scheme: ResolventScheme, step: float | None, progress: bool
) -> tuple[np.ndarray, StepChoice, bool]:
    """The checked times and steps, the same on all ranks; collective.

    Raises:
        InvalidArgument: an argument out of range, or other ones on other ranks.
    """

    def checked() -> tuple[np.ndarray, StepChoice, bool]:
        return checked_times(times), StepChoice.of(scheme, step, equation.rtol), flag("progress", progress)

    found = on_all_ranks(equation.comm, checked)
    same_on_all_ranks(equation.comm, times=found[0], step=found[1].step, scheme=scheme.name)
    return found
