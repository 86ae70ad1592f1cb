"""What a solver says when it cannot do what it was asked."""

from __future__ import annotations

from scaling_limits.cells.errors import NotConverged, Unresolved

__all__ = ["NotConverged", "Unresolved"]
