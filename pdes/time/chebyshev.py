"""Runge-Kutta-Chebyshev: explicit, of order 2, stable along the negative axis for many stages at little cost.

With s stages a step may be as long as 2/3 (s^2 - 1)(1 - 2/15 eps)/rho, where rho bounds the rates of the equation: s^2,
not s, times the step of Euler's method. No linear algebra, so that ranks need only exchange their neighbours' values.
Source: Sommeijer, Shampine and Verwer, RKC: an explicit solver for parabolic PDEs, J. Comput. Appl. Math. 88 (1997).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from .integration import OneStepMethod, StabilisedSystem, Statistics, StepControl

DAMPING = 2.0 / 13.0
# part of the tolerance below which changes until the end count as rest
RESTING = 0.1
# the first step tried, in units of 1/rho
FIRST = 0.2


@dataclass(frozen=True)
class RungeKuttaChebyshev(OneStepMethod[StabilisedSystem]):
    """The Runge-Kutta-Chebyshev method of order 2.

    Args:
        most_stages: of a step; longer steps are not taken.
    """

    most_stages: int = 60
    order: ClassVar[int] = 2
    name: str = field(default="Runge-Kutta-Chebyshev", init=False)
    remedy: ClassVar[str] = "use a larger rtol or shorter times"

    @property
    def control(self) -> StepControl:
        """The choice of step sizes."""
        return StepControl(self.order + 1, safety=0.8, shrink=0.1, grow=5.0, refused=0.5)

    def stages(self, step: float, spectral_radius: float) -> int:
        """Return the number of stages that makes a step stable."""
        return max(2, math.ceil(math.sqrt(1.0 + 1.54 * step * spectral_radius)))

    def first(self, system: StabilisedSystem) -> float:
        """Return a first step that is stable and short."""
        return FIRST / system.spectral_radius

    def longest(self, system: StabilisedSystem) -> float:
        """Return the longest stable step of `most_stages` stages."""
        return (self.most_stages**2 - 1.0) / (1.54 * system.spectral_radius)

    def step(
        self, system: StabilisedSystem, t: float, y: np.ndarray, f: np.ndarray, h: float, stages: int
    ) -> np.ndarray:
        """Return y(t + h) of the method with that many stages, from y(t) and its rate f."""
        w0 = 1.0 + DAMPING / stages**2
        t0, t1, t2 = _chebyshev(stages, w0)
        w1 = t1[stages] / t2[stages]
        b = np.empty(stages + 1)
        b[2:] = t2[2:] / t1[2:] ** 2
        b[0] = b[1] = b[2]
        a = 1.0 - b * t0
        before, now = y, y + b[1] * w1 * h * f
        for j in range(2, stages + 1):
            mu, nu, forward = 2 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2], 2 * b[j] * w1 / b[j - 1]
            # as if f did not depend on t
            rate = system.rate(t, now)
            before, now = (
                now,
                ((1 - mu - nu) * y + mu * now + nu * before + forward * h * rate - a[j - 1] * forward * h * f),
            )
        return now

    def attempt(
        self, system: StabilisedSystem, t: float, y: np.ndarray, f: np.ndarray, h: float, statistics: Statistics
    ) -> tuple[np.ndarray, np.ndarray | None, float, str]:
        """See `OneStepMethod.attempt`; f must not depend on t."""
        stages = self.stages(h, system.spectral_radius)
        statistics.evaluations += stages
        new, reason = system.accept(t + h, self.step(system, t, y, f, h, stages))
        rate = system.rate(t + h, new)
        return new, rate, system.error(y, new, 0.8 * (y - new) + 0.4 * h * (f + rate)), reason

    def at_rest(self, system: StabilisedSystem, y: np.ndarray, f: np.ndarray, span: float) -> bool:
        """Return whether y would change by less than a tenth of the tolerance before it is stationary."""
        return span > system.relaxation and system.error(y, y, system.relaxation * f) <= RESTING


def _chebyshev(stages: int, w: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the Chebyshev polynomials 0..s at w and their first and second derivatives."""
    t = np.ones(stages + 1)
    d, dd = np.zeros(stages + 1), np.zeros(stages + 1)
    t[1], d[1] = w, 1.0
    for j in range(2, stages + 1):
        t[j] = 2 * w * t[j - 1] - t[j - 2]
        d[j] = 2 * t[j - 1] + 2 * w * d[j - 1] - d[j - 2]
        dd[j] = 4 * d[j - 1] + 2 * w * dd[j - 1] - dd[j - 2]
    return t, d, dd
