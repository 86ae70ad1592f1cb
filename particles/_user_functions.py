"""Scalar functions of the user's, compiled so that kernels can call them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numba.core.errors import NumbaError

from .errors import InvalidArgument

_COMPILED: dict[Any, Any] = {}


def _identity(function: Any) -> Any:
    """What two functions have in common if they are written alike, so that they are compiled once."""
    code = getattr(function, "__code__", None)
    if code is None:
        return function
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    key = (code.co_code, code.co_consts, code.co_names, code.co_freevars, cells, function.__defaults__)
    try:
        hash(key)
    except TypeError:
        return function
    return (*key, id(function.__globals__))


def compiled(name: str, function: Any, *arguments: Any, example: str) -> Any:
    """Return the function compiled by numba, after a call with the given arguments.

    Args:
        name: of the argument that carries it.
        function: of the user's, in Python or already compiled.
        arguments: of a trial call.
        example: what a right function looks like.

    Raises:
        InvalidArgument: not callable, or numba cannot compile it.
    """
    if not callable(function):
        raise InvalidArgument(name, f"must be a callable, such as {example}, not {function!r}")
    if hasattr(function, "inspect_llvm"):
        return function
    key = (_identity(function), tuple(type(a) for a in arguments))
    if key not in _COMPILED:
        made = njit(nogil=True, error_model="numpy")(function)
        try:
            made(*arguments)
        except (NumbaError, TypeError, ValueError, ZeroDivisionError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InvalidArgument(
                name, f"must be something that numba can compile, such as {example}: {reason}"
            ) from None
        _COMPILED[key] = made
    return _COMPILED[key]


@lru_cache(maxsize=256)
def _over_array(function: Any) -> Callable[[np.ndarray], np.ndarray]:
    @njit(error_model="numpy")
    def values(x):  # type: ignore[no-untyped-def]
        result = np.empty(x.size)
        for i in range(x.size):
            result[i] = function(x[i])
        return result

    return values


@lru_cache(maxsize=256)
def _item_of(function: Any) -> Any:
    @njit(error_model="numpy")
    def item(x):  # type: ignore[no-untyped-def]
        return function(x).item()

    return item


def values_of(function: Any, x: Any) -> np.ndarray:
    """A compiled real function at every entry of an array."""
    array = np.asarray(x, dtype=np.float64)
    return _over_array(function)(np.ascontiguousarray(array).ravel()).reshape(array.shape)


def function_of_square(name: str, function: Any) -> Any:
    """Return f, a function of |u|^2, compiled; its values must be real numbers."""
    made = compiled(name, function, 1.0, example="lambda x: 1 + x")
    value = made(1.0)
    if isinstance(value, np.ndarray) and value.shape == ():  # numpy functions such as where and ones_like
        made = _item_of(made)
        value = made(1.0)
    if not isinstance(value, int | float | np.floating | np.integer):
        raise InvalidArgument(name, f"must return a real number for a number |u|^2, not {type(value).__name__}")
    return made
