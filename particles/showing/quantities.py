"""The names and units of what results hold, for axes of pictures, datasets and files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """What is shown.

    Args:
        name: a symbol, by which files know it.
        long_name: in words.
        units: "1" for a pure number.
    """

    name: str
    long_name: str
    units: str

    @property
    def label(self) -> str:
        """What stands at the axis of a picture."""
        plain = self.units in ("1", "unknown", self.long_name)
        return self.long_name if plain else f"{self.long_name} ({self.units})"


TIME = Quantity("time", "time", "time")
POSITION = Quantity("x", "position along x", "length")
