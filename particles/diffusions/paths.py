"""Paths of diffusions: the result, and how paths are taken through the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..sampling.noise import Noise, warn_of_points
from ..sampling.normal_tiles import TILE
from ..sampling.samples import Samples, start_of_each
from ..sampling.statistics.growing import Runs
from ..sampling.statistics.reduced_ensemble import ReducedEnsemble
from ..sampling.statistics.reduction import AskedStatistics, Reduction
from ..sampling.steps import even_steps, longest_step, warn_of_steps
from ..sampling.workers import Stop, over_tiles
from ..showing.axes import axes_of, axis_label, closed_if_refused, draw_histogram, labelled, pyplot, some_of
from ..showing.datasets import dataset
from ..showing.quantities import TIME, Quantity, time_text
from ..support import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI

PLACES = Quantity("positions", "position", "length")
COMPONENT, PATH = "xyz", "path"

# from the number of the first step, how many there are and their size to the positions (n, d) after them
Advance = Callable[[int, int, float], np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Paths(Samples):
    """Positions of R independent paths at T times; `values` are the positions.

    Args:
        times: (T,).
        positions: X (T, R, d).
        step: the largest time step that was taken.
        seed: of the random numbers.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    step: float
    seed: int
    WORD: ClassVar[str] = "paths"
    SHAPES: ClassVar[dict[str, str]] = {"times": "T", "positions": "T R d"}

    @property
    def values(self) -> NDArray[np.float64]:
        """The positions X (T, R, d)."""
        return self.positions

    @closed_if_refused
    def plot(self, ax: Axes | None = None, *, index: int | None = None, **options: Any) -> Axes:
        """Draw the density of the positions as histograms (d = 1), or the positions at one time as points.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            index: of the time, as of a list; None for up to six of them on a line, and for the last elsewhere. For
                d = 3 the first two components are drawn.
            options: of `Axes.hist` or `Axes.plot`.

        Returns:
            The axes.

        Raises:
            InvalidArgument: no axes, or no such index.
            ImportError: matplotlib is not here.
        """
        count, dim = len(self.times), self.positions.shape[2]
        one = (-1 if index is None else checks.integer("index", index, -count, count - 1)) % count
        ax = axes_of(ax)
        if dim > 1:
            at, text = self.positions[one], time_text(self.times[one])
            given: dict[str, Any] = {"marker": ".", "linestyle": "", "markersize": 2, "label": text}
            ax.plot(at[:, 0], at[:, 1], **(given | options))
            if not ax.get_title():
                ax.set_title(text)
            return labelled(ax, *map(axis_label, COMPONENT[:2]))
        chosen = some_of(count) if index is None else [one]
        for shade, k in zip(pyplot().get_cmap("viridis")(np.linspace(0.0, 0.85, len(chosen))), chosen):
            given = {"color": shade, "label": time_text(self.times[k])}
            draw_histogram(ax, self.positions[k, :, 0], given | options)
        ax.legend()
        return labelled(ax, axis_label("x"), "density of paths (1/length)")

    def to_xarray(self) -> Any:
        """The positions as a `xarray.Dataset` with dimensions time, path and direction."""
        return dataset(
            "Paths",
            [(PLACES, ("time", PATH, "direction"), self.positions)],
            [(TIME, ("time",), self.times),
             (Quantity("direction", "direction of the component", "1"), ("direction",),
              list(COMPONENT[: self.positions.shape[2]]))],
            {"step": self.step, "seed": str(self.seed)},
        )  # fmt: skip


@dataclass(frozen=True)
class PathSampler:
    """Takes all paths through the snapshots, in tiles of TILE paths that threads and ranks share.

    Args:
        start: X(0) (R, d).
        times: snapshots (T,).
        step: the largest time step.
        seed: of the random numbers.
        begin: from the number of a tile, X(0) of its paths (n, d) and a signal to stop, which is to be looked at often,
            to a function that takes these paths through some steps.
        seconds: of a step of a path, roughly.
    """

    start: NDArray[np.float64]
    times: NDArray[np.float64]
    step: float
    seed: int
    begin: Callable[[int, np.ndarray, Stop], Advance]
    seconds: float

    def sampled(self, workers: int | None, progress: bool, comm: MPI.Comm | None) -> Paths:
        """The positions of all paths; a warning says beforehand that they take more than ten minutes.

        Args:
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the paths, or None.
        """
        number = len(self.start)
        spans, steps = even_steps(self.times, self.step)
        warn_of_steps(number, steps, self.seconds, workers, comm)

        def tile(index: int, stop: Stop) -> np.ndarray:
            result = np.empty((len(steps), *self.start[index * TILE : (index + 1) * TILE].shape))
            for k, positions in enumerate(self._positions(index, stop)):
                result[k] = positions
            return result

        positions = np.concatenate(over_tiles(tile, number, workers, progress, comm), axis=1)
        return Paths(self.times, positions, longest_step(spans, steps) or self.step, self.seed)

    def _positions(self, index: int, stop: Stop) -> Iterator[np.ndarray]:
        """The positions (n, d) of a tile at each time; they may be written over afterwards."""
        spans, steps = even_steps(self.times, self.step)
        advance, first = self.begin(index, self.start[index * TILE : (index + 1) * TILE], stop), 0
        for span, count in zip(spans, steps):
            yield advance(first, int(count), span / max(count, 1))
            first += int(count)

    def reduced(
        self, asked: AskedStatistics, model: dict[str, str], noise: Noise, workers: int | None, progress: bool,
        comm: MPI.Comm | None,
    ) -> ReducedEnsemble:  # fmt: skip
        """Statistics of all paths, of which none is kept.

        Args:
            asked: statistics, and a checkpoint or None.
            model: texts by which the model and the scheme are told from others, by what they are called.
            noise: what drives the steps.
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the paths, or None.
        """
        spans, steps = even_steps(self.times, self.step)
        assert asked.statistics is not None

        def runs(start: np.ndarray) -> Runs:
            return Runs(len(start), TILE, replace(self, start=start)._positions, len(self.times))

        def warn(number: int, threads: int) -> None:
            warn_of_steps(number, steps, self.seconds, threads, comm)

        longest = longest_step(spans, steps) or self.step
        reduction = Reduction(
            asked.statistics,
            PLACES.name,
            self.start,
            self.times,
            longest,
            self.seed,
            runs,
            model | {"noise": repr(noise)},
            warn,
        )
        warn_of_points(noise, self.times, steps, comm)
        return reduction.made(asked.checkpoint, workers, progress, comm)


def checked_start(initial: ArrayLike, paths: tuple[str, object], dim: int) -> NDArray[np.float64]:
    """Return X(0) of each path (R, d), from that of all of them (d,) or of each.

    Args:
        initial: as the caller gave it.
        paths: the name of the argument with the number of paths, and what it is.
        dim: d.

    Raises:
        InvalidArgument: no number of paths, or a wrong shape.
    """
    number = checks.integer(*paths, 1, 2**33)
    return start_of_each(checks.real_array("initial", initial), number, dim)
