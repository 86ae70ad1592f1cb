"""What all samples have in common: times, mean, standard deviation, averages with standard errors, files."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..showing.described import Described, times_text
from ..support import checks
from ..support.archive import check_numbers, load_arrays, save_arrays, target

SAID = ("step", "seed")


class Samples(Described, ABC):
    """Independent runs of a model, at times.

    Attributes:
        times: snapshots (T,).
        WORD: what a run is called.
        FORMAT: of the files; raised when a file of the old kind can no longer be read.
    """

    WORD: ClassVar[str] = "runs"
    FORMAT: ClassVar[int] = 1
    if TYPE_CHECKING:

        @property
        def times(self) -> NDArray[np.float64]:
            """A field of some, a property of others."""

    @property
    @abstractmethod
    def values(self) -> NDArray[np.float64]:
        """What is averaged: the values (T, R, ...) of the R runs that are kept whole."""

    @property
    def runs(self) -> int:
        """Number of independent runs."""
        return int(self.values.shape[1])

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over the runs (T, ...)."""
        return np.asarray(self.values.mean(axis=1))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation over the runs (T, ...), of R - 1 degrees of freedom; infinite for one run."""
        return _deviation(self.values)

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Standard error of `mean` (T, ...), std/sqrt(R)."""
        return np.asarray(self.std / np.sqrt(self.runs))

    def average(self, observable: Callable[[np.ndarray], ArrayLike]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean of f over the runs at each time, and its standard error, which is infinite for one run.

        Args:
            observable: f, from the values (R, ...) of all runs that are kept whole to numbers (R,) or arrays (R, ...).

        Raises:
            InvalidArgument: not such a function.
        """
        first = self.values[0]
        shape = checks.called("observable", observable, first, first.shape[:1]).shape
        each = shape[1:] if len(shape) > 1 and shape[0] == len(first) else ()
        numbers = np.array([checks.evaluated("observable", observable, x, each) for x in self.values])
        return numbers.mean(axis=1), _deviation(numbers) / np.sqrt(numbers.shape[1])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; it appears under its name only when it is whole.

        Args:
            path: the file, its name taken as it is; an existing one is replaced.

        Raises:
            InvalidArgument: not the path of a file, or in a folder that is not there.
        """
        place = target("path", path)
        save_arrays(place, {"kind": type(self).__name__, "format": self.FORMAT} | self._content())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is of another kind, damaged, or of another format.
        """
        return cls.read(path, "path")

    @classmethod
    def read(cls, path: str | os.PathLike[str], argument: str) -> Self:
        """As `load`, for a path that the caller knows as `argument`."""
        content = load_arrays(path, cls.__name__, cls.FORMAT, cls._names(), argument=argument)
        check_numbers(path, content, (name for name in content if content[name].dtype.kind in "fc"), argument)
        try:
            return cls._made({name: value.item() if value.shape == () else value for name, value in content.items()})
        except ValueError as error:
            raise InvalidArgument(argument, f"{os.fsdecode(path)} is damaged: {error}") from None

    @classmethod
    def _names(cls) -> set[str]:
        """Names of what is saved; here of the fields of a dataclass."""
        return {field.name for field in fields(cls)}  # type: ignore[arg-type]

    def _content(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names()}

    @classmethod
    def _made(cls, content: dict[str, Any]) -> Self:
        """What has this content; ValueError where the parts do not belong together."""
        return cls(**content)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        shape = " x ".join(map(str, self.values.shape[2:]))
        said = {self.WORD: f"{self.runs} of {shape} numbers", "times": times_text(np.asarray(self.times))}
        return type(self).__name__, said | {name: getattr(self, name) for name in SAID if hasattr(self, name)}


def _deviation(values: np.ndarray) -> NDArray[np.float64]:
    """The standard deviation along the second axis; one run tells none."""
    if values.shape[1] == 1:
        return np.full((len(values), *values.shape[2:]), np.inf)
    return np.asarray(values.std(axis=1, ddof=1))


def start_of_each(start: np.ndarray, number: int, size: int) -> np.ndarray:
    """Return the start of each run (R, size), from that of all of them (size,) or of each.

    Args:
        start: as the caller gave it, of finite numbers.
        number: R.
        size: of the state of a run.

    Raises:
        InvalidArgument: a wrong shape.
    """
    if start.shape not in ((size,), (number, size)):
        raise InvalidArgument("initial", f"must have the shape ({size},) or ({number}, {size}), not {start.shape}")
    return np.broadcast_to(start, (number, size))


def runs_or_paths(documented: str, runs: int | None, paths: int | None, default: int | None = None) -> tuple[str, int]:
    """The number of runs under the name that the caller gave it: `runs` and `paths` mean the same.

    Args:
        documented: the name that the sampler's documentation has.
        runs: what was given under this name, or None.
        paths: likewise.
        default: taken where neither is given; None refuses that.

    Raises:
        InvalidArgument: both are given, or neither where one is needed.
    """
    if runs is not None and paths is not None:
        raise InvalidArgument("paths", "is another name of runs; give one of them, not both")
    if runs is not None:
        return "runs", runs
    if paths is not None:
        return "paths", paths
    if default is None:
        raise InvalidArgument(documented, "must be given: the number of independent runs")
    return documented, default
