"""Schemes for dX = -grad V dt + sqrt(2 sigma) dW, with the orders that they promise.

`weak_order` is that of E f(X_t), `equilibrium_order` that of averages over the stationary law. The steps here are the
definition; compiled kernels do the same for tiles of paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Gradient = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LangevinScheme:
    """A scheme and its orders.

    Args:
        name: of the scheme.
        weak_order: of expectations at a time.
        equilibrium_order: of averages over the stationary law.
        averages_noise: whether a step takes the mean of two successive numbers (Leimkuhler-Matthews).
    """

    name: str
    weak_order: int
    equilibrium_order: int
    averages_noise: bool

    def step(
        self, gradient: Gradient, x: np.ndarray, z: np.ndarray, following: np.ndarray, h: float, temperature: float
    ) -> np.ndarray:
        """One step of size h.

        Args:
            gradient: grad V, from positions to values of the same shape.
            x: positions.
            z: the standard normal numbers of this step.
            following: those of the next one (only of use where noise is averaged).
            h: step.
            temperature: sigma.
        """
        a = math.sqrt(2.0 * temperature * h)
        if self.averages_noise:
            return x - h * gradient(x) + 0.5 * a * (z + following)
        first = gradient(x)
        second = gradient(x - h * first + a * z)
        return x - 0.5 * h * (first + second) + a * z


STOCHASTIC_HEUN = LangevinScheme("stochastic Heun", weak_order=2, equilibrium_order=2, averages_noise=False)
LEIMKUHLER_MATTHEWS = LangevinScheme("Leimkuhler-Matthews", weak_order=1, equilibrium_order=2, averages_noise=True)
