"""Averages of actions and angles over time with a weight (Theorem 4.8), and their errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...sampling.samples import mean_and_error
from ...sampling.samples import observed as of_values
from ...showing.axes import axes_of, closed_if_refused, labelled
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support import checks
from ...support.saved import Saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Observable = Callable[[np.ndarray, np.ndarray], ArrayLike]
# members whose spread tells the error of their mean; of fewer, blocks of time do
FEWEST_MEMBERS = 16
BLOCKS = 32
# numbers that have a tick each in a picture
MOST_TICKS = 16
# of neighbouring blocks; that of 32 independent ones is above it in 2 of 1000 cases
LARGEST_CORRELATION = 0.5
# Gauss rules of eight points between two snapshots, by which the integral of a weight is known, and how well
PANELS = (16, 32)
KNOWN = 1e-3
UNKNOWN = "units of the observable"
VALUE = Quantity("value", "average over time", UNKNOWN)
ERROR = Quantity("standard_error", "standard error of the average over time", UNKNOWN)
QUADRATURE = Quantity("quadrature", "estimated error of the rule in time", UNKNOWN)


@dataclass(frozen=True, eq=False, repr=False)
class TimeAverage(Saved, Described):
    """An average over time and members, int h(tau) E F(I(tau), phi(tau)) d tau with int h = 1.

    Args:
        value: of it.
        standard_error: by the spread of the members, or by that of blocks of time.
        quadrature: by how much the rule in time may be off: its change from every second snapshot, about three times
            the error where F is smooth between them; NaN for less than five snapshots or an even number.
        blocks: how many blocks of time the error is from; 0 if it is from members.
    """

    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    quadrature: NDArray[np.float64]
    blocks: int
    # few snapshots, or few members, tell no error
    MAY_BE_NAN: ClassVar[frozenset[str]] = frozenset({"quadrature"})

    @closed_if_refused
    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the numbers, in C order, with bars of two standard errors.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, values = axes_of(ax), np.ravel(self.value)
        error = 2 * np.ravel(self.standard_error)
        given: dict[str, Any] = {"fmt": "o", "capsize": 3, "yerr": np.where(np.isfinite(error), error, 0.0)} | options
        ax.errorbar(np.arange(len(values)), values, **given)
        if len(values) < MOST_TICKS:
            ax.set_xticks(np.arange(len(values)))
        return labelled(ax, "number of the component", VALUE.long_name)

    def to_xarray(self) -> Any:
        """Value and errors as a `xarray.Dataset`, with dimensions component_0, component_1 and so on."""
        names = tuple(f"component_{k}" for k in range(np.ndim(self.value)))
        variables: list[Variable] = [(said, names, getattr(self, said.name)) for said in (VALUE, ERROR, QUADRATURE)]
        return dataset("TimeAverage", variables, [], {"blocks": self.blocks})

    @classmethod
    def _made(cls, content: dict[str, Any]) -> Self:
        arrays = {said.name: np.asarray(content[said.name], dtype=np.float64) for said in (VALUE, ERROR, QUADRATURE)}
        if len({one.shape for one in arrays.values()}) > 1:
            raise ValueError("value and errors are of different shapes")
        return cls(**arrays, blocks=int(content["blocks"]))

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {"value": self.value, "standard error": self.standard_error}
        if np.isfinite(self.quadrature).all():
            said["error of the rule in time"] = float(np.max(self.quadrature, initial=0.0))
        said["error from"] = f"{self.blocks} blocks of time" if self.blocks else "members"
        return type(self).__name__, said


def observed(observable: Observable, actions: np.ndarray, angles: np.ndarray) -> NDArray[np.float64]:
    """F (T, R, ...) of the actions and angles (T, R, N).

    Raises:
        InvalidArgument: not a function of both that gives one number or array for each member.
    """
    if not callable(observable):
        raise InvalidArgument("observable", f"must be a function of actions and angles, not {checks.shown(observable)}")
    both = np.stack([actions, angles], axis=-1)
    return of_values(lambda points: observable(points[..., 0], points[..., 1]), both)


def time_weights(times: np.ndarray, weight: Any) -> NDArray[np.float64]:
    """The weights (T,) for int h F d tau, with F linear between snapshots, and the sum 1.

    Of a function h the integrals with F are exact; of numbers h F is linear: the trapezoidal rule.

    Args:
        times: tau (T,), at least two.
        weight: h, a function of tau (P,), numbers (T,), or None for 1; not negative.

    Raises:
        InvalidArgument: one time only, or h that is negative or 0 everywhere.
    """
    if len(times) < 2 or times[-1] == times[0]:
        raise InvalidArgument("times", "an average over time takes snapshots at two times at least, better many")
    if callable(weight):
        weights = _of_function(weight, times)
    else:
        h = np.ones(len(times)) if weight is None else checks.real_array("weight", weight, times.shape)
        spans = np.diff(times)
        weights = h * 0.5 * (np.append(spans, 0.0) + np.append(0.0, spans))
    if (weights < 0).any() or not weights.sum() > 0:
        raise InvalidArgument("weight", "must not be negative, nor 0 at all snapshots")
    return np.asarray(weights / weights.sum())


def _of_function(weight: Callable[[np.ndarray], ArrayLike], times: np.ndarray) -> NDArray[np.float64]:
    """The integrals of h times the hat functions of the snapshots (T,), so that only F is interpolated.

    Raises:
        InvalidArgument: h changes too fast between two snapshots for its own integral to be known.
    """
    found = []
    for panels in PANELS:
        nodes, shares = np.polynomial.legendre.leggauss(8)
        inner = ((np.arange(panels)[:, None] + 0.5 * (1 + nodes)) / panels).ravel()
        spans = np.diff(times)
        points = times[:-1, None] + spans[:, None] * inner
        h = checks.evaluated("weight", weight, points.ravel(), nonnegative=True).reshape(points.shape)
        masses = h * np.tile(0.5 * shares / panels, panels) * spans[:, None]
        right = (masses * inner).sum(axis=1)
        found.append(np.append(masses.sum(axis=1) - right, 0.0) + np.append(0.0, right))
    coarse, fine = found
    if np.abs(coarse - fine).sum() > KNOWN * fine.sum():
        raise InvalidArgument(
            "weight",
            "changes too fast: its integrals between snapshots are not known; give it as numbers (T,)",
        )
    return np.asarray(fine)


def time_averaged(values: np.ndarray, times: np.ndarray, weight: Any) -> TimeAverage:
    """The average of F (T, R, ...) over time with a weight and over the members.

    Warns:
        Unresolved: from few members, and blocks of time that depend on one another.
    """
    weights = time_weights(times, weight)
    whole = np.tensordot(weights, values, axes=1)
    quadrature = np.full(values.shape[2:], np.nan)
    if len(times) >= 5 and len(times) % 2 == 1:
        coarse = None if weight is None else (weight if callable(weight) else np.asarray(weight)[::2])
        change = np.tensordot(time_weights(times[::2], coarse), values[::2], axes=1) - whole
        quadrature = np.abs(change.mean(axis=0))
    value, error = mean_and_error(whole)
    if len(whole) >= FEWEST_MEMBERS:
        return TimeAverage(value, error, quadrature, 0)
    if len(times) < 2 * BLOCKS:
        return TimeAverage(value, np.full_like(value, np.inf), quadrature, 0)
    (fine, correlation), (wide, _) = (_block_error(values, weights, count) for count in (BLOCKS, BLOCKS // 2))
    if (correlation > LARGEST_CORRELATION).any():
        warn(
            f"the error of an average over time is from blocks that are not independent: neighbours have a correlation "
            f"of {correlation.max():.2g}; sample for longer, or more members",
            Unresolved,
        )
    return TimeAverage(value, np.maximum(fine, wide), quadrature, BLOCKS)


def _block_error(
    values: np.ndarray, weights: np.ndarray, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The standard error of a weighted average in time of a stationary process, from blocks that are taken for
    independent, and the correlation of neighbouring ones.
    """
    parts = np.array_split(np.arange(len(weights)), count)
    shares = np.array([weights[part].sum() for part in parts])
    means = np.array([values[part].mean(axis=0) for part in parts])
    around = means - means.mean(axis=(0, 1))
    freedom = means.shape[0] * means.shape[1] - 1
    variance = (around**2).sum(axis=(0, 1)) / freedom
    correlation = (around[1:] * around[:-1]).mean(axis=(0, 1)) / np.maximum(variance, 1e-300)
    return np.asarray(np.sqrt(variance * (shares**2).sum() / means.shape[1])), np.asarray(correlation)
