"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from .checks import shown

# what helps where the file of a checkpoint belongs to something else
ANOTHER_FILE = "take what it was made with, or another file"
# what numpy and zipfile raise on bytes that are not, or no longer, an .npz file
DAMAGED = (OSError, ValueError, EOFError, KeyError, TypeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def save_arrays(path: str | os.PathLike[str], fields: dict[str, Any]) -> None:
    """Write fields to an .npz file; an existing one is replaced, and nothing half-written is left behind.

    Args:
        path: the file.
        fields: with "kind", the name of what is saved, and "format", the number of its layout.

    Raises:
        OSError: such as a full disk, with a note that says what is there and what to do.
    """
    # what a link points at is written, and the link stays
    target = Path(os.path.realpath(os.fsdecode(path)))
    partial = partial_of(target)
    try:
        with open(partial, "wb") as file:
            np.savez(file, **fields)
        os.replace(partial, target)
    except OSError as error:
        note_failed_write(error, target)
        raise
    finally:
        partial.unlink(missing_ok=True)


def partial_of(target: Path) -> Path:
    """Where a file is written before it is whole, beside the place where it will be; its own name may be long."""
    name = target.name if len(os.fsencode(target.name)) < 200 else hashlib.sha256(os.fsencode(target.name)).hexdigest()
    return target.with_name(f".{name}.{os.getpid()}.partial")


def note_failed_write(error: OSError, target: Path) -> None:
    """Add to an error that a file could not be written, and what to do."""
    former = "the former file of this name is unchanged" if target.is_file() else "nothing half-written is left"
    error.add_note(f"{target} could not be written; {former}. Make room, or take another folder, and call again")


def _place(name: str, path: str | os.PathLike[str]) -> str:
    """The path as a text; bytes, as some folders are listed, are decoded as the file system does."""
    try:
        place = os.fsdecode(path)
    except TypeError:
        raise InvalidArgument(name, f"must be the path of a file, not {path!r}") from None
    if not place:
        raise InvalidArgument(name, f"must be the path of a file, not {path!r}")
    return place


def differing(values: Mapping[str, tuple[object, object]]) -> str:
    """What differs between a file and what is asked for, with both values where they are numbers or truth values.

    Args:
        values: those of the file and those asked for, by their names.
    """
    shown = {name: _short(there, here) for name, (there, here) in values.items()
             if _is_number(there) and _is_number(here)}  # fmt: skip
    numbers = [f"{name}: {there} there, {here} here" for name, (there, here) in shown.items()]
    text = f"{', '.join(values)} {'differs' if len(values) == 1 else 'differ'}"
    return f"{text} ({'; '.join(numbers)})" if numbers else text


def _short(there: object, here: object) -> tuple[str, str]:
    """Texts of two numbers, with six digits where these tell them apart; integers are whole."""
    whole = str(there), str(here)
    six = [text if text.lstrip("-").isdigit() or text.isalpha() else f"{float(text):.6g}" for text in whole]
    return whole if six[0] == six[1] else (six[0], six[1])


def _is_number(value: Any) -> bool:
    """Of texts, whether they are those of numbers."""
    if not isinstance(value, str):
        return np.ndim(value) == 0
    try:
        float(value)
    except ValueError:
        return False
    return True


def full_path(name: str, path: str | os.PathLike[str] | None) -> str:
    """The path, as `target` checks it, as a text that ranks can compare; empty for None."""
    return "" if path is None else os.path.abspath(target(name, path))


def target(name: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that is to be written; asked before any work, so that none is lost.

    Raises:
        InvalidArgument: not a path, no name of a file, a folder, or in a folder that is not there or is read-only.
    """
    place = Path(_place(name, path))
    if "\0" in str(place):
        raise InvalidArgument(name, "must be the path of a file, without the character 0")
    if not place.name:
        raise InvalidArgument(name, f"must be the path of a file, not {str(path)!r}")
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except OSError as error:
        # such as too long
        raise InvalidArgument(name, f"must be the path of a file; of {shown(str(place))}: {error.strerror}") from error
    if place.is_dir():
        raise InvalidArgument(name, f"must be the path of a file, but {place} is a folder")
    # of a link, where what it points at is
    folder = Path(os.path.realpath(place)).parent if place.is_symlink() else place.parent
    if not folder.is_dir():
        inside = next((one for one in folder.parents if one.exists()), folder)
        known = folder if folder.exists() else inside
        if not known.is_dir():
            raise InvalidArgument(name, f"must be in a folder, but {known} is a file; name another place than {place}")
        raise InvalidArgument(name, f"must be in a folder that is there; make {folder} first")
    if place.exists() and not place.is_file():
        raise InvalidArgument(name, f"must be the path of a file, but {place} is a device or a pipe")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"must be in a folder where files can be written; in {folder}: {error.strerror}"
        raise InvalidArgument(name, message) from error
    return place


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """The kind of result that a file says it holds; None where it does not say.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is no file of a result.
    """
    content = _content(path, "path", "of a result")
    return str(content["kind"]) if "kind" in content else None


def remedy_of(argument: str) -> str:
    """What to do about a file of something else, or a damaged one."""
    return "; remove it and all is made anew, or name another file" if argument == "checkpoint" else ""


def _content(path: str | os.PathLike[str], argument: str, what: str) -> dict[str, np.ndarray]:
    place = _place(argument, path)
    try:
        with open(place, "rb") as raw:
            whole = zipfile.is_zipfile(raw)
            raw.seek(0)
            if not whole:
                raise zipfile.BadZipFile("no whole .npz archive")
            with np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except DAMAGED as error:
        raise InvalidArgument(argument, f"{place} is not a file {what}: {error}{remedy_of(argument)}") from error


def load_arrays(
    path: str | os.PathLike[str],
    kind: str,
    formats: int | set[int],
    names: set[str],
    optional: set[str] | frozenset[str] = frozenset(),
    argument: str = "path",
) -> dict[str, np.ndarray]:
    """Read the fields that `save_arrays` wrote, without their kind and format.

    Args:
        path: the file.
        kind: what must be saved there; files without a field "kind" are told apart by their names.
        formats: the numbers that its field "format" may have; 0 where there may be no such field.
        names: of the fields that it must have besides.
        optional: names of fields that it may have.
        argument: the name of the argument that carries the path, for the message.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not such a file.
    """
    content = _content(path, argument, f"that {kind} was saved in")
    place = _place(argument, path)
    saved, number = str(content.pop("kind", kind)), content.pop("format", np.array(0))
    if saved != kind or not names <= set(content) <= names | optional:
        known = f"holds {saved}" if saved != kind else "holds something else"
        raise InvalidArgument(argument, f"{place} {known}, not {kind}{remedy_of(argument)}")
    try:
        format_ = int(number)
    except (TypeError, ValueError):
        message = f"{place} is not a file that {kind} was saved in: its format is no number{remedy_of(argument)}"
        raise InvalidArgument(argument, message) from None
    allowed = {formats} if isinstance(formats, int) else formats
    if format_ not in allowed:
        message = f"{place} is of format {format_}; this version reads {sorted(allowed)}"
        raise InvalidArgument(argument, message + remedy_of(argument))
    return content


def check_numbers(
    path: str | os.PathLike[str],
    content: Mapping[str, np.ndarray],
    known: Iterable[str] = (),
    argument: str = "path",
) -> None:
    """Refuse a file whose "times" are no snapshots, or which has NaN where numbers must be.

    Args:
        path: the file.
        content: its fields.
        known: names of those without NaN; those that it has not are left out.
        argument: the name of the argument that carries the path, for the message.

    Raises:
        InvalidArgument: it is damaged, and where.
    """
    place, times = _place(argument, path), content.get("times")
    if times is not None:
        good = times.ndim == 1 and times.size > 0 and times.dtype.kind in "iuf" and bool(np.isfinite(times).all())
        if not good or (np.diff(times) < 0).any():
            reason = "its times must be finite and not decreasing"
            raise InvalidArgument(argument, f"{place} is damaged: {reason}{remedy_of(argument)}")
    for name in known:
        values = content.get(name)
        if values is None:
            continue
        if values.dtype.kind not in "biufc":
            raise InvalidArgument(argument, f"{place} is damaged: {name} must be numbers{remedy_of(argument)}")
        if np.isnan(values).any():
            raise InvalidArgument(argument, f"{place} is damaged: {name} holds NaN{remedy_of(argument)}")
