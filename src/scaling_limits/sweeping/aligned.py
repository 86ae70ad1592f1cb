"""Records of all points as one dataset: parameters become dimensions, everything else must be alike at all points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..particles import InvalidArgument
from ..particles.showing.datasets import attributes, xarray
from ..particles.support.checks import shown
from .grid import RESERVED, Grid
from .records import Part, Record

MISSING: dict[str, Any] = {"f": np.nan, "c": np.nan, "U": "", "M": np.datetime64("NaT"), "m": np.timedelta64("NaT")}


def check_names(grid: Grid, record: Record) -> None:
    """Refuse names of what was returned that the dataset has already.

    Raises:
        InvalidArgument: the name of a parameter, or of the texts about warnings and errors.
    """
    taken = {axis.name for axis in grid.axes}
    for part in record.parts:
        for name in (part.name, *part.dims):
            if name in taken:
                raise InvalidArgument(
                    "function", f"returns something called {name}, which is in over; rename or drop it"
                )
            if name in RESERVED:
                raise InvalidArgument("function", f"returns something called {name}, which the result uses; rename it")


def check_alike(one: Record, other: Record, here: str, there: str) -> None:
    """Refuse records that do not belong into the same arrays.

    Args:
        one: what was returned at a point.
        other: at another one.
        here: the first point, in words.
        there: the second, likewise.

    Raises:
        InvalidArgument: other names, dimensions, sizes, kinds or places; the message names both points.
    """

    def differ(what: str, mine: object, theirs: object) -> InvalidArgument:
        return InvalidArgument(
            "function", f"returns {what} {mine} at {here}, and {theirs} at {there}; they must be alike"
        )

    theirs = {part.name: part for part in other.parts}
    mine = {part.name: part for part in one.parts}
    if set(mine) != set(theirs):
        raise differ("the names", sorted(mine), sorted(theirs))
    for name, part in mine.items():
        match = theirs[name]
        if part.values.shape != match.values.shape:
            raise differ(f"{name} of shape", part.values.shape, match.values.shape)
        if part.dims != match.dims or part.coordinate != match.coordinate:
            raise differ(f"{name} with dimensions", part.dims, match.dims)
        if _kind(part) != _kind(match):
            raise differ(f"{name} as", part.values.dtype, match.values.dtype)
        if part.index and not _equal(part.values, match.values):
            raise differ(f"results at {name} =", shown(part.values), shown(match.values))


def dataset_of(
    grid: Grid, records: Sequence[Record | None], texts: Mapping[str, Sequence[str]], said: Mapping[str, Any]
) -> Any:
    """The dataset.

    Args:
        grid: of the sweep.
        records: of all points in its order; None where the function has raised an error.
        texts: about all points, likewise, by their names.
        said: attributes besides.
    """
    known = [record for record in records if record is not None]
    names = tuple(axis.name for axis in grid.axes)
    variables: dict[str, tuple[Any, ...]] = {}
    coordinates: dict[str, tuple[Any, ...]] = {axis.name: (axis.name, axis.coordinate) for axis in grid.axes}
    for name, values in texts.items():
        coordinates[name] = (names, np.array(values, dtype=np.str_).reshape(grid.shape))
    for k, part in enumerate(known[0].parts if known else ()):
        # in the order of the first point, whatever that of the others is
        parts = [None if one is None else _named(one, part.name, k) for one in records]
        made = _variable(grid, names, [one for one in parts if one is not None], parts)
        (coordinates if part.coordinate else variables)[part.name] = made
    common = reduce(_common, [one.attrs for one in known]) if known else {}
    return xarray().Dataset(variables, coordinates, common | attributes("Sweep") | dict(said))


def _named(record: Record, name: str, likely: int) -> Part:
    if record.parts[likely].name == name:
        return record.parts[likely]
    return next(part for part in record.parts if part.name == name)


def _variable(grid: Grid, names: tuple[str, ...], known: list[Part], parts: list[Part | None]) -> tuple[Any, ...]:
    """Dimensions, values and attributes of one array of the dataset."""
    first = known[0]
    attrs = reduce(_common, [part.attrs for part in known])
    if first.index or (first.coordinate and all(_equal(part.values, first.values) for part in known)):
        return first.dims, first.values, attrs
    kind = np.result_type(*{part.values.dtype for part in known})
    if len(known) < len(parts) and kind.kind in "biu":
        kind = np.dtype(np.float64)
    for number, part in enumerate(parts):
        if part is not None and not _holds(kind, part.values):
            raise InvalidArgument(
                "function",
                f"returns {first.name} = {shown(part.values.tolist())} at {grid.text(number)}, an integer that no "
                "float holds exactly, and floats or errors at other points; return float(...) of it, or texts",
            )
    whole = np.full((grid.size, *first.values.shape), MISSING.get(kind.kind, 0), kind)
    for number, part in enumerate(parts):
        if part is not None:
            whole[number] = part.values
    return (*names, *first.dims), whole.reshape(grid.shape + first.values.shape), attrs


def _holds(kind: np.dtype[Any], values: np.ndarray) -> bool:
    """Whether integers stay what they are as numbers of another kind."""
    if values.dtype.kind not in "iu" or kind.kind not in "fc":
        return True
    if not values.size or max(abs(int(values.min())), abs(int(values.max()))) <= 2**53:
        return True
    return all(int(kept) == int(given) for kept, given in zip(values.astype(kind).real.flat, values.flat))


def _common(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    if one == other:
        return one
    return {name: value for name, value in one.items() if name in other and other[name] == value}


def _kind(part: Part) -> str:
    """Numbers of all sorts go into one array, truth values too."""
    kind = part.values.dtype.kind
    return "f" if kind in "biufc" else kind


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one is other or np.array_equal(one, other, equal_nan=one.dtype.kind in "fcMm" and other.dtype.kind in "fcMm")
