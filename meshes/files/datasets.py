"""What all datasets of xarray share: names and units of coordinates and quantities, and what made them."""

from __future__ import annotations

from scaling_limits.particles.showing.quantities import Quantity

AXES = ("x", "y", "z")
TIME = {"long_name": "time", "units": "time"}


def about_error(quantity: Quantity) -> dict[str, str]:
    """What is said of its estimated error."""
    return {"long_name": f"estimated error of {quantity.name}", "units": quantity.units}


def axis(number: int) -> dict[str, str]:
    """What is said of a coordinate."""
    return {"long_name": f"position along {AXES[number]}", "units": "length"}


def directions(dim: int) -> tuple[tuple[str], list[str], dict[str, str]]:
    """The coordinate of components of vectors."""
    return ("direction",), list(AXES[:dim]), {"long_name": "direction of the component"}
