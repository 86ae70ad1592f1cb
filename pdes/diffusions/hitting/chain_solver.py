"""Solves with the generator of a killed chain: by elimination without subtraction, or with its matrix.

On one rank, and wherever rare events would cost the digits, the chain is eliminated without subtraction
(`elimination`); else its matrix is solved with. Either way the solution is corrected for what is left of the
right-hand side, which is computed from differences along edges, so that currents have their digits too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from scaling_limits.meshes.backend.options import checked_options
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.logs import say

from ..problem import ReversibleDiffusion
from .elimination import EliminatedChain
from .killed_chain import KilledChain
from .linear_system import RepeatedSolves


@dataclass(frozen=True)
class ChainSettings:
    """How chains are solved.

    Args:
        small: nodes of chains that are eliminated on one rank without a look at their rates, by the dimension of space.
        most_eliminated: nodes of chains that are eliminated at all, likewise: fronts must fit into memory.
        condition: rounding times the ratio of fastest and slowest rate, of rtol, up to which a matrix is solved with.
        rounds: corrections at most.
        enough: relative change by a correction below which there is no other one.
        powers: steps of the power method that finds the slowest rate.
    """

    small: tuple[int, int, int] = (10**7, 70_000, 8_000)
    most_eliminated: tuple[int, int, int] = (10**7, 1_500_000, 110_000)
    condition: float = 1e-2
    rounds: int = 3
    enough: float = 1e-14
    powers: int = 3


SETTINGS = ChainSettings()


def added(terms: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of terms."""
    return np.asarray(np.sum(terms, axis=0))


@dataclass(frozen=True, eq=False)
class ChainSolver:
    """Solves -L f = b on a killed chain, f = 0 in its sets.

    Args:
        equation: gives the solver's options and rtol.
        chain: the rates.
        pinned: the place of a node at which f = 0, where no set kills; -1 for none.
    """

    equation: ReversibleDiffusion
    chain: KilledChain
    pinned: int = -1

    @cached_property
    def free(self) -> np.ndarray:
        """Whether f is unknown at a node (size,)."""
        free = self.chain.all_free.copy()
        if self.pinned >= 0:
            free[self.pinned] = False
        return free

    def solve(self, sources: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Solve for several right-hand sides; collective.

        Args:
            sources: b (m, k) at the nodes of this rank, in units of f times a rate.

        Returns:
            Terms (size, k), whose sum is f at all nodes, NaN where no path goes; and the relative error (k,) that
            rounding leaves, of the largest value.

        Raises:
            NotConverged: nodes from which no set is reached, or a solver that failed.
        """
        chain, grid = self.chain, self.chain.grid
        own = self.free[grid.own]
        how = "elimination" if self._eliminates else "PETSc"
        say(grid.comm, "hitting problem: %d unknowns by %s", int(self.free.sum()), how)
        scale = self._largest(np.where(own[:, None], sources, 0.0))
        terms = [self._inverse(np.where(own[:, None], sources, 0.0))]
        errors = np.ones(sources.shape[1])
        for _ in range(SETTINGS.rounds if self._eliminates else 1):
            rest = np.stack([chain.applied(*(t[:, k] for t in terms)) for k in range(sources.shape[1])], axis=1)
            change = self._inverse(np.where(own[:, None], sources - rest, 0.0))
            size = np.maximum(np.abs(added(terms)).max(axis=0), 1e-300)
            before, errors = errors, np.abs(change).max(axis=0) / size
            errors[scale == 0] = 0.0
            if not (errors < before).any():
                break
            terms.append(change)
            if (errors <= SETTINGS.enough).all():
                break
        nowhere = ~self.chain.generator.alive
        terms[0][nowhere] = np.nan
        return tuple(terms), errors

    def _largest(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.max(self.chain.grid.comm.allgather(np.abs(values).max(axis=0, initial=0.0)), axis=0))

    def _inverse(self, sources: np.ndarray) -> np.ndarray:
        """f (size, k) for b (m, k), by one solve each; 0 where f is given, or no path goes."""
        return self._eliminated(sources) if self._eliminates else self._by_matrix(sources)

    @cached_property
    def _eliminates(self) -> bool:
        """Whether elimination without subtraction is taken; collective."""
        grid, options = self.chain.grid, checked_options(self.equation.petsc_options)
        fits = int(self.free.sum()) <= SETTINGS.most_eliminated[grid.dim - 1]
        if grid.comm.size == 1 and not options and int(self.free.sum()) <= SETTINGS.small[grid.dim - 1]:
            return True
        try:
            lost = self._lost
        except NotConverged:
            if not fits or options:
                raise
            lost = np.inf
        if lost <= SETTINGS.condition * self.equation.rtol:
            return False
        if fits and not options:
            return True
        # the rates are too far apart for the digits that are asked for
        if lost > 0.1 or lost > max(self.equation.rtol, 1e-3):
            remedy = "leave petsc_options out" if fits else "take fewer cells, or a higher temperature"
            reason = f"rates are so far apart that rounding leaves {lost:.0e} of the slowest"
            raise NotConverged("a hitting problem", reason, remedy)
        return False

    # --- elimination --------------------------------------------------------------------------------------

    @cached_property
    def _elimination(self) -> EliminatedChain | None:
        """The eliminated chain, on rank 0; collective."""
        chain, grid = self.chain, self.chain.grid
        comm = grid.comm
        parts = comm.gather((chain.tail, chain.head, chain.across, chain.killing.sum(axis=1), chain.generator.root))

        def made() -> EliminatedChain | None:
            if parts is None:
                return None
            tail, head, across, killing, root = (np.concatenate(column) for column in zip(*parts))
            nodes = np.flatnonzero(self.free)
            if not nodes.size:
                reason = "no node is outside of the sets where exp(-Psi/sigma) is above 0 in double precision"
                raise NotConverged("a hitting problem", reason, "take more cells, or a higher temperature")
            number = np.full(grid.size, -1)
            number[nodes] = np.arange(len(nodes))
            if self.pinned >= 0:
                for ends, others in ((tail, head), (head, tail)):
                    beside = ends == self.pinned
                    leads = across[beside] * root[self.pinned] / root[others[beside]]
                    killing += np.bincount(others[beside], leads, grid.size)
            inner = (number[tail] >= 0) & (number[head] >= 0)
            rows, columns, values = number[tail[inner]], number[head[inner]], across[inner]
            joins = scipy.sparse.coo_array(
                (np.concatenate([values, values]), (np.concatenate([rows, columns]), np.concatenate([columns, rows]))),
                shape=(len(nodes),) * 2,
            ).tocsr()
            places = np.stack(np.unravel_index(nodes, grid.shape), axis=1)
            eliminated = EliminatedChain(places, joins, root[nodes], killing[nodes])
            if (stuck := eliminated.stuck).any():
                x = grid.shown(grid.coordinates(nodes[stuck][:1])[0])
                raise NotConverged(
                    "a hitting problem", f"from nodes such as x = {x} no path leads to a set",
                    "make the box smaller, or the temperature higher",
                )  # fmt: skip
            return eliminated

        return on_all_ranks(comm, made)

    def _eliminated(self, sources: np.ndarray) -> np.ndarray:
        grid, eliminated = self.chain.grid, self._elimination
        parts = grid.comm.gather(sources)
        result = None
        if eliminated is not None and parts is not None:
            result = np.zeros((grid.size, sources.shape[1]))
            result[self.free] = eliminated.solve(np.concatenate(parts)[self.free])
        return np.asarray(grid.comm.bcast(result))

    # --- its matrix ---------------------------------------------------------------------------------------

    @cached_property
    def _system(self) -> RepeatedSolves:
        matrix = self.equation.matrix(self.chain.rows())
        if self.pinned >= 0:
            own = self.chain.grid.own
            held = [self.pinned - own.start] if own.start <= self.pinned < own.stop else []
            matrix.isolate(np.array(held, dtype=np.int64), 1.0)
        return RepeatedSolves(matrix, self.equation)

    @cached_property
    def _lost(self) -> float:
        """Rounding times the ratio of the fastest and the slowest rate; collective."""
        system, comm = self._system, self.chain.grid.comm
        root = np.where(self.free[self.chain.grid.own], self.chain.generator.root, 0.0)
        vector, time = root, 0.0
        for _ in range(SETTINGS.powers):
            length = np.sqrt(comm.allreduce(float(vector @ vector)))
            if not 0 < length < np.inf:
                return np.inf
            vector = vector / length
            new = np.where(root > 0, system.solve(vector), 0.0)
            time = comm.allreduce(float(vector @ new))
            vector = new
        return float(np.finfo(float).eps * system.fastest * time) if time > 0 else np.inf

    def _by_matrix(self, sources: np.ndarray) -> np.ndarray:
        grid, root = self.chain.grid, self.chain.generator.root
        own = self.free[grid.own]
        columns = []
        for b in sources.T:
            solution = self._system.refined(np.where(own, b * root, 0.0), np.where(own, root, 0.0))
            columns.append(np.where(own, solution / np.where(own, root, 1.0), 0.0))
        return grid.whole(np.stack(columns, axis=1))
