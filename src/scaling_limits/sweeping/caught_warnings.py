"""Warnings of the points of a sweep, each kept with its own point, where several are under way in one process.

Filters of warnings belong to the process, not to a thread, and by default a warning is shown once for a line. So while
points are under way all of them share one setting: what would be shown once is given each time, what the user ignores
or has made an error stays so, and what is shown goes to the point in whose context it was given. A warning of a thread
that the function itself has begun has no such context: all points that are under way get it, rather than none.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

# what a filter does by which a warning is not shown each time
ONCE = ("default", "module", "once")


class Warned(NamedTuple):
    """A warning as a text that goes to other processes and into files.

    Args:
        module: of its class.
        category: the name of that class.
        text: what it said.
    """

    module: str
    category: str
    text: str


Texts = list[Warned]
_mine: ContextVar[Texts | None] = ContextVar("warnings_of_this_point", default=None)


class _Router:
    """What stands in for `warnings.showwarning` of this process while points are under way."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: list[Texts] = []
        self.outer: warnings.catch_warnings[None] | None = None

    def begin(self, texts: Texts) -> None:
        with self.lock:
            if not self.open:
                self.outer = warnings.catch_warnings()
                self.outer.__enter__()
                changed = [("always" if action in ONCE else action, *rest) for action, *rest in warnings.filters]
                warnings.filters[:] = changed  # type: ignore[index]
                # says to Python that they have changed, besides
                warnings.simplefilter("always", append=True)
            # each time: a function that sets filters and ends while another one runs may have put back old ones
            warnings.showwarning = self.show
            self.open.append(texts)

    def end(self, texts: Texts) -> None:
        with self.lock:
            self.open = [one for one in self.open if one is not texts]
            if not self.open and self.outer is not None:
                self.outer.__exit__(None, None, None)
                self.outer = None

    def show(self, message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        said = Warned(category.__module__, category.__qualname__, str(message))
        mine = _mine.get()
        for texts in list(self.open) if mine is None else [mine]:
            if said not in texts:
                texts.append(said)


# one for the process, as the filters are that it sets
_router = _Router()


@contextmanager
def warnings_of_a_point() -> Iterator[Texts]:
    """The list that the warnings given inside go to, in the order in which they came, each once."""
    texts: Texts = []
    token = _mine.set(texts)
    _router.begin(texts)
    try:
        yield texts
    finally:
        _router.end(texts)
        _mine.reset(token)
