"""What a file must hold for each field of a dataclass: the kind of its numbers, and shapes that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

# kinds of numpy's data that a file may have for a field, by its annotation; other annotations promise nothing
SINGLE = {"float": "iuf", "int": "iu", "bool": "b", "str": "U"}
ARRAYS = {
    "NDArray[np.float64]": "iuf", "NDArray[np.int64]": "iu", "NDArray[np.bool_]": "b", "NDArray[np.str_]": "U",
    "NDArray[np.complex128]": "iufc",
}  # fmt: skip


def misfit(content: Mapping[str, np.ndarray], annotations: Mapping[str, str], shapes: Mapping[str, str]) -> str:
    """Return what is wrong with the content of a file; empty where nothing is.

    Args:
        content: arrays by the names of their fields.
        annotations: types of the fields, as they are written in the class.
        shapes: of fields, such as "T N": one name for each dimension, the same size wherever the name is the same; or a
            number; "..." in front stands for any dimensions, the same ones wherever it stands.
    """
    for name, value in content.items():
        written = annotations.get(name, "")
        kinds = SINGLE.get(written) or ARRAYS.get(written)
        if kinds is not None and value.dtype.kind not in kinds:
            return f"{name} holds data of the type {value.dtype}"
        if written in SINGLE and value.shape:
            return f"{name} has the shape {value.shape}, and must be one value"
    sizes: dict[str, object] = {}
    for name, names in shapes.items():
        if name in content and not _fits(content[name].shape, names.split(), sizes):
            known = ", ".join(f"{key} = {size}" for key, size in sizes.items())
            return (
                f"{name} has the shape {content[name].shape}, and must have ({names.replace(' ', ', ')}) with {known}"
            )
    return ""


def _fits(shape: tuple[int, ...], names: Iterable[str], sizes: dict[str, object]) -> bool:
    """Whether a shape has these dimensions, and the sizes that they are known to have; adds those that are new."""
    names = list(names)
    parts: list[tuple[str, object]] = []
    if names[:1] == ["..."]:
        names = names[1:]
        rest = len(shape) - len(names)
        if rest < 0:
            return False
        parts.append(("...", shape[:rest]))
        shape = shape[rest:]
    if len(shape) != len(names):
        return False
    parts += zip(names, shape)
    return all(size == (int(key) if key.isdigit() else sizes.setdefault(key, size)) for key, size in parts)
