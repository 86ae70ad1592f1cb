"""Checkpoints of an evolution: whole files, in the order of the lattice, so that any number of ranks goes on."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target
from scaling_limits.particles.support.checks import flag, number
from scaling_limits.particles.support.progress import SnapshotBar

from .evolution import Clock, Evolution, Journey
from .rosenbrock import Statistics

KIND = "checkpoint of an evolution"
FORMAT = 1
FIELDS = {"problem", "state", "clock", "length", "entropy", "seen", "entropies", "statistics"}
TRAITS = "traits"  # of files whose problem is told apart by numbers too


class Nodes(Protocol):
    """Where a field lives: what each rank has of it, and all of it in an order that does not depend on the ranks."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def size(self) -> int:
        """Values in all."""

    @property
    def own(self) -> Any:
        """The places of this rank's values."""

    def whole(self, values: np.ndarray) -> np.ndarray:
        """All values, on all ranks."""


class Checkpoint:
    """A file that is written every so often, and read at the start if it is there.

    Args:
        path: of the file, on a disk of rank 0; None never writes.
        every: seconds between two writings; 0 writes after every step.
        lattice: where the state lives.
        problem: a text that tells problems apart.
        traits: numbers that do so too, where rounding depends on the number of ranks: problems are the same if none
            differs by more than 1. None where there are none.

    Raises:
        InvalidArgument: `every` is negative; a path that no file can be written to.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, every: float, lattice: Nodes, problem: str,
        traits: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self._path = None if path is None else on_all_ranks(lattice.comm, lambda: target("checkpoint", path))
        self._every = number("every", every, least=0.0)
        self._lattice, self._problem, self._traits = lattice, problem, traits
        self._written = time.monotonic()

    def begin(self, journey: Journey) -> Journey:
        """The journey of the file, or the given one where there is none; collective.

        Raises:
            InvalidArgument: the file is damaged, or belongs to another problem.
        """
        if self._path is None:
            return journey
        comm, path = self._lattice.comm, self._path
        found = comm.bcast(on_all_ranks(comm, lambda: self._read(path) if comm.rank == 0 else None))
        return journey if found is None else self._journey(found)

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

    def _journey(self, content: dict[str, np.ndarray]) -> Journey:
        own = self._lattice.own
        names = Statistics.__dataclass_fields__
        counts = {k: v.item() for k, v in zip(names, content["statistics"])}
        whole = {"steps", "refused", "evaluations", "factorisations"}
        return Journey(
            state=content["state"][own],
            clock=Clock(*(int(value) for value in content["clock"])),
            length=float(content["length"]),
            entropy=float(content["entropy"]),
            seen=[field[own] for field in content["seen"]],
            entropies=[float(value) for value in content["entropies"]],
            statistics=Statistics(**{k: int(v) if k in whole else v for k, v in counts.items()}),
        )

    def after_step(self, journey: Journey) -> None:
        """Write, if it is time to; collective."""
        if self._path is None:
            return
        due = self._lattice.comm.bcast(time.monotonic() - self._written >= self._every)
        if due:
            self.write(journey)

    def write(self, journey: Journey) -> None:
        """Write the file; it replaces the old one when it is whole. Collective."""
        if (path := self._path) is None:
            return
        state = self._lattice.whole(journey.state)
        seen = [self._lattice.whole(field) for field in journey.seen]
        clock = journey.clock
        content = {
            "kind": KIND,
            "format": FORMAT,
            "problem": self._problem,
            "state": state,
            "clock": np.array([clock.interval, clock.count, clock.position], dtype=np.int64),
            "length": journey.length,
            "entropy": journey.entropy,
            "seen": np.array(seen).reshape(-1, self._lattice.size),
            "entropies": np.array(journey.entropies),
            "statistics": np.array(list(asdict(journey.statistics).values()), dtype=float),
        } | ({} if self._traits is None else {TRAITS: self._traits})

        def save() -> None:
            if self._lattice.comm.rank == 0:
                save_arrays(path, content)

        on_all_ranks(self._lattice.comm, save)  # a full disk stops all of them
        self._written = time.monotonic()

    def travel(self, evolution: Evolution, start: Journey, times: np.ndarray, progress: bool) -> Journey:
        """The journey to the last of the times, from the file or else from a start; collective.

        Args:
            evolution: what takes the steps.
            start: the journey where there is no file.
            times: snapshots (T,).
            progress: show a progress bar, at a terminal, on rank 0.

        Raises:
            InvalidArgument: the file is damaged, or belongs to another problem.
            NotConverged: no step is small enough.
        """
        journey = self.begin(start)
        bar = SnapshotBar(times, flag("progress", progress) and self._lattice.comm.rank == 0)

        def after_step(journey: Journey) -> None:
            bar.update(journey.clock)
            self.after_step(journey)

        evolution.go(journey, times, after_step)
        self.write(journey)
        bar.close()
        return journey
