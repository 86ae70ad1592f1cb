"""What the slowest modes show: their rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_limits.particles.showing.axes import axes_of, closed_if_refused, labelled
from scaling_limits.particles.showing.datasets import dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATES = Quantity("rates", "rate of decay", "1/time")
ERRORS = Quantity("errors", "estimated error of the rate", "1/time")
MODE = Quantity("mode", "number of the mode", "1")


class ShownRates(Described):
    """Rates of modes, with errors."""

    if TYPE_CHECKING:
        rates: np.ndarray
        errors: np.ndarray

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the rates but the first, which is 0, with their errors on a logarithmic axis; each rank by itself.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, numbers = axes_of(ax), np.arange(1, len(self.rates))
        given: dict[str, Any] = {"fmt": "o", "capsize": 3}
        ax.errorbar(numbers, self.rates[1:], self.errors[1:], **(given | options))
        ax.set(yscale="log", xticks=numbers)
        return labelled(ax, MODE.label, RATES.label)

    def to_xarray(self) -> Any:
        """The rates and their errors as a `xarray.Dataset`; each rank by itself."""
        numbers = np.arange(len(self.rates))
        variables = [(RATES, ("mode",), self.rates), (ERRORS, ("mode",), self.errors)]
        return dataset("Modes", variables, [(MODE, ("mode",), numbers)])
