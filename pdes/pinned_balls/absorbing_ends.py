"""The paper's ends of the pinned-billiard equations, mu_x = 0 and w = 0, through which energy leaves."""

from __future__ import annotations

import numpy as np

from scaling_limits.meshes.backend.direct_solver import DirectSolver

from .elements import BilliardElements
from .forms import EnergyForm


class AbsorbingEnds:
    """The ends mu_x = 0 and w = 0: energy reaches them by w_x and is gone.

    At an end node the second unknown follows mu: its rate is s(mu) times that of mu, with s = mu for the energy and
    0 for the variance. The energy that arrives and is not kept is one more unknown of the time scheme, the last entry
    of the state on every rank, so that energy + outflow is an invariant.

    Args:
        elements: the mesh and its end nodes on this rank.
    """

    def __init__(self, elements: BilliardElements) -> None:
        self._form, self._mass, self._nodes = elements.forms.form, elements.mass, elements.ends
        self._index_map = elements.space.dofmap.index_map
        self._energy = isinstance(self._form, EnergyForm)
        self._outflow_rows: list[tuple[np.ndarray, np.ndarray]] = []  # d(outflow)/dy of the factored matrix

    def _slope(self, y: np.ndarray) -> np.ndarray:
        return y[2 * self._nodes] if self._energy else np.zeros(self._nodes.size)

    def rate(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return the rates with those of the ends tied, and that of the outflow."""
        tied = self._slope(y) * f[2 * self._nodes]
        outflow = float(np.sum(f[2 * self._nodes + 1] - tied))
        f[2 * self._nodes + 1] = tied
        return np.append(f, outflow)

    def replace_rows(self, linear: DirectSolver, y: np.ndarray, f: np.ndarray, shift: float) -> None:
        """Tie the rows of the ends in shift M - df/dy, and keep the row of the outflow."""
        first = linear.matrix.getOwnershipRange()[0]
        rows, values = [], []
        self._outflow_rows = []
        for node, slope in zip(self._nodes, self._slope(y)):
            mean, second = 2 * int(node), 2 * int(node) + 1
            mass = shift * self._mass[mean]
            columns, of_mean = linear.row(mean)
            same, of_second = linear.row(second)
            if not np.array_equal(columns, same):
                raise RuntimeError("the two rows of a node have different patterns")
            at_mean, at_second = columns == mean + first, columns == second + first
            tied = slope * of_mean - (slope * mass + (f[mean] if self._energy else 0.0)) * at_mean
            self._outflow_rows.append((columns, mass * at_second - of_second + tied))
            rows.append(second)
            values.append(tied + mass * at_second)
        linear.replace_rows(rows, values)

    def solve(self, x: np.ndarray, right: float, shift: float) -> float:
        """Return the outflow's stage, from the stages x of the nodes (ghosts included)."""
        for columns, values in self._outflow_rows:
            nodes = self._index_map.global_to_local(np.asarray(columns // 2, dtype=np.int64))
            right += float(values @ x[2 * nodes + columns % 2])
        return right / shift

    def emptied(self, y: np.ndarray) -> np.ndarray:
        """Return the state with w = 0 at the ends to the last digit, the difference counted as outflow."""
        y, rows = y.copy(), 2 * self._nodes + 1
        noiseless = self._form.second(y[2 * self._nodes], np.zeros(self._nodes.size))
        y[-1] += float(self._mass[rows] @ (y[rows] - noiseless))
        y[rows] = noiseless
        return y
