"""The linear system of one core of a tensor train, the others held fixed.

With the parts of the operator to the left and right contracted to L (a', A, a) and R (b', B, b), and the core
W (A, B, i', i) of the site, the unknown x (a, i, b) solves

    (L W R + v v^T) x = v,

where v = l (x) e_0 (x) r is what the product law w is in the frames: mass conservation makes v the left null vector
of the operator, so that the solution has the operator's image 0 and mass 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

# unknowns up to which the matrix is factorised
DENSE = 700
ITERATIONS = 60
# sums of rates that count as 0 in the preconditioner
NOTHING = 1e-3


@dataclass(frozen=True, eq=False)
class LocalSystem:
    """The system of one core.

    Args:
        left: L (a', A, a).
        core: W (A, B, n, n).
        right: R (b', B, b).
        before: l (a,), and `after` r (b,): the vector 1 in the frames.
        after: see `before`.
    """

    left: np.ndarray
    core: np.ndarray
    right: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the unknown."""
        return len(self.before), self.core.shape[-1], len(self.after)

    @cached_property
    def product_law(self) -> np.ndarray:
        """The vector v."""
        result = np.zeros(self.shape)
        result[:, 0, :] = np.outer(self.before, self.after)
        return result

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(L W R + v v^T) x, in the shape of x."""
        y = np.tensordot(self.half(x), self.right, ([1, 2], [2, 1]))
        return y + self.product_law * float(np.vdot(self.product_law, x))

    @property
    def operations(self) -> float:
        """Multiplications of one application, roughly."""
        (a, n, b), (first, last) = self.shape, self.core.shape[:2]
        return float(a * n * b * (a * first + n * first * last + b * last))

    def half(self, x: np.ndarray) -> np.ndarray:
        """L W x (a', b, B, i'), open to the right."""
        return np.tensordot(np.tensordot(self.left, x, (2, 0)), self.core, ([1, 2], [0, 3]))

    def other_half(self, x: np.ndarray) -> np.ndarray:
        """W R x (a, b', A, i'), open to the left."""
        return np.tensordot(np.tensordot(x, self.right, (2, 2)), self.core, ([1, 3], [3, 1]))

    def solved(self, start: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
        """The solution x, and the multiplications that it took, roughly.

        Args:
            start: a first guess, in the shape of x.
            tolerance: of the norm of the residual that is left.
        """
        size = start.size
        if size <= DENSE:
            matrix = np.einsum("xAa,ABij,yBb->xiyajb", self.left, self.core, self.right, optimize=True)
            v = self.product_law.ravel()
            x = np.linalg.solve(matrix.reshape(size, size) + np.outer(v, v), v).reshape(self.shape)
            return x, size**3 / 3.0
        residual = self.product_law - self(start)
        norm = float(np.linalg.norm(residual))
        if norm <= tolerance:
            return start, self.operations
        applied = 1

        def image(x: np.ndarray) -> np.ndarray:
            nonlocal applied
            applied += 1
            return self(x.reshape(self.shape)).ravel()

        operator = LinearOperator((size, size), image, dtype=float)
        inverse = LinearOperator((size, size), lambda x: self._apart(x.reshape(self.shape)).ravel(), dtype=float)
        relative = min(max(tolerance / norm, 1e-3), 0.5)
        step, _ = gmres(operator, residual.ravel(), rtol=relative, restart=ITERATIONS, maxiter=1, M=inverse)
        return start + step.reshape(self.shape), applied * self.operations

    @cached_property
    def _factors(self) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """Modes of the parts that act on the left, the site and the right alone, and the inverse sums of rates."""
        a, _, b = self.shape
        left = self.left[:, 1, :] if self.left.shape[1] > 1 else np.zeros((a, a))
        right = self.right[:, 0, :] if self.right.shape[1] > 1 else np.zeros((b, b))
        site = self.core[0, -1 if self.core.shape[1] == 1 else 1]
        rates, modes = zip(*map(np.linalg.eig, (left, site, right)))
        sums = rates[0][:, None, None] + rates[1][None, :, None] + rates[2][None, None, :]
        sums = np.where(np.abs(sums) < NOTHING, 1.0, sums)
        return list(modes), [np.linalg.inv(one) for one in modes], 1.0 / sums

    def _apart(self, x: np.ndarray) -> np.ndarray:
        """The inverse of the sum of the parts that act on the left, the site and the right alone."""
        modes, inverses, shares = self._factors
        return (_three(modes, shares * _three(inverses, x))).real


def _three(matrices: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """A matrix along each of three axes."""
    y = np.tensordot(matrices[0], x, (1, 0))
    y = np.tensordot(y, matrices[2], (2, 1))
    return np.tensordot(matrices[1], y, (1, 1)).transpose(1, 0, 2)


def left_of(left: np.ndarray, core: np.ndarray, x: np.ndarray) -> np.ndarray:
    """L of the next site, with a core x of orthonormal columns."""
    y = np.tensordot(np.tensordot(left, x, (2, 0)), core, ([1, 2], [0, 3]))
    return np.tensordot(x, y, ([0, 1], [0, 3])).transpose(0, 2, 1)


def right_of(right: np.ndarray, core: np.ndarray, x: np.ndarray) -> np.ndarray:
    """R of the site before, with a core x of orthonormal rows."""
    y = np.tensordot(np.tensordot(x, right, (2, 2)), core, ([1, 3], [3, 1]))
    return np.tensordot(x, y, ([1, 2], [3, 1])).transpose(0, 2, 1)
