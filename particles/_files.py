"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


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
