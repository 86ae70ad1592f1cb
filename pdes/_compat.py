"""The one place that knows what differs between the versions of FEniCSx, and what they do to their surroundings."""

from __future__ import annotations

import logging
import warnings

import dolfinx

TESTED = ("0.9", "0.10", "0.11")  # 0.10 at the level of its sources only


def show_warnings() -> None:
    """Undo what ffcx does at its import: it sends all Python warnings to a logger that nobody reads."""
    logger = logging.getLogger("py.warnings")
    heard = [h for h in (*logger.handlers, *logging.getLogger().handlers) if not isinstance(h, logging.NullHandler)]
    if not heard:
        logging.captureWarnings(False)


def check_version() -> None:
    """Warn of a dolfinx that the test suite has not been run with."""
    found = ".".join(dolfinx.__version__.split(".")[:2])
    if found not in TESTED:
        warnings.warn(f"dolfinx {found} has not been tried; tried are {', '.join(TESTED)}", stacklevel=2)


show_warnings()
check_version()
