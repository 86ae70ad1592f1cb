"""What ensembles of balls and solutions of their equations show: mean and standard deviation of velocities in space."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..showing.animation import animate, checked_animation
from ..showing.axes import axes_of, closed_if_refused, draw_curves, labelled
from ..showing.datasets import Variable, dataset
from ..showing.described import Described
from ..showing.quantities import TIME, Quantity, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACE = Quantity("x", "position", "length of the line")
QUANTITIES = {
    "mean": Quantity("mean", "mean velocity", "velocity"),
    "std": Quantity("std", "standard deviation of the velocity", "velocity"),
}
# of the picture, beyond the values
MARGIN = 0.05


class VelocityProfiles(Described, ABC):
    """Profiles mu(x, t) and sigma(x, t) at times."""

    if TYPE_CHECKING:

        @property
        def times(self) -> NDArray[np.float64]:
            """A field of some, a property of others."""

    @property
    @abstractmethod
    def _places(self) -> np.ndarray:
        """Where the profiles are known (P,), increasing."""

    @abstractmethod
    def _profile(self, quantity: str) -> np.ndarray:
        """The profile (T, P) of "mean" or "std"."""

    def _said(self) -> dict[str, Any]:
        """Attributes of a dataset."""
        return {}

    def _more_variables(self) -> list[Variable]:
        """What a dataset has besides both profiles."""
        return []

    @closed_if_refused
    def plot(self, ax: Axes | None = None, quantity: str = "std", **options: Any) -> Axes:
        """Draw the standard deviation, or the mean, over the line, one curve for each of up to six times.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            quantity: "std" or "mean".
            options: of `Axes.plot`.

        Returns:
            The axes.

        Raises:
            InvalidArgument: another quantity.
            ImportError: matplotlib is not here.
        """
        said, ax = _checked(quantity), axes_of(ax)
        return draw_curves(ax, self._places, self._profile(quantity), self.times, (PLACE.label, said.label), options)

    def animate(
        self,
        path: str | os.PathLike[str],
        quantity: str = "std",
        *,
        frames_per_second: int = 8,
        over: Callable[[Axes], Any] | None = None,
        **options: Any,
    ) -> Path:
        """Draw an animation, one frame for each time.

        Args:
            path: the file: .gif, or .mp4 where the program ffmpeg is.
            quantity: "std" or "mean".
            frames_per_second: speed; at most 50 in .gif.
            over: draws once over all frames, such as lambda ax: ax.contour(x, y, V.T); None for nothing.
            options: of `Axes.plot`.

        Returns:
            The path.

        Raises:
            InvalidArgument: another quantity or suffix, or no place for a file.
            ImportError: matplotlib or pillow is not here.
        """
        said = _checked(quantity)
        place, speed = checked_animation(path, frames_per_second, over)
        rows = self._profile(quantity)
        low, high = float(rows.min()), float(rows.max())
        room = MARGIN * (high - low or 1.0)

        def draw(ax: Axes) -> tuple[Axes, Any]:
            labelled(ax, PLACE.label, said.label).set_ylim(low - room, high + room)
            return ax, ax.plot(self._places, rows[0], **options)[0]

        def renew(drawn: tuple[Axes, Any], index: int) -> None:
            drawn[1].set_ydata(rows[index])
            drawn[0].set_title(time_text(self.times[index]))

        return animate(place, speed, len(rows), draw, renew, over)

    def to_xarray(self) -> Any:
        """Both profiles, and what else is known at the times, as a `xarray.Dataset` with dimensions time and x."""
        names = ("time", "x")
        profiles: list[Variable] = [(said, names, self._profile(name)) for name, said in QUANTITIES.items()]
        coordinates: list[Variable] = [(TIME, ("time",), self.times), (PLACE, ("x",), self._places)]
        return dataset(type(self).__name__, [*profiles, *self._more_variables()], coordinates, self._said())


def _checked(quantity: str) -> Quantity:
    if not isinstance(quantity, str) or quantity not in QUANTITIES:
        raise InvalidArgument("quantity", f"must be one of {', '.join(QUANTITIES)}, not {quantity!r}")
    return QUANTITIES[quantity]
