"""Rosenbrock methods: linearly implicit, one matrix a step, no Newton iteration; the scheme is data.

For M y' = f(t, y) with J = df/dy, a step of size h solves, with the same matrix for all stages,

    (M/(gamma h) - J) K_i = f(t + alpha_i h, y + sum_j a_ij K_j) + M sum_j (c_ij/h) K_j + gamma_i h f_t,
    y(t + h) = y + sum_i m_i K_i,        error estimate  sum_i e_i K_i.

Linear invariants of f are invariants of the scheme, to the round-off of the linear solve. Source of the form and of the
coefficients: Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.7 (RODAS); Sandu and others,
Benchmarking stiff ODE solvers for atmospheric chemistry problems II (1997), (RODAS3).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scaling_limits.particles.errors import NotConverged


@dataclass(frozen=True)
class Rosenbrock:
    """The coefficients of a Rosenbrock method, and what they promise.

    Args:
        name: of the method.
        order: order of convergence in the step size.
        estimate_order: order of the embedded solution that the error estimate compares with.
        gamma: the diagonal.
        alpha: stage times, in units of the step.
        gammas: factors of h f_t.
        a: rows of the stage states.
        c: rows of the coupling of the stages.
        m: weights of the new state.
        e: weights of the error estimate.
    """

    name: str
    order: int
    estimate_order: int
    gamma: float
    alpha: tuple[float, ...]
    gammas: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    c: tuple[tuple[float, ...], ...]
    m: tuple[float, ...]
    e: tuple[float, ...]

    @functools.cached_property
    def rows(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """The rows of a and of c as arrays."""
        return tuple(tuple(np.asarray(row) for row in matrix) for matrix in (self.a, self.c))

    @property
    def stages(self) -> int:
        """Number of linear solves in a step."""
        return len(self.m)

    def repeats(self, stage: int) -> bool:
        """Whether a stage evaluates f where the one before has done so already."""
        return stage > 0 and self.alpha[stage] == self.alpha[stage - 1] and self._row(stage) == self._row(stage - 1)

    def _row(self, stage: int) -> tuple[float, ...]:
        return self.a[stage] + (0.0,) * (self.stages - len(self.a[stage]))


RODAS3 = Rosenbrock(
    name="RODAS3",
    order=3,
    estimate_order=2,
    gamma=0.5,
    alpha=(0.0, 0.0, 1.0, 1.0),
    gammas=(0.5, 1.5, 0.0, 0.0),
    a=((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0)),
    c=((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8.0 / 3.0)),
    m=(2.0, 0.0, 1.0, 1.0),
    e=(0.0, 0.0, 0.0, 1.0),
)

RODAS4 = Rosenbrock(
    name="RODAS4",
    order=4,
    estimate_order=3,
    gamma=0.25,
    alpha=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
    gammas=(0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0),
    a=(
        (),
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
        (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
    ),
    c=(
        (),
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    m=(1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0, 1.0),
    e=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
)


class System(Protocol):
    """A semi-discrete equation M y' = f(t, y) with a diagonal M, on the degrees of freedom that this rank owns."""

    mass: np.ndarray

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        """Return f(t, y)."""

    def rate_in_time(self, t: float, y: np.ndarray) -> np.ndarray | None:
        """Return df/dt, or None where f does not depend on t."""

    def factor(self, t: float, y: np.ndarray, shift: float) -> None:
        """Make ready to solve with shift M - df/dy."""

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of the system that was made ready; not finite where it has none."""

    def error(self, y: np.ndarray, new: np.ndarray, difference: np.ndarray) -> float:
        """Return the size of an error estimate, 1 where the tolerance is just met; the same on all ranks."""

    def accept(self, t: float, new: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the state as it is kept, with an empty text, or a reason to refuse it."""


@dataclass
class Statistics:
    """What a solve has cost: steps kept and refused, evaluations of f, matrices factored, the extreme step sizes."""

    steps: int = 0
    refused: int = 0
    evaluations: int = 0
    factorisations: int = 0
    smallest_step: float = np.inf
    largest_step: float = 0.0

    def keep(self, step: float) -> None:
        """Count a step that was kept."""
        self.steps += 1
        self.smallest_step = min(self.smallest_step, step)
        self.largest_step = max(self.largest_step, step)


@dataclass(frozen=True)
class Stepping:
    """Adaptive stepping: h is multiplied by safety err^(-1/order), between shrink and grow.

    Args:
        scheme: the Rosenbrock method.
        first: the first step tried.
        smallest: steps below this part of the time to go are given up.
        most: number of steps, kept or refused, after which the solve is given up.
    """

    scheme: Rosenbrock
    first: float
    smallest: float = 1e-13
    most: int = 200_000
    safety: float = 0.9
    shrink: float = 0.2
    grow: float = 6.0

    def integrate(
        self, system: System, y: np.ndarray, times: np.ndarray, statistics: Statistics
    ) -> Iterator[np.ndarray]:
        """Yield the states at the times, which do not decrease and begin at or after 0.

        Raises:
            NotConverged: the step had to become too small, or there were too many.
        """
        t, h = 0.0, self.first
        f = system.rate(t, y)
        for target in times:
            while t < target:
                last = h >= (target - t) * (1 - 1e-12)
                if not last and 2 * h > target - t:  # two steps of half the way, not a long and a tiny one
                    step = 0.5 * (target - t)
                else:
                    step = target - t if last else h
                with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
                    new, error, reason = self._try(system, t, y, f, step, statistics)
                    if not reason:
                        new, reason = system.accept(t + step, new)
                if reason:
                    statistics.refused += 1
                    h = step * (0.5 if error <= 1 else self._factor(error))
                    self._give_up(t, h, times[-1], statistics, reason)
                    continue
                statistics.keep(step)
                t, y = (target if last else t + step), new
                f = system.rate(t, y)
                h = max(h, step * self._factor(error)) if step < h else step * self._factor(error)
            yield y

    def _factor(self, error: float) -> float:
        if not np.isfinite(error):
            return self.shrink
        power = 1.0 / (self.scheme.estimate_order + 1)
        return min(self.grow, max(self.shrink, self.safety * max(error, 1e-12) ** -power))

    def _give_up(self, t: float, h: float, end: float, statistics: Statistics, reason: str) -> None:
        if h < self.smallest * (end - t) or statistics.steps + statistics.refused > self.most:
            raise NotConverged(
                f"{self.scheme.name} time stepping", reason, "use more cells or a larger rtol", time=t, step=h
            )

    def _try(
        self, system: System, t: float, y: np.ndarray, f: np.ndarray, h: float, statistics: Statistics
    ) -> tuple[np.ndarray, float, str]:
        """Return the new state, the size of its error, and why it is no good (empty where it is)."""
        scheme = self.scheme
        (a, c), mass = scheme.rows, system.mass / h
        stages = np.empty((scheme.stages, y.size))
        slope = system.rate_in_time(t, y)
        system.factor(t, y, 1.0 / (scheme.gamma * h))
        statistics.factorisations += 1
        rate = f
        for i in range(scheme.stages):
            if i > 0 and not scheme.repeats(i):
                rate = system.rate(t + scheme.alpha[i] * h, y + a[i] @ stages[:i])
                statistics.evaluations += 1
            right = rate + mass * (c[i] @ stages[:i]) if i else rate
            if slope is not None:
                right = right + scheme.gammas[i] * h * slope
            stages[i] = system.solve(right)
        new = y + np.asarray(scheme.m) @ stages
        error = system.error(y, new, np.asarray(scheme.e) @ stages)
        if not np.isfinite(error):
            return new, np.inf, "the linear solve or the state is not finite"
        return new, error, f"the error estimate is {error:.3g} times the tolerance" if error > 1 else ""
