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
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .integration import ImplicitSystem, OneStepMethod, Statistics, StepControl


@dataclass(frozen=True)
class Rosenbrock(OneStepMethod[ImplicitSystem]):
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
    remedy: ClassVar[str] = "use more cells, a lower degree or a larger rtol"

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

    @property
    def control(self) -> StepControl:
        """The choice of step sizes."""
        return StepControl(self.estimate_order + 1)

    def attempt(
        self, system: ImplicitSystem, t: float, y: np.ndarray, f: np.ndarray, h: float, statistics: Statistics
    ) -> tuple[np.ndarray, np.ndarray | None, float, str]:
        """See `OneStepMethod.attempt`."""
        (a, c), mass = self.rows, system.mass / h
        stages = np.empty((self.stages, y.size))
        slope = system.rate_in_time(t, y)
        system.factor(t, y, 1.0 / (self.gamma * h))
        statistics.factorisations += 1
        rate = f
        for i in range(self.stages):
            if i > 0 and not self.repeats(i):
                rate = system.rate(t + self.alpha[i] * h, y + a[i] @ stages[:i])
                statistics.evaluations += 1
            right = rate + mass * (c[i] @ stages[:i]) if i else rate
            if slope is not None:
                right = right + self.gammas[i] * h * slope
            stages[i] = system.solve(right)
        new = y + np.asarray(self.m) @ stages
        error = system.error(y, new, np.asarray(self.e) @ stages)
        reason = ""
        # else the state may not be worth a look
        if error <= 1.0:
            new, reason = system.accept(t + h, new)
        return new, None, error, reason

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
