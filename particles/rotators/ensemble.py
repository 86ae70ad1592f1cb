"""Samples of rotators: amplitudes of all members at times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..sampling.samples import Samples
from ..showing.axes import axes_of, closed_if_refused, draw_bars_of_error, draw_histogram, labelled, legend_of_first
from ..showing.datasets import dataset
from ..showing.quantities import SLOW_TIME, Quantity, time_text
from ..support import checks
from .stationary.time_average import Observable, TimeAverage, observed, time_averaged

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACTION = Quantity("actions", "action", "action")
PARTS = (Quantity("real", "real part of u", "action^(1/2)"), Quantity("imag", "imaginary part of u", "action^(1/2)"))
# sites with a curve of their own
MOST_SITES = 10


@dataclass(frozen=True, eq=False, repr=False)
class RotatorEnsemble(Samples):
    """Amplitudes of N rotators in R independent members at T slow times; `values` are the actions.

    Args:
        times: tau (T,).
        amplitudes: u (T, R, N), complex.
        step: the time step that was taken, of the fast time t for a lattice, of the slow time for its limit.
        seed: of the random numbers.
    """

    times: NDArray[np.float64]
    amplitudes: NDArray[np.complex128]
    step: float
    seed: int
    WORD: ClassVar[str] = "members"
    SHAPES: ClassVar[dict[str, str]] = {"times": "T", "amplitudes": "T R N"}

    @cached_property
    def actions(self) -> NDArray[np.float64]:
        """Actions I = |u|^2/2 (T, R, N)."""
        return 0.5 * (self.amplitudes.real**2 + self.amplitudes.imag**2)

    @property
    def values(self) -> NDArray[np.float64]:
        """The actions I (T, R, N)."""
        return self.actions

    def covariance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The covariances of the actions of all pairs of sites at each time (T, N, N), and their standard errors.

        Without bias, of R - 1 degrees of freedom; the error is that for any law with fourth moments, which the members
        tell. Both are infinite for one member.
        """
        runs = self.runs
        shape = (len(self.times), *2 * self.actions.shape[2:])
        values, errors = np.full((2, *shape), np.inf)
        if runs == 1:
            return values, errors
        for k, actions in enumerate(self.actions):
            centred = actions - actions.mean(axis=0)
            second = centred.T @ centred / runs
            fourth = (centred**2).T @ centred**2 / runs
            variances = np.diag(second)
            values[k] = second * (runs / (runs - 1))
            spread = fourth - second**2 * ((runs - 2) / (runs - 1)) + np.outer(variances, variances) / (runs - 1)
            errors[k] = np.sqrt(np.maximum(spread, 0.0) / runs)
        return values, errors

    def time_average(self, observable: Observable, weight: Any = None) -> TimeAverage:
        """The average of F(I, phi) over the members and over time, int h(tau) E F(I(tau), phi(tau)) d tau.

        As epsilon -> 0 it tends to int h(tau) E <F>(I^0(tau)) d tau, with the average <F> over all angles.

        Args:
            observable: F, from actions and angles (R, N) of all members to numbers (R,) or arrays (R, ...).
            weight: h, a function of tau (P,) or numbers (T,), not negative; normalised here. None is constant.

        Returns:
            The value, its standard error and the error of the trapezoidal rule over the snapshots. Sixteen members tell
            the error by their spread; of fewer, 32 blocks of at least 64 snapshots do, for a stationary process.

        Raises:
            InvalidArgument: one snapshot only, no such function, a negative weight.

        Warns:
            Unresolved: blocks of time are not independent.

        Source: Dymov, Theorem 4.8.
        """
        return time_averaged(observed(observable, self.actions, self.angles), self.times, weight)

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean action of each site in time, with bands of two standard errors; of one time histograms.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot` or `Axes.hist`.

        Returns:
            The axes; of more than ten sites the first ten have curves, which the legend says.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, sites = axes_of(ax), min(self.actions.shape[2], MOST_SITES)
        for j in range(sites):
            given = {"label": f"site {j}"} | options
            if len(self.times) == 1:
                draw_histogram(ax, self.actions[0, :, j], given)
            else:
                draw_bars_of_error(ax, self.times, self.mean[:, j], self.standard_error[:, j], given)
        legend_of_first(ax, sites, self.actions.shape[2])
        if len(self.times) == 1:
            if not ax.get_title():
                ax.set_title(time_text(self.times[0], SLOW_TIME))
            return labelled(ax, ACTION.label, "density (1/action)")
        return labelled(ax, SLOW_TIME.label, "mean action")

    def to_xarray(self) -> Any:
        """Actions and both parts of the amplitudes as a `xarray.Dataset` with dimensions time, member and site."""
        names = ("time", "member", "site")
        return dataset(
            "RotatorEnsemble",
            [(ACTION, names, self.actions), (PARTS[0], names, self.amplitudes.real),
             (PARTS[1], names, self.amplitudes.imag)],
            [(SLOW_TIME, ("time",), self.times)],
            {"step": self.step, "seed": str(self.seed)},
        )  # fmt: skip

    @property
    def angles(self) -> NDArray[np.float64]:
        """Phases phi = arg u in (-pi, pi] (T, R, N)."""
        return np.asarray(np.angle(self.amplitudes), dtype=np.float64)


def checked_actions(name: str, value: ArrayLike, sites: int) -> NDArray[np.float64]:
    """Actions (..., N), finite and not negative.

    Raises:
        InvalidArgument: they are not.
    """
    actions = checks.real_array(name, value)
    if actions.shape[-1:] != (sites,):
        raise InvalidArgument(name, f"must have the shape (..., {sites}), not {actions.shape}")
    if (actions < 0).any():
        raise InvalidArgument(name, f"must not be negative, but the least is {actions.min():g}")
    return actions


def complex_amplitudes(name: str, value: ArrayLike) -> NDArray[np.complex128]:
    """Amplitudes u as a new array of complex numbers, all finite.

    Raises:
        InvalidArgument: texts, None and the like, or numbers that are not finite.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biufcO" or np.ma.is_masked(value):
            raise TypeError
        amplitudes = np.array(given, dtype=np.complex128)
    except (TypeError, ValueError):
        raise InvalidArgument(name, f"must be an array of complex numbers, not {checks.shown(value)}") from None
    if not np.isfinite(amplitudes).all():
        raise InvalidArgument(name, "must be finite; it contains NaN or infinity")
    return amplitudes
