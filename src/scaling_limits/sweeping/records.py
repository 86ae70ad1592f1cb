"""What a function returned at one point: named arrays with dimensions, as they go to other processes and into files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..particles import InvalidArgument
from ..particles.showing.datasets import xarray
from ..particles.support.checks import shown
from .caught_warnings import Warned

# of what is no mapping and has no name
VALUE = "value"
# arrays of one point
MOST = 1000
RIGHT = "must return numbers, arrays, a mapping of names to these, a dataset of xarray or a result with to_xarray"


@dataclass(frozen=True)
class Part:
    """An array.

    Args:
        name: of it.
        dims: names of its dimensions.
        values: numbers, texts, truth values or times.
        attrs: what is said of it.
        coordinate: whether it belongs to places rather than to results.
    """

    name: str
    dims: tuple[str, ...]
    values: np.ndarray
    attrs: dict[str, Any]
    coordinate: bool

    @property
    def index(self) -> bool:
        """Whether it says where the entries of a dimension are."""
        return self.dims == (self.name,)


@dataclass(frozen=True)
class Record:
    """A finished point.

    Args:
        parts: what was returned.
        attrs: what is said of all of it.
        warned: what was warned of meanwhile.
    """

    parts: tuple[Part, ...]
    attrs: dict[str, Any]
    warned: tuple[Warned, ...] = ()


def record_of(result: Any, warned: tuple[Warned, ...] = ()) -> Record:
    """What a function returned, copied.

    Raises:
        InvalidArgument: None, or what are no numbers.
    """
    if result is None:
        raise InvalidArgument("function", f"{RIGHT}, but it returns None; is a return missing?")
    if not _of_xarray(result) and callable(getattr(result, "to_xarray", None)):
        result = result.to_xarray()
    if isinstance(result, Mapping) and not _of_xarray(result) and any(_of_xarray(one) for one in result.values()):
        result = _merged(result)
    if _of_xarray(result):
        return _of_dataset(result, warned)
    named = result if isinstance(result, Mapping) else {VALUE: result}
    if not 0 < len(named) <= MOST:
        raise InvalidArgument("function", f"{RIGHT}, not a mapping of {len(named)} names")
    parts = []
    for name, value in named.items():
        if not isinstance(name, str) or not name:
            raise InvalidArgument("function", f"must return a mapping with texts as names, not {shown(name)}")
        array = _array(name, value)
        parts.append(Part(name, tuple(f"{name}_{k}" for k in range(array.ndim)), array, {}, False))
    return Record(tuple(parts), {}, warned)


def _of_xarray(value: Any) -> bool:
    kind = type(value)
    return any(base.__module__.startswith("xarray.core.data") for base in kind.__mro__)


def _merged(named: Mapping[Any, Any]) -> Any:
    """A mapping in which some are of xarray; places that differ are refused, where xarray would fill with NaN."""
    made = []
    for name, value in named.items():
        if _of_xarray(value) and not hasattr(value, "data_vars"):
            made.append(value.to_dataset(name=name))
        elif _of_xarray(value):
            raise InvalidArgument("function", f"must return numbers or arrays under names, not a dataset ({name})")
        else:
            array = _array(str(name), value)
            made.append(xarray().Dataset({name: ([f"{name}_{k}" for k in range(array.ndim)], array)}))
    try:
        return xarray().merge(made, join="exact", compat="identical")
    except ValueError as error:
        raise InvalidArgument("function", f"returns arrays that do not belong together: {error}") from error


def _of_dataset(result: Any, warned: tuple[Warned, ...]) -> Record:
    whole = result if hasattr(result, "data_vars") else result.to_dataset(name=result.name or VALUE)
    coordinates = set(whole.coords)
    if not 0 < len(whole.variables) <= MOST:
        raise InvalidArgument("function", f"{RIGHT}, not a dataset of {len(whole.variables)} variables")
    parts = tuple(
        Part(
            str(name), tuple(map(str, one.dims)), _array(str(name), one.values), _plain(one.attrs), name in coordinates
        )
        for name, one in whole.variables.items()
    )
    return Record(parts, _plain(result.attrs), warned)


def _array(name: str, value: Any) -> np.ndarray:
    """A copy of numbers or texts: what the function keeps and changes later does not change it."""
    if np.ma.is_masked(value):
        raise InvalidArgument("function", f"must not return masked entries ({name})")
    try:
        array = np.array(value)
    except ValueError as error:
        raise InvalidArgument("function", f"{RIGHT}, but {name} is {shown(value)}") from error
    if array.dtype.kind == "f" and isinstance(value, list | tuple) and np.abs(array).max(initial=0.0) >= 2**53:
        whole = [int(kept) for kept, one in zip(array.flat, np.array(value, object).flat) if isinstance(one, int)]
        if whole != [int(one) for one in np.array(value, object).flat if isinstance(one, int)]:
            raise InvalidArgument("function", f"returns {name} with an integer beside floats, and no float holds it")
    if array.dtype == object and array.size and all(isinstance(one, str) for one in array.flat):
        array = array.astype(np.str_)
    if array.dtype.kind not in "biufcUMm":
        raise InvalidArgument("function", f"{RIGHT}, but {name} is {shown(value)}")
    return array


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """What is said of data, as a file of texts gives it back."""
    return dict(json.loads(json.dumps({str(name): value for name, value in attrs.items()}, default=_as_list)))


def _as_list(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def fields_of(record: Record) -> dict[str, Any]:
    """A record as arrays of an .npz file."""
    layout = {
        "parts": [[one.name, one.dims, one.attrs, one.coordinate] for one in record.parts],
        "attrs": record.attrs,
        "warned": record.warned,
    }
    return {"layout": json.dumps(layout)} | {f"values_{k}": one.values for k, one in enumerate(record.parts)}


def record_from(content: Mapping[str, np.ndarray]) -> Record:
    """What `fields_of` has made.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    layout = json.loads(str(content["layout"]))

    def parts() -> Iterator[Part]:
        for k, (name, dims, attrs, coordinate) in enumerate(layout["parts"]):
            yield Part(name, tuple(dims), content[f"values_{k}"], attrs, coordinate)

    return Record(tuple(parts()), layout["attrs"], tuple(Warned(*one) for one in layout["warned"]))
