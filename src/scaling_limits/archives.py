"""One reader for the files of all results: each says of what kind it is."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from .particles import InvalidArgument
from .particles.support.archive import kind_of

# where the class of each kind is, in the order in which files of versions that did not name a kind are tried
KINDS = {
    "Ensemble": "particles",
    "Paths": "particles",
    "RotatorEnsemble": "particles",
    "EffectiveTensor": "cells",
    "EffectiveCoefficients": "cells",
    "BilliardSolution": "pdes",
}


def load(path: str | os.PathLike[str], **context: Any) -> Any:
    """Read a result that its `save` has written; the file says of what kind it is.

    Args:
        path: the file.
        context: what the `load` of that class asks for besides, such as `potential=` for EffectiveCoefficients.

    Returns:
        An Ensemble, Paths, RotatorEnsemble, EffectiveTensor, EffectiveCoefficients or BilliardSolution.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: no file of a result, a damaged one, or one of a later version; `context` is not what is asked.
        ImportError: tensors, coefficients and solutions need FEniCSx.
    """
    kind = kind_of(path)
    if kind is None:
        return _without_kind(path)
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise InvalidArgument(
            "path", f"{os.fspath(path)} holds a {kind}, which is read by what wrote it; known: {known}"
        )
    reader = getattr(import_module(f"{__package__}.{KINDS[kind]}"), kind).load
    try:
        return reader(path, **context)
    except TypeError as error:
        wanted = "potential=, the one that they belong to" if kind == "EffectiveCoefficients" else "nothing besides"
        raise InvalidArgument("context", f"{kind} asks for {wanted}") from error


def _without_kind(path: str | os.PathLike[str]) -> Any:
    for kind in ("Ensemble", "Paths", "RotatorEnsemble", "EffectiveTensor"):
        try:
            return getattr(import_module(f"{__package__}.{KINDS[kind]}"), kind).load(path)
        except InvalidArgument:
            continue
    raise InvalidArgument("path", f"{os.fspath(path)} is not a file that a result was saved in")
