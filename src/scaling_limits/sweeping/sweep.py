"""A function at all points of a grid of parameters, as one dataset of xarray."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..particles import InvalidArgument
from ..particles.errors import warn
from ..particles.sampling.mpi import MPI
from ..particles.sampling.ranks import (
    communicator,
    ended_together,
    on_all_ranks,
    refused_on_all_ranks,
    same_on_all_ranks,
)
from ..particles.showing.datasets import xarray
from ..particles.support.checks import flag, shown
from ..particles.support.fingerprint import digest_of, fingerprint_of
from ..particles.support.progress import ProgressBar
from .aligned import check_alike, check_names, dataset_of
from .caught_warnings import Warned
from .folder import Folder
from .grid import Grid, grid_of
from .points import Outcome
from .records import Record
from .running import on_executor, on_ranks, one_by_one

if TYPE_CHECKING:
    from xarray import Dataset

# different texts of one class of warnings that are shown, each with its first point
SHOWN = 5


def sweep(
    function: Callable[..., Any],
    over: Mapping[str, Any],
    executor: Executor | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    errors: str = "raise",
    version: str | None = None,
    progress: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Dataset:
    """Call a function at all combinations of values of its parameters, f(a_i, b_j, ...); parameters become dimensions.

    The result does not depend on the executor, nor on the order in which points are finished: random numbers are the
    function's own, and every sampler takes a `seed`, which may be one of the parameters. Warnings are kept with their
    point, in the coordinate `warned` and in files, and given once more at the end with the name of the point. After
    Ctrl-C or an error finished points are in `path`, and the same call goes on from there.

    Args:
        function: called with the parameters as keywords. It returns a number, an array, a mapping of names to numbers
            and arrays, a dataset or an array of xarray, or a result of this package with `to_xarray`; of the same
            shapes at all points. For other processes it has to be a function of a module.
        over: for each parameter its values, numbers or texts (K,); or, for other objects, a dictionary of labels and
            objects (K,). They become coordinates, in this order.
        executor: what computes the points: any of the interface of concurrent.futures, such as ThreadPoolExecutor,
            ProcessPoolExecutor, mpi4py.futures.MPIPoolExecutor, or get_executor() of a client of dask. None computes
            one after the other, on several ranks all of them each point together, so that the function may be
            collective. With an executor it may be so on MPI.COMM_SELF only. Of several ranks only the one with an
            executor of mpi4py.futures calls `sweep`.
        path: a folder, which is made where it is not there, with a file for each finished point. What is there already
            is read, also when values are added to `over`; a point that raised an error is tried again. It is refused
            where it belongs to other names, other values or another function (bytecode, captured and global values).
        errors: "raise": the first error is raised, with a note that names its point, when the points that are under way
            have ended. "keep": NaN or empty texts at these points (integers become floats), and the coordinate `raised`
            has the class and the text of the error.
        version: a text that stands for the function in `path`, in place of what can be read of it.
        progress: show a progress bar, at a terminal or in a notebook, on rank 0.
        comm: the ranks that compute each point together, without an executor.

    Returns:
        A `xarray.Dataset`: what the function returned, under the names that it gave, `value` where it gave none, with
        the parameters as first dimensions; attributes that all points have in common.

    Raises:
        InvalidArgument: an argument out of range; what the function returns is no number, is not alike at two points,
            or differs between ranks; `path` belongs to another sweep; an executor on several ranks; integers above
            2**53 beside floats, which cannot hold them, in `over` or among results.
        RankEnded: on the other ranks, where one leaves the function by KeyboardInterrupt or SystemExit.
        OSError: a file cannot be written; a note says what is kept, and the remedy.
        ImportError: xarray is not here, and how to get it.
        Exception: that of the function, with a note that names the point.

    Warns:
        UserWarning: a value that the function reads cannot be compared with what `path` was made with.
        Warning: those of the points.
    """
    alone = _for_itself(executor, comm)
    shared = None if alone or comm.size == 1 else comm
    with ended_together(shared):
        grid = on_all_ranks(shared, lambda: _checked(function, over, path, errors, version, progress))
        shape = str([(axis.name, axis.plain) for axis in grid.axes])
        same_on_all_ranks(shared, over=shape, path=str(path), errors=errors, version=version)
        return _Sweep(function, grid, errors == "keep", shared).run(executor, path, version, progress)


@dataclass
class _Sweep:
    function: Callable[..., Any]
    grid: Grid
    keep_errors: bool
    comm: MPI.Comm | None
    records: dict[int, Record] = field(default_factory=dict)
    raised: dict[int, str] = field(default_factory=dict)
    warned: dict[int, tuple[Warned, ...]] = field(default_factory=dict)

    def run(self, executor: Executor | None, path: Any, version: str | None, progress: bool) -> Any:
        first = self.comm is None or self.comm.rank == 0
        folder = on_all_ranks(self.comm, lambda: self._folder(path, version) if path is not None and first else None)
        self._read(folder)
        numbers = [number for number in range(self.grid.size) if number not in self.records]
        shown_here = progress and first
        with closing(ProgressBar(self.grid.size, shown_here, "point", len(self.records))) as bar:

            def keep(number: int, outcome: Outcome) -> None:
                self._keep(number, outcome, folder)
                bar.update(1)

            if executor is not None:
                on_executor(executor, self.function, self.grid, numbers, keep)
            elif self.comm is not None:
                on_ranks(self.comm, self.function, self.grid, numbers, keep)
            else:
                one_by_one(self.function, self.grid, numbers, keep)
        self._warn()
        everything = range(self.grid.size)
        texts = {"warned": [_said(self.warned[number]) for number in everything]}
        if self.keep_errors:
            texts["raised"] = [self.raised.get(number, "") for number in everything]
        records = [self.records.get(number) for number in everything]
        return dataset_of(self.grid, records, texts, {"function": _name(self.function)})

    def _folder(self, path: Any, version: str | None) -> Folder:
        """The folder, made or compared."""
        found = fingerprint_of(self.function)
        parts = found.parts if version is None else {"version": digest_of(version)[0]}
        unknown = list(found.unknown) if version is None else []
        for axis in self.grid.axes:
            if axis.labelled:
                unknown += [f"{axis.name} ({kind})" for value in axis.values for kind in digest_of(value)[1]]
        release = str(sys.modules[__name__.partition(".")[0]].__version__)
        folder = Folder(Path(os.fsdecode(path)), self.grid, _name(self.function), parts, release)
        folder.begin()
        if unknown:
            some = ", ".join(dict.fromkeys(unknown))
            warn(f"{folder.path} cannot tell whether {some} is what it was; give version= and change it when that does")
        return folder

    def _read(self, folder: Folder | None) -> None:
        """Take the points that are there; rank 0 reads them, for all."""
        if self.comm is None or self.comm.size == 1:
            there = [] if folder is None else [number for number in range(self.grid.size) if folder.has(number)]
            for number in there:
                assert folder is not None
                self._add(number, folder.read(number))
            return
        read = on_all_ranks(
            self.comm,
            lambda: None if folder is None else {n: folder.read(n) for n in range(self.grid.size) if folder.has(n)},
        )
        for number, record in (self.comm.bcast(read) or {}).items():
            self._add(number, record)

    def _add(self, number: int, record: Record) -> None:
        """Take a record that belongs to the others.

        Raises:
            InvalidArgument: it does not.
        """
        check_names(self.grid, record)
        if self.records:
            other = next(iter(self.records))
            check_alike(self.records[other], record, self.grid.text(other), self.grid.text(number))
        self.records[number] = record
        self.warned[number] = record.warned

    def _keep(self, number: int, outcome: Outcome, folder: Folder | None) -> None:
        """Take what became of a point: into the file, and among the others."""
        self.warned[number] = outcome.record.warned
        if outcome.error is None:
            on_all_ranks(self.comm, lambda: self._kept(number, outcome.record, folder))
        elif self.keep_errors:
            self.raised[number] = f"{type(outcome.error).__name__}: {outcome.error}"
        else:
            raise _noted(outcome, self.grid.text(number))

    def _kept(self, number: int, record: Record, folder: Folder | None) -> None:
        self._add(number, record)
        if folder is not None:
            folder.write(number, record)

    def _warn(self) -> None:
        """Give the warnings of all points once more, each text once, with the first of its points."""
        points: dict[Warned, list[int]] = {}
        for number in sorted(self.warned):
            for one in self.warned[number]:
                points.setdefault(one, []).append(number)
        seen: dict[tuple[str, str], int] = {}
        for one, numbers in points.items():
            kind = (one.module, one.category)
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] <= SHOWN:
                more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
                warn(f"{one.text} (at {self.grid.text(numbers[0])}{more})", _category(one))
        for kind, count in seen.items():
            if count > SHOWN:
                text = f"{count - SHOWN} more texts of this kind are in the coordinate `warned`"
                warn(text, _category(Warned(*kind, text)))


def _noted(outcome: Outcome, point: str) -> BaseException:
    """An error with the name of its point, what it warned of, and where it was raised if in another process."""
    error = outcome.error
    assert error is not None
    if error.__traceback__ is None and outcome.trace:
        error.add_note(f"Where it was computed:\n{outcome.trace}")
    for one in outcome.record.warned:
        error.add_note(f"It had warned: {one.category}: {one.text}")
    error.add_note(f"This is the point {point} of a sweep")
    return error


def _said(warned: tuple[Warned, ...]) -> str:
    return "\n".join(f"{one.category}: {one.text}" for one in warned)


def _category(one: Warned) -> type[Warning]:
    """The class of a warning, if it is known here."""
    found: Any = sys.modules.get(one.module)
    for name in one.category.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning


def _name(function: Any) -> str:
    while hasattr(function, "func"):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _for_itself(executor: object, comm: object) -> bool:
    """Whether this process makes the sweep alone, whatever other ranks do.

    Raises:
        InvalidArgument: on several ranks an executor that is not one of MPI's, on any of them; on all that call. Or
            the other ranks are workers of mpi4py.futures, and this is not for them.
    """
    of_mpi = any(kind.__module__.startswith("mpi4py.futures") for kind in type(executor).__mro__)
    ranks, refusal = communicator(comm, together=not of_mpi), None
    if executor is not None and not isinstance(executor, Executor):
        remedy = "; of dask, give client.get_executor()" if hasattr(executor, "get_executor") else ""
        refusal = InvalidArgument("executor", f"must be one of concurrent.futures, not {shown(executor)}{remedy}")
    elif of_mpi:
        return True
    elif executor is not None and ranks.size > 1:
        refusal = InvalidArgument(
            "executor",
            "must be None on several ranks, which then compute each point together; for ranks that share the points, "
            "MPICommExecutor of mpi4py.futures on rank 0; for an executor of this rank alone, comm=MPI.COMM_SELF",
        )
    if ranks.size > 1:
        refused_on_all_ranks(ranks, refusal)
    elif refusal is not None:
        raise refusal
    return executor is not None


def _checked(function: object, over: object, path: object, errors: object, version: object, progress: object) -> Grid:
    if not callable(function):
        raise InvalidArgument("function", f"must be callable, not {shown(function)}")
    grid = grid_of(over)
    if errors not in ("raise", "keep"):
        raise InvalidArgument("errors", f'must be "raise" or "keep", not {shown(errors)}')
    if version is not None and not isinstance(version, str):
        raise InvalidArgument("version", f"must be a text or None, not {shown(version)}")
    if version is not None and path is None:
        raise InvalidArgument("version", "has a meaning with path= only")
    if path is not None and (not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path)):
        raise InvalidArgument("path", f"must be the path of a folder, not {shown(path)}")
    flag("progress", progress)
    xarray()
    return grid
