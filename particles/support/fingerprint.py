"""Whether a function is the one of an earlier run: its bytecode, and whatever values it reads besides its arguments.

Functions and classes of libraries count by name. Those of the user, wherever they are reached from, count by what they
do: bytecode and constants, defaults, captured values, global values that they read. Comments, line numbers and the
docstring do not count. What cannot be read, such as an object of compiled code that cannot be pickled, is named.
"""

from __future__ import annotations

import copyreg
import dis
import hashlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

# what no result depends on: by the ends of the names of their classes
NEUTRAL = ("lock", "RLock", "Logger", "Comm", "Intracomm", "Executor", "TextIOWrapper")

# what is read as its text
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))


@dataclass(frozen=True)
class Fingerprint:
    """Of a function.

    Args:
        parts: digests of what makes it, by what a message calls that.
        unknown: what could not be read.
    """

    parts: dict[str, str]
    unknown: tuple[str, ...]


def fingerprint_of(function: Callable[..., Any]) -> Fingerprint:
    """The fingerprint of a function, its parts one by one, so that a message can say which has changed."""
    parts: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in _parts(function):
        digest, strange = digest_of(value)
        parts[name] = digest
        unknown += [f"{name} ({kind})" for kind in strange]
    return Fingerprint(parts, tuple(unknown))


def digest_of(value: Any) -> tuple[str, list[str]]:
    """The digest of a value, and the names of the classes of what could not be read in it."""
    reader = _Reader()
    try:
        reader.read(value)
    except RecursionError:
        return "", [f"{type(value).__module__}.{type(value).__qualname__}, too deep"]
    return reader.hash.hexdigest()[:32], sorted(set(reader.unknown))


def _parts(function: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(function, partial):
        yield from _parts(function.func)
        yield "the given positional arguments", function.args
        yield from ((f"the given argument {name}", value) for name, value in function.keywords.items())
    elif isinstance(function, types.MethodType):
        yield from _parts(function.__func__)
        yield "the object of the method", function.__self__
    elif isinstance(function, types.FunctionType) and not _of_library(_module(function)):
        yield "its code", _code(function)
        # the same source gives other bytecode
        yield "the version of Python", sys.version_info[:2]
        yield "its defaults", (function.__defaults__, function.__kwdefaults__)
        yield from ((f"the captured value {name}", value) for name, value in _captured(function))
        yield from ((f"the global value {name}", value) for name, value in _globals(function))
    else:
        yield "the function", function


def _code(function: types.FunctionType) -> tuple[Any, ...]:
    """The bytecode without what is for readers alone."""
    code = function.__code__
    documented = bool(code.co_consts) and code.co_consts[0] is not None and code.co_consts[0] == function.__doc__
    return code.replace(co_consts=code.co_consts[1:]) if documented else code, documented


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
    for name in dict.fromkeys(_imported_names(function.__code__)):
        if not _of_library(name):
            # as the function does when it is called; what cannot be imported raises there
            with suppress(ImportError):
                yield from _with_attributes(name, importlib.import_module(name), attributes, set())


def _imported_names(code: types.CodeType) -> Iterator[str]:
    """Modules that code imports, and functions that are defined in it."""
    yield from (str(one.argval) for one in dis.get_instructions(code) if one.opname == "IMPORT_NAME" and one.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imported_names(constant)


def _with_attributes(name: str, value: Any, attributes: set[str], seen: set[str]) -> Iterator[tuple[str, Any]]:
    """A value; of a module of the user, what is read of it."""
    yield name, value
    if isinstance(value, types.ModuleType) and value.__name__ not in seen and not _of_library(value.__name__):
        seen.add(value.__name__)
        for attribute in sorted(attributes & set(vars(value))):
            yield from _with_attributes(f"{name}.{attribute}", vars(value)[attribute], attributes, seen)


def _attribute_names(code: types.CodeType) -> set[str]:
    """All names in code, and in functions that are defined in it; those of attributes are among them."""
    inner = (_attribute_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _global_names(code: types.CodeType) -> Iterator[str]:
    for one in dis.get_instructions(code):
        if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(one.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _module(value: Any) -> str:
    """Of a function or a class; text that is run without a name of its own gives functions that of Python's."""
    module = str(value.__module__)
    return "__main__" if isinstance(value, types.FunctionType) and module in ("builtins", "None") else module


def _of_library(module: str) -> bool:
    """Whether a module belongs to Python, to this package, or to what is installed, rather than to the user."""
    top = module.partition(".")[0]
    if top == "__main__":
        return False
    if top in sys.stdlib_module_names or top == __name__.partition(".")[0]:
        return True
    file = getattr(sys.modules.get(top), "__file__", None)
    return file is not None and bool({"site-packages", "dist-packages"} & set(Path(file).parts))


class _Reader:
    """A digest that goes through what a value is made of."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.unknown: list[str] = []
        self.inside: list[int] = []
        # with the values themselves, so that no other one gets their number
        self.known: dict[int, tuple[Any, bytes]] = {}

    def text(self, *words: object) -> None:
        """Add texts or bytes."""
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogatepass")
            self.hash.update(f"{len(data)}:".encode() + data)

    def read(self, value: Any) -> None:
        """Add a value, each once: functions that call one another are a graph with very many paths."""
        if type(value) in PLAIN:
            self.text(type(value).__name__, repr(value))
        elif id(value) in self.known:
            self.text(self.known[id(value)][1])
        elif id(value) in self.inside:
            self.text("again", len(self.inside) - self.inside.index(id(value)))
        else:
            digest = self._digest(value)
            self.known[id(value)] = value, digest
            self.text(digest)

    def _digest(self, value: Any) -> bytes:
        outer, self.hash = self.hash, hashlib.sha256()
        self.inside.append(id(value))
        try:
            self.text(type(value).__name__)
            self._content(value)
            return self.hash.digest()
        finally:
            self.inside.pop()
            self.hash = outer

    def _content(self, value: Any) -> None:
        kind = type(value)
        if kind in (list, tuple):
            self._all(value)
        elif kind in (set, frozenset):
            self.text(*sorted(digest_of(one)[0] for one in value))
        elif kind in (dict, types.MappingProxyType):
            self._mapping(value)
        elif isinstance(value, np.ndarray) and value.dtype != object:
            self.text(value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
        elif isinstance(value, types.CodeType):
            self._all((value.co_code, value.co_consts, value.co_names, value.co_freevars, value.co_argcount))
        elif isinstance(value, types.ModuleType):
            self.text(value.__name__)
        elif isinstance(value, types.MethodType):
            self._all((value.__func__, value.__self__))
        elif isinstance(value, types.FunctionType | type):
            self._named(value)
        elif kind.__name__.endswith(NEUTRAL):
            return
        else:
            self._object(value)

    def _all(self, values: Any) -> None:
        self.text(len(values))
        for one in values:
            self.read(one)

    def _mapping(self, values: Mapping[Any, Any]) -> None:
        self.text(len(values))
        for digest, one in sorted(
            ((digest_of(name)[0], one) for name, one in values.items()), key=lambda pair: pair[0]
        ):
            self.text(digest)
            self.read(one)

    def _named(self, value: Any) -> None:
        """A function or a class."""
        if _of_library(_module(value)):
            self.text(value.__module__, value.__qualname__)
        elif isinstance(value, types.FunctionType):
            self._all((_code(value), value.__defaults__, value.__kwdefaults__))
            self._mapping(dict(_captured(value)) | dict(_globals(value)))
        else:
            kept = {name: one for name, one in vars(value).items() if not _for_python(name, one)}
            self.text(value.__qualname__)
            self._all(value.__bases__)
            self._mapping(kept)

    def _object(self, value: Any) -> None:
        kind = type(value)
        if hasattr(value, "py_func"):
            # compiled by numba
            self.read(value.py_func)
        elif is_dataclass(value):
            self.read(kind)
            self._mapping({one.name: getattr(value, one.name) for one in fields(value) if one.init})
        elif kind.__module__.startswith("xarray."):
            self.read(value.to_dict())
        elif kind.__module__.startswith("sympy."):
            self.text(sys.modules["sympy"].srepr(value))
        else:
            self._reduced(value)

    def _reduced(self, value: Any) -> None:
        """Any other object, by what a pickle would be made of; functions in it count as functions."""
        kind = type(value)
        try:
            known = copyreg.dispatch_table.get(kind)
            parts = known(value) if known is not None else value.__reduce_ex__(4)
        except Exception:
            self.unknown.append(f"{kind.__module__}.{kind.__qualname__}")
            return
        if isinstance(parts, str):
            self.text(kind.__module__, parts)
            return
        made, arguments, *state = parts
        self.read(made)
        self.read(arguments)
        for one in state:
            self.read(list(one) if isinstance(one, Iterator) else one)


def _for_python(name: str, value: Any) -> bool:
    """Whether an entry of a class is made by Python itself."""
    return name in ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__") or isinstance(
        value, types.GetSetDescriptorType | types.MemberDescriptorType
    )
