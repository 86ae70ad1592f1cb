"""Checkpoints of an evolution: fields of all ranks in one file, so that any number of ranks can go on."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target
from scaling_limits.particles.support.checks import flag, number
from scaling_limits.particles.support.progress import SnapshotBar

from .density_integrator import DensityIntegrator, DyadicStep, IntegratorState
from .statistics import Statistics

KIND = "checkpoint of an evolution"
FORMAT = 1
FIELDS = {"problem", "state", "clock", "length", "entropy", "seen", "entropies", "statistics"}
TRAITS = "traits"  # of files whose problem is told apart by numbers too


class Nodes(Protocol):
    """The nodes of a field: those of each rank, and all of them in an order that does not depend on the ranks."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def size(self) -> int:
        """Values in all."""

    @property
    def own(self) -> slice | np.ndarray:
        """The places of this rank's values."""

    def whole(self, values: np.ndarray) -> np.ndarray:
        """All values, on all ranks."""


class Checkpoint:
    """A file that is written every so often, and read at the start if it is there.

    Args:
        path: of the file, on a disk of rank 0; None never writes.
        every: seconds between two writings; 0 writes after every step.
        nodes: of the state.
        problem: a text that tells problems apart.
        traits: numbers that do so too, where rounding depends on the number of ranks: problems are the same if none
            differs by more than 1. None where there are none.

    Raises:
        InvalidArgument: `every` is negative; a path that no file can be written to.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, every: float, nodes: Nodes, problem: str,
        traits: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self._path = None if path is None else on_all_ranks(nodes.comm, lambda: target("checkpoint", path))
        self._every = number("every", every, least=0.0)
        self.comm, self._nodes, self._problem, self._traits = nodes.comm, nodes, problem, traits
        self._written = time.monotonic()

    def restore(self, start: IntegratorState) -> IntegratorState:
        """Return the state of the file, or the given one where there is none; collective.

        Raises:
            InvalidArgument: the file is damaged, or belongs to another problem.
        """
        if self._path is None:
            return start
        comm, path = self.comm, self._path
        found = comm.bcast(on_all_ranks(comm, lambda: self._read(path) if comm.rank == 0 else None))
        return start if found is None else self._state(found)

    def _read(self, path: Path) -> dict[str, np.ndarray] | None:
        try:
            content = load_arrays(path, KIND, FORMAT, FIELDS, {TRAITS}, argument="checkpoint")
        except FileNotFoundError:
            return None
        if self._traits is not None and TRAITS not in content:
            raise InvalidArgument(
                "checkpoint",
                f"{path} is of an older version, which did not note M: it may belong to another problem; rename it",
            )
        if str(content["problem"]) != self._problem or not self._alike(content.get(TRAITS)):
            raise InvalidArgument("checkpoint", f"{path} belongs to another problem; remove or rename it")
        return content

    def _alike(self, found: np.ndarray | None) -> bool:
        if self._traits is None or found is None:
            return self._traits is found
        return found.shape == self._traits.shape and bool((np.abs(found - self._traits) <= 1.0).all())

    def _state(self, content: dict[str, np.ndarray]) -> IntegratorState:
        own = self._nodes.own
        return IntegratorState(
            state=content["state"][own],
            place=DyadicStep(*(int(value) for value in content["clock"])),
            length=float(content["length"]),
            entropy=float(content["entropy"]),
            snapshots=[field[own] for field in content["seen"]],
            entropies=[float(value) for value in content["entropies"]],
            statistics=Statistics.of(content["statistics"]),
        )

    def after_step(self, state: IntegratorState) -> None:
        """Write, if it is time to; collective."""
        if self._path is None:
            return
        due = self.comm.bcast(time.monotonic() - self._written >= self._every)
        if due:
            self.write(state)

    def write(self, state: IntegratorState) -> None:
        """Write the file; it replaces the old one when it is whole. Collective."""
        if (path := self._path) is None:
            return
        place, snapshots = state.place, [self._nodes.whole(field) for field in state.snapshots]
        content = {
            "kind": KIND,
            "format": FORMAT,
            "problem": self._problem,
            "state": self._nodes.whole(state.state),
            "clock": np.array([place.interval, place.count, place.position], dtype=np.int64),
            "length": state.length,
            "entropy": state.entropy,
            "seen": np.array(snapshots).reshape(-1, self._nodes.size),
            "entropies": np.array(state.entropies),
            "statistics": np.array(list(asdict(state.statistics).values()), dtype=float),
        } | ({} if self._traits is None else {TRAITS: self._traits})

        def save() -> None:
            if self.comm.rank == 0:
                save_arrays(path, content)

        on_all_ranks(self.comm, save)  # a full disk stops all of them
        self._written = time.monotonic()


def integrate_from(
    checkpoint: Checkpoint, integrator: DensityIntegrator, start: IntegratorState, times: np.ndarray, progress: bool
) -> IntegratorState:
    """Return the state at the last of the times, from the file of a checkpoint or else from a start; collective.

    Args:
        checkpoint: read at the start, and written as it is due.
        integrator: takes the steps.
        start: the state where there is no file.
        times: snapshots (T,).
        progress: show a progress bar, at a terminal, on rank 0.

    Raises:
        InvalidArgument: the file is damaged, or belongs to another problem.
        NotConverged: no step is small enough.
    """
    state = checkpoint.restore(start)
    bar = SnapshotBar(times, flag("progress", progress) and checkpoint.comm.rank == 0)

    def after_step(state: IntegratorState) -> None:
        bar.update(state.place)
        checkpoint.after_step(state)

    integrator.advance(state, times, after_step)
    checkpoint.write(state)
    bar.close()
    return state
