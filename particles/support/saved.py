"""Dataclasses of arrays, numbers and texts that are kept in files of their own kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

from ..errors import InvalidArgument
from .archive import check_numbers, load_arrays, remedy_of, save_arrays, target
from .layout import misfit


class Saved:
    """What has `save` and `load`: by default all fields of a dataclass.

    Attributes:
        FORMAT: of the files; raised when a file of the old kind can no longer be read.
        MAY_BE_NAN: names of fields in which NaN is no damage.
        SHAPES: of fields, such as "T N"; see `layout.misfit`.
    """

    FORMAT: ClassVar[int] = 1
    MAY_BE_NAN: ClassVar[frozenset[str]] = frozenset()
    SHAPES: ClassVar[Mapping[str, str]] = {}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; it appears under its name only when it is whole.

        Args:
            path: the file, its name taken as it is; an existing one is replaced.

        Raises:
            InvalidArgument: not the path of a file, or in a folder that is not there.
        """
        place = target("path", path)
        save_arrays(place, {"kind": type(self).__name__, "format": self.FORMAT} | self._content())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is of another kind, damaged, or of another format.
        """
        return cls.read(path, "path")

    @classmethod
    def read(cls, path: str | os.PathLike[str], argument: str) -> Self:
        """As `load`, for a path that the caller knows as `argument`."""
        content = load_arrays(path, cls.__name__, cls.FORMAT, cls._names(), argument=argument)
        numbers = {name for name, value in content.items() if value.dtype.kind in "fc"}
        check_numbers(path, content, numbers - cls.MAY_BE_NAN, argument)
        annotations = {field.name: str(field.type) for field in fields(cls)}  # type: ignore[arg-type]
        if wrong := misfit(content, annotations, cls.SHAPES):
            raise InvalidArgument(argument, f"{os.fsdecode(path)} is damaged: {wrong}{remedy_of(argument)}")
        try:
            return cls._made({name: value.item() if value.shape == () else value for name, value in content.items()})
        except ValueError as error:
            reason = f"{os.fsdecode(path)} is damaged: {error}{remedy_of(argument)}"
            raise InvalidArgument(argument, reason) from None

    @classmethod
    def _names(cls) -> set[str]:
        """Names of what is saved; here of the fields of a dataclass."""
        return {field.name for field in fields(cls)}  # type: ignore[arg-type]

    def _content(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names()}

    @classmethod
    def _made(cls, content: dict[str, Any]) -> Self:
        """What has this content; ValueError where the parts do not belong together."""
        return cls(**content)
