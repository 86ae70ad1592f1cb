"""The values of least energy between two sets of unknowns, with wells whose potentials are found by themselves.

In a basin values are almost constant, and differ from the constant by exp(-depth) only. They are kept as this constant
and the difference, so that its digits are not lost. Deep wells make a matrix almost singular: one unknown of each is
held, and values are combined afterwards such that no flow is left at it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .linear_system import CellMatrices, ScaledSystem

# iterative refinements at most, and the part of a residual that one must gain
REFINEMENTS, GAIN = 8, 0.3
# in which the potentials of wells are improved
ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Terminals:
    """What is known of each unknown.

    Args:
        owner: the basin (size,): of A (0), of B (1), of a well (2, 3, ...).
        fixed: whether it has the value of its owner, 0 in A and 1 in B (size,).
        used: whether any cell has it (size,).
        pins: the unknown of each well that is held (W,).
    """

    owner: np.ndarray
    fixed: np.ndarray
    used: np.ndarray
    pins: np.ndarray

    @classmethod
    def of(cls, owner: np.ndarray, fixed: np.ndarray, used: np.ndarray, candidates: np.ndarray) -> Terminals:
        """Choose the unknown of each well that is held.

        Args:
            owner: as above.
            fixed: as above.
            used: as above.
            candidates: the unknowns of the lowest cell of each well (W, k).
        """
        numbers = np.zeros(2 + len(candidates), dtype=np.int64)
        numbers[1] = 1
        pins: list[int] = []
        for well, own in enumerate(candidates):
            good = own[used[own] & ~fixed[own] & (owner[own] == well + 2)]
            if len(good):
                numbers[well + 2] = 2 + len(pins)
                pins.append(int(good[0]))
        return cls(np.where(owner >= 0, numbers[owner], 0), fixed, used, np.array(pins, dtype=np.int64))

    @property
    def free(self) -> np.ndarray:
        """Whether a value is sought (size,)."""
        result = self.used & ~self.fixed
        result[self.pins] = False
        return result


@dataclass(frozen=True, eq=False)
class Values:
    """Values as constants of basins and differences from them.

    Args:
        steps: constants (size,).
        rest: differences (size,).
    """

    steps: np.ndarray
    rest: np.ndarray


def least_energy(cells: CellMatrices, terminals: Terminals) -> Values:
    """The values of least energy that are 0 in A and 1 in B; collective.

    Raises:
        NotConverged: the matrix cannot be factored.
    """
    system = ScaledSystem(cells, terminals.free)
    try:
        return _combined(cells, terminals, system)
    finally:
        system.destroy()


def _combined(cells: CellMatrices, terminals: Terminals, system: ScaledSystem) -> Values:
    count = 2 + len(terminals.pins)
    alone = [_refined(cells, terminals, system, np.eye(count)[k], np.zeros(cells.size)) for k in range(1, count)]
    values, pins = np.zeros(count), terminals.pins
    values[1], rest = 1.0, alone[0]
    if not len(pins):
        return Values(values[terminals.owner], rest)
    # energies are of the second order in the errors of values, flows at wells of the first
    local = [cells.local((terminals.owner == k).astype(float), alone[k - 1]) for k in range(2, count)]
    network = np.array([[cells.energy(one, other) for other in local] for one in local])
    for _ in range(ROUNDS):
        own = cells.local(values[terminals.owner], rest)
        change = -_solved(network, np.array([cells.energy(one, own) for one in local]))
        values[2:] += change
        rest = rest + np.einsum("k,kn->n", change, np.array(alone[1:]))
        rest = _refined(cells, terminals, system, values, rest)
    return Values(values[terminals.owner], rest)


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution for a symmetric matrix that may be singular to rounding, with entries of very different size."""
    # rounding may have made it indefinite
    roots = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    good = (roots > 0) & np.isfinite(matrix).all(axis=1) & np.isfinite(right)
    result, inverse = np.zeros(len(right)), 1.0 / roots[good]
    scaled = matrix[np.ix_(good, good)] * inverse[:, None] * inverse
    result[good] = np.linalg.lstsq(scaled, right[good] * inverse, rcond=1e-15)[0] * inverse
    return result


def _refined(
    cells: CellMatrices, terminals: Terminals, system: ScaledSystem, values: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """The differences that leave no flow at free unknowns, for constants of the basins that are given."""
    steps, free = values[terminals.owner], terminals.free
    best, least = rest, np.inf
    for _ in range(REFINEMENTS):
        flow = np.where(free, cells.product(steps, rest), 0.0)
        size = float(np.linalg.norm(flow[free] / system.roots))
        if not size <= GAIN * least:
            return rest if size < least else best
        best, least = rest, size
        rest = rest - system.solve(flow)
    return rest
