"""Adaptive integration in time: what an equation and a one-step method must offer, step control, statistics, the loop.

The loop is shared by the Rosenbrock methods and Runge-Kutta-Chebyshev. Densities have a loop of their own
(`density_integrator`), whose steps are dyadic; they share the step control.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from scaling_limits.particles.errors import NotConverged

# part of the time to go by which a step may miss its end, and is then taken to reach it
ROUNDING = 1e-12
# the least error, in tolerances, that says how errors change from step to step
PREDICTING = 1e-2
# the largest factor after steps that were refused in a row
AGAIN = 0.4
NOT_FINITE = "the linear solve or the state is not finite"


class System(Protocol):
    """An equation M y' = f(t, y), on the unknowns of this rank."""

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        """Return f(t, y)."""

    def error(self, y: np.ndarray, new: np.ndarray, difference: np.ndarray) -> float:
        """Return the size of an error estimate, 1 where the tolerance is just met; the same on all ranks.

        Args:
            y: the state before the step.
            new: the state after it.
            difference: estimate of the error of `new`.
        """

    def accept(self, t: float, new: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the state as it is kept, with an empty text, or a reason to refuse it."""


class ImplicitSystem(System, Protocol):
    """A system whose linear systems can be solved; M is diagonal."""

    mass: np.ndarray

    def rate_in_time(self, t: float, y: np.ndarray) -> np.ndarray | None:
        """Return df/dt, or None where f does not depend on t."""

    def factor(self, t: float, y: np.ndarray, shift: float) -> None:
        """Prepare solves with shift M - df/dy."""

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of the prepared linear system; not finite where it has none."""


class StabilisedSystem(System, Protocol):
    """A system with M = 1 whose rates are bounded, for stabilised explicit methods."""

    spectral_radius: float
    relaxation: float  # the time in which any disturbance of a stationary state has decayed


@dataclass(frozen=True)
class StepControl:
    """The choice of step sizes: h_next = h clip(safety err^(-1/order), shrink, grow), err the error in tolerances.

    Args:
        order: of the error of a step in h.
        safety: part of the step that the error estimate would allow.
        shrink: least factor between two steps.
        grow: largest factor.
        refused: largest factor after a step that was refused for its error.
        smallest: steps below this part of the time reached, or of the first step tried, are given up: they are rounding
            of the time, however far the last time is.
        most: number of steps, taken or refused, after which the solve is given up.
        vain: number of steps refused for another reason than their error after which it is given up too, where they are
            a third of all: the state is at the edge of what is allowed, and does not come away from it.
    """

    order: int
    safety: float = 0.9
    shrink: float = 0.2
    grow: float = 6.0
    refused: float = 1.0
    smallest: float = 1e-13
    most: int = 200_000
    vain: int = 2_000

    def factor(self, error: float) -> float:
        """Return the factor by which the next step is longer."""
        return growth(self, error)

    def after_refusal(self, error: float) -> float:
        """Return the factor after a refused step; a step refused for another reason than its error is halved."""
        return factor_after_refusal(self, error)


# decisions that compiled loops take too, with a named tuple in place of the control


@register_jitable
def growth(control: StepControl, error: float) -> float:
    """See `StepControl.factor`."""
    if not np.isfinite(error):
        return control.shrink
    return min(control.grow, max(control.shrink, control.safety * max(error, 1e-30) ** (-1.0 / control.order)))


@register_jitable
def factor_after_refusal(control: StepControl, error: float) -> float:
    """See `StepControl.after_refusal`."""
    return 0.5 if error <= 1.0 else min(growth(control, error), control.refused)


@register_jitable
def factor_after_step(control: StepControl, h: float, error: float, before: float, error_before: float) -> float:
    """Return the factor after a step that was taken, predicted from how the error has changed since the one before.

    It is that of the error, times (h/h_before) (err_before/err)^(1/order) where that is below 1: estimates that grow
    from step to step make the next step shorter before it is refused. Source: Gustafsson, in Hairer and Wanner,
    Solving Ordinary Differential Equations II, section IV.8, (8.25).

    Args:
        control: of the step sizes.
        h: the step.
        error: its error, in tolerances.
        before: the step that was taken before it, 0 where there is none.
        error_before: its error.
    """
    factor = growth(control, error)
    if before <= 0.0:
        return factor
    # an error far below the tolerance predicts nothing
    change = max(error_before, PREDICTING) / max(error, 1e-30)
    return max(min(factor, factor * (h / before) * change ** (1.0 / control.order)), min(factor, control.shrink))


@register_jitable
def factor_after_refusals(control: StepControl, error: float, refusals: int) -> float:
    """Return the factor after a refused step, of which there were so many in a row before: estimates mislead there."""
    factor = factor_after_refusal(control, error)
    return factor if refusals == 0 else min(factor, AGAIN)


@register_jitable
def in_vain(control: StepControl, others: int, tried: int) -> bool:
    """Return whether so many steps that were refused for another reason than their error, of all, are too many."""
    return others > control.vain and 3 * others > tried


@register_jitable
def next_step(t: float, h: float, target: float) -> tuple[float, bool]:
    """Return the step that is taken from t, of which h is the longest, and whether it reaches the target."""
    if h >= (target - t) * (1 - ROUNDING):
        return target - t, True
    # two steps of half the way, rather than a long and a tiny one
    return min(h, 0.5 * (target - t)), False


def too_large(error: float) -> str:
    """Say by how much an error estimate refuses a step."""
    return f"the error estimate is {error:.3g} times the tolerance"


@dataclass
class Statistics:
    """Cost of a solve: steps taken and refused, evaluations of f, matrices factored, the extreme step sizes."""

    steps: int = 0
    refused: int = 0
    evaluations: int = 0
    factorisations: int = 0
    smallest_step: float = np.inf
    largest_step: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> Statistics:
        """Return the statistics whose fields, in their order, are these numbers; as they are read from a file."""
        numbers = [float(value) for value in values]
        return cls(*(int(number) for number in numbers[:4]), *numbers[4:])

    @property
    def numbers(self) -> NDArray[np.float64]:
        """All fields in their order, as they are written to a file."""
        return np.array(astuple(self), dtype=float)

    @property
    def tried(self) -> int:
        """Steps taken or refused."""
        return self.steps + self.refused

    def keep(self, step: float) -> None:
        """Count a step that was taken."""
        self.steps += 1
        self.smallest_step = min(self.smallest_step, step)
        self.largest_step = max(self.largest_step, step)


S = TypeVar("S", bound=System)


class OneStepMethod(ABC, Generic[S]):
    """A method of integration for systems of the kind S; its name and a remedy are for messages."""

    name: str
    remedy: ClassVar[str]

    @property
    @abstractmethod
    def control(self) -> StepControl:
        """The choice of step sizes."""

    @abstractmethod
    def attempt(
        self, system: S, t: float, y: np.ndarray, f: np.ndarray, h: float, statistics: Statistics
    ) -> tuple[np.ndarray, np.ndarray | None, float, str]:
        """Return y(t + h), its rate if it is known, the size of its error, and why it is refused (empty if not).

        Args:
            system: what is integrated.
            t: the time.
            y: the state y(t).
            f: its rate f(t, y).
            h: the step.
            statistics: to which the cost is added.
        """

    def longest(self, system: S) -> float:
        """Return the longest step that the method can take."""
        return np.inf

    def at_rest(self, system: S, y: np.ndarray, f: np.ndarray, span: float) -> bool:
        """Return whether the state is stationary for the rest of the time."""
        return False


def integrate(
    method: OneStepMethod[S], system: S, y: np.ndarray, times: np.ndarray, statistics: Statistics, *,
    first: float, control: StepControl | None = None, look: Callable[[float], None] | None = None,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Yield the states at the times.

    Args:
        method: of the steps.
        system: what is integrated.
        y: the state at time 0.
        times: snapshots (T,), which do not decrease and begin at or after 0.
        statistics: to which the cost is added.
        first: the first step tried.
        control: of the step sizes; None takes that of the method.
        look: is told the time that is reached after each step.

    Raises:
        NotConverged: the step had to become too small, or there were too many.
    """
    control = control or method.control
    t, h, end, resting = 0.0, first, float(times[-1]), False
    # the step that was taken last, its error, and the refusals since then; refusals for other reasons than errors
    before, error_before, refusals, others = 0.0, 0.0, 0, 0
    f = system.rate(t, y)
    for target in times:
        while t < target and not resting:
            h = min(h, method.longest(system))
            step, last = next_step(t, h, float(target))
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
                new, rate, error, reason = method.attempt(system, t, y, f, step, statistics)
            if not reason and not np.isfinite(error):
                reason = NOT_FINITE
            elif not reason and error > 1.0:
                reason = too_large(error)
            if reason:
                statistics.refused += 1
                h, refusals = step * factor_after_refusals(control, error, refusals), refusals + 1
                others += int(error <= 1.0)
            else:
                statistics.keep(step)
                t, y = (float(target) if last else t + step), new
                f = system.rate(t, y) if rate is None else rate
                factor = factor_after_step(control, step, error, before, error_before)
                # what was just refused is not tried again
                h = step * min(factor, 1.0) if refusals else max(h if step < h else 0.0, step * factor)
                before, error_before, refusals = step, error, 0
                resting = method.at_rest(system, y, f, end - t)
            small = bool(reason) and (
                h < control.smallest * max(t, first) or in_vain(control, others, statistics.tried)
            )
            if small or (t < target and statistics.tried > control.most):
                raise given_up(method, control, reason, t, h)
            if look is not None:
                look(t)
        yield y


def given_up(method: OneStepMethod[S], control: StepControl, reason: str, t: float, h: float) -> NotConverged:
    """The error of an integration that ends at t with the step h; an empty reason stands for too many steps."""
    reason = reason or f"{control.most} steps were not enough"
    return NotConverged(f"{method.name} time stepping", reason, method.remedy, time=t, step=h)
