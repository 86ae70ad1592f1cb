"""The result of a comparison: quantities of samples and limit, and what their differences say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Self

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
from scaling_limits.particles.support.saved import Saved

from .difference import Difference
from .files import NAMES, content_of, differences_of, draw_numbers

if TYPE_CHECKING:
    from mpi4py import MPI

# probability of all differences by chance, below which there are signs
DOUBTFUL = 1e-2
# of a line of a verdict
WIDTH = 110
# lists of words in files, and what is one number or text
LISTS = ("remarks", "doubts", "hidden")
SINGLE = ("system", "small", "runs", "times", "false_alarm")
PANELS = ("particles", "limit", "difference")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Saved, Described):
    """Samples of a microscopic system beside its limit, with all differences and their errors.

    The differences have a chance probability each; the smallest counts as many times as there are numbers (Bonferroni).

    Args:
        system: what was compared, in words: with epsilon, or n.
        small: what has to be small or large for the limit, in words: "epsilon = 0.1".
        runs: number of samples R.
        times: (T,).
        samples: of the microscopic system; None where a file was read, which has the numbers only.
        limit: the solution of the effective equation, or its samples; likewise.
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

    @classmethod
    def _names(cls) -> set[str]:
        return {*NAMES, "quantities", "time", *SINGLE, *LISTS}

    def _content(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in SINGLE}
        said["time"] = json.dumps([self.time.name, self.time.long_name, self.time.units])
        return said | {name: json.dumps(getattr(self, name)) for name in LISTS} | content_of(self.differences)

    @classmethod
    def _made(cls, content: dict[str, Any]) -> Self:
        """With the numbers only: samples, limit and finite are None."""
        said: dict[str, Any] = {name: content[name] for name in SINGLE}
        said["times"] = np.atleast_1d(said["times"])
        said["time"] = Quantity(*json.loads(content["time"]))
        lists: dict[str, Any] = {name: tuple(str(one) for one in json.loads(content[name])) for name in LISTS}
        differences = differences_of(content)

        def draw(axes: Any) -> None:
            draw_numbers(axes, differences, result.threshold)

        result = cls(samples=None, limit=None, finite=None, differences=differences, draw=draw, **said, **lists)
        return result

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
