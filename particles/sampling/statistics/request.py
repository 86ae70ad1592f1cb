"""What is asked of an ensemble of which no run is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...showing.described import Described
from ...support import checks
from ...support.fingerprint import digest_of
from ...support.function_values import Unknown, key_of

Observable = Callable[[np.ndarray], ArrayLike]
# points at which the shape of a value is found: more than there are directions or sites of small models, and odd
TRIED = 17
# values whose fourth powers can be added up
LARGEST = 1e70
# of the largest value; by how much values of a run may differ that are found among other runs
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class EnsembleStatistics(Described):
    """What is added up over independent runs while they are made; for `sample(statistics=)`.

    Always mean, variance, extremes, and moments up to the fourth for their errors, of the positions (or actions), and
    of each observable; covariances and histograms where they are asked for. No run is kept, so that memory depends on
    times, observables and bins alone.

    Args:
        observables: functions by their names, from the positions (P, d) or actions (P, N) of some runs at one time to
            numbers (P,) or arrays (P, ...), of each run by itself. Several threads call them at once. What uses other
            runs, or chance, is refused where half of the first runs by themselves, in reverse, show it by more than
            1e-6 of the largest value; smaller effects, or rarer ones, are not seen. Integers above 2^53 are refused,
            and values above 1e70.
        histograms: edges (B+1,), increasing, by the names of what is counted: of an observable, or "positions" or
            "actions". They serve all entries of a value. What lies outside of them is counted, too.
        covariance: whether covariances of all pairs of entries of a value are found, with their errors: m^2 numbers
            for values of m entries, instead of m.

    Raises:
        InvalidArgument: no functions or edges, or histograms of something that has no such name.
    """

    observables: Mapping[str, Observable] = field(default_factory=dict)
    histograms: Mapping[str, ArrayLike] = field(default_factory=dict)
    covariance: bool = False

    def __post_init__(self) -> None:
        observables, histograms = (_by_name(name, getattr(self, name)) for name in ("observables", "histograms"))
        for name, function in observables.items():
            if not callable(function):
                raise InvalidArgument(
                    "observables", f"must be functions of arrays by their names; {name!r} is {checks.shown(function)}"
                )
        edges = {name: _edges(name, value) for name, value in histograms.items()}
        for name, value in (("observables", observables), ("histograms", edges)):
            object.__setattr__(self, name, value)
        checks.flag("covariance", self.covariance)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        bins = [f"{name} ({len(edges) - 1} bins)" for name, edges in self._edges.items()]
        said = {"observables": ", ".join(self.observables) or "none", "histograms": ", ".join(bins) or "none"}
        return type(self).__name__, said | {"covariance": self.covariance}

    @property
    def _edges(self) -> Mapping[str, NDArray[np.float64]]:
        return self.histograms  # type: ignore[return-value]

    def tallied(self, coordinate: str, states: np.ndarray) -> tuple[Tallied, ...]:
        """What is added up: the coordinate itself, and the observables.

        Args:
            coordinate: "positions" or "actions".
            states: values (P, d) of some runs.

        Raises:
            InvalidArgument: an observable is no function from (P, d) to (P,) or (P, ...), or a histogram of nothing.
        """
        if coordinate in self.observables:
            raise InvalidArgument("observables", f"must not be called {coordinate!r}, which is there in any case")
        for name in self._edges:
            if name != coordinate and name not in self.observables:
                known = ", ".join(repr(one) for one in (coordinate, *self.observables))
                raise InvalidArgument("histograms", f"must be of one of {known}, not of {name!r}")
        some = np.resize(states, (TRIED, *states.shape[1:]))
        shapes = {name: _shape(name, function, some) for name, function in self.observables.items()}
        first = Tallied(coordinate, None, states.shape[1:], self._edges.get(coordinate), self.covariance)
        others = (
            Tallied(name, self.observables[name], shape, self._edges.get(name), self.covariance)
            for name, shape in shapes.items()
        )
        return (first, *others)

    def identity(self) -> dict[str, str]:
        """Texts by which statistics are told from others, in files and between ranks.

        Raises:
            Unknown: an observable reads something whose value cannot be told.
        """
        edges = {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in self._edges.items()}
        return {
            "observables": repr([(name, _digest(name, function)) for name, function in self.observables.items()]),
            "histograms": repr(edges),
            "covariance": repr(bool(self.covariance)),
        }


@dataclass(frozen=True, eq=False)
class Tallied:
    """One quantity of which statistics are made.

    Args:
        name: of the quantity.
        function: from the state (P, ...) of some runs to the values (P, *shape), or None for the state itself.
        shape: of a value.
        edges: of the bins (B+1,), or None.
        pairs: whether covariances are found.
    """

    name: str
    function: Observable | None
    shape: tuple[int, ...]
    edges: NDArray[np.float64] | None
    pairs: bool

    @property
    def entries(self) -> int:
        """Number m of entries of a value."""
        return int(np.prod(self.shape, dtype=np.int64))

    def of(self, states: np.ndarray) -> NDArray[np.float64]:
        """The values (P, m) at states (P, ...).

        Raises:
            InvalidArgument: they are not finite, or of another shape.
        """
        values = states
        if self.function is not None:
            values = checks.evaluated(self.argument, self.function, states, self.shape, exact=True)
        if values.size and not (np.abs(values) <= LARGEST).all():
            raise InvalidArgument(
                self.argument,
                f"has the value {np.abs(values).max():.3g}; fourth powers of values above {LARGEST:g} are no numbers "
                "of 64 bits: take another unit",
            )
        return np.ascontiguousarray(values, dtype=np.float64).reshape(len(states), self.entries)

    @property
    def argument(self) -> str:
        """The name by which errors speak of it."""
        return self.name if self.function is None else _argument(self.name)

    def check_alone(self, states: np.ndarray, values: np.ndarray) -> None:
        """Refuse a function of which the value of a run depends on other runs, or on chance.

        Args:
            states: of some runs (P, ...).
            values: of the function there (P, m).

        Raises:
            InvalidArgument: the values of half of the runs, in another order, differ by more than rounding.
        """
        # runs that are all alike tell nothing
        if self.function is None or (len(states) > 1 and (states == states[0]).all()):
            return
        half = np.s_[: (len(states) + 1) // 2]
        alone, among = self.of(states[::-1][half]), values[::-1][half]
        if (np.abs(alone - among) > ROUNDING * np.abs(values).max(axis=0, initial=0.0)).any():
            raise InvalidArgument(
                self.argument,
                "must give each run a value that depends on its own state alone; of half of the runs other values "
                "come: it uses the other runs (a mean over them?), or random numbers",
            )


def _by_name(argument: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidArgument(argument, f"must be a dict by names, not {checks.shown(value)}")
    for name in value:
        if not isinstance(name, str) or not name.isidentifier():
            raise InvalidArgument(argument, f"must have names that are identifiers, not {name!r}")
    return dict(value)


def _edges(name: str, value: Any) -> NDArray[np.float64]:
    edges = checks.real_array("histograms", value)
    if edges.ndim != 1 or edges.size < 2 or (np.diff(edges) <= 0).any():
        raise InvalidArgument(
            "histograms",
            f"must be the edges of bins, an increasing list of two numbers at least; those of {name!r} are not",
        )
    return edges


def _argument(name: str) -> str:
    return f"observables[{name!r}]"


def _shape(name: str, function: Observable, some: np.ndarray) -> tuple[int, ...]:
    """The shape of one value; what it is at these points does not count."""
    with np.errstate(all="ignore"):
        shape = checks.called(_argument(name), function, some, some.shape[:1]).shape
        each = shape[1:] if len(shape) > 1 and shape[0] == len(some) else ()
        checks.evaluated(_argument(name), function, some, each, finite=False)
        checks.leaves_alone(_argument(name), function, some)
    if 0 in each:
        raise InvalidArgument(_argument(name), f"must return numbers, but returns none: values of the shape {each}")
    return each


def _digest(name: str, function: Observable) -> str:
    try:
        # of functions of arrays, numbers and arrays alone
        key_of(function)
    except Unknown:
        raise Unknown(name) from None
    digest, unknown = digest_of(function)
    if unknown:
        raise Unknown(name)
    return digest
