"""What a solver says when it cannot do what it was asked."""

from __future__ import annotations

from ..cells.errors import NotConverged

__all__ = ["NotConverged", "Unresolved"]


class Unresolved(UserWarning):
    """The mesh is too coarse for a scale of the equation; the solution is bounded, but smeared at that scale."""
