"""Resolvents of linear equations u' = -S u in time: the schemes that are sums of their powers, and their solves.

    u(t + h) ~ sum_{j=1}^s b_j w_j,    w_0 = u(t),    (1 + gamma h S) w_j = w_{j-1},

of order s, with one matrix for all stages and all steps of one size. Each resolvent keeps mass, positivity and
equilibrium, and lowers the free energy, if the implicit Euler scheme does; sums of them keep mass and equilibrium to
the last digit, and the rest up to the error of the step. L-stable for s = 1, 2, 3, 4. Source: Noersett, Restricted Pade
approximations to the exponential function, SIAM J. Numer. Anal. 15 (1978) 1008; Hairer and Wanner, Solving Ordinary
Differential Equations II, section IV.6.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scaling_limits.meshes.linear_algebra.sparse_matrix import Solver, SolverChoice, SparseMatrix
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.logs import say


@dataclass(frozen=True)
class ResolventSettings:
    """How matrices are factored and solved.

    Args:
        most_factors: factored matrices that are kept at a time.
        rounds: solves at most for what an iterative solver has left.
        rounding: part of the terms of a residual that rounding leaves.
        many: solves with a matrix from which on factors may take longer to make, if they take less long to solve with.
    """

    most_factors: int = 6
    rounds: int = 12
    many: float = 80.0
    rounding: float = 8 * float(np.finfo(float).eps)


SETTINGS = ResolventSettings()


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


class Resolvents:
    """(1 + c S)^-1, or (B + c A)^-1 B.

    Args:
        matrix: S, symmetric and positive semidefinite; or A.
        near_kernel: what S (nearly) takes to 0, on the rows of this rank.
        dim: dimension of space, which decides on the solver.
        prefix: of the PETSc options.
        petsc_options: options that take precedence, without the prefix.
        product: B, symmetric and positive; A need not be symmetric then.
        allowed: what solves may leave of the mass, sum of sqrt(m) |b - x - c S x|, which bounds the error of densities
            in total variation; not looked at with the default direct solver. None allows all.
        order: of elimination, the numbers of the rows (m,), for factors on one rank; None leaves it to the solver.
        solves: with each matrix, as far as is known before.
    """

    def __init__(
        self, matrix: SparseMatrix, near_kernel: np.ndarray, dim: int, prefix: str,
        petsc_options: dict[str, Any] | None, product: SparseMatrix | None = None, allowed: float | None = None,
        order: np.ndarray | None = None, solves: float = 0.0,
    ) -> None:  # fmt: skip
        self._matrix, self._near_kernel, self._product = matrix, near_kernel, product
        self._options, self._allowed = petsc_options, allowed
        many = solves >= SETTINGS.many
        self._choice = SolverChoice(prefix, dim, petsc_options, order=order, many=many)
        self._solvers: OrderedDict[float, Solver] = OrderedDict()
        say(matrix.comm, "linear solver %s by %s, %d unknowns", prefix.rstrip("_"), matrix.name, matrix.size)
        # the most that a solve has left, as far as it was looked at
        self.left = 0.0
        self.factorisations = 0

    @property
    def allowed(self) -> float:
        """The part of the mass that solves may leave."""
        return self._allowed or 0.0

    @property
    def remedy(self) -> str:
        """What helps where solves are not exact enough."""
        return self._matrix.remedy("let ksp_rtol in petsc_options be smaller, or take a direct solver")

    def solve(self, c: float, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of (1 + c S) x = b, or (B + c A) x = B b, on the rows of this rank.

        Args:
            c: not negative; values that agree to 1e-12 count as one.
            right_hand_side: b, on the rows of this rank.

        Raises:
            NotConverged: the solver failed, or is not exact enough.
        """
        solver = self._solver(c)
        result = self._solved(solver, right_hand_side)
        if self._allowed is not None and (self._options or not solver.direct):
            return self._refined(solver, c, right_hand_side, result)
        return result

    def _solved(self, solver: Solver, right_hand_side: np.ndarray) -> np.ndarray:
        right = right_hand_side if self._product is None else self._product.applied(right_hand_side)
        result, reason = solver.solution(right)
        if reason:
            raise NotConverged(
                "a linear solve of an evolution", reason, self._matrix.remedy("try petsc_options of a direct solver")
            )
        return result

    def _refined(self, solver: Solver, c: float, right_hand_side: np.ndarray, result: np.ndarray) -> np.ndarray:
        """Solve again for what is left, until it is allowed, or rounding."""
        assert self._allowed is not None
        before = np.inf
        for _ in range(SETTINGS.rounds):
            rest = right_hand_side - result - c * self.applied(result)
            terms = np.abs(right_hand_side) + (1.0 + 2.0 * c * self._diagonal) * np.abs(result)
            weighted = np.array([np.abs(rest) @ self._near_kernel, terms @ self._near_kernel])
            left, size = self._matrix.comm.allreduce(weighted)
            if left <= max(self._allowed, SETTINGS.rounding * size):
                self.left = max(self.left, float(left))
                return result
            if left > 0.5 * before:
                break
            before = left
            result = result + self._solved(solver, rest)
        raise NotConverged(
            "a linear solve of an evolution",
            f"the solver leaves {left:.1e} of the mass, where {self._allowed:.1e} is allowed",
            self.remedy,
        )

    @cached_property
    def _diagonal(self) -> np.ndarray:
        return self._matrix.diagonal()

    def applied(self, state: np.ndarray) -> np.ndarray:
        """Return S x, on the rows of this rank."""
        return self._matrix.applied(state)

    def _solver(self, c: float) -> Solver:
        for other in self._solvers:
            if abs(other - c) <= 1e-12 * c:
                self._solvers.move_to_end(other)
                return self._solvers[other]
        solver = self._matrix.resolvent(c, self._product, self._near_kernel, self._choice)
        self.factorisations += 1
        while len(self._solvers) >= SETTINGS.most_factors:
            self._solvers.popitem(last=False)[1].destroy()
        self._solvers[c] = solver
        return solver
