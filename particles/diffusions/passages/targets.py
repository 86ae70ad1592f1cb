"""Targets of first passages: sets given by truth values, or by levels that are negative inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvalidArgument
from ...sampling.normal_tiles import TILE
from ...sampling.ranks import on_all_ranks, same_on_all_ranks
from ...sampling.spread import spread, told
from ...support import checks
from ...support.compiled_functions import compiled
from ...support.fingerprint import digest_of

if TYPE_CHECKING:
    from mpi4py import MPI

# from points (P, d) to truth values or levels (P,)
Function = Callable[[np.ndarray], np.ndarray]
Functions = Function | list[Function] | tuple[Function, ...] | Mapping[str, Function]
# of one call; each is compiled into the steps
MOST = 32
EXAMPLE = "lambda x: x[:, 0] - 1"
# distances from starts at which levels are looked at, and points at each
DISTANCES, AROUND = 10.0 ** np.arange(-3, 2), 64


@dataclass(frozen=True)
class Target:
    """A set that paths may hit.

    Args:
        name: of the set.
        argument: the name by which errors speak of it.
        function: compiled, from points (P, d) to truth values or levels (P,).
        has_level: whether it gives levels.
    """

    name: str
    argument: str
    function: Function
    has_level: bool

    @property
    def boundary_order(self) -> float:
        """The order in the step at which times and probabilities converge, by how its boundary is seen."""
        return 1.0 if self.has_level else 0.5

    def levels(self, x: np.ndarray) -> np.ndarray:
        """Levels at starts (P, d); of an indicator -1 inside and 1 outside.

        Raises:
            InvalidArgument: they are not finite, not (P,), or the function raises.
        """
        values = checks.called(self.argument, self.function, np.ascontiguousarray(x.T).T, (len(x),))
        if values.shape != (len(x),):
            raise InvalidArgument(
                self.argument, f"must return one value for each point, ({len(x)},), not {values.shape}"
            )
        if not self.has_level:
            return np.where(values, -1.0, 1.0)
        if not np.isfinite(values).all():
            place = x[np.flatnonzero(~np.isfinite(values))[0]].tolist()
            raise InvalidArgument(self.argument, f"must be finite, and is not where a path starts, at {place}")
        return values.astype(np.float64)


def agreed_targets(targets: Functions, start: np.ndarray, comm: MPI.Comm | None) -> tuple[Target, ...]:
    """The targets that a user gave, compiled; collective.

    Args:
        targets: a function, a list of them, or functions by their names.
        start: where paths start (R, d).
        comm: the ranks that share the paths, or None.

    Raises:
        InvalidArgument: on all ranks; as `checked_targets`, or they differ between ranks.
    """
    sets = on_all_ranks(comm, lambda: checked_targets(targets, start))
    on_all_ranks(comm, lambda: [t.levels(start[:TILE]) for t in sets])
    check_agreed(comm, targets, sets, start)
    return sets


def check_agreed(comm: MPI.Comm | None, given: object, sets: tuple[Target, ...], start: np.ndarray) -> None:
    """Refuse targets that differ between ranks: in their code, the numbers that it reads, or values; collective.

    Args:
        comm: the ranks that share the paths, or None.
        given: what the user gave.
        sets: the same, compiled.
        start: where paths start (R, d).

    Raises:
        InvalidArgument: on all ranks.
    """
    if comm is None or comm.size == 1:
        return
    digest, unknown = digest_of(given)
    points = np.ascontiguousarray(spread(start).T).T
    levels = [(t.name, t.has_level, told(t.function, points)) for t in sets]
    same_on_all_ranks(comm, **{argument_of(sets): (levels, "" if unknown else digest)})


def checked_targets(targets: Functions, start: np.ndarray) -> tuple[Target, ...]:
    """The targets that a user gave, compiled.

    Args:
        targets: a function, a list of them, or functions by their names.
        start: where paths start (R, d).

    Raises:
        InvalidArgument: none, too many, or one that cannot be compiled, or does not give truth values or levels (P,).
    """
    if callable(targets):
        return (_checked("0", "targets", targets, start),)
    if isinstance(targets, Mapping):
        if not all(isinstance(name, str) and name for name in targets):
            raise InvalidArgument("targets", "must have names that are texts")
        named = [(name, f"targets[{name!r}]", function) for name, function in targets.items()]
    elif isinstance(targets, list | tuple):
        named = [(str(k), f"targets[{k}]", function) for k, function in enumerate(targets)]
    else:
        text = f"must be a callable such as {EXAMPLE}, a list or a dict of them, not {checks.shown(targets)}"
        raise InvalidArgument("targets", text)
    if not 1 <= len(named) <= MOST:
        raise InvalidArgument("targets", f"must be between 1 and {MOST} targets, not {len(named)}")
    return tuple(_checked(name, argument, function, start) for name, argument, function in named)


def indicator_target(target: object, start: np.ndarray) -> Target:
    """The one target of `first_passage_times`, an indicator, with the values that its globals have now.

    Args:
        target: from points (P, d) to truth values (P,).
        start: where paths start (R, d).

    Raises:
        InvalidArgument: it is something else, or cannot be compiled.
    """
    checks.mask("target", target, start[:2])
    points = np.ascontiguousarray(start[:2].T).T
    return Target("0", "target", compiled("target", target, points, example="lambda x: x[:, 0] > 1"), False)


def argument_of(targets: tuple[Target, ...]) -> str:
    """The name by which errors speak of all targets."""
    return targets[0].argument if len(targets) == 1 else "targets"


@contextmanager
def functions_of(targets: tuple[Target, ...]) -> Iterator[None]:
    """What the functions of targets raise in a step becomes an InvalidArgument."""
    try:
        yield
    except InvalidArgument:
        raise
    except Exception as error:
        text = f"raises {type(error).__name__} where a path has come to: {error}"
        raise InvalidArgument(argument_of(targets), text) from error


def _checked(name: str, argument: str, function: Function, start: np.ndarray) -> Target:
    # other numbers of points too: kernels trust the shape
    for number in (1, 2, 3):
        points = np.resize(start[:3], (number, start.shape[1]))
        values = checks.called(argument, function, points, (number,), what="truth values or levels")
        if values.shape != (number,) or values.dtype.kind not in "bf":
            text = f"must return truth values or levels ({number},), not {values.dtype} of shape {values.shape}"
            raise InvalidArgument(argument, text)
    checks.leaves_alone(argument, function, points)
    if values.dtype.kind == "f":
        _check_level(argument, function, start)
    made = compiled(argument, function, np.ascontiguousarray(points.T).T, example=EXAMPLE)
    return Target(name, argument, made, values.dtype.kind == "f")


def _check_level(argument: str, function: Function, start: np.ndarray) -> None:
    """Refuse a level that has two values only, such as truth values as floats: its gradient does not tell how far the
    boundary is, and where it is 0, paths are inside.

    Raises:
        InvalidArgument: around the starts it has two values only, or is 0 everywhere.
    """
    normal = np.random.Generator(np.random.Philox(key=AROUND)).standard_normal((len(DISTANCES), AROUND, start.shape[1]))
    x = (start[0] + DISTANCES[:, None, None] * normal).reshape(-1, start.shape[1])
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(x), dtype=float)
    except Exception:
        # it may not be made for points far away
        return
    values = np.unique(values[np.isfinite(values)])
    if len(values) == 2 or (len(values) == 1 and values[0] == 0.0):
        text = f"gives the values {values[0]:g} and {values[-1]:g} only, and is no level: return truth values, or a"
        raise InvalidArgument(argument, f"{text} function that is smooth near its boundary")
