"""The result: statistics of an ensemble of which no run is kept, in a file from which it can grow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...showing.axes import axes_of, closed_if_refused, draw_bars_of_error, labelled, legend_of_first
from ...showing.datasets import dataset
from ...showing.described import Described, times_text
from ...showing.quantities import SLOW_TIME, TIME, Quantity, time_text
from ...support import checks
from ...support.saved import Saved
from ..ranks import ends_on_all_ranks
from .growing import GrowingStatistics
from .quantity import QuantityStatistics
from .request import Tallied
from .tally import Tally

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI

UNITS = {"positions": "length", "actions": "action"}
# entries with a curve of their own
MOST_ENTRIES = 10
GoOn = Callable[..., "ReducedEnsemble"]


@dataclass(frozen=True, eq=False, repr=False)
class ReducedEnsemble(Saved, Described):
    """Statistics of R independent runs at T times, added up while they were made; by `sample(statistics=)`.

    `ensemble["name"]` are those of an observable; `ensemble.mean` and the like are of the positions or actions, which
    are the first of them.

    Args:
        times: (T,).
        step: the largest time step that was taken.
        seed: of the random numbers.
        what: was added up.
        sums: over the runs.
        identity: texts by which the ensemble is told from others, by their names.
        go_on: makes more runs; None for one from a file.
    """

    times: NDArray[np.float64]
    step: float
    seed: int
    what: tuple[Tallied, ...]
    sums: GrowingStatistics
    identity: dict[str, str]
    go_on: GoOn | None = field(default=None, repr=False)
    FORMAT: ClassVar[int] = 2
    SHAPES: ClassVar[Mapping[str, str]] = {"times": "T"}

    @property
    def runs(self) -> int:
        """Number R of independent runs."""
        return self.sums.runs

    @property
    def names(self) -> tuple[str, ...]:
        """Of the quantities, "positions" or "actions" first."""
        return tuple(one.name for one in self.what)

    def __getitem__(self, name: str) -> QuantityStatistics:
        if name not in self.names:
            raise InvalidArgument("name", f"must be one of {', '.join(self.names)}, not {name!r}")
        k = self.names.index(name)
        tally = self.sums.closed[k].joined(self.sums.partial[k])
        return QuantityStatistics(name, self.what[k].shape, tally, self.what[k].edges)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.what)

    @property
    def _first(self) -> QuantityStatistics:
        return self[self.names[0]]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the positions or actions over the runs (T, d)."""
        return self._first.mean

    @property
    def std(self) -> NDArray[np.float64]:
        """Their standard deviation (T, d), of R - 1 degrees of freedom; infinite for one run."""
        return self._first.std

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Standard error of `mean` (T, d)."""
        return self._first.standard_error

    @property
    def minimum(self) -> NDArray[np.float64]:
        """Their least values of all runs (T, d)."""
        return self._first.minimum

    @property
    def maximum(self) -> NDArray[np.float64]:
        """Their largest values of all runs (T, d)."""
        return self._first.maximum

    def covariance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Their covariances (T, d, d), and the standard errors of these; see `QuantityStatistics.covariance`."""
        return self._first.covariance()

    @ends_on_all_ranks
    def more(
        self, runs: int, *, workers: int | None = None, progress: bool = False, comm: MPI.Comm | None = None
    ) -> ReducedEnsemble:
        """The statistics of more runs, bitwise the same as if all were made at once.

        Args:
            runs: R in all, not below the present number.
            workers: as of `sample`.
            progress: as of `sample`.
            comm: as of `sample`.

        Raises:
            InvalidArgument: fewer runs; runs with a start of each; statistics from a file, which `sample(checkpoint=)`
                goes on with.
        """
        if self.go_on is None:
            raise InvalidArgument(
                "runs", "can not become more of statistics from a file alone; give it to `sample` as checkpoint="
            )
        return self.go_on(self, runs, workers, progress, comm)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: no functions, as in a file."""
        what = tuple(replace(one, function=None) for one in self.what)
        return vars(self) | {"go_on": None, "what": what}

    @property
    def _slow(self) -> bool:
        return self.names[0] == "actions"

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {"runs": f"{self.runs}, none kept", "times": times_text(self.times)}
        last = {"step": self.step, "seed": str(self.seed)}
        for one in self.what:
            text = f"values of the shape {one.shape}" if one.shape else "numbers"
            text += ", with covariances" if one.pairs and one.entries > 1 else ""
            if one.edges is not None:
                histogram = self[one.name].histogram
                text += f", {len(one.edges) - 1} bins ({histogram.below.sum() + histogram.above.sum()} values outside)"
            # an observable may be called as one of our own lines
            said[f"observable {one.name}" if one.name in {*said, *last} else one.name] = text
        return type(self).__name__, said | last

    @closed_if_refused
    def plot(
        self, ax: Axes | None = None, *, name: str | None = None, index: int | None = None, **options: Any
    ) -> Axes:
        """Draw the mean of each entry in time, with bands of two standard errors; or a histogram.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            name: of the quantity; None for the positions or actions.
            index: of a time, as of a list, whose histogram is drawn; None draws means, of one time histograms where
                there are some.
            options: of `Axes.plot` or `Axes.stairs`.

        Returns:
            The axes; of more than ten entries the first ten have curves, which the legend says.

        Raises:
            InvalidArgument: no such quantity or time, or no histogram of it.
            ImportError: matplotlib is not here.
        """
        one, count = self[self.names[0] if name is None else name], len(self.times)
        entries = int(np.prod(one.shape, dtype=np.int64))
        time = SLOW_TIME if self._slow else TIME
        at = None if index is None else checks.integer("index", index, -count, count - 1) % count
        if at is None and count == 1 and one.edges is not None:
            at = 0
        drawn = None if at is None else one.histogram
        ax, most = axes_of(ax), min(entries, MOST_ENTRIES)
        for i in range(most):
            given = ({"label": f"{one.name} {i}"} if entries > 1 else {}) | options
            if drawn is not None:
                density = drawn.density[at].reshape(entries, -1)[i]
                ax.stairs(density, drawn.edges, **given)
            else:
                mean, error = (v.reshape(count, entries)[:, i] for v in (one.mean, one.standard_error))
                draw_bars_of_error(ax, self.times, mean, error, ({"marker": "."} if count == 1 else {}) | given)
        if entries > 1:
            legend_of_first(ax, most, entries, "entries")
        if at is not None:
            if not ax.get_title():
                ax.set_title(time_text(self.times[at], time))
            return labelled(ax, self._quantity(one.name).label, "density of runs")
        return labelled(ax, time.label, f"mean of {one.name}")

    def _quantity(self, name: str) -> Quantity:
        return Quantity(name, name, UNITS.get(name, "unknown"))

    def to_xarray(self) -> Any:
        """All statistics as a `xarray.Dataset`: name_mean, name_standard_error and so on, along time and entries.

        Entries of a value are along name_0, name_1, ...; covariances along name_entry and name_other_entry, in C order;
        counts along name_bin, with name_below and name_above.
        """
        variables: list[Any] = []
        coordinates: list[Any] = [(SLOW_TIME if self._slow else TIME, ("time",), self.times)]
        for one in self:
            more, places = _variables(self[one], self._quantity(one).units)
            variables += more
            coordinates += places
        said = {"runs": self.runs, "step": self.step, "seed": str(self.seed)}
        return dataset("ReducedEnsemble", variables, coordinates, said)

    @classmethod
    def _names(cls) -> set[str]:
        return {"times", "step", "seed", "layout", "edges", "moments", "counts", "identity"}

    def _content(self) -> dict[str, Any]:
        """Arrays one after the other; the layout says of what, and how large."""
        quantities = [
            {
                "name": one.name,
                "shape": one.shape,
                "edges": 0 if one.edges is None else len(one.edges),
                "pairs": one.pairs,
            }
            for one in self.what
        ]
        parts = [*self.sums.closed, *self.sums.partial]
        layout = {"quantities": quantities, "closed": parts[0].runs, "partial": self.sums.partial[0].runs}
        flat = [array.ravel() for tally in parts for array in tally.arrays[:-1]]
        return {
            "times": self.times, "step": self.step, "seed": self.seed, "layout": json.dumps(layout),
            "edges": np.concatenate([np.empty(0), *(one.edges for one in self.what if one.edges is not None)]),
            "moments": np.concatenate(flat), "counts": np.concatenate([tally.counts.ravel() for tally in parts]),
            "identity": json.dumps(self.identity),
        }  # fmt: skip

    @classmethod
    def _made(cls, content: dict[str, Any]) -> ReducedEnsemble:
        try:
            return cls._unpacked(content)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"what it says of its arrays is not right: {error}") from None

    @classmethod
    def _unpacked(cls, content: dict[str, Any]) -> ReducedEnsemble:
        for name, kinds in (("edges", "f"), ("moments", "f"), ("counts", "iu")):
            if np.ndim(content[name]) != 1 or content[name].dtype.kind not in kinds:
                raise ValueError(f"{name} is not a list of numbers of its kind")
        layout, edges, times = json.loads(content["layout"]), content["edges"], content["times"]
        what = []
        for one in layout["quantities"]:
            mine, edges = np.split(edges, [one["edges"]])
            what.append(Tallied(one["name"], None, tuple(one["shape"]), mine if len(mine) else None, one["pairs"]))
        floats, integers = content["moments"], content["counts"]
        parts = []
        for runs in (layout["closed"], layout["partial"]):
            for each in what:
                tally, floats, integers = _tally(each, runs, len(times), floats, integers)
                parts.append(tally)
        if len(floats) or len(integers) or len(edges):
            raise ValueError("its arrays do not belong together")
        half = len(what)
        sums = GrowingStatistics(layout["closed"] + layout["partial"], tuple(parts[:half]), tuple(parts[half:]))
        return cls(times, content["step"], content["seed"], tuple(what), sums, dict(json.loads(content["identity"])))


def _tally(
    what: Tallied, runs: int, times: int, floats: np.ndarray, integers: np.ndarray
) -> tuple[Tally, np.ndarray, np.ndarray]:
    """The next tally of flat arrays, and what is left of these."""
    arrays: list[Any] = []
    for array in Tally.empty(what, times).arrays[:-1]:
        part, floats = np.split(floats, [array.size])
        # of a wrong size where the file is damaged
        arrays.append(part.reshape(array.shape))
    shape = Tally.empty(what, times).counts.shape
    part, integers = np.split(integers, [int(np.prod(shape))])
    arrays.append(part.reshape(shape))
    return Tally(runs, *arrays), floats, integers


def _variables(one: QuantityStatistics, units: str) -> tuple[list[Any], list[Any]]:
    """Variables and coordinates of a dataset."""
    name = one.name
    axes = ("time", *(f"{name}_{i}" for i in range(len(one.shape))))
    words = {
        "mean": "mean", "standard_error": "standard error of the mean", "std": "standard deviation",
        "minimum": "least value of all runs", "maximum": "largest value of all runs",
    }  # fmt: skip
    variables: list[Any] = [
        (Quantity(f"{name}_{word}", f"{text} of {name}", units), axes, getattr(one, word))
        for word, text in words.items()
    ]
    if one.tally.second.shape[1] == one.tally.second.shape[2] > 1:
        square = "unknown" if units == "unknown" else f"{units}^2"
        both = ("time", f"{name}_entry", f"{name}_other_entry")
        for word, values in zip(("covariance", "covariance_error"), one.covariance()):
            variables.append((Quantity(f"{name}_{word}", f"{word.replace('_', ' ')} of {name}", square), both, values))
    if one.edges is None:
        return variables, []
    histogram = one.histogram
    variables.append(
        (Quantity(f"{name}_counts", f"runs with {name} in a bin", "1"), (*axes, f"{name}_bin"), histogram.counts)
    )
    for word in ("below", "above"):
        variables.append((Quantity(f"{name}_{word}", f"runs {word} the edges", "1"), axes, getattr(histogram, word)))
    edge = (f"{name}_bin",)
    return variables, [(Quantity(f"{name}_left", "left end of the bin", units), edge, one.edges[:-1]),
                       (Quantity(f"{name}_right", "right end of the bin", units), edge, one.edges[1:])]  # fmt: skip
