"""The grid of a sweep: names, their values, and the points that are all combinations of these."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..particles import InvalidArgument
from ..particles.support.checks import shown

# of the texts that a dataset of a sweep has besides what the function returns
RESERVED = ("raised", "warned")


@dataclass(frozen=True)
class Axis:
    """One parameter.

    Args:
        name: as the function knows it.
        coordinate: numbers, truth values or texts (K,), all different: its values, or the labels of these.
        values: what the function is given, K of them.
        labelled: whether `coordinate` has labels.
    """

    name: str
    coordinate: np.ndarray
    values: tuple[Any, ...]
    labelled: bool

    @cached_property
    def plain(self) -> list[Any]:
        """The coordinate as numbers and texts of Python."""
        return list(self.coordinate.tolist())


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of some parameters, the last of them running fastest.

    Args:
        axes: the parameters.
    """

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each has."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def size(self) -> int:
        """How many points there are."""
        return int(np.prod(self.shape, dtype=object))

    def place(self, number: int) -> tuple[int, ...]:
        """Where a point is along each axis."""
        return tuple(int(k) for k in np.unravel_index(number, self.shape))

    def point(self, number: int) -> dict[str, Any]:
        """The arguments of the function at a point."""
        return {axis.name: axis.values[k] for axis, k in zip(self.axes, self.place(number))}

    def text(self, number: int) -> str:
        """A point as messages name it: a = 0.5, wall = soft."""
        parts = zip(self.axes, self.place(number))
        return ", ".join(f"{axis.name} = {_short(axis.plain[k])}" for axis, k in parts)

    def key(self, number: int) -> str:
        """A point as files name it: the same for the same values, in whatever order the parameters are."""
        return json.dumps({axis.name: axis.plain[k] for axis, k in zip(self.axes, self.place(number))}, sort_keys=True)


def grid_of(over: object) -> Grid:
    """The grid of what a user gave as `over`.

    Raises:
        InvalidArgument: no names, names that are no texts, no values, or values that are neither numbers nor texts.
    """
    if not isinstance(over, Mapping) or not over:
        raise InvalidArgument("over", f'must be a dictionary such as {{"a": [0.1, 0.2]}}, not {shown(over)}')
    for name in over:
        if not isinstance(name, str) or not name.isidentifier():
            raise InvalidArgument("over", f"must have names of arguments, not {shown(name)}")
        if name in RESERVED:
            raise InvalidArgument("over", f"must not have the name {name}, which the result uses itself")
    return Grid(tuple(_axis(name, values) for name, values in over.items()))


def _axis(name: str, values: Any) -> Axis:
    labelled = isinstance(values, Mapping)
    coordinate = _coordinate(name, list(values) if labelled else values)
    if labelled and coordinate.dtype.kind == "f" and not np.isfinite(coordinate).all():
        raise InvalidArgument("over", f"{name} must have finite labels")
    if len(set(coordinate.tolist())) < coordinate.size:
        twice = next(one for one in coordinate.tolist() if coordinate.tolist().count(one) > 1)
        raise InvalidArgument("over", f"{name} has {shown(twice)} twice")
    given = tuple(values.values()) if labelled else tuple(coordinate.tolist())
    return Axis(name, coordinate, given, labelled)


def _coordinate(name: str, values: Any) -> np.ndarray:
    """Values (K,) as an array of one kind."""
    remedy = f'; give other objects labels, {{"{name}": {{"first": object, ...}}}}'
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise InvalidArgument("over", f"{name} must be a list of values, not {shown(values)}")
    entries = values if isinstance(values, np.ndarray) else list(values)
    kinds = {_kind(one) for one in entries} if not isinstance(entries, np.ndarray) else {""}
    if len(entries) == 0:
        raise InvalidArgument("over", f"{name} has no values")
    if len(kinds) > 1 or None in kinds:
        raise InvalidArgument("over", f"{name} must be all numbers, all texts or all truth values{remedy}")
    if np.ma.is_masked(values):
        raise InvalidArgument("over", f"{name} must not have masked entries")
    array = np.array(entries)
    if array.ndim != 1 or array.dtype.kind not in "biufU":
        raise InvalidArgument("over", f"{name} must be numbers or texts (K,), not {_what(array)}{remedy}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InvalidArgument("over", f"{name} must not have NaN")
    for given, kept in zip(entries, array) if array.dtype.kind == "f" else ():
        if isinstance(given, int | np.integer) and int(given) != int(kept):
            raise InvalidArgument(
                "over", f"{name} has {shown(given)} beside numbers with a point, and no float holds it exactly{remedy}"
            )
    return array


def _kind(value: object) -> str | None:
    """Of one entry of a list: numbers with or without a point are of the same kind."""
    if isinstance(value, bool | np.bool_):
        return "truth value"
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | float | np.integer | np.floating) else None


def _what(array: np.ndarray) -> str:
    return f"of shape {array.shape}" if array.ndim != 1 else f"of type {array.dtype}"


def _short(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
