"""What a function is made of: bytecode, defaults, captured values, attributes, and the global values that it reads.

Functions and classes of libraries count by name, where their name finds them. Those that a library makes around others,
such as functools.singledispatch, count by what they hold.
"""

from __future__ import annotations

import dis
import functools
import importlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

CACHED = type(functools.cache(len))
# attributes by which functools.singledispatch is known; what it remembers of former calls is not read
DISPATCHING = ("registry", "dispatch", "register", "_clear_cache", "__wrapped__")
# flags of code by which calls differ: *args, **kwargs, generators, coroutines
CALLS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
# attributes that functools.wraps copies, and those of a cache
COPIED = ("__module__", "__name__", "__qualname__", "__doc__", "__wrapped__", "cache_parameters")
GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


def parts_of(function: Any) -> Iterator[tuple[str, Any]]:
    """The values that make what is called, by what a message calls them."""
    if isinstance(function, functools.partial):
        yield from parts_of(function.func)
        yield "the given positional arguments", function.args
        yield from ((f"the given argument {name}", value) for name, value in function.keywords.items())
        yield from _attributes(function)
    elif isinstance(function, types.MethodType):
        yield from parts_of(function.__func__)
        yield "the object of the method", function.__self__
    elif isinstance(function, CACHED):
        yield from parts_of(function.__wrapped__)
        yield "the cache around it", function.cache_parameters()
        yield from _attributes(function, COPIED)
    elif isinstance(function, types.FunctionType) and not known_by_name(function):
        yield from made_of(function)
    else:
        yield "the function", function


def made_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The values that make a function of Python."""
    yield "its code", _code(function)
    # the same source gives other bytecode
    yield "the version of Python", sys.version_info[:2]
    yield "its defaults", (function.__defaults__, function.__kwdefaults__)
    if function.__code__.co_filename == functools.__file__ and hasattr(function, "registry"):
        chosen = sorted(function.registry.items(), key=lambda pair: f"{pair[0].__module__}.{pair[0].__qualname__}")
        yield "the functions that it chooses from", chosen
        yield from _attributes(function, DISPATCHING)
        return
    yield from ((f"the captured value {name}", value) for name, value in _captured(function))
    # what a library's own code reads counts by the name of the library
    if not of_library(str(function.__globals__.get("__name__", "__main__"))):
        yield from ((f"the global value {name}", value) for name, value in _globals(function))
    yield from _attributes(function)


def _attributes(function: Any, without: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    yield from ((f"its attribute {name}", value) for name, value in vars(function).items() if name not in without)


def _code(function: types.FunctionType) -> tuple[Any, ...]:
    """The bytecode without what is for readers alone."""
    code = function.__code__
    documented = bool(code.co_consts) and code.co_consts[0] is not None and code.co_consts[0] == function.__doc__
    return code.replace(co_consts=code.co_consts[1:]) if documented else code, documented


def content_of_code(code: types.CodeType) -> tuple[Any, ...]:
    """What a call of code depends on; names of arguments count, since they may be given by name."""
    flags = code.co_flags & CALLS
    arguments = code.co_argcount + code.co_kwonlyargcount + bool(flags & 4) + bool(flags & 8)
    counts = code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, flags
    names = code.co_names, code.co_freevars, code.co_cellvars, code.co_varnames[:arguments]
    return code.co_code, code.co_exceptiontable, code.co_consts, names, counts


def _captured(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    attributes = _attribute_names(function.__code__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield from _with_attributes(name, cell.cell_contents, attributes, set())
        except ValueError:
            # not yet given a value
            yield name, "empty"


def _globals(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    names, attributes = dict.fromkeys(_global_names(function.__code__)), _attribute_names(function.__code__)
    for name in names:
        if name in function.__globals__:
            yield from _with_attributes(name, function.__globals__[name], attributes, set())
    package = str(function.__globals__.get("__package__") or "")
    for name in dict.fromkeys(_imported_names(function.__code__, package)):
        if not of_library(name):
            # as the function does when it is called; what cannot be imported raises there
            with suppress(ImportError):
                yield from _with_attributes(name, importlib.import_module(name), attributes, set())


def _imported_names(code: types.CodeType, package: str) -> Iterator[str]:
    """Modules that code imports, and functions that are defined in it."""
    before: list[Any] = [0, 0]
    for one in dis.get_instructions(code):
        if one.opname == "IMPORT_NAME":
            # the number of dots of `from .numbers import slope`, then the names
            dots = before[-2] if isinstance(before[-2], int) else 0
            with suppress(ImportError):
                yield importlib.util.resolve_name("." * dots + str(one.argval), package)
        before.append(one.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imported_names(constant, package)


def _with_attributes(name: str, value: Any, attributes: set[str], seen: set[str]) -> Iterator[tuple[str, Any]]:
    """A value; of a module its name, and of one of the user's what is read of it."""
    if not isinstance(value, types.ModuleType):
        yield name, value
        return
    yield name, f"module {value.__name__}"
    if value.__name__ not in seen and not of_library(value.__name__):
        seen.add(value.__name__)
        for attribute in sorted(attributes & set(vars(value))):
            yield from _with_attributes(f"{name}.{attribute}", vars(value)[attribute], attributes, seen)


def _attribute_names(code: types.CodeType) -> set[str]:
    """All names in code, and in functions that are defined in it; those of attributes are among them."""
    inner = (_attribute_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from (str(one.argval) for one in dis.get_instructions(code) if one.opname in GLOBAL)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def known_by_name(value: Any) -> bool:
    """Whether a function or a class is of a library, and the one that its name finds there."""
    module = str(value.__module__)
    # text that is run without a name of its own gives functions that of Python's
    if isinstance(value, types.FunctionType) and module in ("builtins", "None"):
        return False
    if not of_library(module):
        return False
    # of compiled code, which makes no others by the same name; 1 << 9 is Py_TPFLAGS_HEAPTYPE
    if isinstance(value, type) and not value.__flags__ & (1 << 9):
        return True
    return found(module, value.__qualname__) is value


def found(module: str, name: str) -> Any:
    """What a module that is loaded has under a name with dots, or None."""
    value: Any = sys.modules.get(module)
    for one in name.split("."):
        value = getattr(value, one, None)
    return value


def of_library(module: str) -> bool:
    """Whether a module belongs to Python, to this package, or to what is installed, rather than to the user."""
    top = module.partition(".")[0]
    if top == "__main__":
        return False
    if top in sys.stdlib_module_names or top == __name__.partition(".")[0]:
        return True
    file = getattr(sys.modules.get(top), "__file__", None)
    return file is not None and bool({"site-packages", "dist-packages"} & set(Path(file).parts))
