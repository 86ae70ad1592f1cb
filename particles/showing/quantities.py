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
        said = f" {self.units} " in f" {self.long_name} "
        plain = said or self.units in ("1", "unknown")
        return self.long_name if plain else f"{self.long_name} ({self.units})"


TIME = Quantity("time", "time", "time")
SLOW_TIME = Quantity("time", "slow time", "slow time")
POSITION = Quantity("x", "position along x", "length")


def time_text(value: float, time: Quantity = TIME) -> str:
    """What stands at curves and above pictures of one time."""
    return f"{'tau' if time == SLOW_TIME else 't'} = {value:.3g}"
