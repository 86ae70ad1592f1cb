"""Runge, Kutta and Chebyshev: explicit, of order 2, stable along the negative axis for many stages at little cost.

With s stages a step may be as long as 2/3 (s^2 - 1)(1 - 2/15 eps)/rho, where rho bounds the rates of the equation: s^2,
not s, times the step of Euler's method. No linear algebra, so that ranks need only exchange their neighbours' values.
Source: Sommeijer, Shampine and Verwer, RKC: an explicit solver for parabolic PDEs, J. Comput. Appl. Math. 88 (1997).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scaling_limits.particles.errors import NotConverged

from .rosenbrock import Statistics

DAMPING = 2.0 / 13.0
RESTING = 0.1  # of the tolerance


class ExplicitSystem(Protocol):
    """An equation y' = f(y), on the entries that this rank owns."""

    spectral_radius: float
    relaxation: float  # the time in which any disturbance of a stationary state is gone

    def rate(self, y: np.ndarray) -> np.ndarray:
        """Return f(y)."""

    def error(self, new: np.ndarray, difference: np.ndarray) -> float:
        """Return the size of an error estimate, 1 where the tolerance is just met; the same on all ranks."""

    def accept(self, new: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the state as it is kept, with an empty text, or a reason to refuse it."""


@dataclass(frozen=True)
class RungeKuttaChebyshev:
    """The scheme: its order, and how its steps are chosen.

    Args:
        most_stages: of a step; longer steps are not taken.
        smallest: steps below this part of the time to go are given up.
        most: number of steps, kept or refused, after which the solve is given up.
    """

    most_stages: int = 60
    smallest: float = 1e-13
    most: int = 200_000
    order: int = 2

    def stages(self, step: float, spectral_radius: float) -> int:
        """Return the number of stages that makes a step stable."""
        return max(2, math.ceil(math.sqrt(1.0 + 1.54 * step * spectral_radius)))

    def longest(self, spectral_radius: float) -> float:
        """Return the longest stable step of `most_stages` stages."""
        return (self.most_stages**2 - 1.0) / (1.54 * spectral_radius)

    def step(self, system: ExplicitSystem, y: np.ndarray, f: np.ndarray, h: float, stages: int) -> np.ndarray:
        """Return y(t + h) of the scheme with that many stages, from y(t) and its rate f."""
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
            rate = system.rate(now)
            before, now = (
                now,
                ((1 - mu - nu) * y + mu * now + nu * before + forward * h * rate - a[j - 1] * forward * h * f),
            )
        return now

    def integrate(
        self, system: ExplicitSystem, y: np.ndarray, times: np.ndarray, statistics: Statistics
    ) -> Iterator[np.ndarray]:
        """Yield the states at the times, which do not decrease and begin at or after 0.

        A state whose rate could change it by less than a tenth of the tolerance before it comes to rest is stationary,
        and is the state at all later times.

        Raises:
            NotConverged: the step had to become too small, or there were too many.
        """
        t, h, resting = 0.0, 0.2 / system.spectral_radius, False
        f = system.rate(y)
        for target in times:
            while t < target and not resting:
                h = min(h, self.longest(system.spectral_radius))
                count = math.ceil((target - t) / h * (1 - 1e-12))
                step = target - t if count <= 1 else min(h, 0.5 * (target - t))
                stages = self.stages(step, system.spectral_radius)
                with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
                    new, reason = system.accept(self.step(system, y, f, step, stages))
                    f_new = system.rate(new)
                    error = system.error(new, 0.8 * (y - new) + 0.4 * step * (f + f_new))
                statistics.evaluations += stages
                if not reason and not error <= 1.0:
                    reason = f"the error estimate is {error:.3g} times the tolerance"
                factor = min(5.0, max(0.1, 0.8 * max(error, 1e-9) ** (-1 / 3))) if np.isfinite(error) else 0.1
                if reason:
                    statistics.refused += 1
                    h = step * min(factor, 0.5)
                    if h < self.smallest * (times[-1] - t) or statistics.steps + statistics.refused > self.most:
                        raise self._given_up(reason, t, h)
                    continue
                statistics.keep(step)
                if statistics.steps > self.most:
                    raise self._given_up(f"{self.most} steps were not enough", t, h)
                t, y, f = (target if count <= 1 else t + step), new, f_new
                h = max(h, step * factor) if step < h else step * factor
                if times[-1] - t > system.relaxation:
                    resting = system.error(y, system.relaxation * f) <= RESTING
            yield y

    @staticmethod
    def _given_up(reason: str, t: float, h: float) -> NotConverged:
        return NotConverged("Chebyshev time stepping", reason, "use a larger rtol or shorter times", time=t, step=h)


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
