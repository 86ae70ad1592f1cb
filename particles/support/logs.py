"""What the package says of its choices: lines of `logging.getLogger("scaling_limits")`, none unless they are asked for.

INFO tells what was chosen (route, degree, cells, solver) and how long it took, once for a call; DEBUG the parts of it.
Only rank 0 speaks.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpi4py import MPI

LOGGER = logging.getLogger("scaling_limits")
LOGGER.addHandler(logging.NullHandler())


def say(comm: MPI.Comm | None, text: str, *arguments: Any, level: int = logging.INFO) -> None:
    """Log a line, on rank 0.

    Args:
        comm: the ranks that share the work; None for each process by itself, of which that of the first rank speaks.
        text: with places for the arguments, as in logging.
        arguments: that are put there if somebody listens.
        level: of logging.
    """
    if LOGGER.isEnabledFor(level) and _first(comm):
        LOGGER.log(level, text, *arguments, stacklevel=2)


@contextmanager
def timed(comm: MPI.Comm | None, what: str) -> Iterator[dict[str, Any]]:
    """Log, when the block is done, what was done with the details that it has put into the dictionary, and seconds.

    Args:
        comm: see `say`.
        what: was done.
    """
    details: dict[str, Any] = {}
    begin = time.perf_counter()
    yield details
    if LOGGER.isEnabledFor(logging.INFO) and _first(comm):
        said = ", ".join(f"{name} {value}" for name, value in details.items())
        # the line is that of the block, past this function and contextlib
        LOGGER.info("%s: %s; %.3g s", what, said, time.perf_counter() - begin, stacklevel=3)


def _first(comm: MPI.Comm | None) -> bool:
    """Whether this is rank 0; without a communicator, of all that there are if MPI is in use."""
    if comm is not None:
        return bool(comm.rank == 0)
    module = sys.modules.get("mpi4py.MPI")
    return module is None or not module.Is_initialized() or module.COMM_WORLD.rank == 0
