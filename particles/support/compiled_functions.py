"""Scalar functions of the user's, compiled so that kernels can call them.

Numba takes what a function reads besides its arguments as constant when it compiles. A function is compiled again
when any of that has changed (`function_values`), so that a lattice has the values of when it was made.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.np.ufunc.dufunc import DUFunc
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from .checks import shown
from .function_values import Unknown, frozen, key_of

# compiled functions
KEPT = 256

_COMPILED: OrderedDict[Hashable, Dispatcher] = OrderedDict()


def compiled(name: str, function: object, *arguments: ArrayLike, example: str) -> Dispatcher:
    """Return the function compiled by numba, after a call with the given arguments.

    Functions that are written alike and read the same values are compiled once.

    Args:
        name: of the argument that carries it.
        function: of the user's, in Python or already compiled; either way the globals that it reads have the values
            of now.
        arguments: of a trial call.
        example: what a right function looks like.

    Raises:
        InvalidArgument: not callable, numba cannot compile it, or it raises.
    """
    python = in_python(name, function, example)
    kinds = tuple((type(a), getattr(a, "dtype", None), np.ndim(a)) for a in arguments)
    try:
        key = key_of(function), kinds
    except Unknown:
        return _made(name, function, python, arguments, example)
    if key not in _COMPILED:
        _COMPILED[key] = _made(name, function, python, arguments, example)
        while len(_COMPILED) > KEPT:
            _COMPILED.popitem(last=False)
    _COMPILED.move_to_end(key)
    return _COMPILED[key]


def in_python(name: str, function: object, example: str) -> types.FunctionType:
    """The function in Python, of which numba can make a compiled one.

    Raises:
        InvalidArgument: it is none; the message says what to write instead.
    """
    if isinstance(function, Dispatcher):
        return function.py_func
    if isinstance(function, types.FunctionType):
        return function
    if not callable(function):
        raise InvalidArgument(name, f"must be a callable, such as {example}, not {shown(function)}")
    kind = type(function).__name__
    if isinstance(function, np.ufunc | DUFunc | types.BuiltinFunctionType):
        remedy = f"write it as a function that calls it, such as lambda x: {getattr(function, '__name__', kind)}(x)"
    elif isinstance(function, functools.partial | types.MethodType):
        remedy = "write it as a lambda or def that has the numbers in it"
    else:
        remedy = "write out its formula as a lambda or def with numpy's functions"
    raise InvalidArgument(name, f"must be a function that numba can compile, such as {example}, not {kind}; {remedy}")


def _made(
    name: str, function: object, python: types.FunctionType, arguments: tuple[ArrayLike, ...], example: str
) -> Dispatcher:
    try:
        options = {"error_model": "numpy", **getattr(function, "targetoptions", {}), "nogil": True}
        made = njit(**{option: value for option, value in options.items() if option != "nopython"})(frozen(python))
        made(*arguments)
    except Exception as error:  # numba's own are of many kinds, and the function may raise anything
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        said = lines[1] if len(lines) > 1 and lines[0].startswith("Failed in") else lines[0]
        raise InvalidArgument(
            name,
            f"must be something that numba can compile, such as {example}, and that can be called with "
            f"{', '.join(shown(a) for a in arguments)}: {type(error).__name__}: {said}",
        ) from None
    return made


@lru_cache(maxsize=256)
def _over_array(function: Dispatcher) -> Callable[[np.ndarray], np.ndarray]:
    @njit(error_model="numpy")
    def values(x):  # type: ignore[no-untyped-def]
        result = np.empty(x.size)
        for i in range(x.size):
            result[i] = function(x[i])
        return result

    return values


@lru_cache(maxsize=256)
def _item_of(function: Dispatcher) -> Dispatcher:
    @njit(error_model="numpy")
    def item(x):  # type: ignore[no-untyped-def]
        return function(x).item()

    return item


def values_of(function: Dispatcher, x: ArrayLike, name: str = "function") -> NDArray[np.float64]:
    """A compiled real function at every entry of an array.

    Raises:
        InvalidArgument: the function raises for one of them; `name` is that of the argument that carries it.
    """
    array = np.asarray(x, dtype=np.float64)
    try:
        return _over_array(function)(np.ascontiguousarray(array).ravel()).reshape(array.shape)
    except Exception as error:
        span = f"{array.min():g} <= |u|^2 <= {array.max():g}" if array.size else "no |u|^2"
        raise InvalidArgument(
            name, f"must be defined for all |u|^2 >= 0, but raises {type(error).__name__} somewhere in {span}: {error}"
        ) from None


def function_of_square(name: str, function: object) -> Dispatcher:
    """Return f, a function of |u|^2, compiled; its values must be real numbers."""
    made = compiled(name, function, 1.0, example="lambda x: 1 + x")
    value = made(1.0)
    if isinstance(value, np.ndarray) and value.shape == ():  # numpy functions such as where and ones_like
        made = _item_of(made)
        value = made(1.0)
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise InvalidArgument(name, f"must return a real number for a number |u|^2, not {type(value).__name__}")
    return made
