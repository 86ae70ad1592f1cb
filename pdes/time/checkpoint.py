"""Checkpoints of an evolution: fields of all ranks in one file, so that any number of ranks can go on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import ANOTHER_FILE, load_arrays, save_arrays, target

from .density_integrator import DyadicStep, IntegratorState
from .integration import Statistics

if TYPE_CHECKING:
    from mpi4py import MPI

KIND = "checkpoint of an evolution"
FORMAT = 1
FIELDS = {"problem", "state", "clock", "length", "entropy", "seen", "entropies", "statistics"}
# in files whose problem is told apart by numbers too
TRAITS = "traits"
# in files of integrators that keep numbers, and values at nodes, between steps
MEMORY = "memory"


class Nodes(Protocol):
    """The nodes of a field: places of each rank's values in an order of all that does not depend on the ranks."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def size(self) -> int:
        """Values in all."""

    @property
    def own(self) -> slice | np.ndarray:
        """The places of this rank's values."""


class Checkpoint:
    """A file that is written every so often, and read at the start if it is there.

    Args:
        path: of the file, on a disk of rank 0.
        every: seconds between two writings; 0 writes after every step.
        nodes: of the state.
        problem: a text that tells problems apart.
        traits: numbers that do so too, where rounding depends on the number of ranks: problems are the same if none
            differs by more than 1. None where there are none.

    Raises:
        InvalidArgument: a path that no file can be written to.
    """

    def __init__(
        self, path: str | os.PathLike[str], every: float, nodes: Nodes, problem: str, traits: np.ndarray | None = None
    ) -> None:
        self._path = on_all_ranks(nodes.comm, lambda: target("checkpoint", path))
        self._comm, self._every, self._nodes, self._problem, self._traits = nodes.comm, every, nodes, problem, traits
        self._written = time.monotonic()

    def restore(self, start: IntegratorState) -> IntegratorState:
        """Return the state of the file, or the given one where there is none; collective.

        Raises:
            InvalidArgument: the file is damaged, or belongs to another problem.
        """
        content = on_all_ranks(self._comm, lambda: self._read() if self._comm.rank == 0 else None)
        places = self._comm.gather(self._nodes.own)
        parts = None
        if places is not None:
            parts = [None if content is None else _part(content, own) for own in places]
        own_content = self._comm.scatter(parts)
        return start if own_content is None else self._state(own_content)

    def _read(self) -> dict[str, np.ndarray] | None:
        try:
            content = load_arrays(self._path, KIND, FORMAT, FIELDS, {TRAITS, MEMORY}, argument="checkpoint")
        except FileNotFoundError:
            return None
        if self._traits is not None and TRAITS not in content:
            message = "is of an older version, which did not note M: it may belong to another problem; rename it"
            raise InvalidArgument("checkpoint", f"{self._path} {message}")
        if str(content["problem"]) != self._problem or not self._alike(content.get(TRAITS)):
            raise InvalidArgument(
                "checkpoint",
                f"{self._path} belongs to another problem (equation, start, times or steps are others); "
                + ANOTHER_FILE,
            )
        return content

    def _alike(self, traits: np.ndarray | None) -> bool:
        if self._traits is None or traits is None:
            return self._traits is traits
        return traits.shape == self._traits.shape and bool((np.abs(traits - self._traits) <= 1.0).all())

    def _state(self, content: dict[str, np.ndarray]) -> IntegratorState:
        return IntegratorState(
            state=content["state"],
            place=DyadicStep(*(int(value) for value in content["clock"])),
            length=float(content["length"]),
            entropy=float(content["entropy"]),
            snapshots=list(content["seen"]),
            entropies=[float(value) for value in content["entropies"]],
            statistics=Statistics.of(content["statistics"]),
            memory=content.get(MEMORY, np.empty(0)),
        )

    def after_step(self, state: IntegratorState) -> None:
        """Write, if it is time to; collective."""
        if self._comm.bcast(time.monotonic() - self._written >= self._every):
            self.write(state)

    def write(self, state: IntegratorState) -> None:
        """Write the file; it replaces the old one when it is whole. Collective."""
        place = state.place
        fields = np.array([*state.snapshots, state.state])
        parts = self._comm.gather((self._nodes.own, fields))
        whole = np.empty((len(fields), self._nodes.size if self._comm.rank == 0 else 0))
        for places, part in parts or []:
            whole[:, places] = part
        content = {
            "kind": KIND,
            "format": FORMAT,
            "problem": self._problem,
            "state": whole[-1],
            "clock": np.array([place.interval, place.count, place.position], dtype=np.int64),
            "length": state.length,
            "entropy": state.entropy,
            "seen": whole[:-1],
            "entropies": np.array(state.entropies),
            "statistics": state.statistics.numbers,
        } | ({} if self._traits is None else {TRAITS: self._traits})
        if state.memory.size:
            content |= {MEMORY: state.memory}

        def save() -> None:
            if self._comm.rank == 0:
                save_arrays(self._path, content)

        # a full disk stops all of them
        on_all_ranks(self._comm, save)
        self._written = time.monotonic()


def _part(content: dict[str, np.ndarray], own: slice | np.ndarray) -> dict[str, np.ndarray]:
    """The content of a file for a rank whose values are at some places."""
    seen = content["seen"]
    return content | {"state": content["state"][own], "seen": seen[:, own] if len(seen) else seen}
