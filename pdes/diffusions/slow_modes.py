"""The slowest modes of a chain on a grid, and resolvents that know them.

Rates of metastable states are many orders below the fastest ones, and drown in its rounding: a solve with 1 + c S
leaves eps c |S| of noise in the slow modes. Up to some c |S| solves are repeated for what they leave
(`refined_resolvents`), and need no modes, however fine the grid. Beyond, the slowest modes are found beforehand, with
rates from differences along edges, which keep their digits; then solves have to be exact in the rest only, and steps of
any length are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from scaling_limits.meshes.linear_algebra.sparse_matrix import ModeSearch, SparseMatrix
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.mpi import MPI

from ..time.resolvents import Resolvents
from .hitting.killed_chain import KilledChain
from .hitting.refined_resolvents import RefinedResolvents


@dataclass(frozen=True)
class SlowSettings:
    """Which modes count as slow, and which steps as long.

    Args:
        slow: rates below it, as part of the fastest one.
        shift: of the shifted and inverted matrix, likewise.
        modes: that are asked for, and that are asked for at most.
        needed: c times the fastest rate above which solves are refined.
        largest: the same, beyond which slow modes are taken, and the matrix is that of a smaller c.
        damped: that smaller c times the first rate that is not slow.
        terms: of the series that makes up for the smaller c: a term is smaller than the one before by 1 + `damped`.
        polished: times that modes are smoothed by refined resolvents of the smaller c.
        noise: sqrt(m), as part of the largest, below which an eigensolver's modes are noise.
        tolerance: of the eigensolver.
        most: iterations of it.
    """

    slow: float = 1e-9
    shift: float = 1e-9
    modes: tuple[int, int] = (4, 64)
    needed: float = 1e6
    largest: float = 1e13
    damped: float = 100.0
    terms: int = 6
    polished: int = 2
    noise: float = 1e-14
    tolerance: float = 1e-9
    most: int = 300


SETTINGS = SlowSettings()
# of the square of a mode, that is at free nodes
HALF = 0.5


@dataclass(frozen=True, eq=False)
class SlowModes:
    """Modes s of S, orthonormal, and their rates.

    Args:
        vectors: on the nodes of this rank (m, k).
        rates: (k,), not decreasing.
    """

    vectors: np.ndarray
    rates: np.ndarray


def kernel(chain: KilledChain) -> np.ndarray | None:
    """The mode sqrt(m) of rate 0, of norm 1, on this rank; None where sets kill."""
    if chain.sets:
        return None
    root = chain.generator.root
    return np.asarray(root / np.sqrt(chain.grid.comm.allreduce(float(root @ root))))


def slowest_modes(chain: KilledChain, matrix: SparseMatrix, count: int | None = None) -> SlowModes:
    """The modes of a chain whose rates are below `SlowSettings.slow` of the fastest one, or a number of modes;
    collective.

    Args:
        chain: gives the rates.
        matrix: S.
        count: how many, the one of rate 0 included; None takes all that are slow.

    Raises:
        NotConverged: the eigensolver failed.
    """
    one, limit = kernel(chain), SETTINGS.slow * matrix.fastest
    most = chain.grid.size // 2
    asked = min(SETTINGS.modes[0] if count is None else count, most)
    while True:
        modes = _ritz(chain, _found(matrix, one, asked), one)
        if count is not None or modes.rates[-1] > limit or asked >= min(SETTINGS.modes[1], most):
            break
        asked = min(2 * asked, SETTINGS.modes[1], most)
    kept = np.arange(len(modes.rates)) < count if count is not None else modes.rates <= limit
    return SlowModes(modes.vectors[:, kept], modes.rates[kept])


def _found(matrix: SparseMatrix, one: np.ndarray | None, count: int) -> np.ndarray:
    """Approximate modes (m, k) of the slowest rates, by inverse iteration with a shift."""
    search = ModeSearch(
        count, SETTINGS.shift * matrix.fastest, SETTINGS.tolerance, SETTINGS.most, "fokker_planck_slow_modes_",
        "the slow modes", "take more cells, or a higher temperature", known=one,
    )  # fmt: skip
    modes = matrix.modes(None, search)
    if not modes.shape[1]:
        raise NotConverged(search.what, "none has converged", search.remedy)
    return modes


def _ritz(chain: KilledChain, vectors: np.ndarray, one: np.ndarray | None) -> SlowModes:
    """Modes and rates in the span of vectors (m, k), by energies of differences along edges."""
    comm, root = chain.grid.comm, chain.generator.root
    free = chain.free
    vectors = np.where(free[:, None], vectors, 0.0)
    # those of other nodes are no modes
    vectors = vectors[:, comm.allreduce((vectors**2).sum(axis=0)) > HALF]
    if one is not None:
        vectors = np.concatenate([one[:, None], vectors - one[:, None] * comm.allreduce(one @ vectors)], axis=1)
    values = np.where(free[:, None], vectors / np.where(free, root, 1.0)[:, None], 0.0)
    if one is not None:
        values[:, 0] = np.where(free, values[np.argmax(root), 0], 0.0)
    tail = chain.tail - chain.grid.own.start
    change = chain.heads.at(values) - values[tail]
    weight = root[tail] ** 2 * chain.out
    killed = (root**2 * chain.killing.sum(axis=1))[:, None] * values
    energy = comm.allreduce(change.T @ (weight[:, None] * change) + values.T @ killed)
    product = comm.allreduce(vectors.T @ vectors)
    rates, mixed = scipy.linalg.eigh(energy, product)
    return SlowModes(vectors @ mixed, np.maximum(rates, 0.0))


class DeflatedResolvents:
    """(1 + c S)^-1 of a chain for any c: exact in its slow modes.

    Args:
        chain: gives the modes.
        matrix: S.
        resolvents: solves with 1 + c S.
    """

    def __init__(self, chain: KilledChain, matrix: SparseMatrix, resolvents: Resolvents) -> None:
        self._chain, self._matrix, self._resolvents = chain, matrix, resolvents
        self._comm, self.fastest = chain.grid.comm, matrix.fastest
        # whether solves are refined for every c
        self.learned = False

    @property
    def factorisations(self) -> int:
        """Matrices factored so far."""
        return self._resolvents.factorisations

    @property
    def left(self) -> float:
        """The largest residual that an iterative solver has left."""
        return self._resolvents.left

    @cached_property
    def _refined(self) -> RefinedResolvents:
        return RefinedResolvents(self._chain, self._resolvents)

    @cached_property
    def _smaller(self) -> float:
        """The c of the matrix that stands for those of larger ones: the fastest of the most modes may be a slow one."""
        rates, slow = self._found.rates, SETTINGS.slow * self.fastest
        return SETTINGS.damped / (float(rates[-1]) if len(rates) >= SETTINGS.modes[1] else slow)

    @cached_property
    def _found(self) -> SlowModes:
        return slowest_modes(self._chain, self._matrix)

    @cached_property
    def _slow(self) -> SlowModes:
        """The slow modes, with nothing of those that are faster."""
        modes, one, root = self._found, kernel(self._chain), self._chain.generator.root
        top = self._comm.allreduce(float(root.max(initial=0.0)), MPI.MAX)
        # the eigensolver leaves noise where modes are far below it, and states may be large
        vectors = np.where((root > SETTINGS.noise * top)[:, None], modes.vectors, 0.0)
        for _ in range(SETTINGS.polished if len(modes.rates) else 0):
            smooth = np.stack([self._refined.solve(self._smaller, mode) for mode in vectors.T], axis=1)
            smooth = smooth[:, 0 if one is None else 1 :]
            modes = _ritz(self._chain, smooth / np.sqrt(self._comm.allreduce((smooth**2).sum(axis=0))), one)
            vectors = modes.vectors
        return modes

    def applied(self, state: np.ndarray) -> np.ndarray:
        """Return S x, on the rows of this rank."""
        return self._resolvents.applied(state)

    def solve(self, c: float, right_hand_side: np.ndarray) -> np.ndarray:
        """Solve (1 + c S) x = b, on the rows of this rank.

        Args:
            c: not negative.
            right_hand_side: b.

        Raises:
            NotConverged: the solver failed, or is not exact enough.
        """
        self.learned = self.learned or c * self.fastest > SETTINGS.needed
        if not self.learned:
            return self._resolvents.solve(c, right_hand_side)
        if c * self.fastest <= SETTINGS.largest:
            return self._refined.solve(c, right_hand_side)
        modes, a, refined = self._slow, self._smaller, self._refined
        known = np.asarray(self._comm.allreduce(modes.vectors.T @ right_hand_side))
        slow = modes.vectors @ (known / (1.0 + c * modes.rates))
        # 1 + c S = (c/a) [(1 + a S) - (1 - a/c)] for a smaller a, whose resolvent is small beside the slow modes
        beside = c / a * refined.size(slow)
        term = right_hand_side - modes.vectors @ known
        result = term = self._without(modes, refined.solve(a, term, beside))
        beside += refined.size(result)
        for _ in range(SETTINGS.terms):
            term = (1.0 - a / c) * self._without(modes, refined.solve(a, term, beside))
            result = result + term
        return np.asarray(a / c * result + slow)

    def _without(self, modes: SlowModes, values: np.ndarray) -> np.ndarray:
        return np.asarray(values - modes.vectors @ self._comm.allreduce(modes.vectors.T @ values))
