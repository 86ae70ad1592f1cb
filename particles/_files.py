"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InvalidArgument


def save_arrays(path: str | os.PathLike[str], fields: dict[str, Any]) -> None:
    """Write fields to an .npz file; an existing one is replaced, and nothing half-written is left behind."""
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **fields)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def load_arrays(path: str | os.PathLike[str], format_: int, names: set[str], writer: str) -> dict[str, np.ndarray]:
    """Read the fields that `save_arrays` wrote, without their format.

    Args:
        path: the file.
        format_: the number that its field "format" must have.
        names: of the fields that it must have besides.
        writer: what writes such files, for the message.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not such a file.
    """
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        if int(content.pop("format")) != format_ or set(content) != names:
            raise ValueError("another format")
        return content
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        message = f"{os.fspath(path)} is not a file that {writer} wrote: {error}"
        raise InvalidArgument("path", message) from error
