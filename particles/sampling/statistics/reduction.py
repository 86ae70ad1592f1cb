"""How a sampler makes statistics instead of samples, and goes on with those of a checkpoint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...support import checks
from ...support.archive import ANOTHER_FILE, differing, full_path, target
from ...support.fingerprint import digest_of
from ...support.function_values import Unknown
from ..ranks import communicator, on_all_ranks, same_on_all_ranks
from ..samples import different_starts
from ..spread import spread, told
from ..workers import thread_count
from .growing import GrowingStatistics, Runs, grown
from .quantity import LEAST_FOURTH, LEAST_SQUARE, too_small
from .reduced_ensemble import ReducedEnsemble
from .request import EnsembleStatistics, Tallied

if TYPE_CHECKING:
    from mpi4py import MPI

# of what cannot be told
NOT_KNOWN = "not known"
Path = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class AskedStatistics:
    """What a caller of `sample` asks for besides the runs.

    Args:
        statistics: to be made instead of samples, or None.
        checkpoint: file to write to and to go on from, or None.
    """

    statistics: EnsembleStatistics | None
    checkpoint: Path | None

    def check(self, comm: MPI.Comm | None, coordinate: str, start: np.ndarray) -> None:
        """Refuse, on all ranks, what could not be made; collective.

        Args:
            comm: the ranks, or None.
            coordinate: "positions" or "actions".
            start: values (P, d) of some runs.

        Raises:
            InvalidArgument: no such statistics; a checkpoint without statistics, or that is no path; on all ranks, also
                where the ranks ask for different things.
        """

        def checked() -> tuple[str, str]:
            if self.statistics is None:
                if self.checkpoint is not None:
                    raise InvalidArgument(
                        "checkpoint", "is for statistics=; of runs that are kept the result has `save`"
                    )
                return "", ""
            checks.instance("statistics", self.statistics, EnsembleStatistics).tallied(coordinate, start)
            place = full_path("checkpoint", self.checkpoint)
            return repr(self.identity(strict=self.checkpoint is not None)), place

        same_on_all_ranks(comm, checkpoint=self.checkpoint is None)
        said, place = on_all_ranks(comm, checked)
        same_on_all_ranks(comm, statistics=said, checkpoint=place)
        if comm is not None and comm.size > 1 and self.statistics is not None:
            points = spread(start)
            points = np.abs(points) if coordinate == "actions" else points
            functions = self.statistics.observables.items()
            same_on_all_ranks(comm, observables=[(name, told(function, points)) for name, function in functions])

    def digest(self, comm: MPI.Comm | None, name: str, value: object) -> str:
        """A text by which a part of the model, with the functions in it, is told from others.

        Warns:
            Unresolved: it holds what cannot be read, and a checkpoint is to know it; rank 0 does.
        """
        digest, unknown = digest_of(value)
        if unknown and self.checkpoint is not None and (comm is None or comm.rank == 0):
            parts = ", ".join(unknown)
            warn(f"the checkpoint knows {name} by some of its values alone, since {parts} cannot be read", Unresolved)
        return digest

    def identity(self, strict: bool) -> dict[str, str]:
        """Texts by which what is asked is told from other things.

        Raises:
            InvalidArgument: strict, and an observable reads something whose value cannot be told.
        """
        assert self.statistics is not None
        try:
            return self.statistics.identity()
        except Unknown as error:
            if strict:
                raise InvalidArgument(
                    "observables",
                    f"of a checkpoint must be functions whose code and numbers can be told; {error} reads an object or "
                    "a method. Write it as a def or lambda of arrays, with numbers and arrays in it",
                ) from None
            return {"observables": NOT_KNOWN}


@dataclass(frozen=True, eq=False)
class Reduction:
    """An ensemble of which statistics are made.

    Args:
        statistics: what is asked for.
        coordinate: "positions" or "actions".
        start: of all runs (R, ...), the same or of each.
        times: (T,).
        step: the largest that is taken.
        seed: of the random numbers.
        runs: from starts (R, ...) to the runs.
        model: texts by which the model, the scheme and the noise are told from others, by what they are called.
        warn: warns of so many runs, before they are made, if they take long; collective.
    """

    statistics: EnsembleStatistics
    coordinate: str
    start: NDArray[np.float64] | NDArray[np.complex128]
    times: NDArray[np.float64]
    step: float
    seed: int
    runs: Callable[[np.ndarray], Runs]
    model: dict[str, str]
    warn: Callable[[int, int], None]

    def identity(self, runs: int) -> dict[str, str]:
        """Texts by which an ensemble of so many runs is told from others."""
        some = different_starts(self.start)
        initial = hashlib.sha256(np.ascontiguousarray(some[:runs]).tobytes()).hexdigest()
        said = {"seed": str(self.seed), "step": repr(float(self.step)), "times": repr(self.times.tolist())}
        asked = AskedStatistics(self.statistics, None).identity(strict=False)
        common = "of all" if len(some) < len(self.start) or len(some) == 1 else "of each"
        return self.model | said | {"initial": f"{common} {initial}"} | asked

    def made(
        self, checkpoint: Path | None, workers: int | None, progress: bool, comm: MPI.Comm | None
    ) -> ReducedEnsemble:
        """The statistics of all runs; collective.

        Args:
            checkpoint: to go on from where it is there, and to write to, or None.
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the runs, or None.

        Raises:
            InvalidArgument: the checkpoint belongs to another ensemble, or has more runs.
        """
        sums = GrowingStatistics.empty(self._what, len(self.times))
        if checkpoint is not None:
            held = on_all_ranks(comm, lambda: self._in_checkpoint(checkpoint))
            sums = sums if held is None else held
            same_on_all_ranks(comm, checkpoint=sums.runs)
        return self._grown(sums, checkpoint, workers, progress, comm)

    @property
    def _what(self) -> tuple[Tallied, ...]:
        some = different_starts(self.start)[:1]
        return self.statistics.tallied(self.coordinate, 0.5 * np.abs(some) ** 2 if np.iscomplexobj(some) else some)

    def _grown(
        self, sums: GrowingStatistics, checkpoint: Path | None, workers: int | None, progress: bool,
        comm: MPI.Comm | None,
    ) -> ReducedEnsemble:  # fmt: skip
        def checked() -> int:
            checks.flag("progress", progress)
            return thread_count(workers, comm)

        threads, making = on_all_ranks(comm, checked), self.runs(self.start)
        self.warn(making.runs - sums.runs, threads)

        def write(some: GrowingStatistics) -> None:
            self._result(some).save(checkpoint or "")

        writer = None if checkpoint is None else write
        made = grown(making, self._what, sums, workers=threads, progress=progress, write=writer, comm=comm)
        result = self._result(made)
        if comm is None or comm.rank == 0:
            warn_of_small_spreads(result)
        return result

    def _result(self, sums: GrowingStatistics) -> ReducedEnsemble:
        return ReducedEnsemble(
            self.times, self.step, self.seed, self._what, sums, self.identity(sums.runs), self._more
        )  # fmt: skip

    def _more(
        self, present: ReducedEnsemble, runs: int, workers: int | None, progress: bool, comm: MPI.Comm | None
    ) -> ReducedEnsemble:
        """See `ReducedEnsemble.more`."""
        communicator(comm, optional=True)

        def checked() -> int:
            if len(different_starts(self.start)) == len(self.start) > 1:
                raise InvalidArgument(
                    "runs",
                    "can not be more where each run has a start; call `sample` with starts of all and checkpoint=",
                )
            return checks.integer("runs", runs, present.runs, 2**31)

        total = on_all_ranks(comm, checked)
        same_on_all_ranks(comm, runs=total, ensemble=repr(present.identity))
        start = np.broadcast_to(self.start[0], (total, *self.start.shape[1:]))
        return replace(self, start=start)._grown(present.sums, None, workers, progress, comm)

    def _in_checkpoint(self, checkpoint: Path) -> GrowingStatistics | None:
        """What a checkpoint holds of what is asked for; None where there is no file yet."""
        place = target("checkpoint", checkpoint)
        if not place.exists():
            return None
        held = ReducedEnsemble.read(place, "checkpoint")
        if held.runs > len(self.start):
            text = f"{place} holds {held.runs} runs, more than the {len(self.start)} asked for"
            raise InvalidArgument("checkpoint", f"{text}; ask for as many, or load it")
        wanted = self.identity(held.runs)
        differ = [name for name in {**wanted, **held.identity} if wanted.get(name) != held.identity.get(name)]
        if differ:
            raise InvalidArgument("checkpoint", f"{place} belongs to another ensemble: {_said(differ, held, wanted)}")
        return held.sums


def _said(differ: list[str], held: ReducedEnsemble, wanted: dict[str, str]) -> str:
    """What differs, with both values of numbers."""
    if differ == ["step"]:
        return f"step differs; give step={held.step!r} (not {float(wanted['step']):.6g}), or another file"
    both = {name: (held.identity.get(name, ""), wanted.get(name, "")) for name in differ}
    return f"{differing(both)}; {ANOTHER_FILE}"


def warn_of_small_spreads(result: ReducedEnsemble) -> None:
    """Warn of spreads so small that their powers are lost."""
    small = [name for name in result if too_small(result[name].maximum - result[name].minimum).any()]
    if small:
        warn(
            f"{', '.join(small)}: values differ by less than {LEAST_FOURTH:g}, and fourth powers of that are lost in "
            "numbers of 64 bits: errors of variances and kurtoses are NaN there, and where they differ by less than "
            f"{LEAST_SQUARE:g} variances, too; take another unit",
            Unresolved,
        )
