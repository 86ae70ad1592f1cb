"""One point of a sweep, computed wherever an executor wants it: what comes back, errors too, can be sent and kept."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .caught_warnings import warnings_of_a_point
from .records import Record, record_of


@dataclass(frozen=True)
class Outcome:
    """What became of a point: a record or an error.

    Args:
        record: what the function returned; None after an error, and then with the warnings alone.
        error: what it raised, or None.
        trace: where, as a text, which is all that goes to another process.
    """

    record: Record
    error: BaseException | None = None
    trace: str = ""


def computed(
    function: Callable[..., Any],
    point: Mapping[str, Any],
    home: int,
    caught: type[BaseException] = Exception,
) -> Outcome:
    """Call the function at a point.

    Args:
        function: of the user's.
        point: its arguments by name.
        home: the process that wants to know; an error that leaves another one has to be sent.
        caught: what of the function's is part of the outcome; BaseException too where other ranks have to know of it.
    """
    error: BaseException | None = None
    trace, result = "", None
    with warnings_of_a_point() as warned:
        try:
            result = record_of(function(**point))
        except caught as raised:
            error, trace = raised, traceback.format_exc()
            if isinstance(raised, Exception) and os.getpid() != home:
                error = portable(raised)
    said = tuple(warned)
    if result is None:
        return Outcome(Record((), {}, said), error, trace)
    return Outcome(Record(result.parts, result.attrs, said))


def portable(error: Exception) -> Exception:
    """The error itself if a pickle gives it back as it was, else its text: some break the pool that sends them."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    if type(copy) is type(error) and str(copy) == str(error):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
