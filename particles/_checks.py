"""Checks of user input, shared by samplers and solvers: each raises InvalidArgument with the name of the argument."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import InvalidArgument

Profile = Callable[[np.ndarray], Any]


def integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return an integer within [minimum, maximum]."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(name, f"must be an integer, not {value!r}") from None
    if number < minimum or (maximum is not None and number > maximum):
        limit = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise InvalidArgument(name, f"must be {limit}, not {number}")
    return number


def seed(value: Any) -> int:
    """Return a seed of 64 bits, the key of the counter-based streams."""
    return integer("seed", value, 0, 2**64 - 1)


def number(name: str, value: Any, *, above: float | None = None, least: float | None = None) -> float:
    """Return a finite float, above or at least a bound."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise InvalidArgument(name, f"must be a number, not {value!r}") from None
    if not np.isfinite(result):
        raise InvalidArgument(name, f"must be finite, not {result}")
    if above is not None and not result > above:
        raise InvalidArgument(name, f"must be above {above:g}, not {result:g}")
    if least is not None and result < least:
        raise InvalidArgument(name, f"must be at least {least:g}, not {result:g}")
    return result


def real_array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return a float64 array of finite numbers, of the given shape if one is given."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgument(name, f"must be an array of real numbers, not {type(value).__name__}") from None
    if shape is not None and array.shape != shape:
        raise InvalidArgument(name, f"must have shape {shape}, not {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidArgument(name, "must be finite; it contains NaN or infinity")
    return array


def times(value: Any) -> np.ndarray:
    """Return snapshot times: one-dimensional, not empty, not negative, not decreasing."""
    array = np.atleast_1d(real_array("times", value))
    if array.ndim != 1 or array.size == 0:
        raise InvalidArgument("times", f"must be a non-empty list of times, not of shape {array.shape}")
    if array[0] < 0:
        raise InvalidArgument("times", f"must not be negative, but the first is {array[0]:g}")
    if (np.diff(array) < 0).any():
        raise InvalidArgument("times", "must be in increasing order")
    return array


def profile(name: str, function: Profile, points: np.ndarray, *, nonnegative: bool = False) -> np.ndarray:
    """Return the values of a profile, a callable from points (P,) to values (P,), at the points."""
    if not callable(function):
        raise InvalidArgument(name, f"must be a callable from points (P,) to values (P,), not {function!r}")
    values = np.asarray(function(points))
    if values.shape == ():
        values = np.full(points.shape, values)
    if np.iscomplexobj(values):
        raise InvalidArgument(name, "must return real numbers")
    values = real_array(name, values)
    if values.shape != points.shape:
        raise InvalidArgument(
            name, f"must return as many values as it is given points: {points.shape}, not {values.shape}"
        )
    if nonnegative and (values < 0).any():
        raise InvalidArgument(
            name, f"must not be negative, but it is {values.min():g} at x = {points[values.argmin()]:g}"
        )
    return values


def flag(name: str, value: Any) -> bool:
    """Return a truth value; numbers and strings are refused."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidArgument(name, f"must be True or False, not {value!r}")
    return bool(value)
