"""Samples of a lattice and of its limit that have the noise in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...sampling.samples import Samples, mean_and_error, observed
from ...showing.axes import axes_of, closed_if_refused, draw_bars_of_error, labelled, legend_of_first
from ...showing.datasets import dataset
from ...showing.quantities import SLOW_TIME, Quantity
from ...support import checks
from ..ensemble import MOST_SITES, RotatorEnsemble

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIFFERENCE = Quantity("difference", "action at epsilon less that of the limit", "action")
OF_LATTICE = Quantity("lattice", "action at epsilon", "action")
OF_LIMIT = Quantity("limit", "action of the limit", "action")


@dataclass(frozen=True, eq=False, repr=False)
class CoupledEnsemble(Samples):
    """R members of a lattice and of its limit, each pair with the same noise; `values` are differences of actions.

    Their `mean` is the estimate of E I^epsilon - E I^0, and `standard_error` its error.

    Args:
        times: tau (T,).
        of_lattice: u (T, R, N), complex.
        of_limit: v (T, R, N), complex.
        step: of the fast time.
        seed: of the random numbers.
        epsilon: of the lattice.
    """

    times: NDArray[np.float64]
    of_lattice: NDArray[np.complex128]
    of_limit: NDArray[np.complex128]
    step: float
    seed: int
    epsilon: float
    WORD: ClassVar[str] = "members"
    SHAPES: ClassVar[dict[str, str]] = {"times": "T", "of_lattice": "T R N", "of_limit": "T R N"}

    @cached_property
    def lattice(self) -> RotatorEnsemble:
        """The members of the lattice."""
        return RotatorEnsemble(self.times, self.of_lattice, self.step, self.seed)

    @cached_property
    def limit(self) -> RotatorEnsemble:
        """The members of the limit."""
        return RotatorEnsemble(self.times, self.of_limit, self.epsilon * self.step, self.seed)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """I^epsilon - I^0 (T, R, N)."""
        return self.lattice.actions - self.limit.actions

    def correction(self, observable: Callable[[np.ndarray], ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
        """E f(I^epsilon) - E f(I^0) at each time (T, ...), and its standard error.

        Args:
            observable: f, from actions (R, N) to numbers (R,) or arrays (R, ...).

        Raises:
            InvalidArgument: not such a function.
        """
        u, v = (observed(observable, part.actions) for part in (self.lattice, self.limit))
        return mean_and_error(u - v, axis=1)

    def time_average(self, after: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """E I^epsilon - E I^0 (N,) averaged over the snapshots from a time on, and its standard error.

        The error is that of the averages of independent members, so that correlations in time do not matter. Whether
        the law no longer changes after that time is for the caller to know.

        Args:
            after: tau; snapshots at this time and later count alike.

        Raises:
            InvalidArgument: there is no snapshot that late.
        """
        chosen = self.times >= checks.number("after", after)
        if not chosen.any():
            raise InvalidArgument("after", f"must be at most the last snapshot, {self.times[-1]:g}, not {after:g}")
        each = self.values[chosen].mean(axis=0)
        return mean_and_error(each)

    @property
    def gain(self) -> NDArray[np.float64]:
        """How many times more members without common noise the same standard errors would take (T, N).

        Infinite where both are the same, as at the start.
        """
        apart = self.lattice.std**2 + self.limit.std**2
        together = self.std**2
        return np.divide(apart, together, out=np.full_like(apart, np.inf), where=together > 0)

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean difference of each site in time, with bands of two standard errors.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot`.

        Returns:
            The axes; of more than ten sites the first ten have curves, which the legend says.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, drawn = axes_of(ax), min(self.values.shape[2], MOST_SITES)
        for j in range(drawn):
            draw_bars_of_error(
                ax, self.times, self.mean[:, j], self.standard_error[:, j], {"label": f"site {j}"} | options
            )
        ax.axhline(0.0, color="0.6", linewidth=0.8)
        legend_of_first(ax, drawn, self.values.shape[2])
        return labelled(ax, SLOW_TIME.label, f"change of the mean action at epsilon = {self.epsilon:g}")

    def to_xarray(self) -> Any:
        """Actions of both and their differences as a `xarray.Dataset` with dimensions time, member and site."""
        names = ("time", "member", "site")
        return dataset(
            "CoupledEnsemble",
            [(DIFFERENCE, names, self.values), (OF_LATTICE, names, self.lattice.actions),
             (OF_LIMIT, names, self.limit.actions)],
            [(SLOW_TIME, ("time",), self.times)],
            {"step": self.step, "seed": str(self.seed), "epsilon": self.epsilon},
        )  # fmt: skip
