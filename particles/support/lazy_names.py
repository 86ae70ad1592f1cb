"""Packages whose names are imported when they are first asked for (PEP 562): to import a package costs next to nothing.

What a package hands on stands once, as imports under `if TYPE_CHECKING:` of its `__init__`, where editors and type
checkers read it too. No module of the package may have one of these names: whoever imports the module by its own name
would leave it in the place of what is meant.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from importlib.util import resolve_name
from typing import Any


def lazy_names(package: str, needing: str | None = None) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its name, `__name__` in its `__init__`.
        needing: a module whose `needed_by(name)` is the context of imports that fail where a library is missing, and
            says so, and whose `is_there()` tells whether it is; None for none.

    Returns:
        Both functions. Names of modules of the package are found as well. Where the library is missing, the names that
        need it are not listed: `help` and other tools ask for all that are.
    """
    origins = _origins(package)

    def found(name: str) -> Any:
        if name not in origins:
            return _module(package, name)
        module, original = origins[name]
        with nullcontext() if needing is None else import_module(needing).needed_by(f"{package}.{name}"):
            value = getattr(import_module(module), original)
        # so that nobody asks again
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        names = {*vars(sys.modules[package]), *origins}
        if needing is not None and not import_module(needing).is_there():
            names -= {name for name in origins if not _can_be_had(found, name)}
        return sorted(names)

    return found, listed


def _can_be_had(found: Callable[[str], Any], name: str) -> bool:
    try:
        found(name)
    except ImportError:
        return False
    return True


def _origins(package: str) -> dict[str, tuple[str, str]]:
    """Of each name the module that it is from, and what it is called there."""
    spec = sys.modules[package].__spec__
    assert spec is not None
    # of every importer that reads source files, from folders or archives
    source = spec.loader.get_source(package)  # type: ignore[union-attr]
    result: dict[str, tuple[str, str]] = {}
    for block in ast.parse(source).body:
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            for node in block.body:
                assert isinstance(node, ast.ImportFrom), "only `from ... import ...` can be asked for later"
                module = resolve_name("." * node.level + (node.module or ""), package)
                result |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
    return result


def _module(package: str, name: str) -> Any:
    """A module of the package.

    Raises:
        AttributeError: there is none.
    """
    whole = f"{package}.{name}"
    if not name.startswith("_"):
        try:
            return import_module(whole)
        except ModuleNotFoundError as error:
            if error.name != whole:
                raise
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
