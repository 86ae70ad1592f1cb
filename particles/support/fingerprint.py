"""Whether a function is the one of an earlier run: its bytecode, and whatever values it reads besides its arguments.

Functions and classes of libraries count by name. Those of the user, wherever they are reached from, count by what they
do: bytecode and constants, defaults, attributes, captured values, global values that they read. Comments, line numbers
and the docstring do not count. Values are read whole where their exact type is known here, others by what a pickle
would be made of; what neither reads, such as an object of compiled code that cannot be pickled, is named.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .function_parts import CACHED, content_of_code, found, known_by_name, made_of, of_library, parts_of

# what no result depends on: names of classes of libraries
NEUTRAL = (
    "lock", "Lock", "RLock", "SerializableLock", "CombinedLock", "Logger", "RootLogger",
    "Comm", "Intracomm", "Intercomm", "Topocomm", "Cartcomm", "Graphcomm", "Distgraphcomm",
)  # fmt: skip

# what is read as its text
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))

# what Python itself adds to a class
OF_PYTHON = ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__slotnames__", "_abc_impl")

FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


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
    for name, value in parts_of(function):
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
            self.text(*sorted(self._apart(one) for one in value))
        elif kind in (dict, types.MappingProxyType):
            self._mapping(value)
        elif isinstance(value, np.ndarray):
            self._array(value)
        elif kind is types.CodeType:
            self._all(content_of_code(value))
        elif isinstance(value, types.ModuleType):
            self.text(value.__name__)
            if not of_library(value.__name__):
                self._strange(value)
        elif kind is types.MethodType:
            self._all((value.__func__, value.__self__))
        elif isinstance(value, types.FunctionType | type):
            self._named(value)
        elif isinstance(value, io.IOBase) and (isinstance(value, FILES) or value in (sys.stdout, sys.stderr)):
            self._file(value)
        elif not _neutral(value):
            self._object(value)

    def _all(self, values: Any) -> None:
        self.text(len(values))
        for one in values:
            self.read(one)

    def _apart(self, value: Any) -> str:
        """The digest of what is sorted by it."""
        outer, self.hash = self.hash, hashlib.sha256()
        try:
            self.read(value)
            return self.hash.hexdigest()
        finally:
            self.hash = outer

    def _mapping(self, values: Mapping[Any, Any]) -> None:
        self.text(len(values))
        for digest, one in sorted(((self._apart(name), one) for name, one in values.items()), key=lambda pair: pair[0]):
            self.text(digest)
            self.read(one)

    def _strange(self, value: Any) -> None:
        kind = type(value)
        self.unknown.append(f"{kind.__module__}.{kind.__qualname__}")

    def _array(self, value: np.ndarray) -> None:
        """Of subclasses their own attributes too."""
        kind, plain = type(value), value.view(np.ndarray)
        content = plain.tolist() if value.dtype.hasobject else np.ascontiguousarray(plain).tobytes()
        self._all((value.shape, value.dtype, content))
        if isinstance(value, np.ma.MaskedArray):
            self._all((np.ma.getmaskarray(value), getattr(value, "fill_value", None), value.hardmask))
        if kind is np.ma.MaskedArray:
            return
        if kind not in (np.ndarray, np.memmap):
            self.read(kind)
            self._slots_and_attributes(value)

    def _slots_and_attributes(self, value: Any, without: tuple[str, ...] = ()) -> None:
        state = object.__getstate__(value)
        kept: dict[str, Any] = {}
        for some in state if isinstance(state, tuple) else (state,):
            kept |= some or {}
        self._mapping({name: one for name, one in kept.items() if name not in without})

    def _file(self, value: Any) -> None:
        """An open file by its name; what may be read from it is not known."""
        if value in (sys.stdout, sys.stderr):
            return
        self.text(getattr(value, "name", ""), getattr(value, "mode", ""))
        if value.closed or value.readable():
            self._strange(value)

    def _named(self, value: Any) -> None:
        """A function or a class."""
        if known_by_name(value):
            self.text(value.__module__, value.__qualname__)
        elif isinstance(value, types.FunctionType):
            self._mapping(dict(made_of(value)))
        else:
            kept = {name: one for name, one in vars(value).items() if not _for_python(name, one)}
            self.text(value.__qualname__)
            self._all(value.__bases__)
            self._mapping(kept)
            if type(value) is not type:
                self.read(type(value))

    def _object(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, CACHED):
            self._mapping(dict(parts_of(value)))
        elif kind is property:
            self._all((value.fget, value.fset, value.fdel))
        elif kind in (staticmethod, classmethod):
            self.read(value.__func__)
        elif kind.__module__.startswith("numba."):
            self._compiled(value)
        elif is_dataclass(value):
            self._dataclass(value)
        elif kind.__module__.startswith("xarray.") and hasattr(value, "to_dict"):
            self.read(value.to_dict(data="array"))
        elif kind.__module__.startswith("sympy."):
            self._expression(value)
        else:
            self._reduced(value)

    def _compiled(self, value: Any) -> None:
        """By numba: the function and how it is compiled."""
        value = getattr(value, "_dispatcher", value)
        if hasattr(value, "py_func") and hasattr(value, "targetoptions"):
            self._all((value.py_func, value.targetoptions, dict(getattr(value, "locals", {}))))
        else:
            self._reduced(value)

    def _dataclass(self, value: Any) -> None:
        """Of a library's by what it is made with; of the user's everything but cached properties."""
        kind = type(value)
        self.read(kind)
        mine = not known_by_name(kind)
        names = [one.name for one in fields(value) if one.init or mine]
        self._mapping({name: getattr(value, name) for name in names if hasattr(value, name)})
        if mine:
            derived = [
                name for base in kind.__mro__ for name, one in vars(base).items() if type(one) is cached_property
            ]
            self._slots_and_attributes(value, (*names, *derived))

    def _expression(self, value: Any) -> None:
        """Of sympy, with the functions of Python that it calls."""
        sympy = sys.modules["sympy"]
        self.text(sympy.srepr(value))
        called = value.atoms(sympy.core.function.AppliedUndef) if hasattr(value, "atoms") else ()
        self._mapping({str(one.func): getattr(one, "_imp_", None) for one in called})

    def _reduced(self, value: Any) -> None:
        """Any other object, by what a pickle would be made of; functions in it count as functions."""
        kind = type(value)
        try:
            known = copyreg.dispatch_table.get(kind)
            parts = known(value) if known is not None else value.__reduce_ex__(4)
            if isinstance(parts, str):
                self.text(_place(value, parts))
                return
        except RecursionError:
            raise
        except Exception:
            self._strange(value)
            return
        # of a function that makes objects, the class is not among the parts
        self.read(kind)
        made, arguments, *state = parts
        self.read(made)
        self.read(arguments)
        for one in state:
            self.read(list(one) if isinstance(one, Iterator) else one)


def _neutral(value: Any) -> bool:
    kind = type(value)
    if value is getattr(np.random.random, "__self__", None):
        # numpy's shared generator, which frozen distributions of scipy hold: what was drawn before is chance
        return True
    return of_library(kind.__module__) and (kind.__name__ in NEUTRAL or isinstance(value, Executor))


def _place(value: Any, name: str) -> str:
    """Where a library has a value under a name.

    Raises:
        LookupError: it has not.
    """
    places = ["numpy", "scipy.special"] if isinstance(value, np.ufunc) else [str(getattr(value, "__module__", ""))]
    for module in places:
        if of_library(module) and found(module, name) is value:
            return f"{module}.{name}"
    raise LookupError(name)


def _for_python(name: str, value: Any) -> bool:
    """Whether an entry of a class is made by Python itself."""
    return name in OF_PYTHON or isinstance(value, types.GetSetDescriptorType | types.MemberDescriptorType)
