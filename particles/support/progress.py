"""Progress bars: shown at a terminal and in notebooks, only on rank 0."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from importlib.util import find_spec
from typing import Any, TypeVar

Item = TypeVar("Item")
# seconds between two pictures of a bar; in a notebook each one is a message that stays
INTERVAL = 0.1


class ProgressBar:
    """A bar that is drawn by tqdm, which is not even imported where nothing is shown.

    Args:
        total: what it goes up to.
        shown: False draws nothing.
        unit: of what is counted.
        done: where it begins.
    """

    def __init__(self, total: int, shown: bool, unit: str, done: int = 0) -> None:
        self._bar, self._total, self._drawn = None, total, 0.0
        if shown:
            kind, silent = _tqdm()
            self._bar = kind(total=total, initial=done, unit=unit, disable=silent, leave=False)

    def update(self, count: int) -> None:
        """Go on by so much."""
        if self._bar is not None:
            self._bar.update(count)

    def move_to(self, place: float) -> None:
        """Go on to a place."""
        if self._bar is not None:
            self._bar.n = round(min(place, self._total), 2)
            now = time.monotonic()
            if now - self._drawn >= INTERVAL or place >= self._total:
                self._bar.refresh()
                self._drawn = now

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def _tqdm() -> tuple[Any, bool | None]:
    """The bar of tqdm for where this runs, and whether it is silent: None for wherever there is no terminal."""
    if _in_notebook() and find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as of_notebooks

        return of_notebooks, False
    from tqdm import tqdm

    return tqdm, False if _in_notebook() else None


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this; IPython is not imported for that."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def watched(items: Iterable[Item], total: int, progress: bool, comm: Any, unit: str = "time") -> Iterator[Item]:
    """Yield the items, with a progress bar where it is wanted and this is rank 0 of a communicator (None: alone)."""
    with closing(ProgressBar(total, progress and (comm is None or comm.rank == 0), unit)) as bar:
        for item in items:
            yield item
            bar.update(1)
