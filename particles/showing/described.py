"""Short texts about objects: a title and a few lines for a terminal, the same as a table for a notebook."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import Any

import numpy as np

# numbers of an array that are shown, and letters of anything else
MOST_NUMBERS, MOST_LETTERS = 6, 88


class Described:
    """What has a short text: by default the class and, of a dataclass, its fields."""

    def _summary(self) -> tuple[str, dict[str, Any]]:
        """The title, and what is said of the object, by name."""
        values = vars(self)
        names: list[str] = []
        if dataclasses.is_dataclass(self):
            names = [one.name for one in dataclasses.fields(self) if one.repr]
        said = {name: values[name] for name in names if values.get(name) is not None}
        return type(self).__name__, {name: value for name, value in said.items() if not name.startswith("_")}

    def __repr__(self) -> str:
        title, said = self._summary()
        return "\n    ".join([title, *(f"{name}: {text_of(value)}" for name, value in said.items())])

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks; it asks for nothing from outside."""
        title, said = self._summary()
        cell = 'style="text-align: left"'
        rows = "".join(
            f"<tr><th {cell}>{escape(name)}</th><td {cell}>{escape(text_of(value))}</td></tr>"
            for name, value in said.items()
        )
        caption = f'<caption style="text-align: left"><b>{escape(title)}</b></caption>'
        return f"<table>{caption}<tbody>{rows}</tbody></table>"


def text_of(value: Any) -> str:
    """A short text of a value on one line: numbers with six digits, large arrays by their shape, functions by name."""
    if type(value).__repr__ is Described.__repr__:
        return repr(value).partition("\n")[0]
    if isinstance(value, bool | np.bool_ | str):
        return _cut(str(value))
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        if value.size > MOST_NUMBERS:
            return f"array of the shape {value.shape}"
        return _cut(np.array2string(value, precision=6, separator=", ").replace("\n", ""))
    if callable(value) and hasattr(value, "__name__"):
        return "a function" if value.__name__ == "<lambda>" else f"the function {value.__name__}"
    return _cut(" ".join(repr(value).split()))


def times_text(times: np.ndarray) -> str:
    """How many times, and from when to when."""
    return f"{len(times)} from {times[0]:.6g} to {times[-1]:.6g}" if len(times) else "none"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."
