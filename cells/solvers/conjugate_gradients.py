"""Conjugate gradients for many small problems at once, stopped by an estimate of the energy still to be gained.

Written out, since neither scipy nor PETSc solves many systems at once, and since both stop by norms of the residual,
which at high contrast say little about the energy (measured in `cells.fenicsx.corrector_problem`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling_limits.particles.sampling.workers import Stop

FIRST_TEST = 5  # iterations before convergence is tested
# the last iterations, at least LATEST and a part of all, whose decrements stand for those to come: of 1800 cells with
# layers, wells and waves the energy was left 5 tolerances too large at the worst, and 0.6 in 99 of 100
LATEST, PART = 3, 4
NOTHING = 1e-25  # part of the first energy that rounding makes of a residual that is 0
CANCELLATION = 1e-4  # below this part of the first energy, differences of energies are not trusted

Operator = Callable[[np.ndarray], np.ndarray]
Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Minimum:
    """Minimisers u (B, L, ...); which cells have all energies within the tolerance of their minima; iterations made."""

    minimisers: np.ndarray
    converged: np.ndarray
    iterations: int


def minimise(
    apply: Operator,
    precondition: Operator,
    right_hand_side: np.ndarray,
    energies: Operator,
    start: np.ndarray,
    tolerance: float,
    iterations: int,
    dot: Product | None = None,
    stop: Stop | None = None,
) -> Minimum:
    """Minimise E(u) = E(0) - 2 b.u + u.Au for each of B x L columns, until E is within a relative tolerance.

    A cell all of whose columns have converged stays as it is, whatever the others do. The residual is not looked at: at
    high contrast it says nothing. Step k lowers E by alpha_k r_k.z_k, and the decrements still to come add up to the
    error (Hestenes and Stiefel, J. Res. Nat. Bur. Stand. 49 (1952), Theorem 6:1; Strakos and Tichy, ETNA 13 (2002)).
    Those of the last quarter of all iterations stand for them: they are the error a quarter earlier, less that of now.
    Where the energy falls in steps, an extrapolation of two decrements may be too small by orders of magnitude.

    Args:
        apply: u -> Au for (B, L, ...).
        precondition: r -> Pr, symmetric and positive semidefinite.
        right_hand_side: b (B, L, ...).
        energies: u -> E(u) (B, L), computed as a sum of squares.
        start: E(0) (B, L).
        tolerance: of E, relative.
        iterations: at most that many.
        dot: scalar products (B, L) of columns; None where each rank has whole columns.
        stop: asked before each iteration whether to go on.
    """
    dot = dot or _dot
    shape = right_hand_side.shape
    columns = (*shape[:2], *[1] * (len(shape) - 2))
    u, r = np.zeros(shape), right_hand_side.copy()
    z = precondition(r)
    p, rz = z, dot(r, z)
    decrements: list[np.ndarray] = []
    current, active, done = start.copy(), np.ones((shape[0], 1), dtype=bool), 0
    broken, all_active, known = np.zeros_like(active), True, start.copy()
    for done in range(1, iterations + 1):
        if stop is not None:
            stop.check()
        q = apply(p)
        curvature = dot(p, q)
        regular = bool(curvature.min(initial=1.0) > 0 and rz.min(initial=1.0) > 0)
        if not regular:
            # not with positive definite operators, but with what rounding makes of them: then no step is taken, ever
            lost = (rz < -NOTHING * start) | ((rz > NOTHING * start) & ~(curvature > 0))
            broken |= lost.any(axis=1, keepdims=True) & active
        if regular and all_active:
            step = rz / curvature
        else:
            step = np.divide(rz, curvature, out=np.zeros_like(rz), where=active & (curvature > 0))
        u += step.reshape(columns) * p
        decrements.append(step * rz)
        current -= decrements[-1]
        if done >= FIRST_TEST:
            converged = _converged(decrements, current, start, tolerance, energies, u, known)
            if converged is not None:
                active &= ~converged.all(axis=1, keepdims=True)
                all_active = bool(active.all())
                if not active.any():
                    break
        r -= step.reshape(columns) * q
        z = precondition(r)
        fresh = dot(r, z)
        ratio = fresh / rz if regular else np.divide(fresh, rz, out=np.zeros_like(rz), where=rz > 0)
        p = ratio.reshape(columns) * p
        p += z
        rz = fresh
    return Minimum(u, ~(active | broken)[:, 0], done)


def _converged(
    decrements: list[np.ndarray],
    current: np.ndarray,
    start: np.ndarray,
    tolerance: float,
    energies: Operator,
    u: np.ndarray,
    known: np.ndarray,
) -> np.ndarray | None:
    """Whether the last decrements, which stand for those to come, add up to less than the tolerance of the energy.

    None where no column has come that far. `known` are the last energies that were computed, above those of now.
    """
    if not (decrements[-1] <= tolerance * np.maximum(current, CANCELLATION * start)).any():
        return None
    to_come = np.sum(decrements[-max(LATEST, -(-len(decrements) // PART)) :], axis=0)
    # `current` is the first energy less all decrements; where that cancels, energies are computed anew, now and then
    if (current > CANCELLATION * start).all():
        return to_come <= tolerance * current
    if len(decrements) % 3 or not (to_come <= tolerance * known).any():
        return None
    known[...] = energies(u)
    return to_come <= tolerance * known


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of columns (B, L)."""
    rows = a.shape[0] * a.shape[1]
    return np.matmul(a.reshape(rows, 1, -1), b.reshape(rows, -1, 1)).reshape(a.shape[:2])
