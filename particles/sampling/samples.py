"""What all samples have in common: times, mean, standard deviation, averages with standard errors, files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..showing.described import Described, times_text
from ..support import checks
from ..support.saved import Saved

SAID = ("step", "seed")


class Samples(Saved, Described, ABC):
    """Independent runs of a model, at times.

    Attributes:
        times: snapshots (T,).
        WORD: what a run is called.
    """

    WORD: ClassVar[str] = "runs"
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
        return deviation(self.values, axis=1)

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
        return mean_and_error(observed(observable, self.values), axis=1)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        shape = " x ".join(map(str, self.values.shape[2:]))
        said = {self.WORD: f"{self.runs} of {shape} numbers", "times": times_text(np.asarray(self.times))}
        return type(self).__name__, said | {name: getattr(self, name) for name in SAID if hasattr(self, name)}


def observed(observable: Callable[[np.ndarray], ArrayLike], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """f at each time (T, R, ...), of values (T, R, ...) of all runs.

    Raises:
        InvalidArgument: f is no function from (R, ...) to (R,) or (R, ...).
    """
    first = values[0]
    shape = checks.called("observable", observable, first, first.shape[:1]).shape
    each = shape[1:] if len(shape) > 1 and shape[0] == len(first) else ()
    return np.array([checks.evaluated("observable", observable, x, each) for x in values])


def mean_and_error(values: NDArray[np.float64], axis: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean over the runs, which are along an axis, and its standard error, which is infinite for one of them."""
    return np.asarray(values.mean(axis=axis)), deviation(values, axis) / np.sqrt(values.shape[axis])


def deviation(values: NDArray[np.float64], axis: int = 0) -> NDArray[np.float64]:
    """The standard deviation along an axis, of one degree of freedom less than runs; one run tells none."""
    if values.shape[axis] == 1:
        return np.full_like(values.mean(axis=axis), np.inf)
    return np.asarray(values.std(axis=axis, ddof=1))


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


def different_starts(start: np.ndarray) -> np.ndarray:
    """Of what `start_of_each` gives: one (1, size) where all runs have the same by `initial` (size,), else all of them.

    So that nothing of the size of the ensemble is made of one start.
    """
    return start[:1] if start.strides[0] == 0 else start


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
