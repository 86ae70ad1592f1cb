"""What a function of the user's reads besides its arguments: numba takes it as constant when it compiles.

A function is told from another by its code and by the values, now, of its globals, of what it encloses, of its defaults
and of the attributes of modules that it names; those of functions that it calls count as well.
"""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import types
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, vectorize
from numba.core.dispatcher import Dispatcher
from numba.core.types import Type
from numba.core.typing.templates import builtin_registry
from numba.np.ufunc.dufunc import DUFunc
from numba.np.ufunc.gufunc import GUFunc
from scipy import special

from ..errors import InvalidArgument

# whose functions do not change
LIBRARIES = {"builtins", "cmath", "math", "numba", "numpy", "operator", "scipy"}
# what reads things that its code does not name
SECRETIVE = {
    "eval", "exec", "getattr", "globals", "input", "iter", "locals", "next", "open", "vars", "__import__",
}  # fmt: skip
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic, np.dtype)


class Unknown(Exception):
    """Something is read whose value cannot be told: its content may change, and nobody would know."""


@dataclass(frozen=True, eq=False)
class _Same:
    """An object that is only equal to itself, and is kept so that no other has its address."""

    value: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def key_of(function: object) -> Hashable:
    """A key that two functions share if they have the same code and read the same values.

    Raises:
        Unknown: the function reads something whose value cannot be told.
    """
    try:
        return _value(function, (), set())
    except RecursionError:
        raise Unknown from None


def _value(value: object, names: tuple[str, ...], seen: set[int]) -> Hashable:
    if isinstance(value, PLAIN):
        return type(value), repr(value) if not isinstance(value, np.generic) else (str(value.dtype), value.tobytes())
    if isinstance(value, np.ndarray):
        # subclasses hold more, such as a mask
        if value.dtype.hasobject or type(value) is not np.ndarray:
            raise Unknown
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).digest()
        return np.ndarray, repr(value.dtype), value.shape, value.flags.f_contiguous, content
    if isinstance(value, tuple | list | frozenset | set):
        entries = tuple(_value(entry, names, seen) for entry in value)
        return type(value), frozenset(entries) if isinstance(value, frozenset | set) else entries
    if isinstance(value, types.ModuleType):
        return types.ModuleType, value.__name__, _attributes(value, names, seen)
    if isinstance(value, Dispatcher):
        return Dispatcher, repr(sorted(value.targetoptions.items())), _function(value.py_func, seen)
    if isinstance(value, types.FunctionType) and not _of_a_library(value):
        return _function(value, seen)
    if isinstance(value, enum.Enum | types.BuiltinFunctionType | Type) or _of_a_library(value):
        return _Same(value)
    if isinstance(value, type) and value.__module__.partition(".")[0] in LIBRARIES:
        return _Same(value)
    if isinstance(value, np.ufunc) and value in (getattr(np, value.__name__, 0), getattr(special, value.__name__, 0)):
        return _Same(value)
    raise Unknown  # classes and instances of users: their attributes may change


def _of_a_library(value: object) -> bool:
    """Whether a value is a function of a library, which does not change."""
    made_so = isinstance(value, types.FunctionType) or type(value).__name__ == "_ArrayFunctionDispatcher"
    return made_so and str(getattr(value, "__module__", "") or "").partition(".")[0] in LIBRARIES


def _attributes(module: types.ModuleType, names: tuple[str, ...], seen: set[int]) -> tuple[Hashable, ...]:
    """The values of those attributes of a module that are named; of libraries, whether they are the same objects."""
    if hash((id(module), names)) in seen:
        return ()
    inner = seen | {hash((id(module), names))}
    present = vars(module)
    if module.__name__.partition(".")[0] in LIBRARIES:
        found = [(name, present[name]) for name in names if name in present]
        return tuple((name, _value(v, (), inner) if isinstance(v, PLAIN) else _Same(v)) for name, v in found)
    return tuple((name, _value(present[name], names, inner)) for name in names if name in present)


def _function(function: types.FunctionType, seen: set[int]) -> Hashable:
    if id(function) in seen:
        return "itself"
    inner, code = seen | {id(function)}, function.__code__
    names = _names(code)
    if SECRETIVE & _global_names(code):
        raise Unknown
    own = tuple((name, _value(value, names, inner)) for name, value in sorted(vars(function).items()))
    read = tuple((name, _value(value, names, inner)) for name, value in _globals(function, names))
    cells = tuple(_value(cell, names, inner) for cell in _enclosed(function))
    defaults = _value(function.__defaults__, names, inner), sorted((function.__kwdefaults__ or {}).items())
    return types.FunctionType, _code(code), own, read, cells, defaults[0], repr(defaults[1])


@functools.lru_cache(maxsize=1024)
def _code(code: types.CodeType) -> Hashable:
    """Code without its name and place in a file."""
    constants = tuple(_code(c) if isinstance(c, types.CodeType) else _value(c, (), set()) for c in code.co_consts)
    shape = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    variables = code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code, constants, code.co_names, *variables, shape, getattr(code, "co_exceptiontable", b"")


@functools.lru_cache(maxsize=1024)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Names of globals and attributes in code, and in functions that are defined in it."""
    inner = [name for c in code.co_consts if isinstance(c, types.CodeType) for name in _names(c)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


@functools.lru_cache(maxsize=1024)
def _global_names(code: types.CodeType) -> frozenset[str]:
    """The names of globals and builtins in code, and in functions that are defined in it."""
    inner = [name for c in code.co_consts if isinstance(c, types.CodeType) for name in _global_names(c)]
    here = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    imported = ["__import__" for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME"]
    return frozenset([*here, *imported, *inner])


def _globals(function: types.FunctionType, names: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    read = _global_names(function.__code__)
    return ((name, function.__globals__[name]) for name in names if name in read and name in function.__globals__)


def _enclosed(function: types.FunctionType) -> list[object]:
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
    made = types.FunctionType(function.__code__, scope, function.__name__, None, cells)
    made.__qualname__ = function.__qualname__
    return made


def _fill(made: types.FunctionType, function: types.FunctionType, copies: dict[int, Any]) -> None:
    names = _names(function.__code__)
    made.__globals__.update((name, _copied(value, names, copies)) for name, value in _globals(function, names))
    made.__defaults__ = _copied(function.__defaults__, names, copies)
    if function.__kwdefaults__ is not None:
        made.__kwdefaults__ = {name: _copied(value, names, copies) for name, value in function.__kwdefaults__.items()}
    for cell, old in zip(made.__closure__ or (), function.__closure__ or ()):
        cell.cell_contents = _copied(old.cell_contents, names, copies)


def _copied(value: Any, names: tuple[str, ...], copies: dict[int, Any]) -> Any:
    """A copy of what a function reads, that keeps the values of now.

    Raises:
        InvalidArgument: it is compiled by numba in a way that cannot be followed.
    """
    if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] not in LIBRARIES:
        return _module(value, names, copies)
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, tuple | list):
        entries = [_copied(entry, names, copies) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    if isinstance(value, Dispatcher):
        options = {name: option for name, option in value.targetoptions.items() if name != "nopython"}
        return _compiled_copy(value, value.py_func, njit(**options), copies)
    if isinstance(value, DUFunc):
        return _compiled_copy(value, value._dispatcher.py_func, None, copies)
    if isinstance(value, GUFunc):
        raise InvalidArgument(
            "function", f"calls {value.__name__}, made by numba's guvectorize, which cannot be kept as it is; use njit"
        )
    if _is_jitable(value):
        return _compiled_copy(value, value, njit, copies)
    return value


def _module(module: types.ModuleType, names: tuple[str, ...], copies: dict[int, Any]) -> types.ModuleType:
    """A module with copies of those attributes that have been named so far."""
    made = copies.setdefault(id(module), types.ModuleType(module.__name__))
    present, visit = vars(module), hash((id(module), names))
    if visit not in copies:  # modules may name one another
        copies[visit] = made
        for name in names:
            if name in present and (name not in vars(made) or isinstance(present[name], types.ModuleType)):
                vars(made)[name] = _copied(present[name], names, copies)
    return made


def _compiled_copy(value: Any, function: types.FunctionType, compiler: Any, copies: dict[int, Any]) -> Any:
    """A compiled function anew, from a copy in Python; without a compiler, over all entries of arrays (vectorize)."""
    shell = _shell(function)
    copies[id(value)] = vectorize(shell) if compiler is None else compiler(shell)
    _fill(shell, function, copies)
    return copies[id(value)]


def _is_jitable(value: object) -> bool:
    """Whether a function in Python is one that numba's register_jitable has made known."""
    if not isinstance(value, types.FunctionType) or _of_a_library(value):
        return False
    known = [kind for function, kind in builtin_registry.globals if function is value]
    templates = [template for kind in known for template in getattr(kind, "templates", ())]
    makers = [getattr(template, "_overload_func", None) for template in templates]
    return any(getattr(maker, "__module__", "") == "numba.core.extending" for maker in makers)
