"""The alternating linear scheme: one core after another from its local system, with frames that grow.

From left to right and back, each core is solved for, cut off by its singular values at a tolerance, and its frame is
enriched: by the leading directions of what the operator makes of the core, open on the side to which the scheme goes
(Hubig et al. 2015; the residual of AMEn, Dolgov and Savostyanov 2014), and by the direction of the product law, so
that the means' own equations E R_j + T_j = 0 are among the local ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .local_systems import LocalSystem, left_of, right_of

# directions of the operator's image by which a frame is enriched
ENRICHED = 4
# residuals of local systems, in units of the tolerance
LOCAL = 0.1


class AlternatingScheme:
    """A solution u of A u = 0 with int w u = 1, as a tensor train with its centre at the first core.

    Args:
        operator: the cores of A.
        cores: a first guess (a, n, b) for each site.
        tolerance: of what is cut off, relative to the norm of u.
        max_rank: the largest number of columns that are kept.
        max_operations: multiplications after which no system is solved any more.

    Attributes:
        cut: the largest part of a core, relative to its norm, that `max_rank` has cut off in the last sweep.
        operations: multiplications of all local systems so far, roughly.
    """

    def __init__(
        self,
        operator: Sequence[np.ndarray],
        cores: Sequence[np.ndarray],
        tolerance: float,
        max_rank: int,
        max_operations: float,
    ) -> None:
        self._operator, self._tolerance, self._max_rank = operator, tolerance, max_rank
        self._max_operations = max_operations
        self.cores, self.cut, self.operations = list(cores), 0.0, 0.0
        size = len(self.cores)
        self._left: list[np.ndarray] = [np.ones((1, 1, 1))] * size
        self._right: list[np.ndarray] = [np.ones((1, 1, 1))] * size
        self._before: list[np.ndarray] = [np.ones(1)] * size
        self._after: list[np.ndarray] = [np.ones(1)] * size
        for j in range(size - 1, 0, -1):
            core = self.cores[j]
            q, r = np.linalg.qr(core.reshape(core.shape[0], -1).T)
            self._set_right(j, q, r.T)

    @property
    def norm(self) -> float:
        """The norm (int w u^2)^(1/2) over int w u."""
        mass = self.cores[0][0, 0, :] @ self._after[0]
        return float(np.linalg.norm(self.cores[0]) / abs(mass))

    def sweep(self) -> None:
        """From left to right and back."""
        self.cut = 0.0
        last = len(self.cores) - 1
        for j in range(last):
            self._solve(j)
            self._to_the_right(j)
        for j in range(last, 0, -1):
            self._solve(j)
            self._to_the_left(j)
        self._solve(0)

    def _system(self, j: int) -> LocalSystem:
        return LocalSystem(self._left[j], self._operator[j], self._right[j], self._before[j], self._after[j])

    def _solve(self, j: int) -> None:
        if self.operations > self._max_operations:
            return
        scale = LOCAL * self._tolerance * float(np.linalg.norm(self.cores[j]))
        self.cores[j], operations = self._system(j).solved(self.cores[j], scale)
        self.operations += operations

    def _to_the_right(self, j: int) -> None:
        system, x = self._system(j), self.cores[j]
        a, n, b = x.shape
        image = system.half(x).transpose(0, 3, 1, 2).reshape(a * n, -1)
        one = np.zeros((a, n))
        one[:, 0] = system.before
        frame, rest = self._framed(x.reshape(a * n, b), image, one.ravel())
        self.cores[j] = frame.reshape(a, n, -1)
        self.cores[j + 1] = np.tensordot(rest, self.cores[j + 1], (1, 0))
        self._left[j + 1] = left_of(system.left, system.core, self.cores[j])
        self._before[j + 1] = system.before @ self.cores[j][:, 0, :]

    def _to_the_left(self, j: int) -> None:
        system, x = self._system(j), self.cores[j]
        a, n, b = x.shape
        image = system.other_half(x).transpose(3, 1, 0, 2).reshape(n * b, -1)
        one = np.zeros((n, b))
        one[0] = system.after
        self._set_right(j, *self._framed(x.reshape(a, n * b).T, image, one.ravel()))

    def _set_right(self, j: int, frame: np.ndarray, rest: np.ndarray) -> None:
        """Take a frame (n b, k) as the core j, and what is left (k, a) into the core before."""
        n, b = self.cores[j].shape[1:]
        self.cores[j] = frame.T.reshape(-1, n, b)
        self.cores[j - 1] = np.tensordot(self.cores[j - 1], rest, (2, 1))
        self._right[j - 1] = right_of(self._right[j], self._operator[j], self.cores[j])
        self._after[j - 1] = self.cores[j][:, 0, :] @ self._after[j]

    def _framed(self, core: np.ndarray, image: np.ndarray, one: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """An orthonormal frame (P, k) of a core (P, b) and more, and the coefficients (k, b) of the core in it."""
        u, s, v = np.linalg.svd(core, full_matrices=False)
        tails = np.sqrt(np.cumsum(s[::-1] ** 2))[::-1]
        wanted = max(1, int((tails > self._tolerance * tails[0]).sum()))
        kept = min(wanted, self._max_rank)
        if kept < wanted:
            self.cut = max(self.cut, float(tails[kept] / tails[0]))
        known = u[:, :kept]
        new = image - known @ (known.T @ image)
        directions = np.linalg.svd(new, full_matrices=False)[0][:, :ENRICHED]
        frame = np.linalg.qr(np.column_stack([known, one, directions]))[0]
        return frame, frame.T @ known @ (s[:kept, None] * v[:kept])
