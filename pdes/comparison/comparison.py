"""The result of a comparison: quantities of samples and limit, and what their differences say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.axes import closed_if_refused, flat_axes, pyplot
from scaling_limits.particles.showing.datasets import Variable, dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import TIME, Quantity, time_text
from scaling_limits.particles.support.checks import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI

# probability of all differences by chance, below which there are signs
DOUBTFUL = 1e-2
# of a line of a verdict
WIDTH = 110
PANELS = ("particles", "limit", "difference")


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


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Described):
    """Samples of a microscopic system beside its limit, with all differences and their errors.

    The differences have a chance probability each; the smallest counts as many times as there are numbers (Bonferroni).

    Args:
        system: what was compared, in words: with epsilon, or n.
        small: what has to be small or large for the limit, in words: "epsilon = 0.1".
        runs: number of samples R.
        times: (T,).
        samples: of the microscopic system.
        limit: the solution of the effective equation, or its samples.
        finite: what is known of the finite system, or None.
        differences: one for each quantity.
        false_alarm: probability with which a verdict says "told apart" of a system that has reached its limit.
        remarks: sentences on what else differs.
        draw: draws samples, limit and difference on three axes of rank 0; collective, with None on the others.
        comm: the ranks that share them.
        time: what the times are.
        doubts: sentences on what may make differences, whatever epsilon is.
        hidden: sentences on what may hide them.
    """

    system: str
    small: str
    runs: int
    times: NDArray[np.float64]
    samples: Any
    limit: Any
    finite: Any
    differences: tuple[Difference, ...]
    false_alarm: float
    remarks: tuple[str, ...]
    draw: Callable[[Any], None]
    comm: MPI.Comm | None = None
    time: Quantity = TIME
    doubts: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def numbers(self) -> int:
        """How many numbers are compared."""
        return sum(one.size for one in self.differences)

    @property
    def chance(self) -> float:
        """The probability that chance makes the largest difference of all, at most (Bonferroni)."""
        return min(1.0, self.numbers * min(float(one.chance.min()) for one in self.differences))

    @property
    def told_apart(self) -> bool:
        """Whether the samples tell the system from its limit."""
        return self.chance <= self.false_alarm

    @property
    def threshold(self) -> float:
        """Standard errors from which one difference of normal law tells them apart."""
        return float(stats.norm.isf(0.5 * self.false_alarm / self.numbers))

    @property
    def _worst(self) -> Difference:
        return min(self.differences, key=lambda one: float(one.chance.min()))

    @property
    def verdict(self) -> str:
        """Whether epsilon is small enough (n large enough), as far as these samples can say, with numbers."""
        said = self.remarks if self.chance > DOUBTFUL else (*self.hidden, *self.remarks)
        remarks = f" Besides, {'; '.join(said)}." if said else ""
        return fill(self._sentences() + remarks, WIDTH)

    def _sentences(self) -> str:
        worst = self._worst
        place = worst.worst
        where = [time_text(self.times[place[0]], self.time)]
        where += [f"{said.name} = {values[i]:.3g}" for (said, values), i in zip(worst.places, place[1:])]
        numbers = f"{worst.sampled[place]:.4g} in the samples, {worst.limit[place]:.4g} in the limit"
        away = f"{abs(worst.deviations[place]):.1f} standard errors"
        if self.told_apart:
            largest = max(float(one.relative.max()) for one in self.differences)
            rest = worst.relative_finite
            known = "" if rest is None else (
                f" What is known of the finite system leaves {100 * rest.max():.2g} % in {worst.quantity.name}, of "
                f"which chance makes {100 * worst.by_chance.max():.2g} %."
            )  # fmt: skip
            enough = f"{self.small}: whether this is enough depends on whether {100 * largest:.2g} % matter to you."
            return (
                f"{self.runs} samples tell the system from its limit: {worst.quantity.long_name} at {', '.join(where)} "
                f"is {numbers}, {away} apart, which chance makes in less than {self.false_alarm:.0e} of cases. "
                f"{self._not_small or enough}{known}"
            )
        if self.chance <= DOUBTFUL:
            more = self._not_small or f"{self.small}: more samples would tell."
            return (
                f"{self.runs} samples do not tell the system from its limit for sure, but there are signs: "
                f"{worst.quantity.long_name} at {', '.join(where)} is {numbers}, {away} apart, which chance makes in "
                f"{self.chance:.0e} of cases at most. {more}"
            )
        seen = {one.quantity.name: self.threshold * float(one.by_chance.max()) for one in self.differences}
        unseen = ", ".join(f"{100 * part:.2g} % in {name}" for name, part in seen.items())
        blind = "; ".join((*self.doubts, *self.hidden))
        enough = f"Whether {self.small} is enough is not known: {blind}" if blind else (
            f"{self.small}: small enough for what they see"
        )  # fmt: skip
        return (
            f"{self.runs} samples cannot tell the system from its limit: of {self.numbers} numbers the least likely "
            f"difference is {away}, of {self.threshold:.1f} that would tell. {enough}; differences of {unseen} might "
            "stay unseen."
        )

    @property
    def _not_small(self) -> str:
        """What is said instead of epsilon where something else may be why, else nothing."""
        return f"This need not be {self.small}: {'; '.join(self.doubts)}." if self.doubts else ""

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {}
        for one in self.differences:
            text = f"{100 * one.relative.max():.3g} % from the limit"
            if one.relative_finite is not None:
                text += f", {100 * one.relative_finite.max():.3g} % from the finite system"
            said[one.quantity.name] = f"{text}; by chance {100 * one.by_chance.max():.2g} %"
        told = "told apart" if self.told_apart else "cannot be told apart"
        largest = abs(float(self._worst.deviations[self._worst.worst]))
        said["least likely difference"] = f"{largest:.1f} standard errors, {self.threshold:.1f} tell"
        return f"Comparison of {self.system} with its limit: {told}", said

    @closed_if_refused
    def plot(self, axes: Any = None) -> Any:
        """Draw samples, limit and difference side by side; collective.

        Args:
            axes: three axes of matplotlib, on rank 0; None for those of a new figure.

        Returns:
            The three axes on rank 0, None on the others.

        Raises:
            InvalidArgument: other axes than three, or axes that are not flat.
            ImportError: matplotlib is not here.
        """
        drawn = on_all_ranks(self.comm, lambda: _three(axes) if self.comm is None or self.comm.rank == 0 else None)
        self.draw(drawn)
        for ax, name in zip([] if drawn is None else drawn, PANELS):
            if not ax.get_title():
                ax.set_title(name)
        return drawn

    def to_xarray(self) -> Any:
        """All quantities as a `xarray.Dataset`: of the samples, in the limit, with errors and chances."""
        variables: list[Variable] = []
        coordinates: dict[str, Variable] = {"time": (self.time, ("time",), self.times)}
        for one in self.differences:
            name = one.quantity.name
            dims = ("time", *(said.name for said, _ in one.places))
            coordinates |= {said.name: (said, (said.name,), values) for said, values in one.places}
            parts = [
                ("samples", one.sampled), ("limit", one.limit), ("error", one.error), ("chance", one.chance),
                ("finite", one.finite),
            ]  # fmt: skip
            for part, values in parts:
                if values is not None:
                    units = "1" if part == "chance" else one.quantity.units
                    said = Quantity(f"{name}_{part}", f"{one.quantity.long_name}: {part}", units)
                    variables.append((said, dims, values))
        said_of = {"system": self.system, "runs": self.runs, "verdict": self.verdict}
        return dataset("Comparison", variables, list(coordinates.values()), said_of)


def _three(axes: Any) -> Any:
    """The axes that were given, or those of a new figure."""
    if axes is None:
        return pyplot().subplots(1, 3, figsize=(12.6, 3.8), layout="constrained")[1]
    right = "three axes of matplotlib"
    if np.shape(axes) != (3,):
        raise InvalidArgument("axes", f"must be {right}, not {shown(axes)}")
    for ax in axes:
        flat_axes("axes", ax, right)
    return axes


def draw_deviations(ax: Axes, x: np.ndarray, one: Difference, threshold: float, label: str, index: int = -1) -> None:
    """Draw the differences of a quantity at one time over a line, with a band inside which chance may put them."""
    difference, error = one.sampled[index] - one.limit[index], one.error[index]
    ax.fill_between(x, -threshold * error, threshold * error, color="0.85", label="what chance may make")
    ax.plot(x, difference, marker=".", color="tab:red", label="samples - limit")
    if one.finite is not None:
        ax.plot(x, one.finite[index] - one.limit[index], color="tab:green", linestyle="--", label="finite - limit")
    ax.set(xlabel=label, ylabel=f"difference of {one.quantity.name}")
    ax.legend()
