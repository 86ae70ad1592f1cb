"""Densities in time: dyadic steps of a resolvent scheme, each accepted or refused by the system that is integrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.checks import number
from scaling_limits.particles.support.logs import timed
from scaling_limits.particles.support.progress import ProgressBar

from .integration import Statistics, StepControl
from .resolvents import ResolventScheme

# steps between two snapshots
MOST_STEPS = 2**60
# steps that are chosen, taken or refused, between two snapshots
MOST_TRIED = 2**17
# of a step that is refused
MOST_HALVINGS = 8
WHAT = "the evolution of the density"


@dataclass(frozen=True)
class DyadicStep:
    """The place in time: after `position` of `count` equal steps between snapshots `interval` - 1 and `interval`.

    Steps are halved and doubled only, so that few step sizes occur and the factors of their resolvents are kept.
    """

    interval: int = 0
    count: int = 0
    position: int = 0

    def halved(self, times: int) -> DyadicStep:
        """Return the same place, with steps 2^times times shorter."""
        return replace(self, count=self.count << times, position=self.position << times)

    def doubled(self) -> DyadicStep:
        """Return the same place, with steps twice as long, where that is possible."""
        if self.count % 2 or self.position % 2:
            return self
        return replace(self, count=self.count // 2, position=self.position // 2)

    @property
    def snapshots(self) -> float:
        """How many snapshots are behind, and which part of the way to the next."""
        return self.interval + self.position / max(self.count, 1)

    def next(self) -> DyadicStep:
        """Return the place one step later."""
        return replace(self, position=self.position + 1)


@dataclass(frozen=True)
class StepChoice:
    """How the steps of an evolution are chosen.

    Args:
        scheme: of the steps.
        rtol: largest error of a step, in total variation; None takes steps of the given size.
        step: largest size of all steps, or None.
    """

    scheme: ResolventScheme
    rtol: float | None
    step: float | None

    @classmethod
    def of(cls, scheme: object, step: float | None, rtol: float, *, exact: bool = False) -> StepChoice:
        """Return steps of the given size, or chosen by rtol where none is given.

        Args:
            scheme: of the steps.
            step: their largest size, or None.
            rtol: error of a step, if they are chosen.
            exact: whether time is exact, so that no step is needed whatever the scheme.

        Raises:
            InvalidArgument: not a scheme, one that cannot estimate its error without a step, or a step <= 0.
        """
        if not isinstance(scheme, ResolventScheme):
            raise InvalidArgument("scheme", f"must be a ResolventScheme, not {scheme!r}")
        if step is not None:
            return cls(scheme, None, number("step", step, above=0.0))
        if scheme.order < 2 and not exact:
            raise InvalidArgument("step", f"must be given for {scheme.name}, which cannot estimate its error")
        return cls(scheme, rtol, None)

    def __repr__(self) -> str:
        # checkpoints hold a hash of this text, with the name that the class had when the format was made
        return f"Stepper(scheme={self.scheme!r}, rtol={self.rtol!r}, step={self.step!r})"

    @property
    def control(self) -> StepControl:
        """The growth of steps: they are doubled where twice the step would do."""
        return StepControl(self.scheme.order, safety=0.8, shrink=2.0**-MOST_HALVINGS, grow=2.0, most=MOST_TRIED)


@dataclass
class IntegratorState:
    """The state between two steps, and the snapshots so far: all that a checkpoint holds.

    Args:
        state: s on this rank.
        place: in time.
        length: size of the last step taken, 0 for none.
        entropy: relative entropy H of the state.
        snapshots: what the system shows of the states at the times so far, on this rank.
        entropies: H there.
        statistics: steps taken and refused.
        memory: numbers that an integrator keeps between steps, the same on all ranks.
    """

    state: np.ndarray
    place: DyadicStep = field(default_factory=DyadicStep)
    length: float = 0.0
    entropy: float = np.inf
    snapshots: list[np.ndarray] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    statistics: Statistics = field(default_factory=Statistics)
    memory: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


class ResolventSolver(Protocol):
    """Solves with 1 + c S."""

    @property
    def factorisations(self) -> int:
        """Matrices factored so far."""

    def solve(self, c: float, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of (1 + c S) x = b, on the rows of this rank."""

    def applied(self, state: np.ndarray) -> np.ndarray:
        """Return S x, on the rows of this rank."""


class DensitySystem(Protocol):
    """A linear equation d_t s = -S s for densities."""

    @property
    def resolvents(self) -> ResolventSolver:
        """(1 + c S)^-1."""

    def norm(self, state: np.ndarray) -> float:
        """Return the size of a difference of states, in total variation of densities."""

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state as it is kept, its entropy, and why it is refused (empty if not)."""

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return the density on this rank that a snapshot keeps, and the entropy there."""


class StateKeeper(Protocol):
    """A checkpoint: it reads the state of an interrupted evolution, and writes that of this one; collective."""

    def restore(self, start: IntegratorState) -> IntegratorState:
        """Return the state that was written, or the given one where there is none."""

    def after_step(self, state: IntegratorState) -> None:
        """Write, if it is time to."""

    def write(self, state: IntegratorState) -> None:
        """Write."""


class SnapshotSink(Protocol):
    """Takes snapshots as they come; collective."""

    def begin(self, count: int) -> None:
        """Begin, or go on after so many snapshots."""

    def take(self, index: int, density: np.ndarray, entropy: float) -> None:
        """Take the snapshot of an index >= 0: the density on this rank, and the entropy."""


class DensityIntegrator:
    """The loop over snapshots and dyadic steps.

    Args:
        system: what is integrated.
        choice: of the steps.
    """

    def __init__(self, system: DensitySystem, choice: StepChoice) -> None:
        self._system, self._choice, self._control = system, choice, choice.control

    def integrated(
        self, start: IntegratorState, times: np.ndarray, checkpoint: StateKeeper | None, shown: bool,
        sink: SnapshotSink | None = None,
    ) -> IntegratorState:  # fmt: skip
        """Return the state at the last of the times; collective.

        Args:
            start: the state at time 0, for which that of the checkpoint is taken where it has one.
            times: snapshots (T,).
            checkpoint: read at the start, and written as it is due, if there is one.
            shown: whether this rank shows a progress bar, at a terminal or in a notebook.
            sink: takes the snapshots, which are not kept then.

        Raises:
            InvalidArgument: the file of the checkpoint is damaged, or belongs to another problem.
            NotConverged: no step is small enough, or a step of the given size is too large for the scheme.
        """
        state = start if checkpoint is None else checkpoint.restore(start)
        self._check_snapshots(state, sink)
        bar = ProgressBar(len(times), True, "snapshot") if shown else None

        def after_step() -> None:
            if bar is not None:
                bar.move_to(state.place.snapshots)
            if checkpoint is not None:
                checkpoint.after_step(state)

        with timed(None, "evolution") as said:
            while state.place.interval < len(times):
                self._go_to_next(state, times, after_step, sink)
            costs = state.statistics
            costs.factorisations += self._system.resolvents.factorisations
            said |= {"scheme": self._choice.scheme.name, "steps": costs.steps, "refused": costs.refused}
            said["matrices"] = costs.factorisations
        if checkpoint is not None:
            checkpoint.write(state)
        if bar is not None:
            bar.close()
        return state

    @staticmethod
    def _check_snapshots(state: IntegratorState, sink: SnapshotSink | None) -> None:
        """See that the snapshots so far are where they are to be."""
        if sink is None:
            if len(state.snapshots) < len(state.entropies):
                reason = "belongs to an evolution whose densities went to a file: give it again, by stream"
                raise InvalidArgument("checkpoint", reason)
            return
        sink.begin(0 if state.snapshots else len(state.entropies))
        for i, (density, entropy) in enumerate(zip(state.snapshots, state.entropies)):
            sink.take(i, density, entropy)
        state.snapshots = []

    def _go_to_next(
        self, state: IntegratorState, times: np.ndarray, after_step: Callable[[], None], sink: SnapshotSink | None
    ) -> None:
        """Take the state to the next snapshot and keep its density."""
        i = state.place.interval
        until = float(times[i])
        span = until - float(times[i - 1]) if i else until
        if state.place == DyadicStep(i) and span > 0:
            state.place = DyadicStep(i, self._first_count(state, span))
        tried = state.statistics.tried
        while span > 0 and state.place.position < state.place.count:
            self.take_step(state, span, until)
            self._check_number(state, state.statistics.tried - tried, span, until)
            after_step()
        density, state.entropy = self._system.snapshot(state)
        if sink is None:
            state.snapshots.append(density)
        else:
            sink.take(i, density, state.entropy)
        state.entropies.append(state.entropy)
        state.place = DyadicStep(i + 1)
        after_step()

    def _first_count(self, state: IntegratorState, span: float) -> int:
        """Steps of the given size; or 2^k of about the size of before, at the very start of an explicit guess."""
        if self._choice.step is not None:
            return max(1, int(np.ceil(span / self._choice.step * (1 - 1e-12))))
        guess = state.length or self._explicit_guess(state.state)
        return 2 ** int(np.clip(np.ceil(np.log2(span / guess) - 1e-9), 0, 50))

    def _explicit_guess(self, state: np.ndarray) -> float:
        rate = self._system.norm(self._system.resolvents.applied(state))
        assert self._choice.rtol is not None
        return float(self._choice.rtol ** (1 / max(self._choice.scheme.order, 2)) / max(rate, 1e-300))

    def take_step(self, state: IntegratorState, span: float, until: float) -> None:
        """Try one step; where it is refused, the next is shorter.

        Args:
            state: changed in place.
            span: time between the last snapshot and the next.
            until: time of the next snapshot.
        """
        rtol, h = self._choice.rtol, span / state.place.count
        accepted, entropy, error, reason = self.attempt(state, h)
        if reason or error > 1.0:
            state.statistics.refused += 1
            self._refuse(state, error, reason or f"the error is {error:.1g} times rtol", h, until)
            return
        state.state, state.entropy, state.length = accepted, entropy, h
        state.statistics.keep(h)
        state.place = state.place.next()
        if rtol is not None and self._control.factor(error) >= 2.0:
            state.place = state.place.doubled()

    def attempt(self, state: IntegratorState, h: float) -> tuple[np.ndarray, float, float, str]:
        """Return the state after a step, its entropy, the error of the step in units of rtol, and why it is refused.

        Args:
            state: before the step; it is not changed.
            h: the step.
        """
        new, error = self.linear_step(state, h)
        accepted, entropy, reason = self._system.accept(state, new)
        return accepted, entropy, error, reason

    def linear_step(self, state: IntegratorState, h: float) -> tuple[np.ndarray, float]:
        """Return s after a step of the scheme, and its error in units of rtol, 0 where steps have a given size."""
        scheme, rtol = self._choice.scheme, self._choice.rtol
        stages = [state.state]
        for _ in range(scheme.order):
            stages.append(self._system.resolvents.solve(scheme.gamma * h, stages[-1]))
        new = _combined(scheme.weights, stages[1:])
        error = 0.0 if rtol is None else self._system.norm(_combined(scheme.estimate, stages)) / rtol
        return new, error

    def _refuse(self, state: IntegratorState, error: float, reason: str, h: float, until: float) -> None:
        if self._choice.rtol is None or state.place.count >= MOST_STEPS:
            if self._choice.rtol is None:
                remedy = "take a smaller step, or IMPLICIT_EULER"
            else:
                # where it is not the error, a larger one helps nothing
                remedy = "take a larger rtol" if error > 1.0 else "take IMPLICIT_EULER with a step, or other times"
            raise NotConverged(WHAT, reason, remedy, time=until, step=h)
        state.place = state.place.halved(int(np.ceil(-np.log2(self._control.after_refusal(error)))))

    def _check_number(self, state: IntegratorState, tried: int, span: float, until: float) -> None:
        """Give up if the steps that are chosen are too many."""
        if self._choice.rtol is not None and tried >= self._control.most:
            part = state.place.position / state.place.count
            raise NotConverged(
                WHAT,
                f"{tried} steps have led {part:.2g} of the way: fast rates hide the slow ones behind their rounding",
                "ask for earlier times, and for later ones take spectrum; or a larger rtol",
                time=until - (1.0 - part) * span, step=span / state.place.count,
            )  # fmt: skip


def _combined(weights: np.ndarray, states: list[np.ndarray]) -> np.ndarray:
    """The sum of states (m,) with weights."""
    result = weights[0] * states[0]
    for weight, state in zip(weights[1:], states[1:]):
        result += weight * state
    return np.asarray(result)
