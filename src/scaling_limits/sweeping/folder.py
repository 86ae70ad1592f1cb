"""The folder of a sweep: what it is of, and a file for each finished point, which appears when it is whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..particles import InvalidArgument
from ..particles.errors import warn
from ..particles.support.archive import load_arrays, save_arrays, target
from ..particles.support.checks import shown
from ..particles.support.fingerprint import digest_of
from .grid import Axis, Grid
from .records import MOST, Record, fields_of, record_from

# what a folder is of, and a point in it
SWEEP, POINT = "Sweep", "SweepPoint"
FORMAT = 1
HEAD = "sweep.npz"
POINT_FILE = re.compile("[0-9a-f]{24}[.]npz")
LOST = (
    "without it nobody knows of which function the points are. Put a copy of it back, or name a new folder, where all "
    "is computed again; numpy.load reads the numbers of the points in this one"
)
# what the arrays of a point are called: load_arrays asks for all names that there may be
ARRAYS = frozenset(f"values_{k}" for k in range(MOST))


@dataclass(frozen=True)
class Folder:
    """Where finished points are kept; of one process.

    Args:
        path: of the folder.
        grid: of the sweep.
        name: of the function.
        parts: digests of what makes the function.
        release: of this package.
    """

    path: Path
    grid: Grid
    name: str
    parts: dict[str, str]
    release: str

    def begin(self) -> None:
        """Make the folder, or compare what it is of with what is asked for, and note values that are new.

        Raises:
            InvalidArgument: it belongs to another sweep, or is no folder of a sweep.
        """
        mine = self._head()
        if not self._is_there():
            target("path", self.path)
            self.path.mkdir()
        if not self.path.is_dir():
            raise InvalidArgument("path", f"must be a folder, but {self.path} is a file")
        head, theirs = self.path / HEAD, None
        if head.exists():
            theirs = _content(head, SWEEP, {"head"}, "head")
            mine = self._agreed(theirs)
        else:
            self._check_empty()
        # a folder that is complete may be one in which nothing can be written
        if theirs != json.loads(json.dumps(mine)):
            self._write_head(head, mine, theirs)

    def _is_there(self) -> bool:
        try:
            self.path.lstat()
            return self.path.exists()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False
        except OSError as error:
            # such as a name that is too long
            place = shown(str(self.path))
            raise InvalidArgument("path", f"must be the path of a folder; of {place}: {error.strerror}") from error

    def _check_empty(self) -> None:
        names = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
        if names and all(POINT_FILE.fullmatch(name) for name in names):
            raise InvalidArgument("path", f"{self.path} has points of a sweep, but {HEAD} is lost; {LOST}")
        if names:
            raise InvalidArgument("path", f"{self.path} is a folder of something else; name one that is empty or new")

    def _write_head(self, head: Path, mine: dict[str, Any], theirs: dict[str, Any] | None) -> None:
        try:
            target("path", head)
        except InvalidArgument:
            if theirs is not None and theirs | {"release": mine["release"]} == mine:
                # another release, which a warning has said
                return
            raise
        save_arrays(head, {"kind": SWEEP, "format": FORMAT, "head": json.dumps(mine)})

    @cached_property
    def there(self) -> set[str]:
        """The names of files that were in the folder at first."""
        return {entry.name for entry in os.scandir(self.path)}

    def has(self, number: int) -> bool:
        """Whether a point was there."""
        return self._file(number).name in self.there

    def read(self, number: int) -> Record:
        """A point.

        Raises:
            InvalidArgument: its file is damaged.
        """
        file, key = self._file(number), self.grid.key(number)
        remedy = "remove this file, and the point is computed again"
        try:
            names = {"point", "layout"}
            content = load_arrays(file, POINT, FORMAT, names, optional=ARRAYS)
            if str(content["point"]) != key:
                raise InvalidArgument("path", f"{file} is of the point {content['point']}, not {key}; {remedy}")
            return record_from(content)
        except (KeyError, TypeError, ValueError) as error:
            reason = error.reason if isinstance(error, InvalidArgument) else f"{file} is damaged: {error}"
            raise InvalidArgument("path", reason if remedy in reason else f"{reason}; {remedy}") from error

    def write(self, number: int, record: Record) -> None:
        """Keep a point."""
        said = {"kind": POINT, "format": FORMAT, "point": self.grid.key(number)}
        try:
            save_arrays(self._file(number), said | fields_of(record))
        except OSError as error:
            error.add_note(f"Points that were finished before are in {self.path}; the same call goes on from there")
            raise

    def _file(self, number: int) -> Path:
        return self.path / f"{hashlib.sha256(self.grid.key(number).encode()).hexdigest()[:24]}.npz"

    def _head(self) -> dict[str, Any]:
        return {
            "function": self.name,
            "parts": self.parts,
            "over": {axis.name: axis.plain for axis in self.grid.axes},
            "labelled": {axis.name: _labels(axis) for axis in self.grid.axes if axis.labelled},
            "release": self.release,
        }

    def _agreed(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """What the folder is of from now on: with the values of both."""
        mine = self._head()
        remedy = "give another path, or remove the folder"
        if set(theirs["over"]) != set(mine["over"]):
            known = ", ".join(theirs["over"])
            raise InvalidArgument("path", f"{self.path} belongs to a sweep over {known}; {remedy}")
        different = [name for name in {**theirs["parts"], **mine["parts"]} if _differ(name, theirs, mine, "parts")]
        if different:
            raise InvalidArgument(
                "path",
                f"{self.path} belongs to another function, {theirs['function']}, different in {', '.join(different)}; "
                f"{remedy}, or give version= in both calls where that does not matter",
            )
        if theirs["release"] != mine["release"]:
            warn(f"{self.path} has points of scaling-limits {theirs['release']}; new ones are of {mine['release']}")
        for axis in self.grid.axes:
            self._compare(axis, theirs, mine, remedy)
        union = {name: _both(theirs["over"][name], mine["over"][name]) for name in mine["over"]}
        labelled = {name: theirs["labelled"].get(name, {}) | mine["labelled"][name] for name in mine["labelled"]}
        return mine | {"over": union, "labelled": labelled}

    def _compare(self, axis: Axis, theirs: dict[str, Any], mine: dict[str, Any], remedy: str) -> None:
        """Refuse values that neither hold those of the folder nor are among them, and labels of other objects."""
        name, old, new = axis.name, theirs["over"][axis.name], axis.plain
        if not (set(old) <= set(new) or set(new) <= set(old)):
            missing = next(one for one in old if one not in set(new))
            other = next(one for one in new if one not in set(old))
            raise InvalidArgument(
                "path",
                f"{self.path} belongs to a sweep with other values of {name}: {shown(missing)} is missing here, "
                f"{shown(other)} is not there; give the old values with the new ones, or another path",
            )
        if (name in theirs["labelled"]) != axis.labelled:
            raise InvalidArgument("path", f"{self.path} belongs to a sweep in which {name} had other values; {remedy}")
        labels = theirs["labelled"].get(name, {})
        for label, digest in mine["labelled"].get(name, {}).items():
            if labels.get(label, digest) != digest:
                raise InvalidArgument("path", f"{self.path} has another object as {name} = {label}; {remedy}")


def _labels(axis: Axis) -> dict[str, str]:
    """Digests of objects by their labels."""
    return {str(label): digest_of(value)[0] for label, value in zip(axis.plain, axis.values)}


def _differ(name: str, theirs: dict[str, Any], mine: dict[str, Any], which: str) -> bool:
    return bool(theirs[which].get(name) != mine[which].get(name))


def _both(old: list[Any], new: list[Any]) -> list[Any]:
    return old if set(new) <= set(old) else new


def _content(file: Path, kind: str, names: set[str], which: str) -> dict[str, Any]:
    """A text of JSON in a file.

    Raises:
        InvalidArgument: there is none, or it is damaged.
    """
    try:
        return dict(json.loads(str(load_arrays(file, kind, FORMAT, names)[which])))
    except InvalidArgument as error:
        raise InvalidArgument("path", f"{error.reason}; {LOST}") from error
    except (TypeError, ValueError) as error:
        raise InvalidArgument("path", f"{file} is damaged: {error}; {LOST}") from error
