"""One quantity of samples and limit, with the errors of its difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Difference(Described):
    """One quantity of samples and limit, at times and places.

    Args:
        quantity: what it is.
        places: names and values of the axes after the time.
        sampled: by the samples (T, ...).
        limit: by the limit (T, ...).
        error: standard error of the difference (T, ...).
        chance: probability that chance alone makes it so large, two-sided (T, ...).
        finite: by what is known of the finite system (T, ...), or None.
    """

    quantity: Quantity
    places: tuple[tuple[Quantity, NDArray[np.float64]], ...]
    sampled: NDArray[np.float64]
    limit: NDArray[np.float64]
    error: NDArray[np.float64]
    chance: NDArray[np.float64]
    finite: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        """Numbers that are compared."""
        return self.sampled.size

    @property
    def worst(self) -> tuple[int, ...]:
        """Index of the number for which chance is least likely."""
        return tuple(int(i) for i in np.unravel_index(np.argmin(self.chance), self.chance.shape))

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Differences over their standard errors (T, ...); 0 where both are 0."""
        difference = self.sampled - self.limit
        return np.divide(difference, self.error, out=np.zeros_like(difference), where=self.error > 0)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The deviations of a normal law that are as unlikely, at most 37 (T, ...): of few counts they are smaller."""
        size = stats.norm.isf(0.5 * np.maximum(self.chance, 1e-300))
        return np.asarray(np.sign(self.sampled - self.limit) * size)

    @property
    def relative(self) -> NDArray[np.float64]:
        """Size of the difference at each time, relative to the samples, in l2 (T,)."""
        return _sizes(self.sampled - self.limit) / np.maximum(_sizes(self.sampled), 1e-300)

    @property
    def by_chance(self) -> NDArray[np.float64]:
        """The part of it that chance makes on the average (T,)."""
        return _sizes(self.error) / np.maximum(_sizes(self.sampled), 1e-300)

    @property
    def relative_finite(self) -> NDArray[np.float64] | None:
        """The same as `relative`, for what is known of the finite system in the place of the limit (T,), or None."""
        if self.finite is None:
            return None
        return _sizes(self.sampled - self.finite) / np.maximum(_sizes(self.sampled), 1e-300)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {"numbers": self.size, "least likely": f"{abs(self.deviations[self.worst]):.2g} standard errors"}
        return f"Difference: {self.quantity.long_name}", said


def _sizes(values: np.ndarray) -> NDArray[np.float64]:
    """Euclidean length at each time (T,)."""
    return np.sqrt((values.reshape(len(values), -1) ** 2).sum(axis=1))


def draw_deviations(ax: Axes, x: np.ndarray, one: Difference, threshold: float, label: str, index: int = -1) -> None:
    """Draw the differences of a quantity at one time over a line, with a band inside which chance may put them."""
    difference, error = one.sampled[index] - one.limit[index], one.error[index]
    ax.fill_between(x, -threshold * error, threshold * error, color="0.85", label="what chance may make")
    ax.plot(x, difference, marker=".", color="tab:red", label="samples - limit")
    if one.finite is not None:
        ax.plot(x, one.finite[index] - one.limit[index], color="tab:green", linestyle="--", label="finite - limit")
    ax.set(xlabel=label, ylabel=f"difference of {one.quantity.name}")
    ax.legend()
