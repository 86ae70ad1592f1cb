"""Implicit time schemes for linear equations u' = -S u: sums of powers of one resolvent.

    u(t + h) ~ sum_{j=1}^s b_j w_j,    w_0 = u(t),    (1 + gamma h S) w_j = w_{j-1},

of order s, with one matrix for all stages and all steps of one size. Each resolvent keeps mass, positivity and
equilibrium, and lowers the free energy, if the implicit Euler scheme does; sums of them keep mass and equilibrium to
the last digit, and the rest up to the error of the step. L-stable for s = 1, 2, 3, 4. Source: Noersett, Restricted Pade
approximations to the exponential function, SIAM J. Numer. Anal. 15 (1978) 1008; Hairer and Wanner, Solving Ordinary
Differential Equations II, section IV.6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class ResolventScheme:
    """A scheme of order s: its pole, and what follows from it.

    Args:
        name: of the scheme.
        order: s, the order of convergence and the number of linear solves in a step.
        gamma: the pole is at 1/(gamma h); a zero of the Laguerre polynomial L_s(1/gamma), which gives the last order.
    """

    name: str
    order: int
    gamma: float

    @cached_property
    def weights(self) -> np.ndarray:
        """b (s,): sum_j b_j (1 - gamma z)^-j agrees with exp(z) up to z^(s-1), and by the choice of gamma up to z^s."""
        s = self.order
        powers = [[math.comb(j + m - 1, m) * self.gamma**m for j in range(1, s + 1)] for m in range(s)]
        return np.linalg.solve(np.array(powers), np.array([1 / math.factorial(m) for m in range(s)]))

    @cached_property
    def estimate(self) -> np.ndarray:
        """e (s + 1,): sum_j e_j w_j = (h S)^s (1 + gamma h S)^-s u/s!, the last term of the series that is right."""
        s = self.order
        signs = np.array([math.comb(s, j) * (-1.0) ** (s - j) for j in range(s + 1)])
        return signs / (math.factorial(s) * self.gamma**s)


IMPLICIT_EULER = ResolventScheme("implicit Euler", 1, 1.0)
RESOLVENT2 = ResolventScheme("two resolvents", 2, 1.0 - math.sqrt(0.5))
RESOLVENT3 = ResolventScheme("three resolvents", 3, 0.43586652150845899942)
RESOLVENT4 = ResolventScheme("four resolvents", 4, 0.57281606248213)
