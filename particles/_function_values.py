"""What a function of the user's reads besides its arguments: numba takes it as constant when it compiles.

A function is told from another by its code and by the values, now, of its globals, of what it encloses, of its defaults
and of the attributes of modules that it names; those of functions that it calls count as well.
"""

from __future__ import annotations

import enum
import hashlib
import types
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.core.types import Type

LIBRARIES = {"builtins", "cmath", "math", "numba", "numpy", "operator", "scipy"}  # whose functions do not change
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic, np.dtype)


class Unknown(Exception):
    """Something is read whose value cannot be told: its content may change, and nobody would know."""


@dataclass(frozen=True, eq=False)
class _Same:
    """An object that is only equal to itself, and is kept so that no other has its address."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def key_of(function: Any) -> Hashable:
    """What two functions have in common if they do the same: code, and the values of all that they read.

    Raises:
        Unknown: the function reads something whose value cannot be told.
    """
    try:
        return _value(function, (), set())
    except RecursionError:
        raise Unknown from None


def _value(value: Any, names: tuple[str, ...], seen: set[int]) -> Hashable:
    if isinstance(value, PLAIN):
        return type(value), repr(value) if not isinstance(value, np.generic) else (str(value.dtype), value.tobytes())
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise Unknown
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).digest()
        return np.ndarray, value.dtype.str, value.shape, value.flags.f_contiguous, content
    if isinstance(value, tuple | list | frozenset | set):
        entries = tuple(_value(entry, names, seen) for entry in value)
        return type(value), frozenset(entries) if isinstance(value, frozenset | set) else entries
    if isinstance(value, types.ModuleType):
        return types.ModuleType, value.__name__, _attributes(value, names, seen)
    if isinstance(value, Dispatcher):
        return Dispatcher, repr(sorted(value.targetoptions.items())), _function(value.py_func, seen)
    if isinstance(value, types.FunctionType) and not _of_a_library(value):
        return _function(value, seen)
    if isinstance(value, type | enum.Enum | types.BuiltinFunctionType | np.ufunc | Type) or _of_a_library(value):
        return _Same(value)
    raise Unknown


def _of_a_library(value: Any) -> bool:
    """Whether a value is a function of a library, which does not change."""
    made_so = isinstance(value, types.FunctionType) or type(value).__name__ == "_ArrayFunctionDispatcher"
    return made_so and str(getattr(value, "__module__", "") or "").partition(".")[0] in LIBRARIES


def _attributes(module: types.ModuleType, names: tuple[str, ...], seen: set[int]) -> tuple[Hashable, ...]:
    """The values of those attributes of a module that are named; those of libraries do not change."""
    if module.__name__.partition(".")[0] in LIBRARIES or id(module) in seen:
        return ()
    inner = seen | {id(module)}
    present = vars(module)
    return tuple((name, _value(present[name], names, inner)) for name in names if name in present)


def _function(function: types.FunctionType, seen: set[int]) -> Hashable:
    if id(function) in seen:
        return "itself"
    inner, code = seen | {id(function)}, function.__code__
    names = _names(code)
    read = tuple((name, _value(value, names, inner)) for name, value in _globals(function, names))
    cells = tuple(_value(cell, names, inner) for cell in _enclosed(function))
    defaults = _value(function.__defaults__, names, inner), sorted((function.__kwdefaults__ or {}).items())
    return types.FunctionType, _code(code), read, cells, defaults[0], repr(defaults[1])


def _code(code: types.CodeType) -> Hashable:
    """Code without its name and place in a file."""
    constants = tuple(_code(c) if isinstance(c, types.CodeType) else _value(c, (), set()) for c in code.co_consts)
    shape = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    variables = code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code, constants, code.co_names, *variables, shape, getattr(code, "co_exceptiontable", b"")


def _names(code: types.CodeType) -> tuple[str, ...]:
    """Names of globals and attributes in code, and in functions that are defined in it."""
    inner = [name for c in code.co_consts if isinstance(c, types.CodeType) for name in _names(c)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


def _globals(function: types.FunctionType, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    return ((name, function.__globals__[name]) for name in names if name in function.__globals__)


def _enclosed(function: types.FunctionType) -> list[Any]:
    try:
        return [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:
        raise Unknown from None  # a variable that has no value yet


def frozen(function: types.FunctionType) -> types.FunctionType:
    """A copy of a function that goes on to read the values of now; so do the compiled functions that it calls."""
    made = _shell(function)
    _fill(made, function, {id(function): made})
    return made


def _shell(function: types.FunctionType) -> types.FunctionType:
    """The code of a function, with globals and enclosed variables that are still empty."""
    scope = {"__builtins__": __builtins__, "__name__": function.__module__}
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    made = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__, made.__qualname__ = function.__kwdefaults__, function.__qualname__
    return made


def _fill(made: types.FunctionType, function: types.FunctionType, copies: dict[int, Any]) -> None:
    names = _names(function.__code__)
    made.__globals__.update((name, _copied(value, names, copies)) for name, value in _globals(function, names))
    for cell, old in zip(made.__closure__ or (), function.__closure__ or ()):
        cell.cell_contents = _copied(old.cell_contents, names, copies)


def _copied(value: Any, names: tuple[str, ...], copies: dict[int, Any]) -> Any:
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, Dispatcher):
        shell = _shell(value.py_func)
        options = {name: option for name, option in value.targetoptions.items() if name != "nopython"}
        copies[id(value)] = njit(**options)(shell)
        _fill(shell, value.py_func, copies)
        return copies[id(value)]
    if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] not in LIBRARIES:
        copies[id(value)] = module = types.ModuleType(value.__name__)
        present = vars(value)
        vars(module).update((name, _copied(present[name], names, copies)) for name in names if name in present)
        return module
    return value
